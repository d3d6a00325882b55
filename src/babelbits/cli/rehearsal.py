"""A rehearsal for people: a line a variant while it runs, and a table."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from babelbits.cli.console import print_data, print_plain_table, say
from babelbits.words import duration, plural

if TYPE_CHECKING:
    from babelbits.study.planning.plan_types import Plan
    from babelbits.study.rehearsal import RehearsalResult

_OUTCOMES = {"works": "works", "fails": "fails", "unrehearsable": "cannot be rehearsed"}


REHEARSING = "rehearsing the variants on a miniature of the model (--no-rehearse: not at all)"


def rehearse_with_progress(plan: "Plan") -> tuple["RehearsalResult", ...]:
    """Rehearse a plan's variants, telling each as it is known, and the time in the end."""
    from babelbits.study.rehearsal.studies import rehearse

    if plan.study.model.is_gguf:
        say("not rehearsed: a GGUF file cannot be shrunk to a miniature")
        return ()
    say(REHEARSING)
    started = time.monotonic()
    results = rehearse(plan, tell=lambda result: say(describe_rehearsal(result)))
    say(describe_rehearsals(results, time.monotonic() - started))
    return results


def describe_rehearsals(results: Sequence["RehearsalResult"], seconds: float) -> str:
    """How many variants in what time, and how many were known."""
    new = sum(not result.cached for result in results)
    known = f", {len(results) - new} known from before" if new < len(results) else ""
    return f"rehearsed {plural(len(results), 'variant')} in {duration(seconds)}{known}"


def describe_rehearsal(result: "RehearsalResult") -> str:
    """One variant's rehearsal: its outcome, the time it took, and why it failed."""
    took = "known" if result.cached else duration(result.seconds)
    return f"  {result.label}: {_OUTCOMES[result.outcome]} ({took}){_why(result)}"


def _why(result: "RehearsalResult") -> str:
    if result.fault is None:
        return ""
    if result.outcome == "unrehearsable":
        return f"; checked when it is made: {result.fault.what}"
    return f": {result.fault.what}"


def print_table(results: Sequence["RehearsalResult"]) -> None:
    """Print results: variant, outcome, seconds, and why."""
    if not results:
        print_data("nothing to rehearse")
        return
    rows = [
        (
            result.label,
            _OUTCOMES[result.outcome],
            "known" if result.cached else f"{result.seconds:.1f}",
            "; ".join(result.notes) if result.fault is None else result.fault.what,
        )
        for result in results
    ]
    print_plain_table(("variant", "rehearsal", "seconds", "why"), rows, numeric=(2,))
