"""Variants that somebody else made: what they are, and whether they fit."""

import json
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from babelbits.bundled import find_bundled_model
from babelbits.errors import BabelbitsError, MissingExtraError, ModelError, StudyError
from babelbits.formats.description import describe
from babelbits.recipes.manifests import verify
from babelbits.store import Store
from babelbits.study import load
from babelbits.study.planning import preflight
from babelbits.study.planning.base_model import locate
from babelbits.study.planning.found_variants import find_library_problems
from babelbits.study.planning.plan import build_light, make_plan
from babelbits.study.planning.plan_types import Plan, VariantStep
from babelbits.study.planning.same_model import OTHER_TRAINING
from babelbits.study.planning.task_builder import make_token_counter
from babelbits.study.planning.token_check import check_tokens_of_found
from found_models import change_config, copy_model, write_awq, write_fp8, write_gptq
from gguf_models import write_llama

TASKS = """
[[tasks]]
suite = "text"
languages = ["nb", "ml"]
[limits]
items = 3
"""


CHAT = """
[chat]
template = true
[[tasks]]
suite = "math"
languages = ["ja"]
[limits]
items = 2
"""
_ASKED = 'chat_template = "baseline"'


def plan_of(
    folder: Path,
    *paths: Path | str,
    model: Path | str = "bundled",
    more: str = "",
    tasks: str = TASKS,
) -> Plan:
    """The plan of a study with found variants, with `more` keys on each."""
    tables = "".join(f'[[variants]]\npath = "{path}"\n{textwrap.dedent(more)}\n' for path in paths)
    file = folder / "study.toml"
    file.write_text(f'[model]\npath = "{model}"\n{tables}{tasks}', "utf-8")
    study = load(file)
    return make_plan(study, Store(study.folder), base=locate(study.model), build=build_light)


def refused(folder: Path, path: Path | str, **given: Any) -> BabelbitsError:
    with pytest.raises(BabelbitsError) as caught:
        plan_of(folder, path, **given)
    return caught.value


def found_step(plan: Plan) -> VariantStep:
    return plan.variants[-1]


def notes_of(plan: Plan) -> tuple[str, ...]:
    found = found_step(plan).found
    assert found is not None
    return found.notes


@pytest.fixture
def tuned(tmp_path: Path) -> Path:
    """A checkpoint of the same model with other weights in one matrix: another variant."""
    return change_weights(copy_model(tmp_path / "tuned"), "proj.weight", lambda one: one * 1.5)


def change_weights(folder: Path, end: str, change: Callable[[Any], Any], *, most: int = 1) -> Path:
    """Change the first weights whose names end so."""
    weights = load_file(folder / "model.safetensors")
    for name in [one for one in sorted(weights) if one.endswith(end)][:most]:
        weights[name] = change(weights[name]).contiguous()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model as a float16 GGUF file, alone in its folder."""
    written = write_llama(find_bundled_model(), tmp_path_factory.mktemp("written"))
    return written.rename(tmp_path_factory.mktemp("gguf") / "tiny-F16.gguf")


# --- identity ----------------------------------------------------------------------------------


def test_content_is_the_identity_and_the_path_is_not(tuned: Path, tmp_path: Path) -> None:
    first = found_step(plan_of(tmp_path, tuned))
    moved = tuned.rename(tmp_path / "moved")
    assert found_step(plan_of(tmp_path, moved)).variant_id == first.variant_id
    (moved / "README.md").write_text("a picture of a cat")
    assert found_step(plan_of(tmp_path, moved)).variant_id == first.variant_id
    change_weights(moved, "norm.weight", lambda one: one * 2)
    assert found_step(plan_of(tmp_path, moved)).variant_id != first.variant_id
    assert first.identity.keys() == {"recipe", "content", "libraries"}


def test_other_files_under_the_same_path_are_said_to_have_changed(
    tuned: Path, tmp_path: Path
) -> None:
    before = plan_of(tmp_path, tuned)
    store = Store(before.study.folder)
    store.save_plan(before.study.file.read_text(), before.metas, study=before.study.as_object())
    change_weights(tuned, "proj.weight", lambda one: one * 2)
    after = plan_of(tmp_path, tuned)
    assert found_step(after).reason.startswith("changed: the variant's files changed; ")
    reasons = {cell.reason for cell in after.cells if cell.variant == "tuned"}
    assert reasons == {"changed: the variant's files changed"}


def test_the_baseline_byte_for_byte_is_said_and_not_scored(tmp_path: Path, gguf: Path) -> None:
    error = refused(tmp_path, copy_model(tmp_path / "copy"))
    assert "its files are the baseline's, byte for byte" in error.what
    spaced = copy_model(tmp_path / "spaced", note="another config")
    (told, *_) = notes_of(plan_of(tmp_path, spaced))[1:]
    assert told == "its weights are the baseline's, byte for byte: only config.json is another"
    copy = tmp_path / "renamed.gguf"
    shutil.copy(gguf, copy)
    assert "byte for byte" in refused(tmp_path, copy, model=gguf).what


def test_two_variants_of_the_same_bytes_are_one_too_many(tuned: Path, tmp_path: Path) -> None:
    shutil.copytree(tuned, tmp_path / "again")
    with pytest.raises(StudyError, match="those of the variant 'tuned', byte for byte"):
        plan_of(tmp_path, tuned, tmp_path / "again")


# --- the same model? ---------------------------------------------------------------------------


def test_another_architecture_shape_or_vocabulary_is_another_model(
    tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    assert "its architecture is qwen2, the baseline's llama" in (
        refused(tmp_path, tiny_model("qwen2")).what
    )
    assert "this is another model than the baseline: it has" in (
        refused(tmp_path, tiny_model("llama")).what
    )
    wide = change_weights(
        copy_model(tmp_path / "wide"), "down_proj.weight", lambda one: one.repeat(1, 2)
    )
    assert "256 x 1536 there, and 256 x 768 in the baseline" in refused(tmp_path, wide).what
    other = copy_model(tmp_path / "other")
    tokens = json.loads((other / "tokenizer.json").read_text("utf-8"))
    vocabulary = tokens["model"]["vocab"]
    names, numbers = list(vocabulary), list(vocabulary.values())
    tokens["model"]["vocab"] = dict(zip(names, numbers[1:] + numbers[:1], strict=True))
    (other / "tokenizer.json").write_text(json.dumps(tokens), "utf-8")
    assert "tokens are not in its place, e.g. token" in refused(tmp_path, other).what


def test_a_gguf_file_of_another_model_is_refused_by_its_header(
    gguf: Path, tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    other = write_llama(tiny_model("llama"), tmp_path / "written")
    error = refused(tmp_path, other)
    assert "this is another model than the baseline: it has" in error.what
    assert f"variant '{other.stem}'" in str(error.where)
    assert "another model" in refused(tmp_path, other, model=gguf).what
    assert "another model" in refused(tmp_path, tiny_model("llama"), model=gguf).what


def test_norms_that_no_quantization_changes_tell_other_training(tmp_path: Path) -> None:
    """GPTQ leaves norms alone: what differs was trained."""
    plain, _ = write_gptq(tmp_path / "plain")
    assert not any(OTHER_TRAINING in note for note in notes_of(plan_of(tmp_path, plain)))
    qat = change_weights(plain, "layernorm.weight", lambda one: one * 1.01, most=2)
    told = [note for note in notes_of(plan_of(tmp_path, qat)) if OTHER_TRAINING in note]
    assert len(told) == 1
    assert "2 of 10 unquantized weights compared are not the baseline's" in told[0]


def test_norms_that_awq_divides_by_its_scales_tell_nothing(tmp_path: Path) -> None:
    """AWQ moves scales out of the norms before a layer, and not out of the last norm."""
    folder, _ = write_awq(tmp_path / "awq")
    change_weights(folder, "layernorm.weight", lambda one: one / 2, most=8)
    assert not any(OTHER_TRAINING in note for note in notes_of(plan_of(tmp_path, folder)))
    change_weights(folder, "model.norm.weight", lambda one: one / 2)
    assert any(OTHER_TRAINING in note for note in notes_of(plan_of(tmp_path, folder)))


def test_norms_tell_other_training_of_a_gguf_file_too(gguf: Path, tmp_path: Path) -> None:
    assert not any(OTHER_TRAINING in note for note in notes_of(plan_of(tmp_path, gguf)))
    changed = change_weights(copy_model(tmp_path / "qat"), "norm.weight", lambda one: one * 1.1)
    file = write_llama(changed, tmp_path / "qat-gguf")
    assert any(OTHER_TRAINING in note for note in notes_of(plan_of(tmp_path, file)))
    assert any(OTHER_TRAINING in note for note in notes_of(plan_of(tmp_path, file, model=gguf)))
    assert any(OTHER_TRAINING in note for note in notes_of(plan_of(tmp_path, changed, model=gguf)))


def test_a_plain_checkpoint_with_other_weights_is_other_training(
    tuned: Path, tmp_path: Path
) -> None:
    (told,) = [note for note in notes_of(plan_of(tmp_path, tuned)) if OTHER_TRAINING in note]
    assert "proj.weight'" in told


def test_another_template_asks_which_one_to_use(tuned: Path, tmp_path: Path) -> None:
    base = copy_model(tmp_path / "base")
    turn = "{% for m in messages %}<%s>{{ m['content'] }}{% endfor %}"
    (base / "chat_template.jinja").write_text(turn.replace("%s", "user"))
    assert "template" not in " ".join(notes_of(plan_of(tmp_path, tuned, model=base)))  # plain text
    (tuned / "chat_template.jinja").write_text(turn.replace("%s", "human"))
    error = refused(tmp_path, tuned, model=base, tasks=CHAT)
    assert "its chat template is not the baseline's" in error.what
    assert "<human>" in error.what
    assert "<user>" in error.what
    assert 'chat_template = "baseline"' in str(error.hint)
    plan = plan_of(tmp_path, tuned, model=base, more=_ASKED, tasks=CHAT)
    assert any("asked with the baseline's chat template" in note for note in notes_of(plan))
    (tuned / "chat_template.jinja").write_text(turn.replace("%s", "user") + "\n")
    same = plan_of(tmp_path, tuned, model=base, tasks=CHAT)
    assert not any("template" in note for note in notes_of(same))


def test_prompts_that_become_other_tokens_are_shown_with_their_text(
    tuned: Path, tmp_path: Path
) -> None:
    tokens = json.loads((tuned / "tokenizer.json").read_text("utf-8"))
    tokens["model"]["merges"] = tokens["model"]["merges"][:1000]
    (tuned / "tokenizer.json").write_text(json.dumps(tokens), "utf-8")
    plan = plan_of(tmp_path, tuned)
    with pytest.raises(StudyError) as caught:
        check_tokens_of_found(plan, tell=print)
    told = str(caught.value)
    assert "become other tokens than the baseline's (nb, ml)" in told
    assert "from token" in told
    text = tmp_path / "study.toml"
    allowed = 'path = "bundled"\nallow_token_differences = true\n'
    text.write_text(text.read_text().replace('path = "bundled"\n', allowed))
    study = load(text)
    plan = make_plan(study, Store(study.folder), base=locate(study.model), build=build_light)
    heard: list[str] = []
    marked = found_step(check_tokens_of_found(plan, tell=heard.append))
    assert marked.manifest is not None
    assert "differences are of the tokenizers too" in marked.manifest.notes[-1]
    assert len(heard) == 1


def test_prompts_become_the_same_tokens_in_llama_cpp(gguf: Path, tmp_path: Path) -> None:
    pytest.importorskip("llama_cpp")
    plan = plan_of(tmp_path, gguf)
    assert check_tokens_of_found(plan, tell=print) == plan


# --- bad input ---------------------------------------------------------------------------------


def test_an_adapter_is_refused_with_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "lora"
    folder.mkdir()
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "owner/base"}')
    (folder / "adapter_model.safetensors").touch()
    error = refused(tmp_path, folder)
    assert "PEFT adapter for 'owner/base'" in error.what
    assert "merge_and_unload" in str(error.hint)
    assert "name the merged folder as `path` of the variant" in str(error.hint)
    assert str(error.where).startswith("variant 'lora'")


def test_parts_of_a_gguf_model_are_read_together_and_missed_by_name(
    gguf: Path, tmp_path: Path
) -> None:
    parts = split(gguf, tmp_path / "parts")
    step = found_step(plan_of(tmp_path, parts[0]))
    assert step.manifest is not None
    assert list(step.manifest.files) == [part.name for part in parts]
    whole = found_step(plan_of(tmp_path, gguf))
    assert whole.manifest is not None
    assert step.manifest.n_weights == whole.manifest.n_weights
    by_folder = found_step(plan_of(tmp_path, parts[0].parent))
    by_other = found_step(plan_of(tmp_path, parts[1]))
    assert {step.variant_id} == {by_folder.variant_id, by_other.variant_id}
    (parts[0].parent / "mmproj-F16.gguf").write_bytes(b"for images")
    assert found_step(plan_of(tmp_path, parts[0].parent)).variant_id == step.variant_id
    parts[1].unlink()
    error = refused(tmp_path, parts[0])
    assert f"a part of the GGUF model is missing: {parts[1].name}" in error.what


def split(file: Path, folder: Path) -> list[Path]:
    """A GGUF file in two, as `llama-gguf-split` does it: metadata in the first part only."""
    import gguf

    folder.mkdir()
    reader = gguf.GGUFReader(file)
    half = len(reader.tensors) // 2
    paths = [folder / f"tiny-0000{n + 1}-of-00002.gguf" for n in range(2)]
    for number, path in enumerate(paths):
        writer = gguf.GGUFWriter(path, "llama")
        for field in () if number else reader.fields.values():
            if field.name.startswith("GGUF.") or field.name == "general.architecture":
                continue
            kind = field.types[0]
            below = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), kind, sub_type=below)
        writer.add_uint16("split.no", number)
        writer.add_uint16("split.count", 2)
        writer.add_int32("split.tensors.count", len(reader.tensors))
        for tensor in reader.tensors[half:] if number else reader.tensors[:half]:
            writer.add_tensor(tensor.name, np.array(tensor.data))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return paths


def test_a_truncated_file_is_refused(gguf: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.gguf"
    short.write_bytes(gguf.read_bytes()[:-1000])
    assert "damaged or cut short" in refused(tmp_path, short).what
    folder, _ = write_gptq(tmp_path / "gptq")
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:-1000])
    assert "not a whole safetensors file" in refused(tmp_path, folder).what


def test_a_type_of_a_newer_llama_cpp_is_said_to_be_one(gguf: Path, tmp_path: Path) -> None:
    """A tensor's type is a number after its name and shape; 250 is nobody's."""
    data = bytearray(gguf.read_bytes())
    name = b"output_norm.weight"
    place = data.index(name) + len(name) + 4 + 8  # one dimension of 8 bytes
    data[place : place + 4] = (250).to_bytes(4, "little")
    newer = tmp_path / "newer.gguf"
    newer.write_bytes(data)
    error = refused(tmp_path, newer)
    assert "newer llama.cpp" in error.what


def test_a_library_that_is_not_there_is_named_before_anything_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "babelbits.formats.quantization_methods.find_version",
        lambda name: None if name == "auto-round" else "99",
    )
    said = {"quant_method": "auto-round", "bits": 4, "group_size": 32, "sym": True}
    folder, _ = write_gptq(tmp_path / "rounded")  # packed alike
    change_config(folder, quantization_config=said)
    plan = plan_of(tmp_path, folder)
    lacking = [line for line in preflight.check_light(plan) if line.startswith("rounded: ")]
    assert "auto-round is not installed: pip install 'auto-round>=0.5.0'" in lacking[0]
    with pytest.raises(MissingExtraError, match="AutoRound cannot run here"):
        preflight.check(plan)


def test_a_format_that_runs_nowhere_or_on_gpus_only_says_so_before_anything_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("babelbits.formats.quantization_methods.find_version", lambda _: "99")
    four = {"_data": {"group_size": 32}, "_type": "Int4WeightOnlyConfig", "_version": 2}
    eight = {"_data": {}, "_type": "Int8WeightOnlyConfig", "_version": 2}
    said = {
        "awq": {"quant_method": "awq", "bits": 4, "version": "gemv"},
        "hqq": {"quant_method": "hqq", "quant_config": {}},
        "four": {"quant_method": "torchao", "quant_type": {"default": four}},
        "eight": {"quant_method": "torchao", "quant_type": {"default": eight}},
    }
    found = {}
    for name, one in said.items():
        description = describe(copy_model(tmp_path / name, quantization_config=one))
        found[name] = find_library_problems(description, device="cpu")
    assert "packed in the layout 'gemv'" in found["awq"][0]
    assert "transformers 5.17 does not load" in found["hqq"][0]
    assert "a GPU is needed: Int4WeightOnlyConfig" in found["four"][0]
    assert found["eight"] == ()


def test_a_quantized_checkpoint_may_be_the_baseline_and_no_base_of_recipes(
    tmp_path: Path,
) -> None:
    folder, _ = write_fp8(tmp_path / "fp8")
    plan = plan_of(tmp_path, "bundled", model=folder)
    assert [step.label for step in plan.variants] == ["baseline", "bundled"]
    file = tmp_path / "study.toml"
    file.write_text(f'[model]\npath = "{folder}"\n[[variants]]\nrecipe = "w8"\n{TASKS}')
    study = load(file)
    with pytest.raises(ModelError, match="already quantized"):
        make_plan(study, Store(study.folder), base=locate(study.model), build=build_light)


def test_the_manifest_points_to_the_files_and_verify_reads_them_there(
    tuned: Path, tmp_path: Path
) -> None:
    from babelbits.recipes.manifests import write_manifest

    step = found_step(plan_of(tmp_path, tuned))
    assert step.manifest is not None
    folder = tmp_path / "variants" / step.variant_id
    folder.mkdir(parents=True)
    write_manifest(folder, step.manifest)
    verify(folder)
    change_weights(tuned, "proj.weight", lambda one: one * 2)
    with pytest.raises(ModelError, match="not the one that was measured"):
        verify(folder)
    (tuned / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="not there any more"):
        verify(folder)


def test_a_gguf_file_counts_tokens_as_its_checkpoint_does(gguf: Path) -> None:
    """Token limits are scaled with it where there is no checkpoint."""
    pytest.importorskip("llama_cpp")
    text = "Vårt møte begynner klokka tre. ഞങ്ങളുടെ യോഗം."
    assert make_token_counter(gguf)(text) == make_token_counter(find_bundled_model())(text) > 0


def test_a_file_whose_tokens_are_counted_is_closed_before_the_process_ends(gguf: Path) -> None:
    """Python's teardown takes the library away first, and then closing complains of it."""
    pytest.importorskip("llama_cpp")
    program = """
import atexit, pathlib, sys, llama_cpp
freed = []
atexit.register(lambda: print(len(freed)))  # the first one registered is the last one called
free = llama_cpp.llama_model_free
llama_cpp.llama_model_free = lambda model: (freed.append(model), free(model))
from babelbits.study.planning.task_builder import make_token_counter
counter = make_token_counter(pathlib.Path(sys.argv[1]))
print(counter("one two"))
"""
    command = [sys.executable, "-c", program, str(gguf)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    counted, freed = ended.stdout.split()
    assert int(counted) > 0
    assert freed == "1"
    assert not ended.stderr
