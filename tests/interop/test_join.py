"""Pairing runs item by item: what matches, what is refused, and what is said about it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelbits.analysis import BASELINE
from babelbits.errors import StudyError, UnpairedItemsError
from babelbits.interop.join import AA_LABEL, join
from babelbits.interop.readers.detect import read_run
from babelbits.interop.readers.record import ForeignItem, ForeignRun, ForeignTask

LOGS = Path(__file__).parent / "readers" / "fixtures" / "lm_eval"


def item(content: str, score: float | None = 1.0, order: int = 0, **more: object) -> ForeignItem:
    fields = {"prompt_hash": f"p-{content}", "target": "A", "where": f"f:{order}", **more}
    return ForeignItem(content=content, order=order, scores={"acc": score}, **fields)  # type: ignore[arg-type]


def run(*items: ForeignItem, name: str = "xcopa_th", **more: object) -> ForeignRun:
    fields = {"metrics": ("acc",), "output_type": "choice", "origin": "test", **more}
    task = ForeignTask(name=name, items=items, **fields)  # type: ignore[arg-type]
    return ForeignRun(path=Path("x"), tool="test", tasks=(task,))


def many(count: int, **more: object) -> list[ForeignItem]:
    return [item(str(k), order=k, **more) for k in range(count)]


# --- items -----------------------------------------------------------------------------------


def test_order_does_not_matter_and_ids_agree() -> None:
    found = join(run(*many(5)), {"q": run(*reversed(many(5)))})
    first, second = found.cells
    assert [r.item_id for r in first.rows] == [r.item_id for r in second.rows]
    assert [one.matched for one in found.matches] == [5]


def test_missing_and_extra_items_are_an_error_with_counts_and_places() -> None:
    with pytest.raises(UnpairedItemsError) as error:
        join(run(*many(5)), {"q": run(*many(4)[1:], item("new", order=9, where="g:9"))})
    said = str(error.value)
    assert "q · xcopa · th: 3 of the baseline's 5 items matched" in said
    assert "2 missing here (the baseline's f:0)" in said
    assert "1 only here (g:9)" in said
    assert "--matched-only compares the 3 items" in said


def test_matched_only_compares_the_same_items_in_all_runs_and_says_so() -> None:
    runs = {"a": run(*many(4)), "b": run(*many(5)[1:])}
    found = join(run(*many(5)), runs, matched_only=True)
    assert {len(cell.rows) for cell in found.cells} == {3}
    assert {one.used for one in found.matches} == {3}
    assert sum("matched items only" in note for note in found.notes) == 2


def test_nothing_in_common_is_an_error_also_with_matched_only() -> None:
    with pytest.raises(UnpairedItemsError, match="no item is in all runs"):
        join(run(*many(2)), {"q": run(item("x"), item("y"))}, matched_only=True)
    with pytest.raises(UnpairedItemsError, match="no task of the baseline"):
        join(run(*many(2)), {"q": run(*many(2), name="xcopa_vi")})


def test_repeated_questions_pair_in_order() -> None:
    ours = [item("q", 1.0, 0), item("q", 0.0, 1)]
    theirs = [item("q", 0.0, 1), item("q", 1.0, 0)]
    found = join(run(*ours), {"q": run(*theirs)})
    assert [r.scores["acc"] for r in found.cells[1].rows] == [1.0, 0.0]
    assert any("1 item asks what another" in note for note in found.notes)


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=12), st.randoms())
def test_a_shuffled_run_pairs_with_itself(contents: list[str], random: object) -> None:
    items = [item(content, float(k % 2), k) for k, content in enumerate(contents)]
    shuffled = list(items)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    found = join(run(*items), {"q": run(*shuffled)})
    ours, theirs = found.cells
    assert [(r.item_id, r.scores) for r in ours.rows] == [
        (r.item_id, r.scores) for r in theirs.rows
    ]


# --- how it was asked ------------------------------------------------------------------------


def test_other_prompts_are_an_error_that_names_the_setting() -> None:
    ours = run(*many(3), setup={"num_fewshot": "5", "fewshot_seed": "1234"})
    theirs = run(*many(3, prompt_hash="other"), setup={"num_fewshot": "0", "fewshot_seed": "42"})
    with pytest.raises(UnpairedItemsError) as error:
        join(ours, {"q": theirs}, matched_only=True)
    said = str(error.value)
    assert "num_fewshot is '0', the baseline's is '5'" in said
    assert "fewshot_seed is '42', the baseline's is '1234'" in said
    assert "3 of 3 prompts differ" in said
    assert "the same --num_fewshot" in said


def test_a_seed_that_changed_no_prompt_is_told_and_no_error() -> None:
    """A first-n sampler draws nothing: every prompt is there and is the same."""
    found = join(
        run(*many(3), setup={"fewshot_seed": "1234"}),
        {"q": run(*many(3), setup={"fewshot_seed": "42"})},
    )
    assert any("fewshot_seed is '42'" in note for note in found.notes)


@pytest.mark.parametrize("key", ["task version", "generation", "filters", "scorer version"])
def test_a_setting_that_scores_is_an_error_whatever_the_prompts(key: str) -> None:
    with pytest.raises(UnpairedItemsError, match=key):
        join(run(*many(3), setup={key: "1"}), {"q": run(*many(3), setup={key: "2"})})


def test_a_seed_is_an_error_where_the_prompts_are_not_known() -> None:
    ours = run(*many(3, prompt_hash=None), setup={"fewshot_seed": "1"})
    theirs = run(*many(3, prompt_hash=None), setup={"fewshot_seed": "2"})
    with pytest.raises(UnpairedItemsError, match="fewshot_seed"):
        join(ours, {"q": theirs})


def test_another_gold_answer_is_an_error() -> None:
    with pytest.raises(UnpairedItemsError, match="1 of 3 gold answers differs, for example 'B'"):
        join(run(*many(3)), {"q": run(*many(2), item("2", order=2, target="B"))})


# --- what the cells say ----------------------------------------------------------------------


def test_kind_and_chance_come_from_the_scores_and_the_choices() -> None:
    ours = run(*many(3, n_choices=2))
    metric = join(ours, {"q": ours}).cells[0].meta.task.metrics[0]
    assert (metric.kind, metric.unit, metric.chance) == ("binary", "fraction", 0.5)
    half = run(item("0", 0.5))
    assert join(half, {"q": half}).cells[0].meta.task.metrics[0].kind == "bounded"
    much = run(item("0", 37.0))
    metric = join(much, {"q": much}).cells[0].meta.task.metrics[0]
    assert (metric.kind, metric.unit, metric.chance) == ("real", "score", None)


def test_one_kind_for_all_languages_and_runs() -> None:
    """0 and 1 alone in one language, halves in another: the benchmark is bounded."""
    thai, viet = run(item("0", 1.0)).tasks[0], run(item("0", 0.5), name="xcopa_vi").tasks[0]
    both = ForeignRun(path=Path("x"), tool="test", tasks=(thai, viet))
    kinds = {cell.meta.task.metrics[0].kind for cell in join(both, {"q": both}).cells}
    assert kinds == {"bounded"}


def test_subjects_of_a_language_are_one_cell() -> None:
    tasks = [run(*many(2), name=f"global_mmlu_de_{part}").tasks[0] for part in ("stem", "other")]
    both = ForeignRun(path=Path("x"), tool="test", tasks=tuple(tasks))
    cell = join(both, {"q": both}).cells[0]
    assert (cell.meta.task.suite, cell.meta.task.language) == ("global-mmlu-lite", "de")
    assert len(cell.rows) == 4


def test_two_tasks_for_one_place_are_an_error() -> None:
    tasks = [run(*many(2), name=name).tasks[0] for name in ("xcopa_th", "xcopa_tha")]
    both = ForeignRun(path=Path("x"), tool="test", tasks=tuple(tasks))
    with pytest.raises(UnpairedItemsError, match="'xcopa_th' and 'xcopa_tha' are both"):
        join(both, {"q": both})


def test_an_item_without_a_score_is_a_failed_item() -> None:
    cell = join(run(*many(2)), {"q": run(item("0"), item("1", None, 1))}).cells[1]
    assert [row.failure is None for row in cell.rows] == [True, False]


def test_equal_answers_of_two_runs_are_doubted() -> None:
    ours = run(*many(25, output="x", choice_logprobs=(-1.0, -2.0)))
    assert any("same model twice" in note for note in join(ours, {"q": ours}).notes)
    theirs = run(*many(25, output="x", choice_logprobs=(-1.0, -2.1)))
    assert not any("same model twice" in note for note in join(ours, {"q": theirs}).notes)
    rescored = [replace(one, scores={"acc": 0.0}) for one in ours.tasks[0].items]
    assert not any("same model twice" in n for n in join(ours, {"q": run(*rescored)}).notes)


def test_another_version_of_the_tool_is_told() -> None:
    ours = run(*many(2))
    found = join(ours, {"q": replace(ours, tool="test 2")})
    assert "q: made with test 2, the baseline with test" in found.notes


def test_a_second_run_of_the_baseline_is_its_replicate() -> None:
    ours = run(*many(2))
    cells = join(ours, {"q": ours}, aa=ours).cells
    assert [(c.meta.variant, c.meta.replicate) for c in cells] == [
        (BASELINE, 0),
        (BASELINE, 1),
        ("q", 0),
    ]
    assert AA_LABEL not in {c.meta.variant for c in cells}


def test_the_chosen_metric_comes_first() -> None:
    two = [replace(one, scores={"acc": 1.0, "acc_norm": 0.0}) for one in many(2)]
    ours = run(*two, metrics=("acc", "acc_norm"))
    assert join(ours, {"q": ours}).cells[0].meta.task.primary == "acc"
    assert join(ours, {"q": ours}, metric="acc_norm").cells[0].meta.task.primary == "acc_norm"
    with pytest.raises(StudyError, match="no task has a metric 'f1'"):
        join(ours, {"q": ours}, metric="f1")


def test_translations_share_sources_and_others_do_not() -> None:
    def both(**more: object) -> ForeignRun:
        names = ("xcopa_th", "xcopa_vi")
        tasks = [run(item("same", source_id=more.get("source")), name=n).tasks[0] for n in names]
        return ForeignRun(path=Path("x"), tool="test", tasks=tuple(tasks))

    known = join(both(source="7"), {"q": both(source="7")})
    assert {row.source_id for cell in known.cells for row in cell.rows} == {"7"}
    unknown = join(both(), {"q": both()})
    assert len({row.source_id for cell in unknown.cells for row in cell.rows}) == 2
    assert any("translations of each other is not known" in note for note in unknown.notes)


# --- real logs -------------------------------------------------------------------------------


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[str, Callable[[dict], None]], ForeignRun]:  # type: ignore[type-arg]
    """The w4 run with one of its files changed."""

    def edit(pattern: str, change: Callable[[dict], None]) -> ForeignRun:  # type: ignore[type-arg]
        folder = Path(shutil.copytree(LOGS / "w4", tmp_path / "w4"))
        [file] = folder.rglob(pattern)
        lines = [file.read_text()] if file.suffix == ".json" else file.read_text().split("\n")
        rows = [json.loads(line) for line in lines if line]
        for row in rows:
            change(row)
        file.write_text("\n".join(map(json.dumps, rows)))
        return read_run(folder)

    return edit


def test_two_real_runs_of_lm_eval_pair_whole() -> None:
    found = join(read_run(LOGS / "base"), {"w4": read_run(LOGS / "w4")})
    assert [(m.suite, m.language, m.matched, m.whole) for m in found.matches] == [
        ("babelmini_pairs", "de", 8, True),
        ("babelmini_pairs", "sw", 8, True),
        ("mgsm", "sw", 8, True),
    ]


def test_a_changed_prompt_in_a_real_log_is_found(edited: Callable[..., ForeignRun]) -> None:
    def change(row: dict) -> None:  # type: ignore[type-arg]
        row["arguments"]["gen_args_1"]["arg_0"] = "Another second choice's context."

    with pytest.raises(UnpairedItemsError, match="8 of 8 prompts differ"):
        join(read_run(LOGS / "base"), {"w4": edited("samples_babelmini_pairs_sw*", change)})


def test_another_number_of_shots_in_a_real_log_is_found(edited: Callable[..., ForeignRun]) -> None:
    def change(results: dict) -> None:  # type: ignore[type-arg]
        results["versions"]["mgsm_direct_sw"] = 2.0

    with pytest.raises(UnpairedItemsError, match=r"task version is '2\.0'.*'3\.0'"):
        join(read_run(LOGS / "base"), {"w4": edited("results_*", change)})
