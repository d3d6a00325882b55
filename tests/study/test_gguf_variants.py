"""GGUF variants, draws and mixes of calibration text in a study: labels, identity, size, plan."""

import hashlib
import textwrap
from importlib.metadata import version
from pathlib import Path

import pytest

from babelbits.bundled import find_bundled_model
from babelbits.errors import BabelbitsError, CalibrationError, StudyError
from babelbits.recipes.calibration import CalibrationSpec, read_documents
from babelbits.recipes.catalogue import settle
from babelbits.records import TensorRecord
from babelbits.store import Store
from babelbits.study import Study, load
from babelbits.study.config.problems import StudyFileError
from babelbits.study.config.spec import VariantSpec
from babelbits.study.planning import estimate, preflight
from babelbits.study.planning.base_model import locate
from babelbits.study.planning.identity import hash_identity, identify_variant
from babelbits.study.planning.plan import build_light, make_plan

TASK = '\n[[tasks]]\nsuite = "pairs"\nlanguages = ["nb"]\n[limits]\nitems = 4\n'


def study_of(folder: Path, text: str) -> Study:
    path = folder / "study.toml"
    path.write_text(textwrap.dedent(text) + TASK, encoding="utf-8")
    return load(path)


def mistake_of(folder: Path, text: str) -> str:
    with pytest.raises(StudyFileError) as caught:
        study_of(folder, text)
    return caught.value.mistakes[0].message


# --- what resolves -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written", ["Q4_K_S", "q4_k_s", "q4-k-s", "Q4-K-S"], ids=lambda name: f"as {name}"
)
def test_types_are_known_as_people_write_them(written: str, tmp_path: Path) -> None:
    study = study_of(tmp_path, f'[[variants]]\nrecipe = "{written}"\ncalibration = "no"')
    assert [variant.label for variant in study.compared] == ["q4_k_s@nb"]


def test_matrix_is_optional_but_for_types_that_need_one(tmp_path: Path) -> None:
    study = study_of(tmp_path, '[[variants]]\nrecipe = "q3_k_s"')
    assert study.compared[0].calibration is None
    message = mistake_of(tmp_path, '[[variants]]\nrecipe = "q2_k_s"')
    assert message == "the recipe 'q2_k_s' sees calibration text, and none is named"
    message = mistake_of(tmp_path, '[[variants]]\nrecipe = "gguf"\ncalibration = "en"')
    assert message == "the recipe 'gguf' takes no calibration text"


@pytest.mark.parametrize("recipe", ["q4_k_s", "w4-g", "awq", "w8a8-sq"])
def test_draws_are_variants_with_other_text_and_another_seed(recipe: str, tmp_path: Path) -> None:
    study = study_of(
        tmp_path,
        f"""
        [study]
        seed = 5
        [[variants]]
        recipe = "{recipe}"
        calibration = {{ language = "nb", draws = 3 }}
        """,
    )
    variants = study.compared
    assert [variant.label for variant in variants] == [f"{recipe}@nb#{n}" for n in (1, 2, 3)]
    specs = [variant.calibration for variant in variants if variant.calibration is not None]
    assert [spec.seed for spec in specs] == [5, 6, 7]
    texts = [set(read_documents(spec)) for spec in specs]
    assert [len(text) for text in texts] == [28, 28, 28]  # of 84 bundled passages
    assert not texts[0] & texts[1] | texts[1] & texts[2] | texts[0] & texts[2]
    ids = {hash_identity(identify_variant(one, base_hash="b", seed=5)) for one in variants}
    assert len(ids) == 3


def test_draws_of_a_named_variant_are_numbered(tmp_path: Path) -> None:
    text = """
        [[variants]]
        recipe = "q4_k_s"
        name = "mine"
        calibration = { language = "nb", draws = 2 }
        """
    labels = [variant.label for variant in study_of(tmp_path, text).compared]
    assert labels == ["mine#1", "mine#2"]


def test_one_draw_is_what_it_was_without_the_word(tmp_path: Path) -> None:
    one = study_of(tmp_path, '[[variants]]\nrecipe = "w4"\ncalibration = "en"').compared[0]
    text = '[[variants]]\nrecipe = "w4"\ncalibration = { language = "en", draws = 1 }'
    other = study_of(tmp_path, text).compared[0]
    assert one == other
    assert "part" not in identify_variant(one, base_hash="b", seed=0)["calibration"]


def test_mix_has_each_passage_in_one_of_its_languages(tmp_path: Path) -> None:
    text = '[[variants]]\nrecipe = "q4_k_s"\ncalibration = ["en", "no", "ml"]'
    variant = study_of(tmp_path, text).compared[0]
    assert variant.label == "q4_k_s@en+nb+ml"
    assert variant.calibration is not None
    mixed = read_documents(variant.calibration)
    single = [read_documents(CalibrationSpec(language=code)) for code in ("en", "nb", "ml")]
    assert len(mixed) == len(single[0])
    assert mixed[:6] == tuple(single[turn % 3][turn] for turn in range(6))


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ('["en", "eng"]', "'calibration' names a language twice"),
        ("[]", "'calibration' must be a language in quotes, or a table, not an array"),
        ("3", "'calibration' must be a language in quotes, or a table, not a whole number"),
        ('{ language = "nb", draws = 0 }', "'draws' must be at least 1, not 0"),
        ('{ language = ["nb", "xx9"] }', None),
    ],
)
def test_wrong_calibration_is_said(written: str, message: str | None, tmp_path: Path) -> None:
    found = mistake_of(tmp_path, f'[[variants]]\nrecipe = "q4_k_s"\ncalibration = {written}')
    assert found == message or (message is None and "xx9" in found)


def test_mix_of_a_file_is_refused_and_so_are_more_draws_than_documents(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("En tekst.\n\nOg en til.\n")
    spec = CalibrationSpec(language="en+nb", source="text.txt", folder=tmp_path)
    with pytest.raises(CalibrationError, match="made of bundled text only"):
        read_documents(spec)
    spec = CalibrationSpec(language="nb", source="text.txt", folder=tmp_path, part=(3, 3))
    with pytest.raises(CalibrationError, match="2 documents cannot be divided in 3 draws"):
        read_documents(spec)


def test_ready_matrix_is_for_llama_cpp_and_known_by_its_content(tmp_path: Path) -> None:
    def identity(content: bytes) -> object:
        (tmp_path / "m.gguf").write_bytes(content)
        text = """
            [[variants]]
            recipe = "q4_k_s"
            calibration = { language = "nb", source = "m.gguf" }
            """
        variant = study_of(tmp_path, text).compared[0]
        assert variant.label == "q4_k_s@nb"
        return identify_variant(variant, base_hash="b", seed=0)["calibration"]["text"]

    assert identity(b"one") == hashlib.sha256(b"one").hexdigest() != identity(b"two")
    for recipe, more, message in (
        ("w4", "", "the recipe 'w4' takes text, not an importance matrix"),
        ("q4_k_s", ", draws = 2", "a ready importance matrix cannot be drawn from"),
    ):
        inner = f'{{ language = "nb", source = "m.gguf"{more} }}'
        text = f'[[variants]]\nrecipe = "{recipe}"\ncalibration = {inner}'
        assert mistake_of(tmp_path, text) == message


def test_tensor_types_can_be_a_table(tmp_path: Path) -> None:
    text = """
        [[variants]]
        recipe = "q4_k_s"
        tensor_types = { token_embd = "q8_0", attn_v = "q6_k" }
        """
    variant = study_of(tmp_path, text).compared[0]
    assert variant.parameters["tensor_types"] == "token_embd=q8_0,attn_v=q6_k"
    assert variant.label == "q4_k_s[tensor_types=token_embd=q8_0,attn_v=q6_k]"


# --- identity, size, plan ------------------------------------------------------------------------


def test_identity_holds_the_version_of_the_library_that_quantizes(llama_cpp: object) -> None:
    spec = VariantSpec(label="x", recipe="q4_k_s", parameters=settle("q4_k_s", {}))
    libraries = identify_variant(spec, base_hash="b", seed=0)["libraries"]
    assert libraries["llama-cpp-python"] == version("llama-cpp-python")


WIDE = TensorRecord(name="model.layers.0.mlp.w.weight", shape=(4, 256), dtype="bf16", bytes=2048)
EMBEDDING = TensorRecord(name="model.embed_tokens.weight", shape=(8, 256), dtype="bf16", bytes=4096)
NORM = TensorRecord(name="model.norm.weight", shape=(256,), dtype="bf16", bytes=512)


@pytest.mark.parametrize(
    ("recipe", "parameters", "expected"),
    [
        ("gguf", {}, 2 * 1024 + 2 * 2048 + 4 * 256),
        ("gguf", {"type": "f32"}, 4 * 1024 + 4 * 2048 + 4 * 256),
        ("q8_0", {}, 1024 // 32 * 34 + 2048 // 32 * 34 + 4 * 256),
        ("q4_k_s", {}, 4 * 144 + 8 * 210 + 4 * 256),
        ("q2_k_s", {}, 4 * 84 + 8 * 210 + 4 * 256),
    ],
)
def test_bytes_by_the_block_sizes_of_ggml(
    recipe: str, parameters: dict[str, str], expected: int
) -> None:
    """ggml-common.h: 256 weights are 144 bytes in q4_K, 84 in q2_K, 210 in q6_K; norms are fp32."""
    spec = VariantSpec(label="x", recipe=recipe, parameters=settle(recipe, parameters))
    assert estimate.estimate_variant_bytes(spec, [WIDE, EMBEDDING, NORM], config={}) == expected


@pytest.mark.slow
def test_estimated_bytes_of_the_bundled_model_are_near_the_truth(
    tmp_path: Path, llama_cpp: object
) -> None:
    from babelbits.recipes.make import make

    manifest = make(
        find_bundled_model(),
        recipe="q4_k_s",
        parameters={},
        calibration=None,
        out=tmp_path / "variant",
        variant_id="x",
        base_label="bundled",
        base_hash="b",
        seed=0,
    )
    tensors = estimate.read_base_tensors(find_bundled_model())
    assert tensors is not None
    variant = VariantSpec(label="x", recipe="q4_k_s", parameters=manifest.parameters)
    real = sum(tensor.bytes for tensor in manifest.tensors)
    assert estimate.estimate_variant_bytes(variant, tensors, config={}) == pytest.approx(
        real, rel=0.03
    )


def test_plan_has_every_draw_with_its_size(tmp_path: Path) -> None:
    text = '[[variants]]\nrecipe = "q3_k_s"\ncalibration = { language = "ml", draws = 2 }'
    study = study_of(tmp_path, text)
    plan = make_plan(study, Store(study.folder), base=locate(study.model), build=build_light)
    steps = [step for step in plan.variants if not step.spec.is_baseline]
    assert [(step.label, step.state) for step in steps] == [
        ("q3_k_s@ml#1", "missing"),
        ("q3_k_s@ml#2", "missing"),
    ]
    assert all(step.bytes is not None and step.bytes < 4_000_000 for step in steps)


def test_types_that_are_no_pairs_are_refused_by_the_plan(tmp_path: Path) -> None:
    study = study_of(tmp_path, '[[variants]]\nrecipe = "q4_k_s"\ntensor_types = "attn_v"')
    with pytest.raises(StudyError, match=r"variant 'q4_k_s.*'attn_v', which is no pattern=type"):
        make_plan(study, Store(study.folder), base=locate(study.model), build=build_light)


def test_run_says_that_it_gets_the_converter_and_stops_where_it_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, llama_cpp: object
) -> None:
    (tmp_path / "wrong.tar.gz").write_bytes(b"wrong")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("BABELBITS_LLAMACPP_SDIST", str(tmp_path / "wrong.tar.gz"))
    study = study_of(tmp_path, '[[variants]]\nrecipe = "q8_0"')
    plan = make_plan(study, Store(study.folder), base=locate(study.model), build=build_light)
    said: list[str] = []
    with pytest.raises(BabelbitsError, match="not the source of llama-cpp-python"):
        preflight.check(plan, tell=said.append)
    assert said[0].startswith("getting llama.cpp's converter (77 MB, once)")
