"""Whether two runs ask the same questions, in the same words, with the same gold answers.

Three answers that are never mixed up. *Items* that only one run has: an error, unless the caller
compares what both have. *Gold answers* that differ, and *prompts or settings* that differ: an error
always, for a difference of scores would then be about the question and not about the model.
Settings that only shape the prompt (shots, their seed, the chat template) count as equal where
every prompt is known and equal: then they made no difference.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from babelbits.errors import UnpairedItemsError
from babelbits.interop.run_index import RunIndex
from babelbits.words import agreeing, plural

SHAPES_THE_PROMPT = frozenset(
    ("num_fewshot", "fewshot_seed", "chat template", "system_instruction", "fewshot_as_multiturn")
)
_ADVICE = {
    "num_fewshot": "evaluate both with the same --num_fewshot",
    "fewshot_seed": "evaluate both with the same --seed",
    "chat template": "evaluate both with or both without --apply_chat_template",
    "system_instruction": "evaluate both with the same --system_instruction",
    "task version": "evaluate both with the same version of the tool",
}
_LINES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """How a cell of a run and the baseline's cell fit together."""

    label: str
    """The run."""
    suite: str
    language: str
    baseline_items: int
    run_items: int
    matched: int
    missing: tuple[str, ...]
    """Where the items are that only the baseline has."""
    extra: tuple[str, ...]
    """Where the items are that only the run has."""
    repeated: int
    """Items whose question the baseline holds more than once; they pair in order."""
    used: int = 0
    """Items that are compared in the end; fewer than `matched` if another run lacks some."""

    @property
    def whole(self) -> bool:
        """Every item has its partner."""
        return not self.missing and not self.extra

    @property
    def place(self) -> str:
        """'w4 · xcopa · et'."""
        return f"{self.label} · {self.suite} · {self.language}"


def match(label: str, baseline: RunIndex, run: RunIndex) -> Match:
    """Which items of two cells are the same questions."""
    return Match(
        label=label,
        suite=baseline.suite,
        language=baseline.language,
        baseline_items=len(baseline.items),
        run_items=len(run.items),
        matched=len(baseline.items.keys() & run.items.keys()),
        missing=tuple(baseline.items[k].where for k in baseline.items if k not in run.items),
        extra=tuple(run.items[k].where for k in run.items if k not in baseline.items),
        repeated=baseline.repeated,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A setting, prompts or gold answers that two runs do not share."""

    line: str
    advice: str
    harmless: bool = False
    """Told, but no error: a setting that left every prompt as it was."""


def list_differences(match: Match, baseline: RunIndex, run: RunIndex) -> Iterator[Difference]:
    """What makes a cell of a run another question than the baseline's."""
    both = [(k, baseline.asked(k), run.asked(k)) for k in baseline.items if k in run.items]
    prompts = [(k, a, b) for k, a, b in both if a.prompt_hash and b.prompt_hash]
    changed = [k for k, a, b in prompts if a.prompt_hash != b.prompt_hash]
    same_prompts = bool(both) and len(prompts) == len(both) and not changed
    settings = list(_settings(baseline.setup, run.setup))
    for key, ours, theirs in settings:
        harmless = same_prompts and key in SHAPES_THE_PROMPT
        yield Difference(
            line=f"{match.place}: {key} is {_short(theirs)}, the baseline's is {_short(ours)}"
            + (" (but every prompt is the same)" if harmless else ""),
            advice=_ADVICE.get(key, f"evaluate both with the same {key}"),
            harmless=harmless,
        )
    if changed:
        ours, theirs = baseline.items[changed[0]].where, run.items[changed[0]].where
        known = [key for key, _, _ in settings if key in SHAPES_THE_PROMPT]
        cause = f", with another {' and '.join(known)}" if known else ""
        yield Difference(
            line=f"{match.place}: {len(changed)} of {plural(len(prompts), 'prompt')} "
            f"{agreeing(len(changed), 'differs', 'differ')}{cause} "
            f"({theirs} against {ours})",
            advice="evaluate both with the same task, shots, seed and template",
        )
    golds = [k for k, a, b in both if a.target.strip() != b.target.strip()]
    if golds:
        a, b = baseline.items[golds[0]], run.items[golds[0]]
        yield Difference(
            line=f"{match.place}: {len(golds)} of {plural(len(both), 'gold answer')} "
            f"{agreeing(len(golds), 'differs', 'differ')}, for example "
            f"{_short(b.target)} at {b.where}, {_short(a.target)} at {a.where}",
            advice="evaluate both on the same data with the same version of the task",
        )


def describe_other_circumstances(
    pairs: Iterable[tuple[str, RunIndex, RunIndex]],
) -> Iterator[Difference]:
    """How a run differs from the baseline in more than its weights; a line a run and setting.

    Parameters
    ----------
    pairs : iterable
        Label, the baseline's cell, the run's.
    """
    named = (
        (label, f"{run.suite} · {run.language}", baseline.circumstances, run.circumstances)
        for label, baseline, run in pairs
    )
    yield from find_other_circumstances(named)


def find_other_circumstances(
    pairs: Iterable[tuple[str, str, Mapping[str, str], Mapping[str, str]]],
) -> Iterator[Difference]:
    """The same for circumstances as they are: label, place, the baseline's, the run's."""
    places: dict[tuple[str, str, str, str], list[str]] = {}
    for label, place, baseline, run in pairs:
        for key, ours, theirs in _settings(baseline, run):
            places.setdefault((label, key, ours, theirs), []).append(place)
    for (label, key, ours, theirs), where in places.items():
        more = f" and {len(where) - 1} more" if len(where) > 1 else ""
        yield Difference(
            line=f"{label}: differs from the baseline in more than its weights: {key} is "
            f"{_short(theirs)}, the baseline's is {_short(ours)} ({where[0]}{more})",
            advice=f"evaluate both with the same {key}",
            harmless=True,
        )


def _settings(ours: Mapping[str, str], theirs: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Settings that both runs name and that differ."""
    for key, value in ours.items():
        if key in theirs and theirs[key] != value:
            yield key, value, theirs[key]


def _short(text: str) -> str:
    one_line = " ".join(text.split())
    return repr(one_line if len(one_line) <= 60 else f"{one_line[:57]}...")


def refuse_circumstances(found: Sequence[Difference]) -> None:
    """Raise if runs differ in more than their weights.

    Raises
    ------
    UnpairedItemsError
        Names every setting, with both values.
    """
    if found:
        raise UnpairedItemsError(
            "the runs differ in more than the weights, which --strict refuses:\n"
            + _listed([one.line for one in found]),
            hint="; ".join(dict.fromkeys(one.advice for one in found)),
        )


def refuse_differences(found: Sequence[Difference]) -> None:
    """Raise if the runs were not asked the same.

    Raises
    ------
    UnpairedItemsError
        Names every setting, with both values, and what to do.
    """
    wrong = [one for one in found if not one.harmless]
    if wrong:
        raise UnpairedItemsError(
            f"the runs were not asked the same:\n{_listed([one.line for one in wrong])}",
            hint="; ".join(dict.fromkeys(one.advice for one in wrong)),
        )


def refuse_unmatched(matches: Sequence[Match]) -> None:
    """Raise if an item of one run is missing in another.

    Raises
    ------
    UnpairedItemsError
        Names counts and examples, cell by cell.
    """
    partial = [one for one in matches if not one.whole]
    if not partial:
        return
    none = [one for one in partial if one.matched == 0]
    if len(none) == len(matches):
        hint = (
            "these are other data, another revision of them, or another tool's wording: "
            "evaluate both with one tool on one version of the task"
        )
    else:
        total = sum(one.matched for one in matches)
        hint = f"--matched-only compares the {plural(total, 'item')} that both have, and says so"
    lines = _listed(list(map(describe_unmatched, partial)))
    raise UnpairedItemsError(
        f"the runs are not about the same items:\n{lines}",
        hint=hint,
    )


def refuse_empty(matches: Sequence[Match]) -> None:
    """Raise if a cell has no item that all runs share, although only shared ones were asked for."""
    empty = [one for one in matches if one.used == 0]
    if empty:
        raise UnpairedItemsError(
            f"no item is in all runs:\n{_listed(list(map(describe_unmatched, empty)))}",
            hint="evaluate both with one tool on one version of the task",
        )


def describe_unmatched(found: Match) -> str:
    """A cell's counts, with an example each of what is missing and what is extra."""
    words = [
        (
            f"{found.place}: {found.matched:,} of the baseline's "
            f"{plural(found.baseline_items, 'item')} matched"
        )
    ]
    if found.missing:
        words.append(f"{len(found.missing):,} missing here (the baseline's {found.missing[0]})")
    if found.extra:
        words.append(f"{len(found.extra):,} only here ({found.extra[0]})")
    return "; ".join(words)


def _listed(lines: Sequence[str]) -> str:
    shown = [f"    {line}" for line in lines[:_LINES]]
    if len(lines) > _LINES:
        shown.append(f"    … and {len(lines) - _LINES} more")
    return "\n".join(shown)
