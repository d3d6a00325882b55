"""Data of the item browser: safe to embed, flips first, within its budget, nothing hushed up."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from babelbits.records import Answer
from babelbits.report import items
from babelbits.report.item_pairs import compare_items, describe_samples
from babelbits.results.results import Results
from report.synthetic import HOSTILE


def payload(report: Results, budget: int) -> dict:
    found = compare_items(report.cells)
    return items.make_payload(found, {one.key: "-".join(one.key) for one in found}, budget=budget)


@pytest.mark.parametrize("text", [*HOSTILE, "<!--", "]]>", "\u2028\u2029", "&quot;"])
def test_embedded_json_cannot_leave_its_script_element(text: str) -> None:
    embedded = items.embed({"text": text})
    assert not set("<>&\u2028\u2029") & set(embedded)
    assert json.loads(embedded) == {"text": text}


@settings(deadline=None)
@given(st.lists(st.text() | st.integers() | st.none()))
def test_embedding_loses_nothing(value: object) -> None:
    assert json.loads(items.embed(value)) == value


def test_embedding_refuses_nan() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        items.embed(float("nan"))


def test_every_flip_is_there_when_there_is_room(small: Results) -> None:
    for cell in payload(small, 5_000_000)["cells"]:
        flips = [item for item in cell["items"] if item["status"] in {"broke", "fixed"}]
        assert len(flips) == cell["counts"]["broke"] + cell["counts"]["fixed"]


def test_counts_tell_of_items_that_did_not_fit(small: Results) -> None:
    cells = payload(small, 30_000)["cells"]
    shown = sum(len(cell["items"]) for cell in cells)
    there = sum(sum(cell["counts"].values()) for cell in cells)
    assert 0 < shown < there == 2 * 3 * 5 * 180


@pytest.mark.parametrize("budget", [20_000, 60_000, 200_000])
def test_the_budget_holds_within_a_tenth(small: Results, budget: int) -> None:
    bare = payload(small, 0)
    size = len(items.embed(payload(small, budget)).encode())
    assert size < len(items.embed(bare).encode()) + 1.1 * budget


def test_a_tight_budget_spends_itself_on_flips_of_every_cell(small: Results) -> None:
    cells = payload(small, 60_000)["cells"]
    flipping = [cell for cell in cells if cell["counts"]["broke"]]
    assert all(cell["items"] for cell in flipping)
    assert {item["status"] for cell in flipping for item in cell["items"][:1]} <= {"broke", "fixed"}


def test_shared_few_shot_text_is_stored_once(small: Results) -> None:
    found = payload(small, 5_000_000)
    cell = found["cells"][0]
    head = found["texts"][cell["preamble"]]
    assert head.count("A: ") == 3
    assert not any(head in found["texts"][item["prompt"]] for item in cell["items"])


def test_preamble_by_hand() -> None:
    shots = "Q: one\nA: 1\n\n" * 20
    assert items.find_preamble([f"{shots}Q: two", f"{shots}Q: three"]) == shots
    assert items.find_preamble(["short\nx", "short\ny"]) == ""
    assert items.find_preamble([shots]) == ""


def test_long_outputs_are_clipped_with_the_number_of_characters_left_out() -> None:
    assert items.clip("x" * 2600, longest=1600).endswith("… 1,000 more characters")
    assert items.clip("x" * 1600, longest=1600) == "x" * 1600


def test_cells_about_other_items_are_not_paired(small: Results) -> None:
    last = small.cells[-1]
    cells = (*small.cells[:-1], replace(last, rows=last.rows[1:]))
    assert len(compare_items(cells)) == len(compare_items(small.cells)) - 1


def test_of_an_item_that_is_sampled_the_scores_of_all_samples_are_told(small: Results) -> None:
    """The text on the page is the first sample's; the score is the mean of three: 2/3."""
    cell = small.cells[0]
    name = cell.meta.task.primary
    scores = (0.0, 1.0, 1.0)
    answers = tuple(
        Answer(text="x", finish_reason="stop", output_tokens=1, scores={name: score})
        for score in scores
    )
    metric = cell.meta.task.metric(name)
    row = replace(cell.rows[0], answers=answers)
    assert describe_samples(row, metric) == "sample 1 of 3 is shown; they score 0, 1, 1"
    assert describe_samples(cell.rows[0], metric) is None
    turn = replace(row, answers=(replace(answers[0], scores={}),))
    assert describe_samples(turn, metric) is None
