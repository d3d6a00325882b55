"""What people name as a model that is none yet."""

import ast
import json
import shlex
from pathlib import Path

import pytest

from babelbits.errors import ModelError
from babelbits.formats.folders import check_folder, check_tokenizer, has_tokenizer


def files(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text("{}", "utf-8")
    return folder


def test_a_peft_adapter_says_how_to_merge_it(tmp_path: Path) -> None:
    folder = files(tmp_path / "lora", "adapter_model.safetensors")
    adapter = {"base_model_name_or_path": "meta-llama/Llama-3.1-8B", "peft_type": "LORA"}
    (folder / "adapter_config.json").write_text(json.dumps(adapter), "utf-8")
    with pytest.raises(ModelError, match=r"PEFT adapter for 'meta-llama/Llama-3\.1-8B'") as caught:
        check_folder(folder)
    command = shlex.split(str(caught.value.hint).splitlines()[1])
    assert command[:2] == ["python", "-c"]
    ast.parse(command[2])
    assert "merge_and_unload" in command[2]
    assert f"{folder}-merged" in command[2]


def test_an_adapter_beside_whole_weights_is_a_model(tmp_path: Path) -> None:
    check_folder(
        files(tmp_path / "model", "adapter_config.json", "model.safetensors", "config.json")
    )


def test_a_folder_of_gguf_files_names_the_least_quantized(tmp_path: Path) -> None:
    folder = files(
        tmp_path / "gguf", "Q4_K_M.gguf", "model-F16.gguf", "Q8_0.gguf", "mmproj-F32.gguf"
    )
    with pytest.raises(ModelError, match="holds GGUF files") as caught:
        check_folder(folder)
    assert f'path = "{folder / "model-F16.gguf"}"' in str(caught.value.hint)
    assert "mmproj" not in str(caught.value)


def test_gguf_files_beside_a_config_without_weights(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds GGUF files"):
        check_folder(files(tmp_path / "gguf", "config.json", "model.gguf"))
    check_folder(files(tmp_path / "both", "config.json", "model.gguf", "model.safetensors"))


def test_a_model_in_its_makers_format(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"own format \(params\.json\)"):
        check_folder(files(tmp_path / "m", "params.json", "consolidated.safetensors"))
    check_folder(files(tmp_path / "n", "params.json", "config.json", "model.safetensors"))


@pytest.mark.parametrize(
    "name",
    ["tokenizer.json", "tokenizer.model", "tokenizer.model.v3", "tekken.json", "qwen.tiktoken"],
)
def test_any_vocabulary_will_do(name: str, tmp_path: Path) -> None:
    assert has_tokenizer(files(tmp_path / "m", name))


def test_a_missing_tokenizer_says_so(tmp_path: Path) -> None:
    folder = files(tmp_path / "m", "config.json", "tokenizer_config.json")
    with pytest.raises(ModelError, match="holds no tokenizer"):
        check_tokenizer(folder)


def test_a_tokenizer_of_bytes_needs_no_vocabulary(tmp_path: Path) -> None:
    folder = files(tmp_path / "m")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "ByT5Tokenizer"}', "utf-8")
    check_tokenizer(folder)
