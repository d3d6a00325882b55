"""What people name as a model and is none, or not the right one: `plan` says so, with a way out."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from babelbits.errors import ExitCode
from fault_files import Command, small_study

VARIANT = '[[variants]]\nrecipe = "w4-rtn"\n'


def configure(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


def _adapter(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base"}')
    (folder / "adapter_model.safetensors").write_bytes(b"")


def _gguf(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-q8_0.gguf")
    (folder / "config.json").unlink()


def _no_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()


def _more_tokens(folder: Path) -> None:
    path = folder / "tokenizer.json"
    parsed = json.loads(path.read_text("utf-8"))
    parsed["added_tokens"].append({"content": "habari", "id": 512, "special": False})
    path.write_text(json.dumps(parsed), "utf-8")


def _reward(folder: Path) -> None:
    configure(folder, architectures=["LlamaForSequenceClassification"])


def _model_opt(folder: Path) -> None:
    (folder / "hf_quant_config.json").write_text("{}")


def _quantized(method: str) -> Callable[[Path], None]:
    return lambda folder: configure(folder, quantization_config={"quant_method": method})


@pytest.mark.parametrize(
    ("spoil", "what", "advice"),
    [
        (_adapter, "PEFT adapter for 'org/base'", "merge_and_unload"),
        (_gguf, "model-q8_0.gguf: not a GGUF file", "llama.cpp's converter"),
        (_no_tokenizer, "holds no tokenizer", "save_pretrained"),
        (_more_tokens, "more than the model has rows (512)", "resize_token_embeddings"),
        (_reward, "classifier or reward model", "ForCausalLM"),
        (_model_opt, "NVIDIA ModelOpt", "the checkpoint it was made from"),
        (_quantized("gptq"), "already quantized (GPTQ)", "the checkpoint it was made from"),
        (_quantized("mxfp4"), "already quantized (MXFP4)", "babelbits.formats.dequantize"),
        (_quantized("fp8"), "already quantized (FP8 in blocks)", "babelbits.formats.dequantize"),
    ],
)
def test_the_plan_says_what_is_wrong_and_what_to_do(
    spoil: Callable[[Path], None],
    what: str,
    advice: str,
    command: Command,
    model: Path,
    tmp_path: Path,
) -> None:
    spoil(model)
    said = command("plan", small_study(tmp_path, model=model, variants=VARIANT))
    assert said.code == ExitCode.USAGE
    assert what in " ".join(said.err.split())
    assert advice in said.err
    assert str(model) in said.err
    assert not (tmp_path / "run").exists()


def test_a_quantized_model_alone_is_a_baseline(
    command: Command, model: Path, tmp_path: Path
) -> None:
    """Who only wants its numbers in many languages makes no variant of it."""
    _quantized("fp8")(model)
    said = command("plan", small_study(tmp_path, model=model))
    assert said.code == ExitCode.DONE


def test_an_old_copy_of_transformers_code_needs_no_trust(
    command: Command, model: Path, tmp_path: Path
) -> None:
    """As Phi-3.5 and DeepSeek-V3 are published."""
    configure(model, auto_map={"AutoModelForCausalLM": "old.LlamaForCausalLM"})
    (model / "old.py").write_text("raise SystemExit('ran')\n")
    study = small_study(tmp_path, model=model, variants='[[variants]]\nrecipe = "w8"\n')
    assert command("run", study, "--no-report").code == ExitCode.DONE
    shutil.rmtree(tmp_path / "run")
    allowed = study.read_text().replace("[engine]", "trust_remote_code = true\n[engine]")
    study.write_text(allowed)
    assert command("run", study, "--no-report").code == ExitCode.DONE


@pytest.mark.slow
def test_code_that_is_needed_and_trusted_reaches_llm_compressor(
    command: Command, model: Path, tmp_path: Path
) -> None:
    (model / "mine.py").write_text(
        "from transformers import LlamaConfig, LlamaForCausalLM\n"
        "class MyConfig(LlamaConfig):\n    model_type = 'mine'\n"
        "class MyForCausalLM(LlamaForCausalLM):\n    config_class = MyConfig\n"
    )
    code = {"AutoConfig": "mine.MyConfig", "AutoModelForCausalLM": "mine.MyForCausalLM"}
    configure(model, model_type="mine", auto_map=code, architectures=["MyForCausalLM"])
    study = small_study(tmp_path, model=model, variants='[[variants]]\nrecipe = "w8"\n')
    study.write_text(study.read_text().replace("[engine]", "trust_remote_code = true\n[engine]"))
    assert command("run", study, "--no-report").code == ExitCode.DONE
