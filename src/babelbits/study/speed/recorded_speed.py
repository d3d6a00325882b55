"""What a run folder holds of speed, under the labels that variants have now.

Of each variant the newest session that has it counts. Sessions are never mixed in a comparison: a
ratio is to the baseline of the same session. What was measured of other weights is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from babelbits.records import CellMeta, Manifest
from babelbits.store import Store
from babelbits.study.config.spec import BASELINE
from babelbits.study.speed.speed_records import SpeedArm, SpeedSession, read_sessions
from babelbits.study.speed.speed_summary import ArmSpeed, SpeedTable, summarise_session


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSpeed:
    """What was measured of a study's variants."""

    tables: tuple[SpeedTable, ...]
    """The newest first; each has the baseline, and the variants that no newer one has."""
    stale: tuple[str, ...] = ()
    """Variants that were made again since."""

    @property
    def arms(self) -> Mapping[str, ArmSpeed]:
        """Label to what was measured; the baseline's of the newest session."""
        found: dict[str, ArmSpeed] = {}
        for table in self.tables:
            for arm in table.arms:
                if not arm.again:
                    found.setdefault(arm.label, arm)
        return found


def read_recorded_speed(
    store: Store, planned: tuple[CellMeta, ...], manifests: Mapping[str, Manifest]
) -> RecordedSpeed | None:
    """All that counts of a run folder's sessions; None where nothing was measured.

    Parameters
    ----------
    store : Store
        The run folder.
    planned : tuple of CellMeta
        Its cells, with the labels of now.
    manifests : mapping
        Label to manifest.

    Raises
    ------
    StoreError
        If a session cannot be read.
    """
    labels = {meta.variant_id: meta.variant for meta in planned}
    weights = {one.variant_id: one.weights_hash for one in manifests.values()}
    seen: set[str] = set()
    stale: list[str] = []
    tables = []
    for session in reversed(read_sessions(store)):
        arms = []
        for arm in session.arms:
            label = labels.get(arm.variant_id)
            is_former = arm.recipe != BASELINE and weights.get(arm.variant_id) not in (
                None,
                arm.weights_hash,
            )
            if label is None or (label != BASELINE and label in seen) or not _says_something(arm):
                continue
            if is_former:
                stale.append(label)
                continue
            arms.append(replace(arm, label=label))
        fresh = {arm.label for arm in arms} - seen
        if fresh and arms[0].label == BASELINE:
            tables.append(_table(session, arms))
            seen |= fresh
    stale = [label for label in dict.fromkeys(stale) if label not in seen]
    return RecordedSpeed(tables=tuple(tables), stale=tuple(stale)) if tables or stale else None


def _says_something(arm: SpeedArm) -> bool:
    return bool(arm.rounds) or arm.not_measured is not None


def _table(session: SpeedSession, arms: list[SpeedArm]) -> SpeedTable:
    return summarise_session(replace(session, arms=tuple(arms)))
