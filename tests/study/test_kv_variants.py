"""`kv_cache` on a variant: label, ids, relabelling, and where it is refused."""

import dataclasses
from pathlib import Path

import pytest

from babelbits.store import Store
from babelbits.study import Study, load
from babelbits.study.config.problems import StudyFileError
from babelbits.study.config.spec import ModelSpec
from babelbits.study.planning.base_model import locate
from babelbits.study.planning.identity import identify_engine, identify_variant
from babelbits.study.planning.plan import build_light, make_plan
from babelbits.study.planning.relabel import map_labels

TASK = '\n[[tasks]]\nsuite = "pairs"\nlanguages = ["nb"]\n[limits]\nitems = 4\n'
TWO = """
[[variants]]
recipe = "q4_k_m"
[[variants]]
recipe = "q4_k_m"
kv_cache = "q8_0"
"""


def study_of(folder: Path, text: str) -> Study:
    path = folder / "study.toml"
    path.write_text(text + TASK, encoding="utf-8")
    return load(path)


def test_the_label_has_it(tmp_path: Path) -> None:
    study = study_of(tmp_path, TWO)
    assert [one.label for one in study.compared] == ["q4_k_m", "q4_k_m[kv_cache=q8_0]"]
    named = study_of(tmp_path, TWO.replace('kv_cache = "q8_0"', 'kv_cache = "q8_0"\nname = "me"'))
    assert named.compared[1].label == "me"


def test_ids_change_only_where_it_is_given(tmp_path: Path) -> None:
    plain, cached = study_of(tmp_path, TWO).compared
    without = identify_variant(plain, base_hash="b", seed=0)
    with_it = identify_variant(cached, base_hash="b", seed=0)
    assert "kv_cache" not in without
    assert with_it == {**without, "kv_cache": "q8_0"}


def test_cells_are_others_and_the_plain_ones_do_not_name_it(tmp_path: Path) -> None:
    study = study_of(tmp_path, TWO)
    base = locate(ModelSpec())
    plan = make_plan(study, Store(tmp_path / "run"), base=base, build=build_light)
    engines = {cell.variant: cell.meta.identity["engine"] for cell in plan.cells if cell.meta}
    assert "kv_cache" not in engines["baseline"]
    assert "kv_cache" not in engines["q4_k_m"]
    assert engines["q4_k_m[kv_cache=q8_0]"]["kv_cache"] == "q8_0"
    ids = {cell.variant: cell.meta.cell_id for cell in plan.cells if cell.meta}
    assert len(set(ids.values())) == len(study.variants) == 4
    metas = [cell.meta for cell in plan.cells if cell.meta]
    renamed = dataclasses.replace(
        study,
        variants=tuple(
            dataclasses.replace(one, label="small") if one.kv_cache else one
            for one in study.variants
        ),
    )
    labels = set(map_labels(renamed, metas).values())
    assert labels == {"baseline", "baseline@llama.cpp", "q4_k_m", "small"}


def test_the_settings_of_a_study_say_nothing_of_it(tmp_path: Path) -> None:
    study = study_of(tmp_path, TWO)
    assert identify_engine(study.engine, engine="llama.cpp").kv_cache is None


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            '[[variants]]\nrecipe = "nf4"\nkv_cache = "q8_0"',
            "the engine 'transformers' has no choice of types for its KV cache",
            "leave it out",
        ),
        (
            '[[variants]]\nrecipe = "q4_k_m"\nkv_cache = "q8_1"',
            "the engine 'llama.cpp' has no KV cache of the type 'q8_1'",
            "did you mean",
        ),
        (
            '[[variants]]\nrecipe = "q4_k_m"\nkv_cache = "int"',
            "the engine 'llama.cpp' has no KV cache of the type 'int'",
            "it has f32, f16",
        ),
        (
            '[[variants]]\nkv_cache = "q8_0"\nendpoint = { url = "http://h/v1", model = "m" }',
            "the KV cache of a served variant is its server's",
            "leave it out",
        ),
    ],
)
def test_it_is_refused_at_its_line(tmp_path: Path, text: str, message: str, hint: str) -> None:
    with pytest.raises(StudyFileError) as caught:
        study_of(tmp_path, text)
    (mistake,) = caught.value.mistakes
    assert mistake.message == message
    assert (mistake.hint or "").startswith(hint)
    assert text.splitlines()[mistake.line - 1].startswith("kv_cache")
