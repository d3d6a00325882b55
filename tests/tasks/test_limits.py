"""Scaled token limits, with tokenizers simple enough to count by hand."""

from pathlib import Path

import pytest

from babelbits.records import GenerateRequest, Generation
from babelbits.tasks.base import Task, TaskOptions
from babelbits.tasks.catalogue import load
from babelbits.tasks.token_limits import Fertility, ScaledTask, measure_fertility
from flores_files import archive


@pytest.fixture
def flores(tmp_path: Path) -> Path:
    return archive(tmp_path, eng_Latn=["abcd", "ab"], deu_Latn=["a" * 10, "b" * 5])


def task(folder: Path, suite: str = "flores") -> Task:
    return load(suite, "de", TaskOptions(data=folder, shots=0))


def limit(found: Task) -> int:
    request = found.items()[0].requests[0]
    assert isinstance(request, GenerateRequest)
    return request.max_new_tokens


def test_translations_are_measured_on_their_references(flores: Path) -> None:
    """A token a letter: 15 letters of German for 6 of English."""
    assert measure_fertility(task(flores), None, len) == Fertility(ratio=15 / 6, n_texts=2)


def test_into_english_nothing_is_scaled(flores: Path) -> None:
    found = measure_fertility(task(flores, "flores-from"), None, len)
    assert found is not None
    assert found.ratio == 1


def test_other_tasks_are_measured_on_their_prompts() -> None:
    """Bytes as tokens: Hindi takes more of them than English for the same sums."""
    hindi, english = (load("math", code, TaskOptions(limit=5)) for code in ("hi", "en"))
    found = measure_fertility(hindi, english, lambda text: len(text.encode()))
    prompts = [
        sum(len(item.requests[0].prompt.encode()) for item in one.items())  # type: ignore[union-attr]
        for one in (hindi, english)
    ]
    assert found == Fertility(ratio=prompts[0] / prompts[1], n_texts=5)
    assert measure_fertility(hindi, None, len) is None


def test_limits_grow_by_the_ratio_and_never_shrink(flores: Path) -> None:
    original = task(flores)
    long = ScaledTask(original, Fertility(ratio=2.5, n_texts=2), count=len, context=10_000)
    assert limit(long) == 640
    short = ScaledTask(original, Fertility(ratio=0.5, n_texts=2), count=len, context=10_000)
    assert limit(short) == limit(original) == 256
    assert "x 2.50" in long.info.notes[-1]


def test_a_prompt_keeps_its_place_in_the_context(flores: Path) -> None:
    original = task(flores)
    prompt = len(original.items()[0].requests[0].prompt)  # type: ignore[union-attr]
    found = Fertility(ratio=2.5, n_texts=2)
    assert limit(ScaledTask(original, found, count=len, context=prompt + 401)) == 400
    assert limit(ScaledTask(original, found, count=len, context=100)) == 256


def test_longer_items_are_other_items_and_score_the_same(flores: Path) -> None:
    original = task(flores)
    scaled = ScaledTask(original, Fertility(ratio=2.0, n_texts=2), count=len, context=10_000)
    first, second = original.items()[0], scaled.items()[0]
    assert first.item_id != second.item_id
    assert (first.source_id, first.target) == (second.source_id, second.target)
    reply = Generation(
        texts=("aaa",), finish_reasons=("stop",), output_tokens=(1,), prompt_tokens=1
    )
    assert scaled.score(second, [reply]) == original.score(first, [reply])


def test_nothing_parallel_is_said(flores: Path) -> None:
    found = ScaledTask(task(flores), None, count=len, context=10_000)
    assert limit(found) == 256
    assert found.info.notes[-1].startswith("token limits are not scaled")
