"""The four verdicts exclude each other and cover everything."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelbits.analysis.verdicts import Evidence, decide
from babelbits.records import Interval


def between(low: float, high: float, level: float = 0.95) -> Interval:
    return Interval(low=low, high=high, level=level, method="test")


def evidence(
    low: float, high: float, *, p: float = 0.01, margin: float | None = 0.02, **more: object
) -> Evidence:
    shrink = (high - low) * 0.08
    found = Evidence(
        p_value=p,
        interval=between(low, high),
        equivalence_interval=between(low + shrink, high - shrink, 0.90),
        margin=margin,
        alpha=0.05,
        at_floor=False,
    )
    return dataclasses.replace(found, **more)  # type: ignore[arg-type]  # fields by name


@pytest.mark.parametrize(
    ("case", "verdict", "reason"),
    [
        (evidence(-0.06, -0.03), "worse", "loss shown"),
        (evidence(0.03, 0.06), "better", "gain shown"),
        (evidence(-0.01, 0.01, p=0.9), "equivalent", "interval inside the margin"),
        (evidence(-0.015, -0.001), "equivalent", "interval inside the margin"),
        (evidence(-0.05, 0.01, p=0.2), "undecided", "interval reaches past the margin"),
        (evidence(-0.06, -0.01, p=0.2), "undecided", "not shown after adjusting for the family"),
        (evidence(-0.06, 0.001, p=0.04), "undecided", "test and interval disagree"),
        (evidence(-0.05, 0.01, p=0.2, margin=None), "undecided",
         "no difference shown; no margin declared"),
        (evidence(-0.06, -0.03, margin=None), "worse", "loss shown"),
        (evidence(-0.01, 0.01, at_floor=True), "undecided", "at floor"),
        (evidence(-0.06, -0.03, at_floor=True), "undecided", "at floor"),
        (evidence(-0.01, 0.01, interval=None), "undecided",
         "too few items changed for an interval"),
        (evidence(-0.01, 0.01, p=0.5, floor_languages=("ko",)), "undecided",
         "inside the margin, but at floor in ko"),
        (evidence(-0.01, 0.01, p=0.5, lost_share=0.001), "equivalent",
         "interval inside the margin"),
        (evidence(-0.01, 0.01, p=0.5, lost_share=0.05), "undecided",
         "inside the margin, but items failed under the variant alone"),
        (evidence(-0.01, 0.01, p=0.5, lost_share=0.001, has_range=False), "undecided",
         "inside the margin, but items failed under the variant alone"),
        (evidence(-0.019, -0.001, floor_languages=("ko",)), "worse", "loss shown"),
    ],
)  # fmt: skip
def test_each_verdict_by_its_definition(case: Evidence, verdict: str, reason: str) -> None:
    found = decide(case)
    assert (found.verdict, found.reason) == (verdict, reason)


def test_a_negligible_effect_is_noted_in_its_direction() -> None:
    assert decide(evidence(-0.015, -0.001)).notes == ("a real but negligible loss",)
    assert decide(evidence(0.001, 0.015)).notes == ("a real but negligible gain",)
    assert decide(evidence(-0.01, 0.01, p=0.9)).notes == ()


ENDS = st.tuples(st.floats(-1, 1), st.floats(-1, 1)).map(lambda pair: tuple(sorted(pair)))


@given(ends=ENDS, p=st.floats(0.001, 1), margin=st.none() | st.floats(0.001, 0.5))
def test_swapping_the_arms_swaps_worse_and_better(
    ends: tuple[float, float], p: float, margin: float | None
) -> None:
    low, high = ends
    mirror = {"worse": "better", "better": "worse"}
    found, swapped = (
        decide(evidence(low, high, p=p, margin=margin)),
        decide(evidence(-high, -low, p=p, margin=margin)),
    )
    assert swapped.verdict == mirror.get(found.verdict, found.verdict)


@given(ends=ENDS, p=st.floats(0.051, 1), margin=st.none() | st.floats(0.001, 0.5))
def test_without_evidence_there_is_no_harm_and_no_gain(
    ends: tuple[float, float], p: float, margin: float | None
) -> None:
    assert decide(evidence(*ends, p=p, margin=margin)).verdict in ("equivalent", "undecided")
