"""What a QAT lab compares, declared before anything is trained: arms, text, seeds, and the claim.

Of one model, for each mix of text and each seed:

    control   trained on without quantization
    ptq       the control, rounded to nearest by torchao's convert step
    gptq      the control, rounded by GPTQ into the same format, on the same text
    qat       trained on the same batches with fake quantization, then converted

and once, without training, the model itself with `ptq` and `gptq` of it. The declared claim is
`qat` against `ptq` of the control, by bits per byte of held-out text over all languages, in each
mix. Sign: first - second of oriented scores, so that harm is negative. Trains nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from babelbits.errors import NothingThereError, StoreError, StudyError
from babelbits.records import digest
from babelbits.store.atomic import write_atomically
from babelbits.words import plural

Mix = Literal["english", "balanced"]
MIXES: tuple[Mix, ...] = ("english", "balanced")
Arm = Literal["control", "ptq", "gptq", "qat"]
QUANTIZED: tuple[Arm, ...] = ("ptq", "gptq", "qat")
FILE = "plan.json"
ENGLISH = "en"
HELD_OUT = "held-out"
"""The suite of held-out text."""
PRIMARY_METRIC = "bits_per_byte"
PRIMARY: tuple[Arm, Arm] = ("qat", "ptq")
"""First against second."""
CLAIM = (
    "quantization-aware training against rounding the control, in the same format: bits per byte "
    "of held-out text, mean over the languages, in each mix of text (Holm over the mixes)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteOf:
    """A suite that the arms are asked beside the held-out text."""

    name: str
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class QatDesign:
    """All that the results depend on."""

    model: str
    """As given: 'bundled', or a folder."""
    model_hash: str
    languages: tuple[str, ...]
    """Canonical codes; the balanced mix is of all of them, and all are asked."""
    text_hashes: Mapping[str, str]
    """Of each language's lines."""
    number_format: Mapping[str, Any]
    suites: tuple[SuiteOf, ...] = ()
    mixes: tuple[Mix, ...] = MIXES
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: int = 200
    rows: int = 8
    """Sequences a step."""
    length: int = 128
    """Tokens a sequence."""
    learning_rate: float = 3e-4
    warmup_steps: int = 20
    decay_share: float = 0.7
    held_out: int = 60
    """Lines a language that are asked and never trained on: the first of its file."""
    items: int | None = None
    """First n items of each suite; None: all."""
    alpha: float = 0.05
    margin: float = 0.02
    """Bits per byte that would not matter."""
    primary: str = CLAIM

    def __post_init__(self) -> None:
        for name in ("steps", "rows", "length", "held_out"):
            if getattr(self, name) < 1:
                raise StudyError(f"{name} must be at least 1, not {getattr(self, name)}")
        if ENGLISH not in self.languages:
            raise StudyError(
                "English is missing: one mix of text is English only",
                where="--languages",
                hint="add 'en'",
            )
        if len(self.languages) < 2:
            raise StudyError(
                "only English is named, and the other mix of text is of several languages",
                where="--languages",
                hint="add a language, e.g. 'en,nb'",
            )
        if len(set(self.seeds)) < len(self.seeds) or not self.seeds:
            raise StudyError("seeds must be different from each other, and one at least")

    @property
    def tokens(self) -> int:
        """Predicted tokens in one training."""
        return self.steps * self.rows * self.length

    @property
    def n_trainings(self) -> int:
        """Control and QAT, for each mix and seed."""
        return 2 * len(self.mixes) * len(self.seeds)

    def languages_of(self, mix: Mix) -> tuple[str, ...]:
        """The languages of a mix's text."""
        return (ENGLISH,) if mix == "english" else self.languages


def name_mix(mix: Mix) -> str:
    """What a mix is called in sentences."""
    return "English text" if mix == "english" else "text balanced over the languages"


def find_folder(lab: Path, mix: Mix, seed: int) -> Path:
    """Where the arms of a mix and a seed lie, with their study."""
    return lab / mix / f"seed-{seed}"


def find_base_folder(lab: Path) -> Path:
    """Where the model itself is quantized without training."""
    return lab / "untrained"


def declare(design: QatDesign, lab: Path) -> bool:
    """Write a plan before anything else is in the folder, or find the same one there.

    Returns
    -------
    bool
        Whether it was written now.

    Raises
    ------
    NothingThereError
        If the folder holds another plan; names what differs.
    """
    before = read_design(lab)
    if before is None:
        text = json.dumps(asdict(design), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        write_atomically(lab / FILE, text.encode())
        return True
    if identify_design(before) != identify_design(design):
        differing = [
            one.name
            for one in fields(QatDesign)
            if getattr(before, one.name) != getattr(design, one.name)
        ]
        raise NothingThereError(
            f"the folder holds another plan ({plural(len(differing), 'difference')}: "
            f"{', '.join(differing)})",
            where=str(lab / FILE),
            hint="give the same options, or name another folder: a plan is declared once",
        )
    return False


def read_design(lab: Path) -> QatDesign | None:
    """The declared plan; None where there is none.

    Raises
    ------
    StoreError
        If the file is damaged.
    """
    path = lab / FILE
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text("utf-8"))
        suites = tuple(
            SuiteOf(name=one["name"], languages=tuple(one["languages"])) for one in found["suites"]
        )
        lists = {name: tuple(found[name]) for name in ("languages", "mixes", "seeds")}
        return QatDesign(**{**found, **lists, "suites": suites})
    except (ValueError, TypeError, KeyError) as error:
        raise StoreError(f"the plan cannot be read: {error}", where=str(path)) from error


def identify_design(design: QatDesign) -> str:
    """Equal for designs that give the same results."""
    return digest(json.loads(json.dumps(asdict(design))))


def list_differences(arms: Sequence[Arm]) -> tuple[tuple[Arm, Arm], ...]:
    """What is compared of the arms that are there: the claim, the second way of PTQ, the damage."""
    wanted: tuple[tuple[Arm, Arm], ...] = (
        PRIMARY,
        ("qat", "gptq"),
        ("ptq", "control"),
        ("gptq", "control"),
        ("qat", "control"),
    )
    return tuple(pair for pair in wanted if set(pair) <= {*arms, "control"})
