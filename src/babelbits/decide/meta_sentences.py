"""What several studies say together, in sentences. Nothing is computed here: see `decide.meta`.

A positive coefficient is less harm. What is shown, small or open is what `Question.answer` says.
"""

from collections.abc import Iterator

from babelbits.decide.gains_over_studies import Gains
from babelbits.decide.meta_analysis import MEAN, Question, UnitEvidence
from babelbits.records import quantities
from babelbits.stats.meta_regression import MetaRegression
from babelbits.words import agreeing, listed, plural

_NAMED = 3
"""Gains that are named."""


def describe_meta(found: UnitEvidence) -> tuple[str, ...]:
    """The mean, what differs, each moderator, one model left out, gains."""
    said = []
    if found.why_not is not None:
        said.append(f"nothing is fitted: {found.why_not}")
    if found.overall is not None:
        said += [_mean(found, found.overall), _heterogeneity(found, found.overall)]
    if found.fit is not None and found.questions:
        said += [_question(found, one) for one in found.questions]
        said.append(_rest(found, found.fit))
        said.append(describe_without_one(found))
    said.append(_gains(found, found.gains))
    return tuple(said)


def describe_left_out(found: UnitEvidence) -> tuple[str, ...]:
    """What is not in the fit, and why."""
    rows = [
        f"{plural(n, 'effect')} shown and not fitted: {why}" for why, n in found.left_out.items()
    ]
    if found.why_not is not None:
        return tuple(rows)
    return (*rows, *(f"{name} is not in the fit: {why}" for name, why in found.dropped.items()))


def _where(found: UnitEvidence) -> str:
    return f"{plural(len(found.models), 'model')} and {plural(len(found.languages), 'language')}"


def _mean(found: UnitEvidence, overall: MetaRegression) -> str:
    mean = overall.coefficient(MEAN)
    low, high = mean.interval.low, mean.interval.high
    said = "harm is shown" if high < 0 else "a gain is shown" if low > 0 else "neither is shown"
    return (
        f"mean change over {_where(found)} ({plural(overall.n_estimates, 'effect')}): "
        f"{quantities.amount(mean.estimate, found.unit)} "
        f"({quantities.interval(mean.interval, found.unit)}): {said}"
    )


def _heterogeneity(found: UnitEvidence, overall: MetaRegression) -> str:
    differ = overall.q_p <= found.alpha
    said = (
        "effects differ beyond sampling error"
        if differ
        else "no difference between effects beyond sampling error is shown"
    )
    return f"{said} ({_numbers(found, overall)})"


def _numbers(found: UnitEvidence, fit: MetaRegression) -> str:
    factor, _ = quantities.scale(found.unit)
    return (
        f"tau² {fit.tau2 * factor**2:.3g}, I² {100 * fit.i2:.0f} %, Q = {fit.q:.1f} on "
        f"{fit.q_df} df, {_p(fit.q_p)}"
    )


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def _rest(found: UnitEvidence, fit: MetaRegression) -> str:
    return f"what the moderators leave: {_numbers(found, fit)}"


def _question(found: UnitEvidence, asked: Question) -> str:
    one = asked.coefficient
    return (
        f"{asked.name}: {quantities.amount(one.estimate, found.unit)} {asked.step} "
        f"({quantities.interval(one.interval, found.unit)}; adjusted {_p(asked.p_adjusted)}): "
        f"{_answer(found, asked)}"
    )


def _answer(found: UnitEvidence, asked: Question) -> str:
    size = quantities.size(found.difference, found.unit)
    if asked.answer == "shown":
        return "less harm is shown" if asked.coefficient.estimate > 0 else "more harm is shown"
    if asked.answer == "small":
        return f"a difference of {size} or more is excluded"
    if asked.answer == "unreliable":
        return (
            f"open: its interval has {asked.coefficient.df:.1f} degrees of freedom, and with fewer "
            f"than 4 it is not to be relied on. Add {asked.clusters} before anything is planned"
        )
    return f"open. {_next(asked, size)}"


def _next(asked: Question, size: str) -> str:
    here = plural(asked.n_clusters, asked.clusters[:-1])
    if asked.needed is None:
        return f"No number of {asked.clusters} up to 100,000 would show {size}"
    if asked.needed <= asked.n_clusters:
        return (
            f"{here} {agreeing(asked.n_clusters, 'is', 'are')} enough to see {size} in 80 % of "
            "studies, so that what is true may be less"
        )
    return (
        f"A study that is to show {size} with 80 % power needs about "
        f"{plural(asked.needed, asked.clusters[:-1])} like those here; there "
        f"{agreeing(asked.n_clusters, 'is', 'are')} {asked.n_clusters}"
    )


def describe_without_one(found: UnitEvidence) -> str:
    """Which answers hang on one model."""
    if not found.without:
        return "no model can be left out: that takes three"
    hanging = [text for one in found.questions for text in _hanging(found, one)]
    if hanging:
        return "; ".join(hanging)
    shown = [one.name for one in found.questions if one.answer == "shown"]
    if not shown:
        return "no moderator is shown, so none hangs on one model"
    return f"{listed(shown)}: the interval stays on its side of 0 without any one model"


def _hanging(found: UnitEvidence, asked: Question) -> Iterator[str]:
    if asked.answer != "shown":
        return
    for one in found.without:
        if one.fit is None:
            yield f"without {one.model} nothing can be said of {asked.name}"
            continue
        left = one.fit.coefficient(asked.name).interval
        if left.low <= 0 <= left.high:
            yield (
                f"{asked.name} hangs on {one.model}: without it the interval is "
                f"{quantities.interval(left, found.unit)}"
            )


def _gains(found: UnitEvidence, gains: Gains) -> str:
    if not gains.n_tried:
        return "gains: no comparison has items, so none can be tried on items that were not chosen"
    seen = gains.replicated
    luck = f"luck alone finds about {gains.expected_by_luck:.1f}"
    begin = (
        f"gains: of {plural(gains.n_tried, 'comparison')} {len(gains.found)} "
        f"{agreeing(len(gains.found), 'gains', 'gain')} on one half of the items ({luck}); "
    )
    if not seen:
        return begin + "none is seen again on the other half"
    named = [
        f"{one.row.model} {one.row.variant} on {one.row.task} in {one.row.language} "
        f"({quantities.amount(one.again, found.unit)})"
        for one in seen[:_NAMED]
    ]
    more = f" and {plural(len(seen) - _NAMED, 'other')}" if len(seen) > _NAMED else ""
    best = max(one.again for one in seen)
    size = quantities.size(found.difference, found.unit)
    small = f", none of {size} or more" if best < found.difference else ""
    return begin + f"seen again on the other half: {'; '.join(named)}{more}{small}"
