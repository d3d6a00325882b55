"""`babelbits plan`, `recipes` and `doctor` as people and machines see them."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from babelbits.cli.main import run
from babelbits.errors import ExitCode
from babelbits.recipes.catalogue import RECIPES

STUDY = """\
[model]
path = "model"
[engine]
device = "cpu"
[[variants]]
recipe = "w8"
[[variants]]
recipe = "nf4"
name = "mine[x]"
[[tasks]]
suite = "text"
languages = ["en", "nb", "sw"]
[limits]
items = 2
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from safetensors.numpy import save_file

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "model").mkdir()
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64}
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    weight = {"model.layers.0.mlp.up_proj.weight": np.zeros((64, 64), np.float16)}
    save_file(weight, tmp_path / "model" / "model.safetensors")
    (tmp_path / "model" / "tokenizer.json").write_text("{}")
    path = tmp_path / "study.toml"
    path.write_text(STUDY, "utf-8")
    return path


def test_for_people(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """64 x 64 weights: 8,192 bytes in fp16; a byte each and a scale a row in w8."""
    assert run(["plan", str(file)]) == ExitCode.DONE
    out, err = capsys.readouterr()
    assert err == ""
    assert "SMOKE: first 2 items" in out
    lines = [line.split() for line in out.splitlines()]
    assert ["baseline", "done", "8.19", "kB", "the", "model", "as", "it", "is"] in lines
    assert ["w8", "make", "~4.22", "kB", "not", "made", "yet"] in lines
    assert ["w8", "text", "en", "nb", "sw", "0/3", "0/6", "unknown", "missing", "(3)"] in lines
    assert any(line[:4] == ["baseline", "again", "(A/A)", "text"] for line in lines)
    assert any(line[:1] == ["mine[x]"] for line in lines)
    assert "2 variants to make" in out
    assert "12 of 12 cells to run" in out


def test_one_line_a_cell(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["plan", str(file)])
    folded = len(capsys.readouterr().out.splitlines())
    run(["plan", str(file), "--all"])
    assert len(capsys.readouterr().out.splitlines()) == folded + 12 - 4


def test_for_machines(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", str(file), "--json", "--limit", "1"]) == ExitCode.DONE
    found = json.loads(capsys.readouterr().out)
    assert (found["schema"], found["smoke"], found["complete"]) == ("babelbits.plan/1", True, False)
    assert [variant["label"] for variant in found["variants"]] == ["baseline", "w8", "mine[x]"]
    assert len(found["cells"]) == 12
    assert {cell["items"] for cell in found["cells"]} == {1}
    assert {cell["seconds"] for cell in found["cells"]} == {None}
    assert len({cell["id"] for cell in found["cells"]}) == 12


def test_mistakes_of_the_study_are_shown(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(STUDY.replace('"nb"', '"nb", "xx"').replace("w8", "w9"), "utf-8")
    assert run(["plan", str(file)]) == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert "2 mistakes" in err
    assert f"{file}:6:10: " in err
    assert f"{file}:12:26: " in err


def test_no_color_and_no_cut_lines_in_a_pipe(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "20")
    run(["plan", str(file)])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "the model as it is" in out


def test_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipes"]) == ExitCode.DONE
    out = capsys.readouterr().out
    assert all(f"\n{name} " in f"\n{out}" for name in RECIPES)
    assert run(["recipes", "GPTQ"]) == ExitCode.DONE
    assert "group_size = 128" in capsys.readouterr().out
    assert run(["recipes", "--json"]) == ExitCode.DONE
    found = json.loads(capsys.readouterr().out)
    assert [recipe["name"] for recipe in found["recipes"]] == list(RECIPES)
    assert run(["recipes", "w9"]) == ExitCode.USAGE


def test_doctor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert run(["doctor", str(tmp_path), "--json"]) == ExitCode.DONE
    findings = {f["what"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    assert findings["python"]["state"] == "ok"
    assert findings["write"]["state"] == "ok"
    assert "offline" in findings["hub"]["detail"]
    assert findings["cells"]["state"] == "warn"
    assert not list(tmp_path.iterdir()), "an examination leaves nothing behind"


@pytest.mark.usefixtures("llama_cpp")
def test_doctor_gets_the_converter_of_llama_cpp_and_takes_no_other_file_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "llama_cpp_python.tar.gz"
    archive.write_bytes(b"another file")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("BABELBITS_LLAMACPP_SDIST", str(archive))
    run(["doctor", "--json"])
    findings = {f["what"]: f for f in json.loads(capsys.readouterr().out)["findings"]}
    assert findings["llama.cpp"] == {
        **findings["llama.cpp"], "state": "ok", "detail": version("llama-cpp-python"),
    }  # fmt: skip
    assert findings["gguf converter"]["fix"] == "babelbits doctor --fix"
    assert run(["doctor", "--fix"]) == ExitCode.USAGE
    assert "its SHA-256 is" in capsys.readouterr().err
    assert list((tmp_path / "cache" / "babelbits").iterdir()) == []


def test_doctor_says_what_is_wrong_and_how_to_mend_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plan.json").write_text("{")
    assert run(["doctor", str(tmp_path)]) == ExitCode.GATE_FAILED
    out = capsys.readouterr().out
    assert "fail" in out
    assert "plan.json" in out


# --- what a run would find out ---------------------------------------------------------------


def _with(file: Path, old: str, new: str) -> Path:
    file.write_text(file.read_text("utf-8").replace(old, new), "utf-8")
    return file


def test_a_device_that_is_not_there_is_an_error_that_says_what_is(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No machine has a hundred cards; the CPU is always there."""
    _with(file, 'device = "cpu"', 'device = "cuda:99"')
    assert run(["plan", str(file)]) == ExitCode.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert "there is no device 'cuda:99' here" in said.err
    assert "cpu" in said.err.splitlines()[-1]


def test_the_error_names_the_cards_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for `nvidia-smi` with two cards, of which the environment shows one."""
    from babelbits import devices
    from babelbits.errors import ModelError

    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho NVIDIA H200\necho NVIDIA L4\n", "utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(devices, "find_version", lambda _name: "2.13.0")
    devices.check_device("auto")
    devices.check_device("cpu")
    devices.check_device("cuda")
    devices.check_device("cuda:1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    devices.check_device("cuda:0")
    with pytest.raises(ModelError, match="no device 'cuda:1' here"):
        devices.check_device("cuda:1")
    told = devices.make_missing_error("cuda:1", cards=("NVIDIA L4",), cpu_only=False)
    assert "there are: cpu, cuda:0 (NVIDIA L4)" in str(told)
    monkeypatch.setattr(devices, "find_version", lambda _name: "2.13.0+cpu")
    with pytest.raises(ModelError, match="torch is a build for the CPU"):
        devices.check_device("cuda")


def test_what_a_run_needs_and_lacks_is_noted(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from babelbits.llamacpp import library
    from babelbits.study.planning import preflight

    monkeypatch.setattr(preflight, "find_version", lambda _name: None)
    monkeypatch.setattr(library, "find_version", lambda: None)
    _with(file, 'recipe = "nf4"\nname = "mine[x]"', 'recipe = "q8_0"')
    assert run(["plan", str(file)]) == ExitCode.DONE
    out = capsys.readouterr().out
    assert "note: torch is not installed, and `babelbits run` needs it" in out
    assert "note: llama-cpp-python is not installed, and GGUF files need it" in out
    run(["plan", str(file), "--json"])
    assert len(json.loads(capsys.readouterr().out)["lacks"]) == 4


def test_a_run_folder_that_cannot_be_made_is_noted(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.with_suffix(".run").write_text("in the way", "utf-8")
    run(["plan", str(file)])
    assert "cannot be made: a file of that name is there" in capsys.readouterr().out


def test_windows_longer_than_the_context_are_noted(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By hand: nothing fits ten million tokens into this model."""
    table = 'recipe = "w4-g"\ngroup_size = 32\ncalibration = { language = "en", tokens = 10000000 }'
    _with(file, 'recipe = "nf4"\nname = "mine[x]"', table)
    run(["plan", str(file)])
    out = " ".join(capsys.readouterr().out.split())
    assert "samples of 10,000,000 tokens do not fit the model's context of" in out


def test_a_plan_loads_no_torch(file: Path) -> None:
    """In a process of its own; the checks ask the driver, or torch in a child."""
    code = (
        "import sys; from babelbits.cli.main import run; "
        f"run(['plan', {str(file)!r}]); print('torch' in sys.modules, 'llama_cpp' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False False"
