"""The plan of `lab volume`: which models, what each sees, and what will be looked at, beforehand.

Models are alike (weights at the start, order of the text, number of tokens) but for the share of
one language. What that language loses is given to the others in equal parts. A full share is one
over the number of languages. The model with all shares full belongs to every language, and is
trained once a seed. Loads no torch; trains nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction

from babelbits.errors import StudyError
from babelbits.lab.training import TrainingSettings
from babelbits.languages import resolve
from babelbits.records import JSON, digest
from babelbits.words import listed, plural

LEVELS = tuple(map(Fraction, ("0", "1/64", "1/16", "1/4", "1")))
RECIPES = ("w4", "w4-g", "q3_k_s")
FULL = Fraction(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeShape:
    """A Llama: two layers of the bundled model's shape."""

    hidden: int = 256
    intermediate: int = 768
    layers: int = 2
    heads: int = 4
    length: int = 128
    """Tokens of a row, and the context."""
    rows: int = 6
    """Of a batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSettings:
    """What a user chooses."""

    languages: tuple[str, ...]
    """Of the text, canonical codes."""
    subjects: tuple[str, ...]
    """Whose amount is varied, each in models of its own."""
    control: str
    """Never varied, measured in every model."""
    tokens: int
    """Predicted tokens of a training; rounded down to whole batches."""
    levels: tuple[Fraction, ...] = LEVELS
    """Of a full share."""
    seeds: int = 3
    recipes: tuple[str, ...] = RECIPES
    held_out: int = 120
    """Lines a language."""
    most_repeats: float = 4.0
    """Passes over a language's text. Up to four are nearly as good as new text (Muennighoff et al.
    2023, arXiv 2305.16264)."""
    shape: VolumeShape = VolumeShape()

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise StudyError(problem)

    def _problems(self) -> list[str]:
        known = set(self.languages)
        lost = [one for one in (*self.subjects, self.control) if one not in known]
        found = []
        if lost:
            found.append(f"{listed(lost)} must be among the languages of the text")
        if self.control in self.subjects:
            found.append(f"the control language {self.control} cannot be varied too")
        if not self.subjects or len(set(self.subjects)) < len(self.subjects):
            found.append("name the languages whose amount is varied, each once")
        if len(known) < len(self.languages):
            found.append("a language of the text is named twice")
        if FULL not in self.levels or len(set(self.levels)) < len(self.levels):
            found.append("the levels must hold 1, each once")
        if not all(0 <= one <= 1 for one in self.levels):
            found.append("levels lie between 0 and 1")
        if self.seeds < 1 or self.steps < 1 or self.held_out < 2:
            found.append(
                "there must be at least one seed, tokens for one batch "
                f"({self.shape.rows * self.shape.length:,}), and two lines held out"
            )
        least = min((one for one in self.levels if one), default=FULL)
        if not found and least * self.steps * self.shape.rows < len(self.languages):
            found.append(
                f"{least} of a full share is less than a row of "
                f"{plural(self.shape.length, 'token')}: train on more tokens, or leave that "
                "level out"
            )
        return found

    @property
    def steps(self) -> int:
        """Batches of a training."""
        return self.tokens // (self.shape.rows * self.shape.length)

    @property
    def measured(self) -> tuple[str, ...]:
        """Languages whose held-out lines every model is measured on."""
        return (*self.subjects, self.control)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeArm:
    """One model."""

    seed: int
    subject: str | None
    """Whose amount is reduced; None where all are full."""
    level: Fraction
    rows: Mapping[str, int]
    """Rows of tokens by language."""

    @property
    def name(self) -> str:
        """'seed 1, nb 1/4', 'seed 1, full'."""
        what = "full" if self.subject is None else f"{self.subject} {self.level}"
        return f"seed {self.seed}, {what}"


def list_arms(settings: VolumeSettings) -> tuple[VolumeArm, ...]:
    """All models, seed by seed: what is finished first can be compared first."""
    total = settings.steps * settings.shape.rows
    found = []
    for seed in range(1, settings.seeds + 1):
        full = _shares(settings.languages, None, FULL, total=total)
        found.append(VolumeArm(seed=seed, subject=None, level=FULL, rows=full))
        for subject in settings.subjects:
            for level in sorted((one for one in settings.levels if one != FULL), reverse=True):
                rows = _shares(settings.languages, subject, level, total=total)
                found.append(VolumeArm(seed=seed, subject=subject, level=level, rows=rows))
    return tuple(found)


def _shares(
    languages: Sequence[str], subject: str | None, level: Fraction, *, total: int
) -> dict[str, int]:
    """Rows by language, `total` in all; above level 0 a language has at least one."""
    found: dict[str, int] = {}
    left, others = total, list(languages)
    if subject is not None:
        reduced = round(level * Fraction(total, len(languages)))
        found[subject] = max(reduced, 1) if level else 0
        left -= found[subject]
        others.remove(subject)
    for number, language in enumerate(others):
        found[language] = left // len(others) + (number < left % len(others))
    return {language: found[language] for language in languages}


def count_needed_tokens(planned: Sequence[VolumeArm], *, width: int) -> dict[str, tuple[int, str]]:
    """Language to the most tokens that a model takes from its text, and that model."""
    found: dict[str, tuple[int, str]] = {}
    for arm in planned:
        for language, rows in arm.rows.items():
            if rows * width > found.get(language, (0, ""))[0]:
                found[language] = (rows * width, arm.name)
    return found


def make_training_settings(
    settings: VolumeSettings, arm: VolumeArm, *, corpora: Mapping[str, str], tokenizer: str
) -> TrainingSettings:
    """How an arm is trained; its identity names everything that its weights depend on.

    Parameters
    ----------
    corpora : mapping
        Language to the id of its training text; those that the arm does not see do not count.
    tokenizer : str
        Hash of the tokenizer.
    """
    seen = {name: [rows, corpora[name]] for name, rows in arm.rows.items() if rows}
    data = {
        "shape": asdict(settings.shape),
        "tokenizer": tokenizer,
        "seed": arm.seed,
        "rows": seen,
        "languages": list(settings.languages),
    }
    return TrainingSettings(
        steps=settings.steps, seed=arm.seed, data=digest(data), checkpoint_every=50, log_every=10
    )


def identify_arm(training: TrainingSettings) -> str:
    """Content id of a model: nothing of one id is trained twice."""
    return digest(training.identity())


def describe_plan(
    settings: VolumeSettings, *, ids: Mapping[str, str], held_out: Mapping[str, str]
) -> JSON:
    """The plan as it is written down before anything is trained.

    Parameters
    ----------
    ids : mapping
        Name of each model to its id.
    held_out : mapping
        Language to the id of the lines held out.
    """
    return {
        "question": "how does the damage of quantization in a language depend on how much of that "
        "language the model was trained on",
        "languages": list(settings.languages),
        "subjects": list(settings.subjects),
        "control": settings.control,
        "levels": [str(level) for level in settings.levels],
        "seeds": settings.seeds,
        "recipes": list(settings.recipes),
        "tokens": settings.steps * settings.shape.rows * settings.shape.length,
        "shape": asdict(settings.shape),
        "held_out_lines": settings.held_out,
        "held_out_ids": dict(held_out),
        "most_repeats": settings.most_repeats,
        "models": dict(ids),
        "outcome": "bits per byte on held-out lines of the language: those of the unquantized "
        "model in the same engine less those of the variant; harm is negative",
        "analysis": "slope of the outcome on log2 of the language's share, levels above 0, within "
        "seeds and lines; seeds and lines random; Holm over languages and recipes; again with the "
        "unquantized model's bits per byte of each line held fixed",
        "exploratory": "level 0; the control language; the unquantized models' own bits per byte",
    }


def describe_training(settings: VolumeSettings) -> str:
    """What will be trained, in one sentence."""
    count = len(list_arms(settings))
    names = listed([resolve(one).name for one in settings.subjects])
    levels = listed([str(level) for level in settings.levels])
    tokens = settings.steps * settings.shape.rows * settings.shape.length
    return (
        f"{plural(count, 'model')} of {plural(tokens, 'token')} each, "
        f"{plural(settings.seeds, 'seed')}; amount of {names} at {levels} of a full share"
    )
