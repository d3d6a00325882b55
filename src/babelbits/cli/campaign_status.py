"""How a rating campaign stands, printed: coverage and agreement, then rater by rater."""

from typing import TYPE_CHECKING, Any

from babelbits.cli.console import print_data, print_plain_table, say
from babelbits.words import duration, plural

if TYPE_CHECKING:
    from babelbits.annotate.progress import Progress

LANGUAGE_HEADS = (
    "language", "done", "wanted", "out", "raters", "shared", "alpha", "same", "first",
)  # fmt: skip
RATER_HEADS = (
    "rater", "state", "judged", "checks", "repeats", "first", "time", "raw", "pay", "look at",
)  # fmt: skip


def make_standing_object(found: "Progress", pay: float | None) -> dict[str, Any]:
    """For `--json`; `pay` an hour of active time, or None."""
    from dataclasses import asdict

    raters = [
        {**asdict(one), "pay": None if pay is None else round(pay * one.minutes / 60, 2)}
        for one in found.raters
    ]
    return {**asdict(found), "raters": raters, "done": found.done, "wanted": found.wanted}


def print_standing(progress: "Progress", pay: float | None, currency: str) -> None:
    """For people: a table of languages and one of raters."""
    say(
        f"{progress.done} of {plural(progress.wanted, 'judgment')}; "
        f"{plural(progress.identical, 'identical pair')} not shown"
        + ("; unblinded: closed" if progress.frozen_at is not None else "")
    )
    languages = []
    for one in progress.languages:
        interval = one.alpha_interval
        between = "" if interval is None else f" [{interval.low:.2f}, {interval.high:.2f}]"
        languages.append(
            (
                one.language,
                str(one.done),
                str(one.wanted),
                str(one.held),
                str(one.raters),
                str(one.agreement_units),
                "–" if one.alpha is None else f"{one.alpha:.2f}{between}",
                "–" if one.raw is None else f"{one.raw:.0%}",
                "–" if one.first.value is None else f"{one.first.value:.0%}",
            )
        )
    print_plain_table(LANGUAGE_HEADS, languages, numeric=range(1, len(LANGUAGE_HEADS)))
    print_data("")
    raters = []
    for rater in progress.raters:
        cells = [
            rater.rater,
            rater.state,
            str(rater.judgments),
            f"{rater.checks.count}/{rater.checks.total}",
            f"{rater.repeats.count}/{rater.repeats.total}",
            "–" if rater.first.value is None else f"{rater.first.value:.0%}",
            duration(60 * rater.minutes) if rater.minutes else "–",
            duration(60 * rater.raw_minutes) if rater.raw_minutes else "–",
            "–" if pay is None else f"{pay * rater.minutes / 60:.2f} {currency}".strip(),
            "; ".join(rater.flags),
        ]
        raters.append(cells)
    print_plain_table(RATER_HEADS, raters, numeric=range(2, len(RATER_HEADS) - 1))
