"""How a rating campaign stands, printed: coverage and agreement, then rater by rater."""

from typing import TYPE_CHECKING, Any

from babelbits.cli.console import cell, console, duration, say

if TYPE_CHECKING:
    from babelbits.annotate.progress import Progress


def standing_object(found: "Progress", pay: float | None) -> dict[str, Any]:
    """For `--json`; `pay` an hour of active time, or None."""
    from dataclasses import asdict

    raters = [
        {**asdict(one), "pay": None if pay is None else round(pay * one.minutes / 60, 2)}
        for one in found.raters
    ]
    return {**asdict(found), "raters": raters, "done": found.done, "wanted": found.wanted}


def print_standing(found: "Progress", pay: float | None, currency: str) -> None:
    """For people: a table of languages and one of raters."""
    from rich.table import Table

    say(
        f"{found.done} of {found.wanted} judgments; {found.identical} identical pairs not shown"
        + ("; unblinded: closed" if found.frozen_at is not None else "")
    )
    languages = Table(
        "language", "done", "wanted", "out", "raters", "shared", "alpha", "same", "first"
    )
    for one in found.languages:
        interval = one.alpha_interval
        between = "" if interval is None else f" [{interval.low:.2f}, {interval.high:.2f}]"
        languages.add_row(
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
    console().print(languages)
    raters = Table(
        "rater", "state", "judged", "checks", "repeats", "first", "time", "raw", "look at"
    )
    if pay is not None:
        raters.add_column("pay")
    for rater in found.raters:
        cells = [
            rater.rater,
            rater.state,
            str(rater.judgments),
            f"{rater.checks.count}/{rater.checks.total}",
            f"{rater.repeats.count}/{rater.repeats.total}",
            "–" if rater.first.value is None else f"{rater.first.value:.0%}",
            duration(60 * rater.minutes) if rater.minutes else "–",
            duration(60 * rater.raw_minutes) if rater.raw_minutes else "–",
            "; ".join(rater.flags),
        ]
        if pay is not None:
            cells.append(f"{pay * rater.minutes / 60:.2f} {currency}".strip())
        raters.add_row(*map(cell, cells))
    console().print(raters)
