"""Plans against a real store: what is done, what runs, and why."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from babelbits.errors import CalibrationError, StudyError
from babelbits.libraries import find_version
from babelbits.records import Item, ItemRow, Manifest
from babelbits.store import Store
from babelbits.study import Study, load
from babelbits.study.planning import estimate
from babelbits.study.planning.base_model import locate
from babelbits.study.planning.hashes import FileHashes
from babelbits.study.planning.identity import hash_identity, make_former_identity
from babelbits.study.planning.plan import build_light, make_plan
from babelbits.study.planning.plan_types import CellStep, Plan
from babelbits.tasks import catalogue

STUDY = """\
[model]
path = "model"
[engine]
device = "cpu"
batch_items = 2
[[variants]]
recipe = "w8"
[[variants]]
recipe = "w4-g"
group_size = 64
calibration = "en"
[[tasks]]
suite = "text"
languages = ["en", "nb"]
[limits]
items = 3
"""


@pytest.fixture
def file(checkpoint: Callable[..., Path], tmp_path: Path) -> Path:
    checkpoint()
    path = tmp_path / "study.toml"
    path.write_text(STUDY, "utf-8")
    return path


def store_of(study: Study) -> Store:
    return Store(study.folder, smoke=study.smoke)


def plan_of(file: Path) -> Plan:
    study = load(file)
    base = locate(study.model, hashes=FileHashes(file.parent / "hashes.json"))
    return make_plan(study, store_of(study), base=base, build=build_light)


def cell_of(plan: Plan, variant: str, language: str, replicate: int = 0) -> CellStep:
    return next(
        cell
        for cell in plan.cells
        if (cell.variant, cell.language, cell.replicate) == (variant, language, replicate)
    )


def row(item: Item, variant: str) -> ItemRow:
    return ItemRow(
        item_id=item.item_id,
        source_id=item.source_id,
        task=item.task,
        language=item.language,
        variant=variant,
        target=item.target,
        output="",
        scores={"bits_per_byte": 1.0},
        choice_logprobs=None,
        prompt_hash="",
        prompt="",
        prompt_tokens=1,
        output_tokens=1,
        finish_reason=None,
    )


def record(
    plan: Plan,
    cell: CellStep,
    *,
    weights_hash: str,
    batches: Sequence[int] | None = None,
    **libraries: str,
) -> None:
    """Record batches of a cell (all of them by default), and finish it if that is all."""
    store = store_of(plan.study)
    assert cell.meta is not None
    assert cell.task is not None
    items = cell.task.items()
    store.save_plan("", plan.metas)
    with store.writer(cell.meta, weights_hash=weights_hash) as writer:
        missing = writer.missing_batches()
        for number, indices in missing:
            if batches is None or number in batches:
                writer.append(number, [row(items[i], cell.variant) for i in indices], seconds=1.5)
        if not writer.missing_batches():
            writer.finish(machine=estimate.name_machine(), library_versions=libraries)


def test_a_fresh_study_misses_everything_and_the_aa_cell_is_the_baseline_again(file: Path) -> None:
    plan = plan_of(file)
    assert [(step.label, step.state, step.to_make) for step in plan.variants] == [
        ("baseline", "done", False),
        ("w8", "missing", True),
        ("w4-g@en[group_size=64]", "missing", True),
    ]
    assert [(c.variant, c.language, c.replicate) for c in plan.cells[:4]] == [
        ("baseline", "en", 0),
        ("baseline", "nb", 0),
        ("baseline", "en", 1),
        ("baseline", "nb", 1),
    ]
    assert len(plan.cells) == 8
    assert {(c.state, c.n_items, c.n_done, c.reason) for c in plan.cells} == {
        ("missing", 3, 0, "missing all 3 items")
    }
    assert {cell.seconds for cell in plan.cells} == {None}
    assert len({meta.cell_id for meta in plan.metas}) == 8
    assert all(meta.smoke for meta in plan.metas)
    assert not plan.complete
    assert not plan.study.folder.exists(), "a plan leaves no trace"


def test_the_same_study_gives_the_same_ids(file: Path) -> None:
    assert plan_of(file).metas == plan_of(file).metas


def test_without_the_aa_cell(file: Path) -> None:
    file.write_text(STUDY + "[analysis]\naa = false\n", "utf-8")
    assert {cell.replicate for cell in plan_of(file).cells} == {0}


def test_what_is_recorded_is_done_or_begun_and_the_rest_is_timed_by_it(file: Path) -> None:
    plan = plan_of(file)
    record(plan, cell_of(plan, "baseline", "en"), weights_hash=plan.base.hash)
    record(plan, cell_of(plan, "baseline", "nb"), batches=[0], weights_hash=plan.base.hash)
    plan = plan_of(file)
    done, begun = (cell_of(plan, "baseline", code) for code in ("en", "nb"))
    assert (done.state, done.n_done) == ("done", 3)
    assert (begun.state, begun.n_done, begun.reason) == ("partial", 2, "2 of 3 items recorded")
    # One finished cell: 3 s for 3 items; one item is left of the begun one.
    assert done.seconds == (0.0, 0.0)
    assert begun.seconds == (1.0, 1.0)
    assert cell_of(plan, "baseline", "en", replicate=1).seconds == (3.0, 3.0)
    assert cell_of(plan, "w8", "en").seconds is None


def test_renaming_moving_and_rechunking_repeat_no_work(file: Path, tmp_path: Path) -> None:
    plan = plan_of(file)
    record(plan, cell_of(plan, "baseline", "en"), weights_hash=plan.base.hash)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("model", "study.run"):
        (tmp_path / name).rename(moved / name)
    text = STUDY.replace("batch_items = 2", "batch_items = 1\ntoken_budget = 9")
    text = text.replace('recipe = "w8"', 'recipe = "w8"\nname = "mild"')
    (moved / "study.toml").write_text('[study]\nname = "new"\n' + text, "utf-8")
    plan = plan_of(moved / "study.toml")
    assert cell_of(plan, "baseline", "en").state == "done"


def test_another_group_size_says_what_changed_and_leaves_the_others_alone(file: Path) -> None:
    plan = plan_of(file)
    record(plan, cell_of(plan, "baseline", "en"), weights_hash=plan.base.hash)
    text = STUDY.replace('recipe = "w4-g"', 'recipe = "w4-g"\nname = "small"')
    file.write_text(text, "utf-8")
    plan = plan_of(file)
    store_of(plan.study).save_plan("", plan.metas)
    file.write_text(text.replace("group_size = 64", "group_size = 32"), "utf-8")
    plan = plan_of(file)
    changed = next(step for step in plan.variants if step.label == "small")
    assert changed.reason == "changed: group_size 64 → 32"
    assert cell_of(plan, "small", "en").reason == "changed: group_size 64 → 32"
    assert cell_of(plan, "baseline", "en").state == "done"


def test_a_new_language_runs_only_that_language(file: Path) -> None:
    plan = plan_of(file)
    for cell in plan.cells:
        record(plan, cell, weights_hash=plan.base.hash)
    file.write_text(STUDY.replace('"nb"]', '"nb", "sw"]'), "utf-8")
    plan = plan_of(file)
    assert {cell.language for cell in plan.cells if cell.state != "done"} == {"sw"}


def test_a_variant_whose_cells_are_recorded_need_not_be_made_again(file: Path) -> None:
    plan = plan_of(file)
    for cell in plan.cells:
        record(plan, cell, weights_hash="gone")
    plan = plan_of(file)
    w8 = plan.variants[1]
    assert (w8.state, w8.needed, w8.to_make) == ("missing", False, False)
    assert w8.reason == "not there, but all its cells are recorded"


def test_cells_of_other_weights_are_stale(file: Path) -> None:
    plan = plan_of(file)
    cell = cell_of(plan, "baseline", "en")
    record(plan, cell, weights_hash="0123456789abcdef")
    stale = cell_of(plan_of(file), "baseline", "en")
    assert (stale.state, stale.n_done) == ("stale", 0)
    assert stale.reason.startswith("weights changed: recorded with 01234567, now ")
    assert not plan_of(file).complete


def test_a_damaged_cell_is_named_and_the_others_go_on(file: Path) -> None:
    plan = plan_of(file)
    cell = cell_of(plan, "baseline", "en")
    record(plan, cell, weights_hash=plan.base.hash)
    assert cell.meta is not None
    items = store_of(plan.study).cell_folder(cell.meta.cell_id) / "items.parquet"
    items.write_bytes(items.read_bytes()[:-1])
    plan = plan_of(file)
    assert cell_of(plan, "baseline", "en").state == "damaged"
    assert "items.parquet" in cell_of(plan, "baseline", "en").reason
    assert cell_of(plan, "baseline", "nb").state == "missing"


def test_a_made_variant_has_its_manifests_bytes(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(file)
    step = plan.variants[1]
    made = Manifest(
        variant_id=step.variant_id,
        recipe="w8",
        parameters={},
        calibration=None,
        base_model="model",
        base_hash=plan.base.hash,
        weights_hash="w",
        bits_per_weight=8.1,
        quantized_bits_per_weight=8.0,
        n_weights=1,
        bytes_on_disk=12345,
        tensors=(),
        seconds=1.0,
        library_versions={},
        files={},
        format="compressed-tensors",
    )

    def manifest(_store: Store, variant_id: str) -> Manifest | None:
        return made if variant_id == step.variant_id else None

    monkeypatch.setattr(Store, "manifest", manifest)
    found = plan_of(file).variants[1]
    assert (found.state, found.bytes, found.to_make) == ("done", 12345, False)


def test_a_group_size_that_does_not_divide_is_said_before_anything_is_made(file: Path) -> None:
    file.write_text(STUDY.replace("group_size = 64", "group_size = 48"), "utf-8")
    with pytest.raises(StudyError, match="48 does not divide") as caught:
        plan_of(file)
    assert caught.value.where == "variant 'w4-g@en[group_size=48]'"


def test_calibration_text_that_is_not_there(file: Path) -> None:
    file.write_text(STUDY.replace('calibration = "en"', 'calibration = "bo"'), "utf-8")
    with pytest.raises(CalibrationError, match="no bundled calibration text in 'bo'"):
        plan_of(file)


def test_tasks_of_lm_eval_are_unknown_to_a_light_plan(file: Path, shared_data: Path) -> None:
    extra = f'[[tasks]]\nsuite = "mgsm"\nlanguages = ["sw"]\n[data]\nmgsm = "{shared_data}/mgsm"\n'
    file.write_text(STUDY + extra, "utf-8")
    plan = plan_of(file)
    unknown = [cell for cell in plan.cells if cell.suite == "mgsm"]
    assert unknown
    assert {(cell.n_items, cell.meta, cell.task) for cell in unknown} == {(None, None, None)}
    assert all("--build" in cell.reason for cell in unknown)
    assert len(plan.metas) == 8


def test_full_plans_build_tasks_once_for_all_variants(file: Path) -> None:
    asked: list[tuple[str, str]] = []

    def build(suite: str, language: str, options: catalogue.TaskOptions) -> catalogue.Task:
        asked.append((suite, language))
        return catalogue.load(suite, language, options)

    study = load(file)
    base = locate(study.model, hashes=FileHashes(file.parent / "hashes.json"))
    make_plan(replace(study), store_of(study), base=base, build=build)
    assert asked == [("text", "en"), ("text", "nb")]


def test_cells_of_the_last_release_are_used_where_their_libraries_were_the_same(file: Path) -> None:
    """Release 0.1.0 left the versions of tokenizers out of its ids, and recorded them in DONE."""
    plan = plan_of(file)
    cell = cell_of(plan, "baseline", "en")
    assert cell.meta is not None
    identity = make_former_identity(cell.meta.identity, base=plan.base.config)
    former = dataclasses.replace(cell.meta, cell_id=hash_identity(identity), identity=identity)
    libraries = {"tokenizers": str(find_version("tokenizers"))}
    record(plan, dataclasses.replace(cell, meta=former), weights_hash=plan.base.hash, **libraries)
    found = cell_of(plan_of(file), "baseline", "en")
    assert found.state == "done"
    assert found.reason == "all 3 items recorded, by a former release"
    assert cell_of(plan_of(file), "baseline", "nb").state == "missing"


@pytest.mark.parametrize(
    ("config", "version"),
    [
        ({"model_type": "llama"}, "1 (transformers 5)"),
        ({"model_type": "gemma2"}, "2 (transformers 5)"),  # its soft caps were not applied
        ({"model_type": "qwen3_next"}, "2 (transformers 5)"),
        ({"model_type": "llama", "rope_scaling": {"type": "dynamic"}}, "2 (transformers 5)"),
    ],
)
def test_numbers_of_the_former_engine_count_where_it_was_right(
    config: dict[str, Any], version: str
) -> None:
    engine = {"name": "transformers", "version": "2 (transformers 5)"}
    identity = {"engine": engine, "seed": 0, "libraries": {"tokenizers": "1"}}
    assert make_former_identity(identity, base=config) == {
        "engine": {**engine, "version": version},
        "seed": 0,
    }


@pytest.mark.parametrize("libraries", [{}, {"tokenizers": "0.0.1"}])
def test_cells_of_the_last_release_run_again_where_libraries_differ_or_are_unknown(
    file: Path, libraries: dict[str, str]
) -> None:
    plan = plan_of(file)
    cell = cell_of(plan, "baseline", "en")
    assert cell.meta is not None
    identity = make_former_identity(cell.meta.identity, base=plan.base.config)
    former = dataclasses.replace(cell.meta, cell_id=hash_identity(identity), identity=identity)
    record(plan, dataclasses.replace(cell, meta=former), weights_hash=plan.base.hash, **libraries)
    assert cell_of(plan_of(file), "baseline", "en").state == "missing"


def test_a_begun_cell_of_other_weights_is_stale(file: Path) -> None:
    plan = plan_of(file)
    record(plan, cell_of(plan, "baseline", "en"), weights_hash="0123456789abcdef", batches=[0])
    stale = cell_of(plan_of(file), "baseline", "en")
    assert (stale.state, stale.n_done) == ("stale", 0)
    assert stale.reason.startswith("weights changed: recorded with 01234567, now ")


def test_the_fewer_of_a_missing_variants_cells_run_again_where_its_weights_differed(
    file: Path,
) -> None:
    plan = plan_of(file)
    w8 = [cell for cell in plan.cells if cell.variant == "w8"]
    assert [cell.language for cell in w8] == ["en", "nb"]
    text = STUDY.replace('["en", "nb"]', '["en", "nb", "sw"]')
    file.write_text(text, "utf-8")
    plan = plan_of(file)
    for language, weights in (("en", "a" * 16), ("nb", "b" * 16), ("sw", "a" * 16)):
        record(plan, cell_of(plan, "w8", language), weights_hash=weights)
    again = plan_of(file)
    assert [cell_of(again, "w8", code).state for code in ("en", "nb", "sw")] == [
        "done",
        "stale",
        "done",
    ]
    assert again.variants[1].to_make
