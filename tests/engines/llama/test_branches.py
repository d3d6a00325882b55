"""Which sequences a row belongs to: laws on random forests, no model."""

from hypothesis import given
from hypothesis import strategies as st

from babelbits.engines.llama.generation import find_shared_prefix
from babelbits.engines.llama.tree import divide, find_branches
from babelbits.engines.prefix_tree import grow, plan_steps

sequences = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=12)


def whole(tokens: list[list[int]]) -> list[int]:
    """The start of each: the logits of its last token are wanted."""
    return [len(one) - 1 for one in tokens]


@given(sequences, st.integers(1, 5))
def test_every_part_is_small_and_every_branch_is_whole(tokens: list[list[int]], most: int) -> None:
    (step,) = plan_steps(grow(tokens, whole(tokens)), pack=999, block=999, longest=999)
    wanted: list[int] = []
    for part in divide(step, most=most):
        wanted += part.wanted
        held = dict(zip(part.rows, part.sequences, strict=True))
        assert max(number for ids in part.sequences for number in ids) <= most
        for row, ids in held.items():
            above = step.parents[row]
            assert ids == sorted(ids)
            assert above < 0 or set(ids) <= set(held[above])
    assert sorted(wanted) == sorted({row for row, _slot in step.wants})


@given(sequences)
def test_a_sequence_reads_its_tokens_along_its_rows(tokens: list[list[int]]) -> None:
    (step,) = plan_steps(grow(tokens, whole(tokens)), pack=999, block=999, longest=999)
    ends = {slot: row for row, slot in step.wants}
    belongs = find_branches(step, [ends[slot] for slot in range(len(tokens))])
    for number, expected in enumerate(tokens, start=1):
        rows = [row for row in sorted(belongs) if number in belongs[row]]
        assert [step.tokens[row] for row in rows] == expected
        assert [step.positions[row] for row in rows] == list(range(len(expected)))


@given(sequences)
def test_the_shared_prefix_leaves_each_prompt_a_token(prompts: list[list[int]]) -> None:
    prefix = find_shared_prefix(prompts)
    assert all(len(p) > len(prefix) and p[: len(prefix)] == prefix for p in prompts)
    longer = {tuple(p[: len(prefix) + 1]) for p in prompts}
    assert len(longer) > 1 or min(map(len, prompts)) == len(prefix) + 1
