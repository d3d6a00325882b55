"""Unblinding: the one place that opens the key. It is logged and freezes the campaign.

    unblinded/votes.jsonl             a `Vote` for each judgment that counts, and identical ties
    unblinded/votes_after_rule.jsonl  the same without raters whom the declared rule leaves out
    unblinded/identical.jsonl         pairs that were ties by construction, counted apart
    unblinded/key.csv                 which text of which unit is whose

Identical pairs are shown to nobody and are ties, see `preferences.to_votes.make_identical_ties`.
Sign: positive prefers the variant, so harm is negative.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import func, select

from babelbits.annotate.create import KeyEntry
from babelbits.annotate.database import get_meta, set_meta
from babelbits.annotate.export import find_excluded_raters, name_unit
from babelbits.annotate.folder import (
    FROZEN,
    Campaign,
    check_outputs,
    find_frozen_at,
    log_act,
    read_key,
    read_key_content_hash,
)
from babelbits.annotate.judgments import Judgment, read_judgments
from babelbits.annotate.models import act
from babelbits.errors import StoreError
from babelbits.preferences.to_votes import make_identical_ties
from babelbits.preferences.votes import Verdict, Vote, write_votes
from babelbits.records import canonical_json
from babelbits.store.atomic import write_atomically

FOLDER = "unblinded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unblinded:
    """What unblinding wrote."""

    folder: Path
    n_votes: int
    n_after_rule: int
    n_identical: int
    excluded: tuple[str, ...]
    note: str | None
    """If something could not be checked."""
    times: int
    """How often the campaign has been unblinded, this time included."""


def unblind(campaign: Campaign, *, reason: str, now: float) -> Unblinded:
    """Freeze the campaign, log why, and write votes with their variants.

    Raises
    ------
    StoreError
        If the key is about other units, or the outputs have changed since.
    """
    note = check_outputs(campaign.folder)
    key = read_key(campaign.folder)
    with campaign.database.writing() as connection:
        if get_meta(connection, "content_hash") != read_key_content_hash(campaign.folder):
            raise StoreError(
                "the key belongs to another campaign",
                where=str(campaign.folder),
                hint="votes would be given to the wrong model: find the key of this campaign",
            )
        if find_frozen_at(connection) is None:
            set_meta(connection, FROZEN, now)
        log_act(connection, "unblind", now=now, detail={"reason": reason})
        times = connection.scalar(select(func.count()).where(act.c.kind == "unblind")) or 0
        judgments = read_judgments(connection)
    excluded = find_excluded_raters(judgments, campaign)
    judged = make_votes(judgments, key)
    votes = [*judged, *make_identical_ties(judged, key)]
    kept = [vote for vote in judged if vote.judge not in excluded]
    after_rule = [*kept, *make_identical_ties(kept, key)]
    identical = [asdict(entry) for entry in key if entry.unit is None]
    folder = campaign.folder / FOLDER
    write_votes(folder / "votes.jsonl", votes, private=True)
    write_votes(folder / "votes_after_rule.jsonl", after_rule, private=True)
    write_atomically(
        folder / "identical.jsonl",
        "".join(f"{canonical_json(one)}\n" for one in identical).encode(),
        private=True,
    )
    write_atomically(folder / "key.csv", _key_csv(key, campaign.secret).encode(), private=True)
    return Unblinded(
        folder=folder,
        n_votes=len(judged),
        n_after_rule=len(kept),
        n_identical=len(identical),
        excluded=tuple(sorted(excluded)),
        note=note,
        times=times,
    )


def make_votes(judgments: Sequence[Judgment], key: Sequence[KeyEntry]) -> list[Vote]:
    """A vote for each judgment that counts and each pair that its unit stands for."""
    entries: Mapping[int, list[KeyEntry]] = defaultdict(list)
    for entry in key:
        if entry.unit is not None:
            entries[entry.unit].append(entry)
    return [_vote(one, entry) for one in judgments if one.counted for entry in entries[one.unit_id]]


def _vote(judgment: Judgment, entry: KeyEntry) -> Vote:
    towards_b = judgment.preference
    strength = None
    if towards_b is not None:
        strength = towards_b if entry.baseline == "a" else -towards_b
    value = 0 if not strength else (1 if strength > 0 else -1)
    verdicts: Mapping[int, Verdict] = {1: "variant", 0: "tie", -1: "baseline"}
    sides = {"a": judgment.a_reasons, "b": judgment.b_reasons}
    other = "b" if entry.baseline == "a" else "a"
    named = [("baseline", sides[str(entry.baseline)]), ("variant", sides[other])]
    return Vote(
        pair_id=entry.pair_id,
        source_id=entry.source_id,
        language=entry.language,
        variant=entry.variant,
        judge=judgment.rater,
        kind="human",
        verdict=verdicts[value],
        value=float(value),
        strength=strength,
        both_unusable=judgment.unusable,
        reasons=tuple(f"{side}:{reason}" for side, reasons in named for reason in reasons),
        seconds=None if judgment.duration is None else judgment.duration.active,
    )


def _key_csv(key: Sequence[KeyEntry], secret: bytes) -> str:
    out = io.StringIO()
    names = ("unit", "baseline", "variant", "language", "task", "source_id", "item_id", "pair_id")
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    for entry in key:
        shown = "" if entry.unit is None else name_unit(secret, entry.unit)
        writer.writerow({**asdict(entry), "unit": shown})
    return out.getvalue()
