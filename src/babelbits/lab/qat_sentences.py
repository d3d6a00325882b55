"""What a QAT lab says, in sentences: the claim by mix, each language, and what is not claimed."""

from collections.abc import Iterator

from babelbits.analysis.format import p_value
from babelbits.lab.qat_design import HELD_OUT, PRIMARY, name_mix
from babelbits.lab.qat_results import QatDifference, QatResults
from babelbits.languages import resolve
from babelbits.records import quantities
from babelbits.words import listed, plural

_SHOWN = {
    "better": "training with quantization is better than rounding afterwards",
    "worse": "training with quantization is worse than rounding afterwards",
    "undecided": "no difference between the two is shown",
}


def describe_results(results: QatResults) -> Iterator[str]:
    """The declared claim first, then languages, what it is said of, and what is missing."""
    rows = [one for one in results.differences if (one.first, one.second) == PRIMARY]
    for row in (one for one in rows if one.primary):
        shown = _SHOWN[row.verdict or "undecided"]
        yield f"{_place(row)}: {_amount(row)}: {shown}{_p(row, results)}."
        yield from _recovered(results, row)
        yield from _by_language(results, row)
        others = _find(results, row, scope="others")
        if others is not None and row.mix == "english":
            yield (
                f"{_place(others)}, the languages that were not trained on: {_amount(others)} "
                "(not adjusted)."
            )
    yield describe_limits(results)
    if results.missing:
        yield f"Not finished: {listed(results.missing)}."


def describe_limits(results: QatResults) -> str:
    """Of what all this is said."""
    design = results.design
    return (
        f"Said of this model ({design.model}), this format and {plural(design.tokens, 'token')} of "
        f"training a seed; of other models, sizes and longer training it says nothing."
    )


def _place(row: QatDifference) -> str:
    mix = "Untrained" if row.mix is None else name_mix(row.mix)[0].upper() + name_mix(row.mix)[1:]
    return f"{mix}, {row.suite}"


def _amount(row: QatDifference) -> str:
    """'QAT less PTQ +0.041 bits/byte (+0.020 to +0.062; 3 seeds)'."""
    around = "no interval" if row.interval is None else quantities.interval(row.interval, row.unit)
    seeds = plural(len(row.by_seed), "seed")
    amount = quantities.amount(row.estimate, row.unit)
    return f"{row.first} less {row.second} {amount} ({around}; {seeds})"


def _p(row: QatDifference, results: QatResults) -> str:
    if row.p_adjusted is None:
        return ""
    mixes = plural(len(results.design.mixes), "mix")
    return f" (p {p_value(row.p_adjusted)}, Holm over {mixes})"


def _recovered(results: QatResults, row: QatDifference) -> Iterator[str]:
    """What rounding costs the control, and what is left of it after QAT."""
    costs = {
        arm: next(
            (
                one
                for one in results.differences
                if one.key == (row.mix, row.suite, arm, "control", row.scope, row.language)
            ),
            None,
        )
        for arm in ("ptq", "gptq", "qat")
    }
    words = [f"{arm} {_amount_alone(one)}" for arm, one in costs.items() if one is not None]
    if words:
        yield f"{_place(row)}, against the control: {listed(words)} (not adjusted)."


def _amount_alone(row: QatDifference) -> str:
    around = "" if row.interval is None else f" ({quantities.interval(row.interval, row.unit)})"
    return f"{quantities.amount(row.estimate, row.unit)}{around}"


def _by_language(results: QatResults, primary: QatDifference) -> Iterator[str]:
    """One sentence a language of the held-out text."""
    for row in results.differences:
        if row.key[:4] != primary.key[:4] or row.scope != "language" or row.suite != HELD_OUT:
            continue
        name = resolve(str(row.language)).name
        verdict = _SHOWN[row.verdict or "undecided"]
        yield f"{name}, {name_mix(row.mix or 'balanced')}: {_amount(row)}: {verdict}."


def _find(results: QatResults, row: QatDifference, *, scope: str) -> QatDifference | None:
    key = (*row.key[:4], scope, None)
    return next((one for one in results.differences if one.key == key), None)
