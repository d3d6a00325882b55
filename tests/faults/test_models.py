"""Models that are missing, are none, or must not be loaded: said before anything is made."""

import json
from pathlib import Path

import pytest

from babelbits.errors import ExitCode
from fault_files import Command, small_study


def configure(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def nothing_was_computed(folder: Path) -> bool:
    return not list(folder.glob("run/**/cells")) and not list(folder.glob("run/variants"))


def test_a_missing_folder_is_named_with_its_place_in_the_study(
    command: Command, tmp_path: Path
) -> None:
    study = small_study(tmp_path, model="./no-such-model")
    said = command("run", study)
    assert said.code == ExitCode.USAGE
    assert f"{study}:4:8: there is no model folder '{tmp_path / 'no-such-model'}'" in said.err
    assert '4 | path = "./no-such-model"' in said.err
    assert not (tmp_path / "run").exists()


def test_a_hub_model_that_is_not_here_says_how_to_get_it(command: Command, tmp_path: Path) -> None:
    said = command("run", small_study(tmp_path, model="nobody/nothing"))
    assert said.code == ExitCode.USAGE
    assert "'nobody/nothing' (revision 'main') is not on this machine" in said.err
    assert "hf download nobody/nothing --revision main" in said.err


@pytest.mark.parametrize(
    ("architecture", "kind", "more"),
    [
        ("BertForMaskedLM", "bert", {}),
        ("T5ForConditionalGeneration", "t5", {"is_encoder_decoder": True}),
    ],
)
@pytest.mark.parametrize("what", ["plan", "run"])
def test_a_model_that_is_not_causal(
    what: str,
    architecture: str,
    kind: str,
    more: dict,
    command: Command,
    model: Path,
    tmp_path: Path,
) -> None:
    configure(model, architectures=[architecture], model_type=kind, **more)
    said = command(what, small_study(tmp_path, model=model))
    assert said.code == ExitCode.USAGE
    assert f"{model}: {architecture} is no causal language model" in said.err
    assert "ForCausalLM" in said.err
    assert nothing_was_computed(tmp_path)


def test_pickled_weights_only_if_the_study_says_so(
    command: Command, model: Path, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(model / "model.safetensors"), model / "pytorch_model.bin")
    (model / "model.safetensors").unlink()
    study = small_study(tmp_path, model=model)
    said = command("run", study)
    assert said.code == ExitCode.USAGE
    assert "a pickle can run code" in said.err
    assert "allow_pickle = true" in said.err
    assert nothing_was_computed(tmp_path)
    study.write_text(study.read_text().replace("[engine]", "allow_pickle = true\n[engine]"))
    assert command("run", study, "--no-report").code == ExitCode.DONE


def test_the_models_own_code_only_if_the_study_says_so(
    command: Command, model: Path, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    (model / "mine.py").write_text(
        f"import pathlib\npathlib.Path({str(ran)!r}).touch()\n"
        "from transformers import LlamaConfig\n"
        "class MyConfig(LlamaConfig):\n    model_type = 'mine'\n"
    )
    configure(model, model_type="mine", auto_map={"AutoConfig": "mine.MyConfig"})
    study = small_study(tmp_path, model=model)
    said = command("run", study)
    assert said.code == ExitCode.USAGE
    assert "would run on this machine" in said.err
    assert "trust_remote_code = true" in said.err
    assert not ran.exists()
    assert nothing_was_computed(tmp_path)


def test_a_group_size_that_does_not_divide(command: Command, model: Path, tmp_path: Path) -> None:
    variants = '[[variants]]\nrecipe = "w4-g"\ngroup_size = 48\ncalibration = "en"\n'
    said = command("run", small_study(tmp_path, model=model, variants=variants))
    assert said.code == ExitCode.USAGE
    assert "variant 'w4-g@en[group_size=48]'" in said.err
    assert "48" in said.err
    assert "64" in said.err
    assert nothing_was_computed(tmp_path)


def test_a_device_that_is_not_there(command: Command, model: Path, tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    engine = 'device = "cuda"'
    variants = '[[variants]]\nrecipe = "w4-rtn"\n'
    study = small_study(tmp_path, model=model, engine=engine, variants=variants)
    said = command("run", study)
    assert said.code == ExitCode.USAGE
    assert "there is no device 'cuda' here" in said.err
    assert nothing_was_computed(tmp_path)


def test_weights_that_end_too_early(command: Command, model: Path, tmp_path: Path) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    said = command("run", small_study(tmp_path, model=model))
    assert said.code in (ExitCode.USAGE, ExitCode.INCOMPLETE)
    assert str(model) in said.err
