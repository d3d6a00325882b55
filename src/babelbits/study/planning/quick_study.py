"""A study for somebody who has files and some minutes: which suites, how many items, and its text.

Loads no model and measures nothing: seconds an item come from `execution.suite_timing`. The number
of items is settled before any result is seen, so that it cannot depend on one. Times are seconds,
those of an item over all languages, variants and baselines of the study together.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from babelbits.errors import BabelbitsError, MissingExtraError, StudyError, UnknownNameError
from babelbits.languages import resolve
from babelbits.recipes.catalogue import RECIPES
from babelbits.recipes.catalogue import find as find_recipe
from babelbits.study.config.labels import make_path_label
from babelbits.study.config.problems import StudyFileError
from babelbits.study.config.spec import BUNDLED
from babelbits.suggest import did_you_mean
from babelbits.tasks import catalogue, hub_data
from babelbits.tasks.base import TaskOptions
from babelbits.words import duration, listed, plural

SUITES = (
    *("text", "pairs", "belebele", "xcopa", "xwinograd", "xstorycloze", "global-mmlu-lite"),
    *("include", "global-piqa", "multiblimp", "sib200", "math", "mgsm", "mmlu-prox-lite"),
)
"""Tried in this order unless suites are named: what is only scored first, what is written last."""

LEAST_ITEMS = 40
"""A suite with fewer items a language than this is left out while another one fits: with fewer,
losses below some 15 points are seldom seen (McNemar's test, a tenth of the answers changed)."""
RESERVE = 0.15
"""Share of the time for loading the models again, the analysis and the report."""
_CALIBRATION = "en"
"""Language of the text that a recipe sees, where nobody names one."""
_DRAFT = "# draft: suites are being timed; run the same command again"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickWish:
    """What is asked for."""

    base: str
    """As in `[model] path`."""
    variants: tuple[str, ...]
    """Each as in `[[variants]] path`, or a recipe: 'w4-g', 'w4-g@nb'."""
    languages: tuple[str, ...]
    """Canonical codes."""
    minutes: float
    margins: Mapping[str, float] = field(default_factory=dict)
    """By unit or suite, in the metric's own unit; the usual ones where none is named."""
    suites: tuple[str, ...] = ()
    """Instead of `SUITES`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickTask:
    """A suite in the languages that it has."""

    suite: str
    languages: tuple[str, ...]
    n_items: int
    """That there are, or that are chosen, in each language."""
    whole: int
    """That there are in each language, in the one with fewest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickChoice:
    """What fits, and why the rest does not."""

    tasks: tuple[QuickTask, ...]
    seconds: float
    """That the chosen items are expected to take."""
    left_out: Mapping[str, str]
    """Suite to the reason."""


# --- which suites ---------------------------------------------------------------------------------


def find_suites(wish: QuickWish) -> tuple[tuple[QuickTask, ...], Mapping[str, str]]:
    """Suites with data on this machine in the languages asked, and why others are left out.

    Raises
    ------
    UnknownNameError
        If a suite that is named does not exist.
    StudyError
        If none is left.
    """
    tasks: list[QuickTask] = []
    left_out: dict[str, str] = {}
    for name in wish.suites or SUITES:
        info = catalogue.find_info(name)
        known = [code for code in wish.languages if code in info.languages or info.any_language]
        if not known:
            left_out[name] = "not in these languages"
        elif info.hub_dataset is not None and not _is_here(name, known):
            left_out[name] = "no data on this machine"
        else:
            try:
                sizes = [len(catalogue.load(name, one, TaskOptions()).items()) for one in known]
            except BabelbitsError as error:
                left_out[name] = error.what
                continue
            task = QuickTask(
                suite=name, languages=tuple(known), n_items=min(sizes), whole=min(sizes)
            )
            tasks.append(task)
    if not tasks:
        raise StudyError(
            f"no suite can be asked in {listed(wish.languages)}",
            hint="; ".join(f"{name}: {why}" for name, why in left_out.items()),
        )
    return tuple(tasks), left_out


def _is_here(suite: str, languages: Sequence[str]) -> bool:
    """Whether copies of all datasets of a suite were got; lm-eval is loaded only if some were."""
    dataset = catalogue.find_info(suite).hub_dataset or ""
    if not (hub_data.find_root() / dataset.replace("/", "--")).is_dir():
        return False
    try:
        wanted = [
            one for code in languages for one in catalogue.list_wanted(suite, code, TaskOptions())
        ]
    except MissingExtraError:
        return False
    return all(hub_data.find(one) is not None for one in wanted)


# --- how many items -------------------------------------------------------------------------------


def choose_items(
    tasks: Sequence[QuickTask], timings: Mapping[str, float], *, seconds: float
) -> QuickChoice:
    """As many suites as fit with `LEAST_ITEMS` each, in order; then as many items as fit.

    Parameters
    ----------
    tasks : sequence of QuickTask
        All that could be asked, in order of preference.
    timings : mapping
        Suite to seconds an item; one that is missing was not measured, and is left out.
    seconds : float
        That the items may take.

    Raises
    ------
    StudyError
        If not even one item of one suite fits.
    """
    left_out: dict[str, str] = {}
    chosen: list[QuickTask] = []
    for task in tasks:
        if task.suite not in timings:
            left_out[task.suite] = "there was no time to measure how fast it is"
            continue
        least = _seconds([*chosen, task], timings, LEAST_ITEMS)
        if least <= seconds:
            chosen.append(task)
        else:
            alone = duration(_seconds([task], timings, LEAST_ITEMS))
            left_out[task.suite] = (
                f"{plural(min(LEAST_ITEMS, task.whole), 'item')} a language take {alone}"
            )
    measured = [one for one in tasks if one.suite in timings]
    if not chosen and measured:
        chosen = [min(measured, key=lambda one: timings[one.suite])]
        del left_out[chosen[0].suite]
    most = _most(chosen, timings, seconds)
    if most < 1:
        raise StudyError(
            "not even one item fits into the time",
            where="--minutes",
            hint="give it more minutes, fewer languages or fewer variants",
        )
    kept = tuple(
        QuickTask(
            suite=one.suite,
            languages=one.languages,
            n_items=min(one.whole, most),
            whole=one.whole,
        )
        for one in chosen
    )
    return QuickChoice(tasks=kept, seconds=_seconds(kept, timings, most), left_out=left_out)


def _seconds(tasks: Sequence[QuickTask], timings: Mapping[str, float], n_items: int) -> float:
    return math.fsum(timings[one.suite] * min(one.whole, n_items) for one in tasks)


def _most(tasks: Sequence[QuickTask], timings: Mapping[str, float], seconds: float) -> int:
    """The largest number of items, the same for all suites that have so many, that fits."""
    low, high = 0, max((one.whole for one in tasks), default=0)
    while low < high:
        middle = (low + high + 1) // 2
        if _seconds(tasks, timings, middle) <= seconds:
            low = middle
        else:
            high = middle - 1
    return low


def describe_choice(choice: QuickChoice) -> tuple[str, ...]:
    """What was chosen and why, a line each."""
    lines = []
    for one in choice.tasks:
        share = (
            f"all {plural(one.whole, 'item')}"
            if one.n_items == one.whole
            else f"the first {one.n_items} of {plural(one.whole, 'item')}"
        )
        lines.append(f"  {one.suite}: {share} in {listed(one.languages)}")
    head = (
        f"chosen for speed, before any result: {plural(len(choice.tasks), 'suite')}, "
        f"about {duration(choice.seconds)}"
    )
    return (head, *lines, *describe_left_out(choice.left_out))


def describe_left_out(left_out: Mapping[str, str]) -> tuple[str, ...]:
    """Suites that are left out, by reason."""
    reasons: dict[str, list[str]] = {}
    for suite, why in left_out.items():
        reasons.setdefault(why, []).append(suite)
    return tuple(f"  left out: {listed(names)}: {why}" for why, names in reasons.items())


# --- the study's text -----------------------------------------------------------------------------


def draft_text(wish: QuickWish, tasks: Sequence[QuickTask]) -> str:
    """The study with every suite that may be chosen, to be timed."""
    return write_study_text(wish, tasks, head=_DRAFT)


def write_study_text(
    wish: QuickWish, tasks: Sequence[QuickTask], *, head: str | None = None
) -> str:
    """A whole `study.toml` of what was wished and chosen.

    Raises
    ------
    UnknownNameError
        If a variant is neither a recipe nor a path, and nearly a recipe's name.
    """
    parts = [
        head or make_head(wish),
        "# Written by `babelbits quick`; `babelbits run` on this file resumes it. Without a line",
        "# `items` a suite is asked whole: the numbers of items were chosen to fit the time.",
        "",
        "[study]",
        f"name = {_toml(f'a quick look at {make_path_label(wish.base)}')}",
        "",
        "[model]",
        f"path = {_toml(_path(wish.base))}",
    ]
    for written in wish.variants:
        parts += ["", "[[variants]]", *_variant(written)]
    for one in tasks:
        parts += ["", "[[tasks]]", f"suite = {_toml(one.suite)}"]
        parts.append(f"languages = {_toml(list(one.languages))}")
        if one.n_items < one.whole:
            parts.append(f"items = {one.n_items}           # of {one.whole}")
    parts += [
        "",
        "[analysis]",
        "aa = false   # the time goes into items, not into a second baseline",
    ]
    asked = {one.suite for one in tasks}
    margins = {
        name: size
        for name, size in wish.margins.items()
        if name in asked or not catalogue.is_known(name)
    }
    if margins:
        shown = ", ".join(f"{_toml(name)} = {size:g}" for name, size in margins.items())
        parts.append(f"margins = {{ {shown} }}")
    return "\n".join(parts) + "\n"


def make_head(wish: QuickWish) -> str:
    """The first line of a study's file, by which the same wish is known again."""
    said = [_path(wish.base), *wish.variants, *wish.languages, f"{wish.minutes:g}"]
    said += [f"{name}={size:g}" for name, size in wish.margins.items()]
    said += wish.suites
    return f"# babelbits quick: {json.dumps(said, ensure_ascii=False)}"


def find_argument(text: str, line: int, wish: QuickWish) -> str:
    """The argument that a line of the written study comes from: 'BASE ./a', 'VARIANT w8'.

    Parameters
    ----------
    text : str
        As `write_study_text` wrote it.
    line : int
        From 1.
    wish : QuickWish
        What it was written for.
    """
    tables = [one for one in text.split("\n")[:line] if one.startswith("[")]
    table = tables[-1] if tables else ""
    if table == "[model]":
        return f"BASE {wish.base}"
    if table == "[[variants]]":
        return f"VARIANT {wish.variants[tables.count(table) - 1]}"
    return {"[[tasks]]": "--languages, --suites", "[analysis]": "--margin"}.get(table, "arguments")


def locate_in_arguments(error: StudyFileError, text: str, wish: QuickWish) -> StudyError:
    """The mistakes of a written study, told of the arguments that it was written from."""
    blocks = []
    for one in error.mistakes:
        hint = f"\n  {one.hint}" if one.hint else ""
        blocks.append(f"{find_argument(text, one.line, wish)}: {one.message}{hint}")
    return StudyError("\n".join(blocks))


def resumes(file: Path, wish: QuickWish) -> bool:
    """Whether a file holds the finished choice of this very wish.

    Raises
    ------
    StudyError
        If it holds another study, which is not to be overwritten.
    """
    if not file.is_file():
        return False
    first = file.read_text("utf-8", errors="replace").partition("\n")[0]
    if first in (_DRAFT, make_head(wish)):
        return first != _DRAFT
    raise StudyError(
        "another study is here already",
        where=str(file),
        hint=f"--folder names another folder; babelbits run {file} goes on with this one",
    )


def _variant(written: str) -> list[str]:
    """The lines of a variant's table: a recipe if it is the name of one, else a path."""
    name, _, language = written.partition("@")
    if _is_local(written):
        return [f"path = {_toml(_path(written))}"]
    try:
        recipe = find_recipe(name)
    except UnknownNameError:
        near = None if "/" in written else did_you_mean(name, RECIPES)
        if "/" not in written:
            raise UnknownNameError(
                f"{written!r} is neither a recipe nor a file or folder that is here",
                hint=near or "`babelbits recipes` lists recipes; on the hub: owner/model",
            ) from None
        return [f"path = {_toml(written)}"]
    lines = [f"recipe = {_toml(recipe.name)}"]
    if language or recipe.needs_calibration:
        code = resolve(language).code if language else _CALIBRATION
        lines.append(f"calibration = {_toml(code)}")
    return lines


def _is_local(written: str) -> bool:
    """Whether it says that it is a path; a recipe's name is a recipe, whatever lies around."""
    spelled = written.startswith((".", "/", "~")) or written.endswith((".gguf", "/"))
    return spelled or ("/" in written and Path(written).exists())


def _path(written: str) -> str:
    """A path absolute, for the study lies in another folder; other names as they are."""
    if written == BUNDLED or not (_is_local(written) or Path(written).exists()):
        return written
    return str(Path(written).expanduser().resolve())


def _toml(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
