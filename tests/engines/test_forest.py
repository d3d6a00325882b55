"""The forest computes what was asked, in an order in which everything needed is there."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babelbits.engines.prefix_tree import ForwardStep, grow, plan_steps

tokens = st.integers(0, 2)  # few symbols, so that prefixes are shared by chance
piece = st.lists(tokens, max_size=6)


@st.composite
def nested(draw: st.DrawFn) -> list[list[int]]:
    """Sequences made of a few shared prefixes, shared middles and tails."""
    prefixes = draw(st.lists(st.lists(tokens, min_size=1, max_size=60), min_size=1, max_size=3))
    sequences = [
        draw(st.sampled_from(prefixes)) + draw(piece) + draw(piece)
        for _ in range(draw(st.integers(1, 25)))
    ]
    return [*sequences, *draw(st.lists(st.sampled_from(sequences), max_size=3))]


def simulate(steps: list[ForwardStep]) -> dict[int, list[int]]:
    """For each slot, the tokens that its logits are conditioned on; checks each step's frame."""
    trunk: list[int] = []
    seen: dict[int, list[int]] = {}
    for step in steps:
        assert step.depth <= len(trunk)
        trunk = trunk[: step.depth]
        visible = step.visible()
        for row, position in enumerate(step.positions):
            path = step.path(row)
            assert np.flatnonzero(visible[row]).tolist() == path
            assert position == step.depth + len(path) - 1
        for row, slot in step.wants:
            assert slot not in seen
            seen[slot] = trunk + [step.tokens[r] for r in step.path(row)]
        if step.keep:
            assert step.is_chain
            trunk = trunk + step.tokens
    return seen


@given(
    sequences=nested(),
    pack=st.integers(1, 40),
    longest=st.integers(1, 40),
    data=st.data(),
)
@settings(max_examples=100, deadline=None)
def test_every_wanted_position_is_computed_once_after_its_own_prefix(
    sequences: list[list[int]], pack: int, longest: int, data: st.DataObject
) -> None:
    starts = [data.draw(st.integers(0, len(s) - 1)) for s in sequences]
    steps = list(plan_steps(grow(sequences, starts), pack=pack, block=8, longest=longest))
    seen = simulate(steps)
    expected = [
        sequence[: position + 1]
        for sequence, start in zip(sequences, starts, strict=True)
        for position in range(start, len(sequence))
    ]
    assert [seen[slot] for slot in range(len(expected))] == expected
    assert len(seen) == len(expected)


@given(sequences=nested())
@settings(max_examples=50, deadline=None)
def test_large_packs_compute_each_distinct_prefix_once(sequences: list[list[int]]) -> None:
    steps = plan_steps(
        grow(sequences, [len(s) - 1 for s in sequences]), pack=10**6, block=8, longest=10**6
    )
    distinct = {tuple(s[: i + 1]) for s in sequences for i in range(len(s))}
    assert sum(len(step.tokens) for step in steps) == len(distinct)


def test_few_shot_prefix_then_items_then_choices_by_hand() -> None:
    """Prefix 100, two items of 50, two choices of 3 each: 100 + 2 * (50 + 2 * 3) tokens."""
    prefix = [1] * 100
    items = [prefix + [2 + i] * 50 for i in range(2)]
    sequences = [item + [10 + choice] * 3 for item in items for choice in range(2)]
    steps = list(plan_steps(grow(sequences, [150] * 4), pack=112, block=64, longest=1000))
    assert [(s.keep, s.depth, len(s.tokens)) for s in steps] == [
        (True, 0, 64),
        (True, 64, 36),
        (False, 100, 112),
    ]


def test_tiny_trunk_is_repeated_rather_than_computed_alone() -> None:
    """Three shared tokens before four branches of 100: four packs, no step for the three."""
    sequences = [[0, 0, 0] + [1 + i] * 100 for i in range(4)]
    steps = list(plan_steps(grow(sequences, [102] * 4), pack=110, block=64, longest=1000))
    assert [(s.keep, len(s.tokens)) for s in steps] == [(False, 103)] * 4


def test_a_prompt_that_grows_token_by_token_needs_no_deep_recursion() -> None:
    text = np.random.default_rng(0).integers(0, 50, 1200).tolist()
    sequences = [text[: n + 1] for n in range(1200)]
    steps = list(plan_steps(grow(sequences, list(range(1200))), pack=64, block=64, longest=64))
    assert sum(len(step.tokens) for step in steps) == 1200


@pytest.mark.parametrize("first", [0, 5])
def test_trunk_pieces_end_at_the_same_places_whatever_shares_them(first: int) -> None:
    """A later call may find its blocks in the trunk only if it cuts the prefix as before."""
    prefix = list(range(100))
    sequences = [prefix + [200 + i] * 60 for i in range(first, first + 3)]
    steps = plan_steps(grow(sequences, [159] * 3), pack=64, block=32, longest=64)
    assert [s.depth for s in steps if s.keep] == [0, 32, 64, 96]
