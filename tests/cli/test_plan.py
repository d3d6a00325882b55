"""`babelbits plan`, `recipes` and `doctor` as people and machines see them."""

import json
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
