"""A user's own GGUF file as the base model of a study."""

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from babelbits.bundled import find_bundled_model
from babelbits.cli.main import run as babelbits
from babelbits.errors import ExitCode, ModelError, StudyError
from babelbits.llamacpp import library
from babelbits.llamacpp.imatrix_file import ImportanceMatrix, write_imatrix
from babelbits.records import ItemRow
from babelbits.store import Store
from babelbits.study import load
from babelbits.study.config.problems import StudyFileError
from babelbits.study.planning.base_model import BaseModel, locate
from babelbits.study.planning.hashes import FileHashes
from babelbits.study.planning.plan import build_light, make_plan
from babelbits.study.planning.plan_types import Plan
from babelbits.study.planning.plan_warnings import list_warnings
from gguf_models import write_llama

TASKS = """
[[tasks]]
suite = "text"
languages = ["nb", "ml"]
[[tasks]]
suite = "math"
languages = ["ja"]
[[tasks]]
suite = "confusion"
languages = ["ar"]
[limits]
items = 4
"""


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model as a float16 GGUF file, alone in its folder."""
    folder = tmp_path_factory.mktemp("own")
    written = write_llama(find_bundled_model(), tmp_path_factory.mktemp("written"))
    return written.rename(folder / "own.gguf")


def plan_of(folder: Path, model: Path, variants: str) -> Plan:
    path = folder / "study.toml"
    path.write_text(f'[model]\npath = "{model}"\n{textwrap.dedent(variants)}\n{TASKS}', "utf-8")
    study = load(path)
    base = locate(study.model, hashes=FileHashes(folder / "hashes.json"))
    return make_plan(study, Store(study.folder), base=base, build=build_light)


def base_of(file: Path, folder: Path) -> BaseModel:
    return plan_of(folder, file, "").base


def test_plan_runs_the_baseline_in_llama_cpp(file: Path, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, file, '[[variants]]\nrecipe = "q4_k_s"\ncalibration = "nb"')
    assert plan.engine.name == "llama.cpp"
    assert {meta.identity["engine"]["name"] for meta in plan.metas} == {"llama.cpp"}
    assert [step.label for step in plan.variants] == ["baseline", "q4_k_s@nb"]
    assert plan.variants[1].bytes == pytest.approx(3_220_000, rel=0.01)
    assert list_warnings(plan) == ()


def test_the_hash_is_of_the_bytes_and_not_of_the_name(file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "other.gguf"
    copy.write_bytes(file.read_bytes())
    assert base_of(copy, tmp_path).hash == base_of(file, tmp_path).hash
    with copy.open("r+b") as stream:
        stream.seek(-1, 2)
        stream.write(b"\x01")
    assert base_of(copy, tmp_path).hash != base_of(file, tmp_path).hash


@pytest.mark.parametrize("recipe", ["w8", "w8a8", "nf4", "llm-int8", "w4-g-rtn", "fp8"])
def test_recipes_for_checkpoints_are_refused_by_the_plan_with_the_reason(
    recipe: str, file: Path, tmp_path: Path
) -> None:
    with pytest.raises(StudyError) as caught:
        plan_of(tmp_path, file, f'[[variants]]\nrecipe = "{recipe}"')
    assert f"variant '{recipe}': the base model is a GGUF file, and '{recipe}' is made from a" in (
        str(caught.value)
    )
    assert "q8_0, q6_k" in str(caught.value.hint)


def test_conversions_of_what_is_converted_are_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="the baseline again"):
        plan_of(tmp_path, file, '[[variants]]\nrecipe = "gguf"')
    with pytest.raises(StudyError, match="in fp16: nothing is converted to bf16"):
        plan_of(tmp_path, file, '[[variants]]\nrecipe = "q8_0"\nsource_type = "bf16"')


def test_files_that_are_no_model_are_refused(file: Path, tmp_path: Path, llama_cpp: Any) -> None:
    def refused(model: Path) -> str:
        with pytest.raises(ModelError) as caught:
            base_of(model, tmp_path)
        return str(caught.value)

    broken = tmp_path / "broken.gguf"
    broken.write_bytes(file.read_bytes()[:-1000])
    assert "damaged or cut short" in refused(broken)
    broken.write_bytes(b"<html>not found</html>")
    assert "does not begin with 'GGUF'" in refused(broken)
    one = np.ones((1, 256), np.float32)
    matrix = ImportanceMatrix(
        sums={"x": one}, counts={"x": one[0, :1]}, chunks=1, chunk_tokens=16, datasets=()
    )
    write_imatrix(broken, matrix)
    assert "holds no model but: imatrix" in refused(broken)


def test_a_file_that_is_not_there_is_a_mistake_of_the_study(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match=r"there is no GGUF file '.*nowhere\.gguf'"):
        base_of(Path("nowhere.gguf"), tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("split.count", 3, "one part of several"),
        ("llama.attention.causal", False, "no causal language model"),
        ("tokenizer.ggml.model", "none", "has no tokenizer"),
    ],
)
def test_headers_that_cannot_be_a_base_are_refused(
    key: str, value: Any, words: str, tmp_path: Path
) -> None:
    """Keys of gguf-py's constants.py: `Keys.Split`, `Keys.Attention.CAUSAL`, `Keys.Tokenizer`."""
    import gguf

    writer = gguf.GGUFWriter(tmp_path / "x.gguf", "llama")
    if key != "tokenizer.ggml.model":
        writer.add_tokenizer_model("gpt2")
    {int: writer.add_uint16, bool: writer.add_bool, str: writer.add_string}[type(value)](key, value)
    writer.add_tensor("token_embd.weight", np.zeros((8, 256), np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ModelError, match=words):
        base_of(tmp_path / "x.gguf", tmp_path)


def answers(folder: Path) -> dict[tuple[str, str], list[ItemRow]]:
    """Rows by variant and task."""
    cells = Store(folder, smoke=True).cells()
    return {
        (meta.variant, meta.task.name): list(rows) for meta, rows in cells if not meta.replicate
    }


def is_recipe(manifest: Path, recipe: str) -> bool:
    return manifest.is_file() and json.loads(manifest.read_text())["recipe"] == recipe


def comparable(rows: list[ItemRow]) -> list[tuple[object, ...]]:
    return [(row.item_id, row.output, row.scores, row.prompt_tokens) for row in rows]


VARIANT = """
[[variants]]
recipe = "q2_k_s"
calibration = { language = "nb", samples = 4, tokens = 64 }
[analysis]
baseline_by_engine = false
"""


@pytest.mark.slow
def test_a_files_cells_are_those_of_the_checkpoint_that_it_was_converted_from(
    llama_cpp: Any, tmp_path: Path, run_study: Callable[[Path, str], Path]
) -> None:
    """llama.cpp's own converter made the file. No checkpoint, no tokenizer lies beside it."""
    first = run_study(tmp_path / "first", f'[[variants]]\nrecipe = "gguf"\n{VARIANT}')
    converted = next(
        path for path in (first / "variants").iterdir() if is_recipe(path / "manifest.json", "gguf")
    )
    own = (converted / "model.gguf").rename(tmp_path / "own.gguf")
    second = run_study(tmp_path / "second", f'[model]\npath = "{own}"\n{VARIANT}')
    by_checkpoint, by_file = answers(first), answers(second)
    assert len(by_file) == 2 * 4
    label = next(variant for variant, _ in by_file if variant != "baseline")
    for (variant, task), rows in by_file.items():
        theirs = by_checkpoint["gguf" if variant == "baseline" else label, task]
        assert comparable(rows) == comparable(theirs)


@pytest.fixture
def run_study() -> Callable[[Path, str], Path]:
    """Runs a study of some variants in a new folder; its run folder."""

    def run(folder: Path, text: str) -> Path:
        folder.mkdir()
        path = folder / "study.toml"
        path.write_text(f'[study]\nfolder = "run"\n{text}\n{TASKS}', "utf-8")
        assert babelbits(["run", str(path), "--no-report"]) == ExitCode.DONE
        return folder / "run"

    return run


@pytest.mark.slow
def test_a_quantized_file_is_a_base_with_a_note(
    file: Path, tmp_path: Path, llama_cpp: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from babelbits.recipes.gguf_quantize import quantize

    quantized = tmp_path / "quantized.gguf"
    quantize(file, quantized, mixture="Q8_0", threads=library.count_threads())
    plan = plan_of(tmp_path, quantized, '[[variants]]\nrecipe = "q4_k_s"')
    (note,) = list_warnings(plan)
    assert note.startswith("the baseline is a GGUF file in q8_0: differences from it are what is")
    assert babelbits(["run", str(plan.study.file), "--no-report"]) == ExitCode.DONE
    assert capsys.readouterr().err.count("the baseline is a GGUF file in q8_0") == 1
    manifest = Store(plan.study.folder, smoke=True).manifest(plan.variants[1].variant_id)
    assert manifest is not None
    assert manifest.notes == (note,)
    assert "torch" not in manifest.library_versions
