"""`lab volume` from the plan to the scores: declared first, one model after another, resumable.

The plan is written before the first model is trained. Another plan in the same folder is added to
it, with what was already scored by then, and shares the models that both have. One process works in
a folder at a time.
"""

import fcntl
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from babelbits.errors import NothingThereError, StoreLockedError
from babelbits.lab.training import RECORD, TrainingProgress
from babelbits.lab.volume_corpora import VolumeCorpus, check_enough, read_corpus
from babelbits.lab.volume_models import (
    VolumeLab,
    list_recipes,
    load_bundled_encoder,
    read_scores,
    score_arm,
    train_arm,
)
from babelbits.lab.volume_plan import (
    VolumeArm,
    VolumeSettings,
    count_needed_tokens,
    describe_plan,
    identify_arm,
    list_arms,
)
from babelbits.records import JSON, digest
from babelbits.store.atomic import store_errors, write_atomically

PLANS = "plans.json"
_BYTES_A_TOKEN = 3
"""Few held-out lines have fewer; longer ones are scored in windows."""

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeStanding:
    """How far an experiment is."""

    planned: int
    trained: int
    scored: int
    """Models with all variants scored."""


def open_lab(folder: Path, corpora: Path, settings: VolumeSettings) -> VolumeLab:
    """Read the text and check that there is enough of it; trains nothing.

    Raises
    ------
    StudyError
        If a text is missing or too short; says how much there is and how much is needed.
    """
    encode, tokenizer = load_bundled_encoder()
    longest = _BYTES_A_TOKEN * settings.shape.length
    texts: Mapping[str, VolumeCorpus] = {
        language: read_corpus(corpora, language, held_out=settings.held_out, longest=longest)
        for language in settings.languages
    }
    lab = VolumeLab(
        folder=folder, settings=settings, corpora=texts, encode=encode, tokenizer_hash=tokenizer
    )
    needed = count_needed_tokens(list_arms(settings), width=settings.shape.length + 1)
    check_enough(texts, needed, encode, most_repeats=settings.most_repeats)
    return lab


def plan_of(lab: VolumeLab) -> JSON:
    """The plan, with an id of its content."""
    ids = {arm.name: identify_arm(lab.training(arm)) for arm in list_arms(lab.settings)}
    held_out = {name: lab.corpora[name].held_out_id for name in lab.settings.measured}
    plan = describe_plan(lab.settings, ids=ids, held_out=held_out)
    return {"id": digest(plan), **plan}


def declare(lab: VolumeLab, *, now: datetime | None = None) -> JSON:
    """Write the plan down before anything is done; returns it as it was first written."""
    plan = plan_of(lab)
    declared = read_plans(lab.folder)
    known = next((one for one in declared if one["id"] == plan["id"]), None)
    if known is not None:
        return known
    moment = (now or datetime.now(UTC)).isoformat(timespec="seconds")
    plan |= {"declared": moment, "scored_before": describe_standing(lab).scored}
    text = json.dumps([*declared, plan], indent=2, ensure_ascii=False) + "\n"
    write_atomically(lab.folder / PLANS, text.encode())
    return plan


def read_plan(lab: VolumeLab) -> JSON:
    """The plan as it was written down.

    Raises
    ------
    NothingThereError
        If the folder has no plan, or others only.
    """
    wanted = plan_of(lab)["id"]
    declared = read_plans(lab.folder)
    known = next((one for one in declared if one["id"] == wanted), None)
    if known is None:
        raise NothingThereError(
            "this plan was never written down here",
            where=str(lab.folder / PLANS),
            hint="use the options of the run, or run without --report first",
        )
    return known


def read_plans(folder: Path) -> list[JSON]:
    """Plans that were written down in a folder, in order."""
    path = folder / PLANS
    found: list[JSON] = json.loads(path.read_text("utf-8")) if path.exists() else []
    return found


def describe_standing(lab: VolumeLab) -> VolumeStanding:
    """What is trained and what is scored."""
    planned = list_arms(lab.settings)
    return VolumeStanding(
        planned=len(planned),
        trained=sum((lab.model_folder(arm) / RECORD).exists() for arm in planned),
        scored=sum(is_scored(lab, arm) for arm in planned),
    )


def is_scored(lab: VolumeLab, arm: VolumeArm) -> bool:
    """Whether all variants of an arm are scored on the lines of now."""
    return all(
        read_scores(lab, arm, recipe) is not None for recipe in list_recipes(lab.settings.recipes)
    )


def run_lab(
    lab: VolumeLab,
    *,
    tell: Told,
    progress: Callable[[TrainingProgress], None] | None = None,
) -> JSON:
    """Declare the plan, then train and score every model that is missing; returns the plan.

    Parameters
    ----------
    tell : callable
        Told in a sentence what begins.

    Raises
    ------
    TrainingError
        If a training's loss is no number any more.
    StoreLockedError
        If another process works in the folder.
    """
    import torch

    torch.set_num_threads(1)  # sums in one order, whoever else uses the cores
    with _locked(lab.folder):
        plan = declare(lab)
        planned = list_arms(lab.settings)
        for number, arm in enumerate(planned, 1):
            if is_scored(lab, arm):
                continue
            tell(f"model {number} of {len(planned)}: {arm.name}")
            train_arm(lab, arm, progress)
            score_arm(lab, arm)
    return plan


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The folder for this process alone; the lock dies with it."""
    with store_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreLockedError(
                "another process is training here",
                where=str(folder),
                hint="wait for it, or stop it; what it has trained is kept",
            ) from None
        yield
