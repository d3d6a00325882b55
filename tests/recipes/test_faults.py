"""Making a variant when things go wrong: kills, full and read-only disks, unusable base models."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from babelbits import libraries
from babelbits.errors import (
    CalibrationError,
    MissingExtraError,
    ModelError,
    RecipeError,
    StoreError,
)
from babelbits.formats.trust import Trust
from babelbits.recipes import compressed
from babelbits.recipes.calibration import CalibrationSpec
from babelbits.recipes.make import describe_base, make, read_manifest, verify
from babelbits.records import Manifest

Variant = Callable[..., tuple[Path, Manifest]]
Tiny = Callable[[str], Path]

CHILD = """
import os, signal, sys
from pathlib import Path
from babelbits.recipes import compressed, make
def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
point, base, out = sys.argv[1:]
if point == "quantizing":
    compressed._oneshot = kill
elif point == "manifest":
    make.write_manifest = kill
elif point == "rename":
    Path.replace = kill
make.make(
    Path(base), recipe="w4-g-rtn", parameters={"group_size": 32}, calibration=None, out=Path(out),
    variant_id="v", base_label="tiny", base_hash="b", seed=0, device="cpu",
)
"""


def quick(base: Path, out: Path, **changes: Any) -> Manifest:
    """A variant by the quickest recipe."""
    settings: dict[str, Any] = {
        "recipe": "w4-g-rtn",
        "parameters": {"group_size": 32},
        "calibration": None,
        "variant_id": "v",
        "base_label": "tiny",
        "base_hash": "b",
        "seed": 0,
        "device": "cpu",
    }
    return make(base, out=out, **(settings | changes))


def run_child(point: str, base: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CHILD, point, str(base), str(out)],
        capture_output=True,
        text=True,
        check=False,
    )


# --- kills -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "point",
    [
        pytest.param("quantizing", marks=pytest.mark.slow),
        pytest.param("manifest", marks=pytest.mark.slow),
        "rename",
    ],
)
def test_sigkill_leaves_no_folder_that_looks_complete_and_the_next_try_succeeds(
    point: str, tiny_model: Tiny, tmp_path: Path
) -> None:
    out = tmp_path / "variant"
    child = run_child(point, tiny_model("llama"), out)
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert not out.exists()
    assert read_manifest(out) is None
    assert [path.name for path in tmp_path.iterdir()] == [".variant.partial"]
    quick(tiny_model("llama"), out)
    verify(out)
    assert [path.name for path in tmp_path.iterdir()] == ["variant"]


@pytest.mark.slow
def test_libraries_write_nothing_to_the_terminal(tiny_model: Tiny, tmp_path: Path) -> None:
    child = run_child("none", tiny_model("llama"), tmp_path / "variant")
    assert (child.returncode, child.stdout, child.stderr) == (0, "", "")


def test_ctrl_c_leaves_nothing(
    tiny_model: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(compressed, "_refuse_non_finite", press)
    # Programs started in the background inherit that Ctrl-C is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            quick(tiny_model("llama"), tmp_path / "variant")
    finally:
        signal.signal(signal.SIGINT, before)
    assert list(tmp_path.iterdir()) == []


# --- the folder --------------------------------------------------------------------------------


def test_folder_that_cannot_be_made_is_said_before_the_model_is_loaded(
    tiny_model: Tiny, tmp_path: Path
) -> None:
    """The weights are damaged: an error about them would mean that loading came first."""
    base = tmp_path / "base"
    shutil.copytree(tiny_model("llama"), base)
    (base / "model.safetensors").write_bytes(b"damaged")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="file/variant: a file of that name is in the way"):
        quick(base, tmp_path / "file" / "variant")
    with pytest.raises(ModelError, match="not a whole safetensors file"):
        quick(base, tmp_path / "variant")
    assert not (tmp_path / "variant").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not stop root")
def test_read_only_folder_is_said(tiny_model: Tiny, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="no permission to write here"):
            quick(tiny_model("llama"), tmp_path / "variant")
    finally:
        tmp_path.chmod(0o700)


def test_full_disk_is_said_and_leaves_nothing(tiny_model: Tiny, tmp_path: Path) -> None:
    """A limit on the size of files stands in for a full disk: the same failing write."""
    import resource

    base = tiny_model("llama")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(StoreError, match="larger than this account may write"):
            quick(base, tmp_path / "variant", recipe="nf4", parameters={})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_taken_folder_is_left_alone(tiny_model: Tiny, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match="already holds something else"):
        quick(tiny_model("llama"), tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_finished_variant_is_not_made_over(variant: Variant, tiny_model: Tiny) -> None:
    folder, _ = variant("w4-g-rtn")
    with pytest.raises(StoreError, match="already holds a finished variant"):
        quick(tiny_model("llama"), folder)


def test_same_inputs_give_the_same_weights(
    variant: Variant, tiny_model: Tiny, calibration_text: Path, tmp_path: Path
) -> None:
    _, first = variant("w4-g")
    spec = CalibrationSpec(language="en", source=str(calibration_text), samples=2, tokens=64)
    copy = tmp_path / "elsewhere"
    shutil.copytree(tiny_model("llama"), copy)
    again = quick(copy, tmp_path / "variant", recipe="w4-g", calibration=spec)
    assert again.weights_hash == first.weights_hash
    assert again.calibration == first.calibration


# --- damage ------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "add", "manifest"])
def test_damage_is_found_and_its_file_named(damage: str, variant: Variant, tmp_path: Path) -> None:
    folder = tmp_path / "variant"
    shutil.copytree(variant("w4-g-rtn")[0], folder)
    weights = folder / "model.safetensors"
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    name = "model.safetensors"
    if damage == "flip":
        weights.write_bytes(raw)
    elif damage == "cut":
        weights.write_bytes(raw[:-1])
    elif damage == "remove":
        weights.unlink()
    elif damage == "add":
        (folder / "extra.bin").touch()
        name = "extra.bin"
    else:
        name = "manifest.json"
        (folder / name).write_text((folder / name).read_text()[:-9])
    with pytest.raises(StoreError, match=name):
        verify(folder)


def test_folder_without_a_manifest_is_no_variant(tiny_model: Tiny, tmp_path: Path) -> None:
    assert read_manifest(tiny_model("llama")) is None
    assert read_manifest(tmp_path / "nowhere") is None
    with pytest.raises(StoreError, match="not a finished variant"):
        verify(tiny_model("llama"))


def test_manifest_reads_back_as_it_was_returned(variant: Variant) -> None:
    for recipe in ("w4-g", "nf4"):
        folder, manifest = variant(recipe)
        assert read_manifest(folder) == manifest


# --- base models -------------------------------------------------------------------------------


def test_group_size_is_checked_against_the_stored_weights(tiny_model: Tiny, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="group size 128 does not divide the 64 inputs"):
        quick(tiny_model("llama"), tmp_path / "variant", parameters={})
    assert list(tmp_path.iterdir()) == []


def test_recipe_that_needs_text_says_so(tiny_model: Tiny, tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="'w4-g' needs calibration text"):
        quick(tiny_model("llama"), tmp_path / "variant", recipe="w4-g")


def test_missing_library_is_said_with_the_command_that_installs_it(
    tiny_model: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libraries, "find_version", lambda name: None if name[:3] == "llm" else "1")
    with pytest.raises(MissingExtraError, match="'w4-g-rtn' needs llmcompressor") as caught:
        quick(tiny_model("llama"), tmp_path / "variant")
    assert caught.value.hint == "pip install 'babelbits[run]'"


def test_baseline_is_not_made(tiny_model: Tiny, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="describe_base"):
        quick(tiny_model("llama"), tmp_path / "variant", recipe="baseline", parameters={})


def test_missing_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json cannot be read"):
        quick(tmp_path / "nowhere", tmp_path / "variant")
    with pytest.raises(ModelError, match=r"no config\.json"):
        describe_base(tmp_path / "nowhere")


def test_model_that_is_not_causal_is_refused(tmp_path: Path) -> None:
    """T5 is an encoder-decoder; BERT loads as a decoder, but its checkpoint lacks the head."""
    from transformers import BertConfig, BertModel, T5Config, T5ForConditionalGeneration

    from tiny_models import save_tokenizer

    sizes = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
    bert = BertModel(BertConfig(**sizes, num_hidden_layers=1, vocab_size=512))
    t5 = T5ForConditionalGeneration(
        T5Config(d_model=32, d_kv=16, d_ff=64, num_layers=1, num_heads=2, vocab_size=512)
    )
    for name, model, message in (("bert", bert, "lacks"), ("t5", t5, "cannot be loaded")):
        save_tokenizer(tmp_path / name)
        model.save_pretrained(tmp_path / name)
        with pytest.raises(ModelError, match=message):
            quick(tmp_path / name, tmp_path / "variant", recipe="w8", parameters={})


def test_pickled_weights_are_refused_unless_allowed(tiny_model: Tiny, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    base = tmp_path / "pickled"
    shutil.copytree(tiny_model("llama"), base)
    torch.save(load_file(base / "model.safetensors"), base / "pytorch_model.bin")
    (base / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="a pickle can run code"):
        quick(base, tmp_path / "variant")
    allowed = quick(base, tmp_path / "variant", trust=Trust(pickle=True))
    plain = describe_base(tiny_model("llama"))
    assert allowed.n_weights == plain.n_weights
    assert describe_base(base).tensors == plain.tensors


def test_code_of_the_model_is_not_run_unless_trusted(tiny_model: Tiny, tmp_path: Path) -> None:
    base = tmp_path / "code"
    shutil.copytree(tiny_model("llama"), base)
    config = json.loads((base / "config.json").read_text())
    config["model_type"] = "homemade"
    config["auto_map"] = {"AutoConfig": "homemade.Config", "AutoModelForCausalLM": "homemade.Model"}
    (base / "config.json").write_text(json.dumps(config))
    mark = tmp_path / "ran"
    (base / "homemade.py").write_text(f"open({str(mark)!r}, 'w')")
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        quick(base, tmp_path / "variant")
    assert "trust_remote_code" in str(caught.value)
    assert not mark.exists()


def test_weights_that_are_not_finite_are_refused(tiny_model: Tiny, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    base = tmp_path / "nan"
    shutil.copytree(tiny_model("llama"), base)
    tensors = load_file(base / "model.safetensors")
    tensors["model.layers.0.self_attn.q_proj.weight"][0, 0] = float("nan")
    save_file(tensors, base / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RecipeError, match=r"q_proj.* not finite"):
        quick(base, tmp_path / "variant")
