"""What `babelbits judge` prints: verdicts, then the judge's biases, then what it cost.

Net preference is in points: wins less losses of the variant, so harm is negative.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from babelbits.analysis.format import NOTHING, interval, p_value, percent, score, signed
from babelbits.cli.console import print_data, print_plain_table, say
from babelbits.words import agreeing, plural

if TYPE_CHECKING:
    from babelbits.judge.bias import JudgeBias
    from babelbits.judge.scores import ScoreSummary
    from babelbits.judge.session import JudgeResult
    from babelbits.preferences.answer_pairs import AnswerPair
    from babelbits.preferences.summary import VoteSummary
    from babelbits.records import Interval

HEADS = (
    *("variant", "language", "pairs", "same", "dropped", "won/tied/split/lost", "net"),
    *("interval", "p", "if dropped lost/won", "verdict"),
)
JUDGE_HEADS = (
    *("variant", "language", "win rate", "at equal length", "longer wins", "first place wins"),
    *("flips", "refused", "unparsed", "error"),
)
SCORE_HEADS = (
    "variant",
    "language",
    "pairs",
    "same",
    "baseline",
    "variant's",
    "change",
    "interval",
    "p",
)
_VERDICTS = ("variant", "tie", "inconsistent", "baseline")
_FRACTION = "fraction"
_REASONS_SHOWN = 5


def print_result(result: "JudgeResult") -> None:
    """Print the verdicts to stdout, and the rest of what a reader must know."""
    print_plain_table(
        HEADS, [make_verdict_row(one) for one in result.summaries], numeric=range(2, 10)
    )
    for sentence in describe_verdicts(result):
        print_data(sentence)
    if result.scores:
        print_data("")
        print_plain_table(SCORE_HEADS, score_rows(result), numeric=range(2, 9))
    print_data("")
    print_plain_table(JUDGE_HEADS, judge_rows(result), numeric=range(2, 10))
    for line in list_notes(result):
        say(line)


def make_verdict_row(one: "VoteSummary") -> tuple[str, ...]:
    """The values of `HEADS`."""
    preference = one.preference
    counts = (f"{one.n_pairs:,}", f"{one.n_identical:,}", f"{one.n_dropped:,}")
    if preference is None:
        return (one.variant, one.language, *counts, *[NOTHING] * 5, one.verdict)
    return (
        one.variant,
        one.language,
        *counts,
        "/".join(str(one.verdicts.get(verdict, 0)) for verdict in _VERDICTS),
        signed(preference.net, _FRACTION),
        interval(preference.interval, _FRACTION),
        p_value(preference.p_value if one.p_adjusted is None else one.p_adjusted),
        _bounds(one),
        one.verdict,
    )


def _bounds(one: "VoteSummary") -> str:
    if one.bounds is None or not one.n_dropped:
        return NOTHING
    low, high = (signed(bound.net, _FRACTION) for bound in one.bounds)
    return f"{low} / {high}"


def judge_rows(result: "JudgeResult") -> list[tuple[str, ...]]:
    """The values of `JUDGE_HEADS`: how the judge behaved in each language."""
    by_place = {(one.variant, one.language): one for one in result.leanings}
    return [
        _judge_row(one, by_place[one.variant, one.language], both_orders=not result.scores)
        for one in result.summaries
        if (one.variant, one.language) in by_place
    ]


def _judge_row(one: "VoteSummary", leaning: "JudgeBias", *, both_orders: bool) -> tuple[str, ...]:
    first, longer, equal = leaning.first_place, leaning.longer, leaning.at_equal_length
    return (
        one.variant,
        one.language,
        percent(leaning.raw_win_rate),
        NOTHING if equal is None else _share(equal.win_rate, equal.interval),
        NOTHING if longer is None else _share(longer.share, longer.interval),
        NOTHING if first is None else _share(first.share, first.interval),
        _share(one.flip_share, one.flip_interval) if both_orders else NOTHING,
        *(str(one.dropped.get(kind, 0)) for kind in ("refused", "unparsed", "error")),
    )


def _share(value: float | None, within: "Interval | None") -> str:
    if value is None or within is None:
        return NOTHING
    return f"{100 * value:.0f} % ({100 * within.low:.0f}–{100 * within.high:.0f})"


def score_rows(result: "JudgeResult") -> list[tuple[str, ...]]:
    """A row a variant and language, variant by variant."""
    order = list(dict.fromkeys(one.variant for one in result.scores))
    return [score_row(one) for one in sorted(result.scores, key=lambda s: order.index(s.variant))]


def score_row(one: "ScoreSummary") -> tuple[str, ...]:
    """The values of `SCORE_HEADS`, in the scale's own unit."""
    return (
        one.variant,
        one.language,
        f"{one.n_pairs:,}",
        f"{one.n_identical:,}",
        score(one.baseline, "score"),
        score(one.variant_mean, "score"),
        signed(one.delta, "score"),
        interval(one.interval, "score"),
        p_value(one.p_value),
    )


def describe_verdicts(result: "JudgeResult") -> Iterator[str]:
    """What the table shows in words: the verdicts that are one, and the A/A control."""
    from babelbits.preferences.collect import CONTROL
    from babelbits.preferences.summary import ALL

    for one in result.summaries:
        preference = one.preference
        if one.variant != CONTROL:
            if one.verdict != "undecided" or one.language == ALL:
                yield f"{one.variant}, {one.language}: {one.verdict} ({one.reason})"
        elif (
            preference is not None and not preference.interval.low <= 0 <= preference.interval.high
        ):
            yield (
                f"warning: the A/A control in {one.language} does not cover zero "
                f"({interval(preference.interval, _FRACTION)}): the judge, or noise of the runs, "
                "makes a difference where there is none"
            )


def note_failures(
    reasons: Mapping[str, int], n_errors: int, *, what: str, missing: str, spent: float | None
) -> Iterator[str]:
    """What was too long for the judge, why else something is missing, and whether to ask again.

    Parameters
    ----------
    reasons : mapping
        Reason to how often it was given.
    n_errors : int
        Requests that failed, those too long among them.
    what : str
        What a request is about: 'pair'.
    missing : str
        What there is not then: 'verdict'.
    spent : float, optional
        Money that was spent so far.
    """
    from babelbits.judge.broken_answers import sort_reasons

    failed = sort_reasons(reasons)
    count = failed.n_too_long
    if failed.example is not None:
        yield (
            f"{plural(count, what)} {agreeing(count, 'does', 'do')} not fit the judge's context, "
            "and asking again does not change that (a longer context, or a smaller "
            f"--max-new-tokens does): {failed.example[:200]}"
        )
    for reason, times in failed.others[:_REASONS_SHOWN]:
        yield f"no {missing}, {times} ×: {reason[:200]}"
    if spent is not None and spent > 0:
        yield f"spent so far: {spent:.4g}"
    if n_errors > count:
        asked = plural(n_errors - count, what)
        yield f"{asked} could not be asked about: run the same command again"


def note_degenerate(pairs: "Sequence[AnswerPair]") -> Iterator[str]:
    """How many answers of each arm are empty or a loop; nothing where none is."""
    from babelbits.judge.broken_answers import count_degenerate

    before, after = count_degenerate(pairs)
    if before or after:
        yield (
            f"in {plural(len(pairs), 'pair')} {before} of the baseline's answers and {after} of "
            "the variants' are empty or a repetition loop: a verdict on these is about the "
            "collapse alone"
        )


def list_notes(result: "JudgeResult") -> Iterator[str]:
    """How to read the table, what was dropped and why, what it cost, where it lies."""
    first = next((one for one in result.summaries if one.preference is not None), None)
    if first is not None and first.preference is not None:
        level = percent(first.preference.interval.level, digits=0)
        yield (
            "net: wins less losses of the variant in points, per prompt, identical answers as ties "
            f"(interval {level}); split: the two orders disagree; p: Holm over a variant's "
            f"languages; equivalent: within ±{100 * first.margin:g} "
            f"{agreeing(100 * first.margin, 'point', 'points')}"
        )
    if any(one.bounds is not None and one.n_dropped for one in result.summaries):
        yield "dropped pairs have no verdict: a claim of equivalence must hold with them either way"
    yield from note_degenerate(result.pairs)
    yield from note_failures(
        result.reasons, result.n_errors, what="pair", missing="verdict", spent=result.spent
    )
    yield f"votes and replies: {result.folder}"
