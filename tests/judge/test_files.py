"""Pairs, votes and prompts in files: what was written is read, what was changed is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from babelbits.errors import TaskError
from babelbits.preferences.pair_files import read_pairs, write_pairs
from babelbits.preferences.votes import read_votes, write_votes
from babelbits.study.config.prompt_files import read_prompts
from judging import pair, vote

HARD = 'line\u2028two\n"quoted" </script> \x1b[31m \u202e'


def test_pairs_come_back_as_they_were(tmp_path: Path) -> None:
    pairs = (pair(1, HARD, ""), pair(1, "a", "b", language="ja"), pair(2, label="nf4"))
    path = tmp_path / "pairs.jsonl"
    write_pairs(path, pairs)
    assert read_pairs(path) == pairs
    assert path.read_bytes().count(b"\n") == 3


def test_votes_come_back_as_they_were(tmp_path: Path) -> None:
    votes = (vote(1, 0.5), vote(2, None, verdict="refused", reasons=("no",)), vote(3, -1.0))
    write_votes(tmp_path / "votes.jsonl", votes)
    assert read_votes(tmp_path / "votes.jsonl") == votes


def changed(**fields: object) -> Callable[[dict[str, object]], dict[str, object]]:
    return lambda row: {name: value for name, value in {**row, **fields}.items() if value != "-"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (changed(variant_answer="better"), "not those that the pair_id was made from"),
        (changed(language="klingonese"), "klingonese"),
        (changed(language="-"), "'language' must be text"),
        (changed(prompt=" "), "'prompt' must be text"),
        (changed(baseline_answer=None), "'baseline_answer' must be text"),
        (changed(rating=5), "unknown field 'rating'"),
    ],
)
def test_a_line_that_is_no_pair_is_named(
    tmp_path: Path, change: Callable[[dict[str, object]], dict[str, object]], says: str
) -> None:
    path = tmp_path / "pairs.jsonl"
    write_pairs(path, [pair(1), pair(2)])
    first, second = path.read_text("utf-8").splitlines()
    path.write_text(f"{first}\n{json.dumps(change(json.loads(second)))}\n", "utf-8")
    with pytest.raises(TaskError, match=says) as caught:
        read_pairs(path)
    assert "row 2" in str(caught.value)


def test_pairs_made_by_hand_need_no_hash_and_any_code_will_do(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    row = {"source_id": "1", "language": "nob_Latn", "variant": "q4", "prompt": "p"}
    row |= {"baseline_answer": "a", "variant_answer": "b"}
    path.write_text(json.dumps(row) + "\n", "utf-8")
    [found] = read_pairs(path)
    assert (found.language, found.item_id) == ("nb", "1")


def test_a_prompt_paired_twice_would_count_twice(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    write_pairs(path, [pair(1), pair(1, "another", "answer")])
    with pytest.raises(TaskError, match="paired twice in en for w4"):
        read_pairs(path)


def test_an_empty_file_holds_no_pair(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n", "utf-8")
    with pytest.raises(TaskError, match="holds no pair"):
        read_pairs(path)


# --- prompts -------------------------------------------------------------------------------------


def prompts(folder: Path, *rows: object) -> Path:
    path = folder / "prompts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def test_prompts_are_sorted_by_language(tmp_path: Path) -> None:
    path = prompts(
        tmp_path,
        {"id": 1, "language": "nob", "prompt": "Hva?"},
        {"id": "1", "language": "swh_Latn", "prompt": "Nini?"},
        {"id": "2", "language": "nb", "prompt": "Hvor?"},
    )
    found = read_prompts(path)
    assert found.languages == ("nb", "sw")
    assert [row["source_id"] for row in found.rows["nb"]] == ["1", "2"]
    folder = found.write(tmp_path / "kept")
    assert sorted(file.name for file in folder.iterdir()) == ["nb.jsonl", "sw.jsonl"]
    assert found.write(tmp_path / "kept") == folder, "the same prompts are the same folder"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"id": "1", "language": "nb", "prompt": "again"}, "used twice in nb"),
        ({"language": "nb", "prompt": "x"}, "'id' must be text"),
        ({"id": "2", "language": "qqqqq", "prompt": "x"}, "qqqqq"),
        ({"id": "2", "language": "nb", "prompt": ""}, "'prompt' must be text"),
    ],
)
def test_a_line_that_is_no_prompt_is_named(tmp_path: Path, row: object, says: str) -> None:
    path = prompts(tmp_path, {"id": "1", "language": "nb", "prompt": "Hva?"}, row)
    with pytest.raises(TaskError, match=says) as caught:
        read_prompts(path)
    assert "row 2" in str(caught.value)


def test_a_file_without_prompts_shows_how_one_looks(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="holds no prompt"):
        read_prompts(prompts(tmp_path))
