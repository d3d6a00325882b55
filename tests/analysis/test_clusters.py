"""Passages, documents and subjects as units: what counts as one, and no false alarms from it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from babelbits.analysis import AnalysisSettings, CellResult
from babelbits.analysis.analyse import analyse
from babelbits.cli.main import run
from babelbits.errors import TaskError, UnpairedItemsError
from babelbits.results.analyse_logs import CompareOptions, load_foreign, parse_source
from babelbits.store.codec import columns_to_rows, read_parquet, rows_to_columns, write_parquet
from compare_cells import cell

FAST = AnalysisSettings(resamples=400)


def test_two_questions_on_a_passage_are_one_unit() -> None:
    """40 passages of two questions that change together: 6 broke, none was fixed.

    The sign-flip test of 6 changed passages is 2 / 2^6; that of 12 questions would be 2 / 2^12.
    """
    clusters = [f"p{k // 2}" for k in range(80)]
    before = [1.0] * 80
    after = [0.0] * 12 + [1.0] * 68
    cells = [cell(name, "en", scores, clusters=clusters)
             for name, scores in (("baseline", before), ("w4", after))]  # fmt: skip
    [effect] = analyse(cells, FAST).effects
    assert effect.counts.n_source_items == 40
    assert effect.inference.p_value == pytest.approx(2 / 2**6)
    assert effect.inference.test.startswith("sign-flip of clusters")
    assert effect.notes[0] == (
        "40 units, not 80: items of one passage, document, template or subject count as one"
    )
    [alone] = analyse(
        [replace(c, rows=tuple(replace(r, cluster_id=None) for r in c.rows)) for c in cells], FAST
    ).effects
    assert alone.counts.n_source_items == 80


def test_dependence_goes_on_through_translations() -> None:
    """English groups a and b, German b and c (by ids of its own): all three are one unit."""
    english = {"sources": ["a", "b", "c", "d"], "clusters": ["e1", "e1", "e2", "e3"]}
    german = {"sources": ["a", "b", "c", "d"], "clusters": ["g1", "g2", "g2", "g3"]}
    cells = [
        cell(name, code, scores, **ids)
        for name, scores in (("baseline", [1.0] * 4), ("w4", [0.0, 1.0, 1.0, 0.0]))
        for code, ids in (("en", english), ("de", german))
    ]
    effects = {one.language: one for one in analyse(cells, FAST).effects if one.scope != "group"}
    assert effects["en"].counts.n_source_items == 3
    assert effects[None].counts.n_source_items == 2


def test_a_cluster_is_not_taken_for_a_source_of_the_same_name() -> None:
    """Questions 1 to 4 on passages 1 and 2: two units, although question 2 is in passage 1."""
    ids = {"sources": ["1", "2", "3", "4"], "clusters": ["1", "1", "2", "2"]}
    cells = [cell(v, "en", s, **ids) for v, s in (("baseline", [1.0] * 4), ("w4", [0.0] * 4))]
    assert analyse(cells, FAST).effects[0].counts.n_source_items == 2


def test_a_cell_from_before_clusters_takes_its_partners() -> None:
    clusters = [f"p{k // 2}" for k in range(20)]
    cells = [
        cell("baseline", "en", [1.0] * 20),
        cell("w4", "en", [0.0] * 4 + [1.0] * 16, clusters=clusters),
    ]
    assert analyse(cells, FAST).effects[0].counts.n_source_items == 10


def _passages(rng: np.random.Generator, *, alike: float) -> list[CellResult]:
    """150 passages of two questions, one in eight changed either way; `alike` of pairs as one."""
    change = rng.choice([-1.0, 0.0, 1.0], p=[1 / 16, 7 / 8, 1 / 16], size=(150, 2))
    same = rng.random(150) < alike
    change[same, 1] = change[same, 0]
    before = (change.ravel() < 0) | ((change.ravel() == 0) & (rng.random(300) < 0.7))
    clusters = [f"p{k // 2}" for k in range(300)]
    return [
        cell(name, "en", scores.astype(float).tolist(), clusters=clusters)
        for name, scores in (("baseline", before), ("w4", before + change.ravel()))
    ]


@pytest.mark.parametrize("alike", [0.0, 0.6, 1.0])
def test_passages_that_nothing_happened_to_give_no_false_alarms(alike: float) -> None:
    """250 studies each: 5 % +- 4; questions as units give up to 16 % where passages are alike."""
    rng, hits, by_question = np.random.default_rng(6), 0, 0
    for _ in range(250):
        cells = _passages(rng, alike=alike)
        [effect] = analyse(cells, FAST).effects
        hits += effect.inference.p_value is not None and effect.inference.p_value <= 0.05
        broke, fixed = effect.counts.broke or 0, effect.counts.fixed or 0
        by_question += stats.binomtest(broke, max(1, broke + fixed)).pvalue <= 0.05
    assert hits / 250 <= 0.05 + 3 * (0.05 * 0.95 / 250) ** 0.5
    if alike == 1.0:
        assert by_question / 250 > 0.08


# --- files ---------------------------------------------------------------------------------------


def test_rows_keep_their_cluster_and_files_from_before_are_read(tmp_path: Path) -> None:
    rows = cell("w4", "en", [1.0, 0.0], clusters=["p", "p"]).rows
    path = tmp_path / "rows.parquet"
    path.write_bytes(write_parquet(rows, metadata={}))
    assert [one.cluster_id for one in read_parquet(path)] == ["p", "p"]
    old = {name: values for name, values in rows_to_columns(rows).items() if name != "cluster_id"}
    assert [one.unit for one in columns_to_rows(old, where="old")] == ["s0", "s1"]


def _table(path: Path, column: str, *, lost: int = 0, more: str = "", cell_of: str = "") -> str:
    rows = [f"item_id,language,score,{column}{more}"]
    rows += [f"q{k},en,{int(k >= lost)},p{k // 4}{cell_of}" for k in range(40)]
    path.write_text("\n".join(rows) + "\n", "utf-8")
    return str(path)


def _units(baseline: str, variant: str) -> tuple[int, int]:
    found = load_foreign(
        parse_source(f"fp={baseline}"),
        [parse_source(f"q={variant}")],
        aa=None,
        wishes=CompareOptions(),
    )
    effect = found.analysis.effects[0]
    return effect.counts.n_items, effect.counts.n_source_items


@pytest.mark.parametrize("column", ["cluster_id", "cluster", "CLUSTER"])
def test_a_table_says_what_items_share(tmp_path: Path, column: str) -> None:
    ours, theirs = (tmp_path / name / "t.csv" for name in ("a", "b"))
    for one in (ours, theirs):
        one.parent.mkdir()
    assert _units(_table(ours, column), _table(theirs, column, lost=8)) == (40, 10)


def test_a_table_says_chance_and_output_type(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("fp.csv", "q.csv")]
    for path in paths:
        _table(path, "cluster_id", more=",chance,output_type", cell_of=",0.25,choice")
    found = load_foreign(
        parse_source(str(paths[0])), [parse_source(str(paths[1]))], aa=None, wishes=CompareOptions()
    )
    info = found.cells[0].task if hasattr(found.cells[0], "task") else found.cells[0].meta.task
    assert info.output_type == "choice"
    assert info.metric(info.primary).chance == 0.25


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (",1.5,choice", "chance is '1.5'"),
        (",0.25,guess", "output_type is 'guess'"),
    ],
)
def test_a_table_with_another_chance_or_type_is_refused(
    tmp_path: Path, cells: str, said: str
) -> None:
    path = _table(tmp_path / "t.csv", "cluster_id", more=",chance,output_type", cell_of=cells)
    with pytest.raises(TaskError, match=said):
        _units(path, path)


def test_files_that_disagree_on_the_direction_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, word in (("a", "true"), ("b", "false")):
        (tmp_path / name).mkdir()
        _table(tmp_path / name / "t.csv", "cluster_id", more=",higher_is_better",
               cell_of=f",{word}")  # fmt: skip
    paths = [f"{label}={tmp_path / name / 't.csv'}" for label, name in (("fp", "a"), ("q", "b"))]
    with pytest.raises(UnpairedItemsError, match="higher is better in 'score' by"):
        load_foreign(
            parse_source(paths[0]), [parse_source(paths[1])], aa=None, wishes=CompareOptions()
        )
    assert run(["compare", *paths]) == 2
    assert "must be the same in all files" in capsys.readouterr().err


def _lm_eval(folder: Path, *, lost: int, named: bool) -> Path:
    """Belebele-like samples: 30 passages with two questions each."""
    folder.mkdir()
    rows = []
    for k in range(60):
        doc = {
            "question_number": k % 2 + 1,
            "flores_passage": f"The text of passage number {k // 2}, long enough to be one.",
            "question": f"question {k}",
            **({"link": f"https://example.org/{k // 2}"} if named else {}),
        }
        rows.append(
            {
                "doc_id": k,
                "doc": doc,
                "target": "A",
                "arguments": {"gen_args_0": {"arg_0": f"Q{k}", "arg_1": " A"},
                              "gen_args_1": {"arg_0": f"Q{k}", "arg_1": " B"}},
                "resps": [[["-1.0", "False"]], [["-2.0", "False"]]],
                "filtered_resps": [["-1.0", "False"], ["-2.0", "False"]],
                "filter": "none",
                "metrics": ["acc"],
                "doc_hash": f"{k:064d}",
                "acc": float(k >= lost),
            }
        )  # fmt: skip
    time = "2026-01-01T00-00-00.000000"
    task = "belebele_eng_Latn"
    (folder / f"samples_{task}_{time}.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows), "utf-8"
    )
    config = {"output_type": "multiple_choice", "metric_list": [{"metric": "acc"}]}
    (folder / f"results_{time}.json").write_text(
        json.dumps({"configs": {task: config}, "results": {task: {"acc,none": 1.0}}}), "utf-8"
    )
    return folder


@pytest.mark.parametrize("named", [True, False])
def test_a_log_tells_its_passages(tmp_path: Path, *, named: bool) -> None:
    """By the link that Belebele gives each, or by the text that two questions share."""
    ours = _lm_eval(tmp_path / "b", lost=0, named=named)
    theirs = _lm_eval(tmp_path / "v", lost=20, named=named)
    assert _units(str(ours), str(theirs)) == (60, 30)
