"""The sequentially rejective graph against Holm, a chain, hand calculations and simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from babelbits.stats.graph import Block, harm_adjusted
from plain_statistics import graph_adjusted, harm_graph

P = st.floats(0.0, 1.0).map(lambda x: round(x**3, 6))


def flat(blocks: tuple[Block, ...]) -> list[float]:
    return [
        p for one in blocks for p in ([] if one.pooled is None else [one.pooled], one.languages)
        for p in p
    ]  # fmt: skip


def complete(m: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full(m, 1 / m), (np.ones((m, m)) - np.eye(m)) / max(1, m - 1)


@given(st.lists(P, min_size=1, max_size=7))
def test_the_complete_graph_is_holm_as_statsmodels_has_it(p: list[float]) -> None:
    expected = multipletests(p, method="holm")[1]
    assert graph_adjusted(p, *complete(len(p))) == pytest.approx(expected, abs=1e-9)


@given(st.lists(P, min_size=1, max_size=7))
def test_a_chain_is_the_fixed_sequence(p: list[float]) -> None:
    """Each at alpha while all before were rejected: adjusted p is the largest so far."""
    weights = np.eye(len(p))[0]
    chain = np.eye(len(p), k=1)
    assert graph_adjusted(p, weights, chain) == pytest.approx(np.maximum.accumulate(p))


def test_two_primary_and_two_secondary_hypotheses_by_hand() -> None:
    """Two primary hypotheses that help each other, and a secondary one for each.

    Weights 1/2, 1/2, 0, 0; H1 passes half to H2 and half to H3, H2 half to H1 and half to H4, H3
    all to H2, H4 all to H1. By hand for p = .01, .005, .1, .5: H2 first (.005 / .5 = .01); H1 then
    has 1/2 + 1/4 (.01 / .75 = .013333), H4 has 1/4. Without H2, H1 passes (0 + 1/2 * 1/2) /
    (1 - 1/4) = 1/3 to H4 and 2/3 to H3. So H3 gets .75 * 2/3 = 1/2 (.1 / .5 = .2), H4 has
    1/4 + .75 / 3 = 1/2, and 1 once H3 is gone: .5.
    """
    weights = np.array([0.5, 0.5, 0, 0])
    graph = np.array([[0, 0.5, 0.5, 0], [0.5, 0, 0, 0.5], [0, 1, 0, 0], [1, 0, 0, 0]])
    found = graph_adjusted([0.01, 0.005, 0.1, 0.5], weights, graph)
    assert found == pytest.approx([0.01 / 0.75, 0.01, 0.2, 0.5])


@pytest.mark.parametrize(
    ("p", "rejected"),
    [((0.01, 0.005, 0.01, 0.5), (True, True, True, False)),
     ((0.01, 0.005, 0.015, 0.022), (True, True, True, True)),
     ((0.1, 0.1, 0.1, 0.1), (False, False, False, False))],
)  # fmt: skip
def test_parallel_gatekeeping_rejects_what_gmcp_rejects(
    p: tuple[float, ...], rejected: tuple[bool, ...]
) -> None:
    """The graph and the answers of gMCPLite's own test `test-gMCP.R`, alpha 0.05."""
    graph = np.zeros((4, 4))
    graph[0, 2] = graph[1, 3] = graph[2, 1] = graph[3, 0] = 1
    found = graph_adjusted(p, np.array([0.5, 0.5, 0, 0]), graph)
    assert tuple(found <= 0.05) == rejected


@st.composite
def reports(draw: st.DrawFn) -> tuple[Block, ...]:
    found = []
    for variant in range(draw(st.integers(1, 3))):
        for _ in range(draw(st.integers(1, 3))):
            languages = draw(st.lists(P, min_size=1, max_size=3))
            pooled = None if len(languages) == 1 else draw(P)
            found.append(Block(variant=variant, pooled=pooled, languages=tuple(languages)))
    return tuple(found)


@settings(max_examples=150, deadline=None)
@given(reports())
def test_walking_a_report_by_its_structure_is_the_dense_graph(blocks: tuple[Block, ...]) -> None:
    dense = graph_adjusted(flat(blocks), *harm_graph(blocks, epsilon=1e-4))
    assert flat(harm_adjusted(blocks)) == pytest.approx(dense, rel=5e-3, abs=1e-6)


def test_one_suite_of_two_languages_by_hand() -> None:
    """Mean 1/2, languages 1/4 each. Mean falls at .01 / .5 = .02 and its share goes to both.

    They have 1/2 each: .02 / .5 = .04, and the last has all of it: .06.
    """
    [found] = harm_adjusted([Block(variant="w4", pooled=0.01, languages=(0.06, 0.02))])
    assert (found.pooled, found.languages) == (
        pytest.approx(0.02),
        (pytest.approx(0.06), pytest.approx(0.04)),
    )


def test_a_mean_that_is_not_rejected_leaves_half_of_the_error_rate_to_holm() -> None:
    p = (0.001, 0.02, 0.4)
    [found] = harm_adjusted([Block(variant="w4", pooled=0.9, languages=p)])
    expected = np.minimum(1, 2 * multipletests(p, method="holm")[1])
    assert found.languages == pytest.approx(expected)


def test_a_finished_suite_passes_to_its_own_variant_first() -> None:
    """Four blocks of one language, 1/4 each; a's first passes all to a's second: 1/2."""
    p = (0.001, 0.024, 0.013, 0.9)
    blocks = [Block(variant=v, pooled=None, languages=(x,)) for v, x in zip("aabb", p, strict=True)]
    found = [one.languages[0] for one in harm_adjusted(blocks)]
    # a: .001 / .25, .024 / .5. b's first has 1/4 until a is finished, then 1/2: .013 / .5 = .026,
    # raised to .048 by what came before it.
    assert found == pytest.approx([0.004, 0.048, 0.048, 0.9])


def test_twenty_variants_of_six_suites_and_forty_languages_are_walked() -> None:
    """4,920 hypotheses, all of them harmed: every one is found, at the first levels or better."""
    blocks = [
        Block(variant=v, pooled=1e-12, languages=(1e-9,) * 40) for v in range(20) for _ in range(6)
    ]
    found = harm_adjusted(blocks)
    assert max(flat(found)) <= 1e-9 * 20 * 6 * 40 * 2
    assert len(flat(found)) == 4920


@pytest.mark.parametrize("harmed", ["none", "half the variants", "one suite", "one language"])
def test_false_marks_are_at_most_alpha_under_partial_nulls(harmed: str) -> None:
    """2,000 reports of 2 x 2 x 4 whose null languages share their noise; true harm is certain."""
    rng = np.random.default_rng(7)
    false = 0
    draws = 2000
    for _ in range(draws):
        shared = rng.normal(size=(2, 2, 1)) * 0.5
        z = shared + rng.normal(size=(2, 2, 4)) * np.sqrt(0.75)
        truth = np.zeros((2, 2, 4), bool)
        truth[{"none": np.s_[:0], "half the variants": np.s_[:1], "one suite": np.s_[:, :1],
               "one language": np.s_[0, 0, :1]}[harmed]] = True  # fmt: skip
        p = stats.norm.sf(np.where(truth, z + 9, z))
        mean = stats.norm.sf(z.mean(axis=2) / np.sqrt(0.25 + 0.75 / 4) + 9 * truth.mean(axis=2))
        blocks = [
            Block(variant=v, pooled=float(mean[v, s]), languages=tuple(map(float, p[v, s])))
            for v in range(2) for s in range(2)
        ]  # fmt: skip
        found = harm_adjusted(blocks)
        marks = np.array([one.languages for one in found]).reshape(2, 2, 4) <= 0.05
        means = np.array([one.pooled for one in found]).reshape(2, 2) <= 0.05
        false += bool((marks & ~truth).any() or (means & ~truth.any(axis=2)).any())
    # Three Monte Carlo errors above 5 %.
    assert false / draws <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / draws)
