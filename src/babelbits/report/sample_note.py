"""How small a sample was and what it could have shown: a sentence a suite, for a short answer.

Says nothing about harm. The minimum detectable loss is that of a language by itself, with 80 %
power at the error rate that the tests of its family are held to; of several languages and variants
the range is told.
"""

from collections.abc import Sequence

from babelbits.analysis.format import size
from babelbits.records import Effect
from babelbits.report import views
from babelbits.results.results import Results
from babelbits.words import plural


def sample_sentences(found: Results) -> tuple[str, ...]:
    """One sentence a suite, in the study's order."""
    primary = views.map_primary_metrics(found)
    by_suite: dict[str, list[Effect]] = {}
    for one in found.analysis.effects:
        if one.scope == "language" and one.metric == primary.get(one.task):
            by_suite.setdefault(one.task, []).append(one)
    return tuple(describe_suite(suite, effects) for suite, effects in by_suite.items())


def describe_suite(suite: str, effects: Sequence[Effect]) -> str:
    """How many items a suite has a language, and the smallest loss that they could have shown."""
    items = sorted({one.counts.n_items for one in effects})
    few = ("" if len(items) == 1 else f"{items[0]:,} to ") + plural(items[-1], "item")
    seen = [one.inference.minimal_detectable_effect for one in effects]
    known = sorted(one for one in seen if one is not None)
    unit = effects[0].unit
    if not known:
        return f"{suite}: {few} a language, too few to show any loss in a language."
    least, most = size(known[0], unit), size(known[-1], unit)
    smallest = most if least == most else f"{least.partition(' ')[0]} to {most}"
    blind = len(seen) - len(known)
    more = (
        f"; none in {blind} of {plural(len(seen), 'comparison')}, where too few answers changed"
        if blind
        else ""
    )
    return (
        f"{suite}: {few} a language; the smallest loss that would be seen in a language (with "
        f"80 % power): {smallest}{more}."
    )
