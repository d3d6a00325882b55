"""What items of a suite share beside their translations, from data and from documents by hand."""

import json
from pathlib import Path

import pytest

from babelbits.tasks.base import TaskOptions
from babelbits.tasks.catalogue import load
from babelbits.tasks.clusters import FEWEST_SUBJECTS, find_cluster_ids, select_shared_columns
from babelbits.tasks.identity import make_item

LONG = "A passage that is long enough to be one."


def test_the_items_own_word_wins() -> None:
    docs = [{"cluster_id": "x", "link": "a"}, {"link": "a"}, {"link": "b"}]
    found = find_cluster_ids(docs, names=["1", "2", "3"], columns=("link",))
    assert found == ["x", "a", "b"]


def test_sources_that_occur_twice_are_one_cluster() -> None:
    """They get names of their own ('a', 'a#2'), and stay together."""
    assert find_cluster_ids([{}, {}, {}], names=["a", "b", "a"], columns=()) == ["a", None, "a"]


@pytest.mark.parametrize("column", ["passage", "context", "article", "premise"])
def test_a_text_that_several_items_share_is_a_cluster(column: str) -> None:
    """Named by the first item's source, so that it is the same in every language."""
    docs = [{column: LONG}, {column: LONG + " Another."}, {column: LONG}]
    assert find_cluster_ids(docs, names=["q1", "q2", "q3"]) == ["q1", None, "q1"]
    kept = [select_shared_columns(doc) for doc in docs]
    assert find_cluster_ids(kept, names=["q1", "q2", "q3"]) == ["q1", None, "q1"]


@pytest.mark.parametrize(
    "docs",
    [
        [{"passage": LONG}] * 3,
        [{"passage": f"{LONG} {k}"} for k in range(3)],
        [{"passage": word} for word in ("yes", "yes", "no")],
        [{"question": LONG}] * 2 + [{"question": "other"}],
    ],
    ids=["all the same", "all different", "too short", "no passage"],
)
def test_other_columns_are_no_clusters(docs: list[dict[str, str]]) -> None:
    assert find_cluster_ids(docs, names=[None] * len(docs)) == [None] * len(docs)


@pytest.mark.parametrize("count", [FEWEST_SUBJECTS - 1, FEWEST_SUBJECTS])
def test_subjects_are_units_where_there_are_enough(count: int) -> None:
    docs = [{"subject": f"s{k % count}"} for k in range(40)]
    found = find_cluster_ids(docs, names=[None] * 40)
    assert (found[0] is not None) is (count == FEWEST_SUBJECTS)


def test_a_cluster_changes_no_items_name() -> None:
    wanted = {"task": "t", "language": "en", "source_id": "s", "requests": (), "target": "",
              "doc": {}}  # fmt: skip
    plain, shared = make_item(**wanted), make_item(**wanted, cluster_id="p")
    assert plain.item_id == shared.item_id
    assert (plain.unit, shared.unit) == ("s", "p")


def test_bundled_pairs_are_of_passages_and_sums_of_sums() -> None:
    """240 pairs of 80 passages; 150 questions about 127 sums."""
    pairs = load("pairs", "sw", TaskOptions()).items()
    assert (len(pairs), len({one.unit for one in pairs})) == (240, 80)
    sums = load("math", "sw", TaskOptions()).items()
    assert (len(sums), len({one.unit for one in sums})) == (150, 127)


def test_segments_of_a_document_stay_together(tmp_path: Path) -> None:
    (tmp_path / "DOCUMENT_IDS.tsv").write_text("a\na\nb\n")
    (tmp_path / "newstest2019-ref.nob.txt").write_bytes(b"x\ny\nz\n")
    (tmp_path / "newstest2019-src.eng.txt").write_bytes(b"u\nv\nw\n")
    segments = load("ntrex-segments", "nb", TaskOptions(data=tmp_path)).items()
    assert [one.unit for one in segments] == ["a", "a", "b"]
    pytest.importorskip("sacrebleu")
    translated = load("ntrex-translation", "nb", TaskOptions(data=tmp_path)).items()
    assert [one.cluster_id for one in translated] == ["a", "a", "b"]
    assert all("cluster_id" not in one.doc for one in translated)


def test_rows_of_a_users_own_texts_may_name_their_cluster(tmp_path: Path) -> None:
    rows = [{"source_id": f"s{k}", "text": f"text {k}", "cluster_id": "c"} for k in range(2)]
    (tmp_path / "nb.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    items = load("text", "nb", TaskOptions(data=tmp_path)).items()
    bare = [{name: row[name] for name in ("source_id", "text")} for row in rows]
    (tmp_path / "nb.jsonl").write_text("".join(json.dumps(row) + "\n" for row in bare))
    before = load("text", "nb", TaskOptions(data=tmp_path)).items()
    assert [one.item_id for one in items] == [one.item_id for one in before]
    assert [one.unit for one in items] == ["c", "c"]
