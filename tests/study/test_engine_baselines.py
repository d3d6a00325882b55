"""One baseline for each engine: which variants a study gets, compared with what, and why."""

import textwrap
from dataclasses import replace
from pathlib import Path

import pytest

from babelbits.engines.base import EngineSettings
from babelbits.engines.endpoint import EndpointSettings
from babelbits.store import Store
from babelbits.study import Study, load
from babelbits.study.config.baselines import with_engine_baselines
from babelbits.study.config.problems import StudyFileError
from babelbits.study.config.spec import FOUND, SERVED, ModelSpec, VariantSpec
from babelbits.study.execution.scheduler import Scheduler
from babelbits.study.execution.worker import Prepare, RunCell
from babelbits.study.planning.base_model import locate
from babelbits.study.planning.hashes import FileHashes
from babelbits.study.planning.plan import build_light, make_plan
from babelbits.study.planning.plan_types import Plan

TASK = '\n[[tasks]]\nsuite = "pairs"\nlanguages = ["nb", "ml"]\n[limits]\nitems = 4\n'
K_QUANT = '[[variants]]\nrecipe = "q4_k_s"\n'
W8 = '[[variants]]\nrecipe = "w8"\n'
REFERENCE = "baseline@llama.cpp"
BASE = VariantSpec(label="baseline", recipe="baseline")
MODEL, ENGINE = ModelSpec(), EngineSettings()


def study_of(folder: Path, text: str, *, stop: bool = False) -> Study:
    path = folder / "study.toml"
    path.write_text(textwrap.dedent(text) + TASK, encoding="utf-8")
    return load(path, stop=stop)


def plan_of(study: Study) -> Plan:
    base = locate(study.model, hashes=FileHashes(study.file.parent / "hashes.json"))
    store = Store(study.folder, smoke=True)
    return make_plan(study, store, base=base, build=build_light)


def compared(study: Study) -> dict[str, str]:
    return {one.label: one.baseline for one in study.variants}


# --- which there are -----------------------------------------------------------------------------


def test_a_k_quant_is_compared_with_the_same_weights_in_llama_cpp(tmp_path: Path) -> None:
    study = study_of(tmp_path, W8 + K_QUANT)
    assert compared(study) == {
        "baseline": "baseline",
        REFERENCE: REFERENCE,
        "w8": "baseline",
        "q4_k_s": REFERENCE,
    }
    assert [one.label for one in study.compared] == ["w8", "q4_k_s"]
    reference = study.variants[1]
    assert (reference.recipe, reference.parameters) == ("gguf", {"type": "f32"})


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [("auto", "f32"), ("float32", "f32"), ("bfloat16", "bf16"), ("float16", "f16")],
)
def test_its_weights_are_rounded_no_further_than_the_baselines(
    dtype: str, kind: str, tmp_path: Path
) -> None:
    """f32 holds both 16-bit types exactly (IEEE 754: 8 exponent and 23 fraction bits)."""
    study = study_of(tmp_path, f'[engine]\ndtype = "{dtype}"\n{K_QUANT}')
    assert study.variants[1].parameters == {"type": kind}


def test_one_engine_needs_no_other_baseline(tmp_path: Path) -> None:
    assert compared(study_of(tmp_path, W8)) == {"baseline": "baseline", "w8": "baseline"}


def test_a_study_can_do_without(tmp_path: Path) -> None:
    text = f"{K_QUANT}[analysis]\nbaseline_by_engine = false\n"
    assert compared(study_of(tmp_path, text)) == {"baseline": "baseline", "q4_k_s": "baseline"}


def test_the_same_float_file_is_not_made_twice(tmp_path: Path) -> None:
    text = f'{K_QUANT}[[variants]]\nrecipe = "gguf"\ntype = "f32"\nname = "float"\n'
    assert compared(study_of(tmp_path, text)) == {
        "baseline": "baseline",
        "q4_k_s": "float",
        "float": "float",
    }


def test_another_float_file_is_a_variant(tmp_path: Path) -> None:
    """float16 cannot hold what bfloat16 holds: its rounding is a question of the report."""
    found = compared(study_of(tmp_path, f'{K_QUANT}[[variants]]\nrecipe = "gguf"\n'))
    assert found["gguf"] == REFERENCE


def test_a_gguf_base_and_its_variants_are_in_one_engine() -> None:
    quant = VariantSpec(label="q4_k_s", recipe="q4_k_s")
    model = ModelSpec(path="m.gguf", folder=Path("/m.gguf"))
    assert with_engine_baselines((BASE, quant), model=model, engine=ENGINE) == (BASE, quant)


def test_an_engine_that_runs_the_checkpoint_gets_the_checkpoint() -> None:
    quant = VariantSpec(label="q4_k_s", recipe="q4_k_s")
    other = VariantSpec(label="w8", recipe="w8", engine="transformers")
    engine = replace(ENGINE, name="llama.cpp")
    _, reference, _, w8 = with_engine_baselines((BASE, quant, other), model=MODEL, engine=engine)
    assert reference == VariantSpec(
        label="baseline@transformers",
        recipe="baseline",
        engine="transformers",
        baseline="baseline@transformers",
    )
    assert w8.baseline == reference.label


@pytest.mark.parametrize(("file", "expected"), [("theirs.gguf", REFERENCE), ("theirs", "baseline")])
def test_a_found_file_has_the_baseline_of_its_engine(file: str, expected: str) -> None:
    source = ModelSpec(path=file, folder=Path("/") / file)
    found = VariantSpec(label="theirs", recipe=FOUND, source=source)
    *_, last = with_engine_baselines((BASE, found), model=MODEL, engine=ENGINE)
    assert last.baseline == expected


def test_a_served_baseline_has_no_weights_to_run_elsewhere() -> None:
    served = replace(BASE, endpoint=EndpointSettings(url="http://127.0.0.1:1/v1", model="m"))
    quant = VariantSpec(label="q4_k_s", recipe="q4_k_s")
    variants = (served, quant)
    assert with_engine_baselines(variants, model=MODEL, engine=ENGINE) == variants


def test_a_served_variant_has_no_baseline_of_its_own() -> None:
    served = VariantSpec(label="theirs", recipe=SERVED)
    assert with_engine_baselines((BASE, served), model=MODEL, engine=ENGINE) == (BASE, served)


def test_applied_again_it_changes_nothing(tmp_path: Path) -> None:
    variants = study_of(tmp_path, W8 + K_QUANT).variants
    assert with_engine_baselines(variants, model=MODEL, engine=ENGINE) == variants


def test_nobody_else_is_called_so(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError) as caught:
        study_of(tmp_path, f'{W8}name = "{REFERENCE}"\n')
    [mistake] = caught.value.mistakes
    assert mistake.message.startswith("'name' must not begin with 'baseline@'")


def test_it_cannot_be_declared_confirmatory(tmp_path: Path) -> None:
    declared = f'[analysis]\nconfirmatory = {{ variants = ["{REFERENCE}"] }}\n'
    with pytest.raises(StudyFileError, match="names no variant of this study"):
        study_of(tmp_path, K_QUANT + declared)


# --- the plan ------------------------------------------------------------------------------------


def test_the_plan_says_what_it_is_for(tmp_path: Path) -> None:
    plan = plan_of(study_of(tmp_path, K_QUANT))
    steps = {step.label: step for step in plan.variants}
    assert steps[REFERENCE].reason == "not made yet; the baseline of what runs in llama.cpp"
    assert steps["q4_k_s"].reason == "not made yet"
    ours = {(c.variant, c.replicate) for c in plan.cells}
    assert ours == {("baseline", 0), ("baseline", 1), (REFERENCE, 0), ("q4_k_s", 0)}


def test_cells_keep_their_ids_whatever_they_are_compared_with(tmp_path: Path) -> None:
    with_it = plan_of(study_of(tmp_path, W8 + K_QUANT))
    text = f"{W8}{K_QUANT}[analysis]\nbaseline_by_engine = false\n"
    without = plan_of(study_of(tmp_path, text))
    ids = {meta.cell_id for meta in with_it.metas if meta.variant != REFERENCE}
    assert ids == {meta.cell_id for meta in without.metas}
    assert {m.baseline for m in with_it.metas if m.variant == "q4_k_s"} == {REFERENCE}
    assert {m.baseline for m in without.metas} == {"baseline"}


def test_a_report_under_new_names_keeps_who_is_compared_with_whom(tmp_path: Path) -> None:
    plan = plan_of(study_of(tmp_path, K_QUANT))
    with (store := Store(plan.study.folder, smoke=True)).writing():
        store.save_plan(plan.study.file.read_text("utf-8"), plan.metas)
    ids = {meta.variant: meta.variant_id for meta in plan.metas}
    every = {ids["baseline"]: "baseline", ids[REFERENCE]: "float", ids["q4_k_s"]: "mine"}
    planned = Store(plan.study.folder, smoke=True, labels=every).planned()
    assert {m.variant: m.baseline for m in planned} == {
        "baseline": "baseline",
        "float": "float",
        "mine": "float",
    }
    taken_out = {key: label for key, label in every.items() if label != "float"}
    planned = Store(plan.study.folder, smoke=True, labels=taken_out).planned()
    assert {m.variant: m.baseline for m in planned} == {"baseline": "baseline", "mine": "baseline"}


# --- cells that stop early -----------------------------------------------------------------------


def test_an_engines_baseline_runs_to_the_end_and_its_variants_wait_for_it(tmp_path: Path) -> None:
    plan = plan_of(study_of(tmp_path, W8 + K_QUANT, stop=True))
    stops = {meta.variant: meta.stop for meta in plan.metas if meta.replicate == 0}
    assert stops["baseline"] is None
    assert stops[REFERENCE] is None
    assert stops["q4_k_s"] is not None
    # One variant's languages share the error rate: two here.
    assert stops["q4_k_s"].family == 2
    scheduler = Scheduler(plan.variants, plan.cells, base=plan.base)
    order: list[str] = []
    while (job := scheduler.next(loaded=None)) is not None:
        if isinstance(job, Prepare):
            scheduler.ready(job.step.label, "w")
        elif isinstance(job, RunCell):
            order.append(f"{job.cell.variant} {job.cell.language}")
            expected = {"q4_k_s": REFERENCE, "w8": "baseline"}.get(job.cell.variant)
            held = job.baseline.variant if job.baseline and job.cell.replicate == 0 else None
            assert held == expected
            scheduler.finished(job.number)
    assert order.index(f"{REFERENCE} ml") < order.index("q4_k_s ml")
    assert scheduler.waiting() == ()


def test_variants_wait_for_good_where_their_baseline_cannot_be_made(tmp_path: Path) -> None:
    plan = plan_of(study_of(tmp_path, K_QUANT, stop=True))
    scheduler = Scheduler(plan.variants, plan.cells, base=plan.base)
    while (job := scheduler.next(loaded=None)) is not None:
        if isinstance(job, RunCell):
            scheduler.finished(job.number)
        elif job.step.label == REFERENCE:
            scheduler.drop(REFERENCE)
        else:
            scheduler.ready(job.step.label, "w")
    waiting = {plan.cells[number].variant for number in scheduler.waiting()}
    assert waiting == {"q4_k_s"}
