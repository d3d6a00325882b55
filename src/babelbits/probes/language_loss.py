"""How long answers stay in their language, and what becomes of it under each variant.

Reads what `switching` recorded. No torch here. Sign: variant less baseline, tokens in the language;
harm is negative.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from babelbits.stats.binary import wilson
from babelbits.stats.survival import (
    MeanDifference,
    SurvivalPoint,
    difference_of_means,
    survival_curve,
)
from babelbits.words import agreeing, plural

HORIZON_SHARE = 0.1
"""The horizon is the length that this share of answers reaches in both arms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Recorded answers of a variant on a suite in a language."""

    variant: str
    suite: str
    language: str
    units: tuple[str, ...]
    lasted: tuple[int, ...]
    """Tokens in the language: up to the first switch, else the whole answer."""
    switched: tuple[bool, ...]
    switched_to: tuple[str | None, ...]
    means: dict[str, float | None]
    """Of 'other_script', 'other_language' and 'margin', over tokens."""
    items: tuple[str, ...] = ()
    """Ids, in the order of the units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageLoss:
    """How a variant's answers leave their language."""

    variant: str
    suite: str
    language: str
    n_answers: int
    n_switched: int
    most_often_to: str | None
    means: dict[str, float | None]
    curve: tuple[SurvivalPoint, ...]
    difference: MeanDifference | None
    """Mean tokens in the language, less the baseline's. None for the baseline, and where no answer
    leaves in either arm: resampling none gives none, which is no interval."""


def select_answers(variant: str, suite: str, language: str, table: Any) -> Answers:
    """The answers in a table that `switching` wrote, one of which is a run of rows."""
    names = ("other_script", "other_language", "margin")
    first = [row for row in table.to_pylist() if row["position"] == 0]
    return Answers(
        variant=variant,
        suite=suite,
        language=language,
        units=tuple(row["unit"] for row in first),
        items=tuple(row["item_id"] for row in first),
        lasted=tuple(
            row["n_tokens"] if row["switched_at"] is None else row["switched_at"] for row in first
        ),
        switched=tuple(row["switched_at"] is not None for row in first),
        switched_to=tuple(row["switched_to"] for row in first),
        means={name: _mean(table[name].to_pylist()) for name in names},
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def summarise_loss(one: Answers, baseline: Answers | None, *, seed: int) -> LanguageLoss:
    """Curve and difference of one variant; `baseline` is None for the baseline itself."""
    rng = np.random.default_rng(seed)
    to = Counter(name for name in one.switched_to if name is not None).most_common(1)
    return LanguageLoss(
        variant=one.variant,
        suite=one.suite,
        language=one.language,
        n_answers=len(one.units),
        n_switched=sum(one.switched),
        most_often_to=to[0][0] if to else None,
        means=one.means,
        curve=survival_curve(one.lasted, one.switched, clusters=one.units, rng=rng)
        if one.units
        else (),
        difference=_difference(baseline, one, rng=rng),
    )


def _difference(
    before: Answers | None, after: Answers, *, rng: np.random.Generator
) -> MeanDifference | None:
    if before is None or not before.units or not after.units:
        return None
    if not any((*before.switched, *after.switched)):
        return None
    return difference_of_means(
        (before.lasted, before.switched),
        (after.lasted, after.switched),
        clusters=(before.units, after.units),
        horizon=find_common_horizon([before.lasted, after.lasted]),
        rng=rng,
    )


def find_common_horizon(lasted: Sequence[Sequence[int]]) -> int:
    """Tokens that a tenth of the answers of every arm reach, at least 1."""
    return max(1, int(min(np.quantile(one, 1 - HORIZON_SHARE) for one in lasted)))


def describe_loss(one: LanguageLoss) -> str:
    """How many answers switch, and what that is against the baseline's, in one sentence."""
    who = f"{one.variant} on {one.suite} in {one.language}"
    to = f", most often to {one.most_often_to}" if one.most_often_to else ""
    told = (
        f"{who}: {one.n_switched:,} of {plural(one.n_answers, 'answer')} "
        f"{agreeing(one.n_switched, 'leaves its', 'leave their')} language{to}"
    )
    found = one.difference
    if found is None and one.n_switched == 0 and one.n_answers:
        most = wilson(0, one.n_answers).high
        return f"{told} (at most {100 * most:.0f} % do, 95 % certain)"
    if found is None:
        return told
    change = f"{found.difference:+.2f}"
    if found.interval is None:
        return f"{told}; of the first {plural(found.horizon, 'token')} {change} in the language"
    low, high = found.interval.low, found.interval.high
    verdict = (
        "fewer tokens in the language than the baseline"
        if high < 0
        else "more tokens in the language than the baseline"
        if low > 0
        else "no difference to the baseline is shown"
    )
    return (
        f"{told}; {verdict}: {change} [{low:.2f}, {high:.2f}] of the first "
        f"{plural(found.horizon, 'token')}"
    )
