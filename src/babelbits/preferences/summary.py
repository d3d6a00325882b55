"""What the votes of one judge show: net preference by variant and language, with a verdict.

The unit is the prompt; over several languages it is the source prompt, whose translations are
dependent. People who judge are a second unit: others would have other tastes. Identical pairs count
as the ties they are, and are told apart. A pair without a verdict is left out of the estimate;
beside it stands what the estimate would be if all such pairs were losses, and if all were wins.
"Equivalent" and "better" are said only if they hold either way.
Sign: ``net = wins - losses`` of the variant, so harm is negative. Fractions, not points.
Votes of people, of a judge and of metrics are different units: nothing here pools them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from babelbits.analysis.verdicts import Evidence, decide
from babelbits.preferences.to_votes import IDENTICAL, UNKNOWN
from babelbits.preferences.votes import Vote
from babelbits.records import Interval
from babelbits.records import Verdict as Shown
from babelbits.stats.binary import wilson
from babelbits.stats.equivalence import inside_margin
from babelbits.stats.multiplicity import holm
from babelbits.stats.preference import Preference, macro_preference, net_preference
from babelbits.stats.raters import FEWEST_RATERS, crossed_mean, equal_weights
from babelbits.stats.student import MeanTest
from babelbits.words import plural

ALL = "all"
"""Language of the row over all languages of a variant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SummarySettings:
    """How votes are judged."""

    margin: float = 0.1
    """Net preference that would not matter, a fraction: 0.1 is 55 to 45 without ties."""
    alpha: float = 0.05
    resamples: int = 10_000
    seed: int = 0
    raters: Literal["random", "fixed"] = "random"
    """random: people are a draw from those who might have been asked, and their tastes vary;
    fixed: the claim is about exactly these people. A judge is the same either way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteSummary:
    """Votes on one variant in one language, or in all."""

    variant: str
    language: str
    """Canonical code, or 'all'."""
    n_pairs: int
    n_identical: int
    """Of `n_pairs`: the same text in both arms, a tie by construction, shown to nobody."""
    verdicts: Mapping[str, int]
    """Votes by what they say: variant, tie (identical pairs too), baseline, and inconsistent where
    the two orders disagree. Ties and inconsistent votes are not the same."""
    dropped: Mapping[str, int]
    """Pairs without a verdict, by kind: refused, unparsed, error."""
    preference: Preference | None
    """Of all pairs with a verdict, identical ones included; None without any."""
    net_of_unlike: float | None
    """Net preference among pairs that are not identical: what was shown."""
    equivalence_interval: Interval | None
    """Of level 1 - 2 alpha."""
    bounds: tuple[Preference, Preference] | None
    """The preference with every dropped pair a loss, and a win; intervals of level 1 - 2 alpha."""
    flip_interval: Interval | None
    """Of the share of judged pairs on which the two orders disagree; None without a judged pair."""
    p_adjusted: float | None
    """Holm, over the languages of this variant; None in the row over all languages."""
    margin: float
    verdict: Shown
    reason: str
    about: str = ""
    """Whom the verdict is about, where it is not about people at large: few or unknown raters."""

    @property
    def n_judged(self) -> int:
        """Pairs that were shown and have a verdict."""
        return self.n_pairs - self.n_identical - self.n_dropped

    @property
    def n_inconsistent(self) -> int:
        """Pairs on which the two orders disagree."""
        return self.verdicts.get("inconsistent", 0)

    @property
    def flip_share(self) -> float | None:
        """Share of judged pairs on which the two orders disagree; None without a judged pair."""
        return self.n_inconsistent / self.n_judged if self.n_judged else None

    @property
    def n_dropped(self) -> int:
        """Pairs without a verdict."""
        return sum(self.dropped.values())


def summarise(
    votes: Sequence[Vote], settings: SummarySettings | None = None
) -> tuple[VoteSummary, ...]:
    """A row a variant and language; with several languages one more over all of them.

    Parameters
    ----------
    votes : sequence of Vote
        Of one judge, or of several raters of one kind: votes on one prompt are averaged first, and
        people are random as well as prompts unless the settings say otherwise.

    Raises
    ------
    ValueError
        If votes of different kinds (people, models) are mixed.
    """
    wishes = settings or SummarySettings()
    kinds = sorted({vote.kind for vote in votes})
    if len(kinds) > 1:
        raise ValueError(f"votes of {' and '.join(kinds)} are different units: summarise each")
    rows: list[VoteSummary] = []
    for variant, mine in _grouped(votes, "variant").items():
        by_language = _grouped(mine, "language")
        summaries = [_row(variant, code, some, wishes) for code, some in by_language.items()]
        rows += _adjusted(summaries, wishes)
        if len(summaries) > 1:
            rows.append(_row(variant, ALL, mine, wishes))
    return tuple(rows)


def _grouped(votes: Iterable[Vote], field: str) -> dict[str, list[Vote]]:
    found: dict[str, list[Vote]] = defaultdict(list)
    for vote in votes:
        found[getattr(vote, field)].append(vote)
    return found


def _row(
    variant: str, language: str, votes: Sequence[Vote], wishes: SummarySettings
) -> VoteSummary:
    judged = [vote for vote in votes if vote.value is not None]
    dropped = Counter(str(vote.verdict) for vote in votes if vote.value is None)
    shown = [vote for vote in judged if IDENTICAL not in vote.reasons]
    flips = sum(vote.verdict == "inconsistent" for vote in judged)
    row = VoteSummary(
        variant=variant,
        language=language,
        n_pairs=len(votes),
        n_identical=len(judged) - len(shown),
        verdicts=dict(Counter(str(vote.verdict) for vote in judged)),
        dropped=dict(dropped),
        preference=None,
        net_of_unlike=float(np.mean([vote.value for vote in shown])) if shown else None,
        equivalence_interval=None,
        bounds=None,
        flip_interval=wilson(flips, len(shown)) if shown else None,
        p_adjusted=None,
        margin=wishes.margin,
        verdict="undecided",
        reason="no pair has a verdict",
        about=_about(judged, wishes),
    )
    if not judged:
        return row
    narrow = 1 - 2 * wishes.alpha
    lost, won = (_preference(_imputed(votes, value), narrow, wishes) for value in (-1.0, 1.0))
    row = replace(
        row,
        preference=_preference(judged, 1 - wishes.alpha, wishes),
        equivalence_interval=_preference(judged, narrow, wishes).interval,
        bounds=(lost, won),
    )
    return _decided(row, wishes)


def _about(judged: Sequence[Vote], wishes: SummarySettings) -> str:
    """What to say of the raters: nothing of a judge, or of enough people who may differ."""
    people = [vote for vote in judged if vote.kind == "human" and IDENTICAL not in vote.reasons]
    if not people:
        return ""
    if any(vote.judge == UNKNOWN for vote in people):
        return "who judged is not known: how much raters differ is left out"
    count = len(_rater_names(people))
    if wishes.raters == "fixed" or count < FEWEST_RATERS:
        return (
            "about this rater only" if count == 1 else f"about these {plural(count, 'rater')} only"
        )
    return ""


def _imputed(votes: Sequence[Vote], value: float) -> list[Vote]:
    """The votes that have a value, and `value` for each prompt on which there is none."""
    judged = [vote for vote in votes if vote.value is not None]
    spoken = {(vote.language, vote.source_id) for vote in judged}
    silent = [vote for vote in votes if (vote.language, vote.source_id) not in spoken]
    return [*judged, *(replace(vote, value=value) for vote in silent)]


def _preference(votes: Sequence[Vote], level: float, wishes: SummarySettings) -> Preference:
    """One language: its prompts. Several: the mean over languages, source prompts as units."""
    values = np.array([vote.value for vote in votes], float)
    prompts = [vote.source_id for vote in votes]
    languages = [vote.language for vote in votes]
    rng = np.random.default_rng([wishes.seed, len(votes)])
    if len(set(languages)) == 1:
        preference = net_preference(
            values, prompts=prompts, rng=rng, level=level, resamples=wishes.resamples
        )
    else:
        preference = macro_preference(
            values,
            prompts=prompts,
            languages=languages,
            rng=rng,
            level=level,
            resamples=wishes.resamples,
        )
    names = _rater_names(votes)
    if wishes.raters == "fixed" or len(names) < 2:
        return preference
    crossed = crossed_mean(
        values,
        weights=equal_weights(prompts, languages),
        prompts=prompts,
        raters=[names.get(_rater(vote), -1) for vote in votes],
        level=level,
    )
    return preference if crossed is None else _the_wider(preference, crossed)


def _rater(vote: Vote) -> str:
    """Who judged; raters of different languages are different people unless named alike."""
    return "" if IDENTICAL in vote.reasons else vote.judge


def _rater_names(votes: Sequence[Vote]) -> dict[str, int]:
    """People who judged, numbered; none for a judge, who is an instrument, or unknown people."""
    people = {_rater(vote) for vote in votes if vote.kind == "human"} - {"", UNKNOWN}
    return {name: number for number, name in enumerate(sorted(people))}


def _the_wider(found: Preference, crossed: MeanTest) -> Preference:
    """What holds with prompts as units, and with raters as units too."""
    low = min(found.interval.low, max(-1.0, crossed.interval.low))
    high = max(found.interval.high, min(1.0, crossed.interval.high))
    return replace(
        found,
        standard_error=max(found.standard_error or 0.0, crossed.standard_error),
        interval=replace(found.interval, low=low, high=high, method=crossed.interval.method),
        p_value=max(found.p_value, crossed.p_value),
        method=f"{found.method}; {crossed.interval.method}",
    )


# --- verdicts --------------------------------------------------------------------------------


def _adjusted(rows: Sequence[VoteSummary], wishes: SummarySettings) -> list[VoteSummary]:
    """The languages of one variant are one Holm family."""
    tested = [row for row in rows if row.preference is not None]
    adjusted = holm([row.preference.p_value for row in tested if row.preference is not None])
    by_language = dict(zip((row.language for row in tested), adjusted, strict=True))
    return [
        _decided(replace(row, p_adjusted=by_language[row.language]), wishes)
        if row.language in by_language
        else row
        for row in rows
    ]


def _decided(row: VoteSummary, wishes: SummarySettings) -> VoteSummary:
    preference = row.preference
    if preference is None or row.bounds is None:
        return row
    decision = decide(
        Evidence(
            p_value=preference.p_value if row.p_adjusted is None else row.p_adjusted,
            interval=preference.interval,
            equivalence_interval=row.equivalence_interval,
            margin=wishes.margin,
            alpha=wishes.alpha,
            at_floor=False,
        )
    )
    verdict, reason = decision.verdict, "; ".join([decision.reason, *decision.notes])
    inside = all(inside_margin(one.interval, wishes.margin) for one in row.bounds)
    if verdict == "equivalent" and not inside:
        verdict = "undecided"
        reason = (
            "inside the margin, but not with the "
            f"{plural(row.n_dropped, 'dropped pair')} either way"
        )
    elif verdict == "better" and not _gain_holds(row.bounds):
        verdict = "undecided"
        reason = f"a gain is shown, but the {plural(row.n_dropped, 'dropped pair')} could undo it"
    elif verdict == "worse" and not _same_sign(row.bounds):
        reason = f"{reason}; the {plural(row.n_dropped, 'dropped pair')} could undo it"
    about = (row.about,) if row.about else ()
    return replace(row, verdict=verdict, reason="; ".join([reason, *about]))


def _gain_holds(bounds: tuple[Preference, Preference]) -> bool:
    """Whether the gain is shown even if every dropped pair was a loss.

    As for "equivalent": a pair that has no verdict must not help the variant.
    """
    return bounds[0].interval.low > 0


def _same_sign(bounds: tuple[Preference, Preference]) -> bool:
    return bounds[0].net * bounds[1].net > 0
