"""Finding the base model, and refusing what must not be used."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from babelbits.errors import ModelError
from babelbits.study.config.spec import ModelSpec
from babelbits.study.planning.base_model import BaseModel, locate
from babelbits.study.planning.hashes import FileHashes


def find(folder: Path, **allowed: Any) -> BaseModel:
    spec = ModelSpec(path=str(folder), folder=folder, **allowed)
    return locate(spec, hashes=FileHashes(folder.parent / "hashes.json"))


def test_a_local_folder(checkpoint: Callable[..., Path]) -> None:
    base = find(checkpoint())
    assert (base.label, base.config["model_type"]) == ("model", "llama")


def test_the_hash_is_of_what_matters_and_not_of_where(
    checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    folder = checkpoint()
    before = find(folder).hash
    elsewhere = tmp_path / "elsewhere" / "other-name"
    shutil.copytree(folder, elsewhere)
    assert find(elsewhere).hash == before
    (folder / "README.md").write_text("changed")
    assert find(folder).hash == before
    (folder / "tokenizer.json").write_text('{"a": 1}')
    assert find(folder).hash != before


def test_one_flipped_bit_of_the_weights_is_another_model(checkpoint: Callable[..., Path]) -> None:
    folder = checkpoint()
    before = find(folder).hash
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    os.utime(weights, ns=(1, 1))
    assert find(folder).hash != before


def test_it_is_the_hash_that_the_baselines_manifest_has(checkpoint: Callable[..., Path]) -> None:
    from babelbits.recipes.manifests import describe_base

    folder = checkpoint()
    assert find(folder).hash == describe_base(folder).base_hash


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"architectures": ["T5ForConditionalGeneration"]},
            "T5ForConditionalGeneration is no causal",
        ),
        ({"architectures": ["BertForMaskedLM"]}, "is no causal"),
        ({"is_encoder_decoder": True}, "is no causal"),
        ({"architectures": None, "model_type": "llama", "is_encoder_decoder": True}, "llama is no"),
        (
            {"model_type": "mine", "auto_map": {"AutoModelForCausalLM": "x.Y"}},
            "brings its own code",
        ),
    ],
)
def test_refused(checkpoint: Callable[..., Path], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        find(checkpoint(**changes))
    assert caught.value.hint
    assert "model" in str(caught.value.where)


def test_its_own_code_if_the_study_says_so(checkpoint: Callable[..., Path]) -> None:
    folder = checkpoint(model_type="mine", auto_map={"AutoModelForCausalLM": "x.Y"})
    assert find(folder, trust_remote_code=True).config["auto_map"]


def test_pickled_weights_only_if_the_study_says_so(checkpoint: Callable[..., Path]) -> None:
    folder = checkpoint()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pickle") as caught:
        find(folder)
    assert "allow_pickle" in str(caught.value.hint)
    assert find(folder, allow_pickle=True).hash


def test_missing_folder_missing_config_and_damaged_config(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model folder"):
        find(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"config\.json cannot be read"):
        find(tmp_path / "empty")
    (tmp_path / "empty" / "config.json").write_text("{")
    with pytest.raises(ModelError, match="not JSON"):
        find(tmp_path / "empty")


def test_a_hub_model_that_is_not_here_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("huggingface_hub")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(ModelError, match="is not on this machine") as caught:
        locate(ModelSpec(path="babelbits/no-such-model-anywhere"))
    assert "hf download babelbits/no-such-model-anywhere" in str(caught.value.hint)


def test_hashes_are_remembered_and_a_damaged_memory_is_no_harm(tmp_path: Path) -> None:
    """SHA-256 of 'abc' is FIPS 180's first example."""
    file, memory = tmp_path / "abc", tmp_path / "cache" / "hashes.json"
    file.write_text("abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert FileHashes(memory).of(file) == expected
    planted = memory.read_text().replace(expected, "remembered")
    memory.write_text(planted)
    assert FileHashes(memory).of(file) == "remembered"
    assert FileHashes(memory, verify=True).of(file) == expected
    memory.write_text("[not json")
    assert FileHashes(memory).of(file) == expected


def test_bytes_that_were_replaced_under_the_old_time_are_noticed(tmp_path: Path) -> None:
    """Same path, size and time of change: what `cp --preserve` and rsync leave."""
    file, memory = tmp_path / "weights", tmp_path / "hashes.json"
    file.write_bytes(b"abc")
    before = file.stat()
    first = FileHashes(memory).of(file)
    for replace in (False, True):
        if replace:
            (tmp_path / "new").write_bytes(b"cba")
            (tmp_path / "new").replace(file)
        else:
            file.write_bytes(b"abd")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert FileHashes(memory).of(file) == hashlib.sha256(file.read_bytes()).hexdigest()
        assert FileHashes(memory).of(file) != first


def test_shards_in_folders_below_are_part_of_a_model(checkpoint: Callable[..., Path]) -> None:
    folder = checkpoint()
    (folder / "shards").mkdir()
    (folder / "model.safetensors").rename(folder / "shards" / "one.safetensors")
    index = {"weight_map": {"model.norm.weight": "shards/one.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    before = find(folder).hash
    shard = folder / "shards" / "one.safetensors"
    shard.write_bytes(shard.read_bytes()[:-1] + b"\x01")
    assert find(folder).hash != before


@pytest.mark.parametrize("name", ["../outside.safetensors", "/etc/passwd"])
def test_an_index_that_names_files_elsewhere_is_refused(
    checkpoint: Callable[..., Path], name: str
) -> None:
    folder = checkpoint()
    index = {"weight_map": {"model.norm.weight": name}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="outside the folder"):
        find(folder)
