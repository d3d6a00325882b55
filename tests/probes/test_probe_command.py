"""`babelbits probe` on a variant of the bundled model: printed, kept, resumed after a kill."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from babelbits.cli.main import run as babelbits
from babelbits.cli.probe import DEFAULT_ATTENTION, DEFAULT_BUDGET
from babelbits.errors import ExitCode
from babelbits.probes import probe_files
from babelbits.probes.probed_pairs import find_closed, note_closed
from babelbits.store import Store
from babelbits.study import load
from babelbits.study.planning.base_model import locate
from babelbits.study.planning.plan import build_light, make_plan

STUDY = """\
[study]
name = "probed"
folder = "run"

[model]
path = "bundled"

[[variants]]
recipe = "w4-rtn"

[[tasks]]
suite = "math"
languages = ["en", "sw"]
"""
LIMIT = ["--limit", "45"]


def write_study(folder: Path, text: str = STUDY) -> Path:
    path = folder / "study.toml"
    path.write_text(text, "utf-8")
    return path


def test_the_commands_limits_are_those_of_the_settings() -> None:
    settings = probe_files.ProbeSettings()
    assert (settings.token_budget, settings.attention_limit) == (DEFAULT_BUDGET, DEFAULT_ATTENTION)


def test_a_plan_says_which_variants_no_probe_can_enter(tmp_path: Path) -> None:
    path = write_study(
        tmp_path, STUDY.replace('recipe = "w4-rtn"', 'recipe = "q4_k_m"') + "\n[[variants]]\n"
        'recipe = "nf4"\n',
    )  # fmt: skip
    loaded = load(path)
    plan = make_plan(loaded, Store(loaded.folder), base=locate(loaded.model), build=build_light)
    closed = find_closed(plan)
    assert "q4_k_m" in closed
    assert "nf4" not in closed
    notes = note_closed(plan)
    assert len(notes) == 1
    assert notes[0].endswith("llama.cpp runs GGUF files and does not show their hidden states")


def test_without_a_variant_that_is_made_the_hint_is_to_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    path = write_study(tmp_path)
    assert babelbits(["probe", str(path)]) == ExitCode.USAGE
    told = capsys.readouterr().err
    assert "no variant to look into is made yet (w4-rtn)" in told
    assert f"babelbits run {path}" in told


@pytest.mark.slow
def test_a_killed_probe_goes_on_and_nothing_is_measured_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_study(tmp_path)
    assert babelbits(["run", str(path), *LIMIT, "--no-report"]) == ExitCode.DONE
    command = [sys.executable, "-m", "babelbits", "probe", str(path), *LIMIT, "--json"]
    folder = tmp_path / "run" / "smoke" / "probes"
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while child.poll() is None and not list(folder.glob("*/tokens-*")):
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    before = {part: part.stat().st_mtime_ns for part in folder.glob("*/tokens-*.parquet")}
    assert before
    capsys.readouterr()
    asked = ["probe", str(path), *LIMIT, "--json", "--attention-tokens", "512"]
    assert babelbits(asked) == ExitCode.DONE
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert [(one["record"]["variant"], one["record"]["language"]) for one in found["probes"]] == [
        ("baseline", "en"), ("baseline", "sw"), ("w4-rtn", "en"), ("w4-rtn", "sw"),
    ]  # fmt: skip
    assert {part: part.stat().st_mtime_ns for part in before} == before
    assert "smoke/probes/probes.html" in err
    for probe in probe_files.read(tmp_path / "run", smoke=True):
        tokens = probe.tokens()
        assert len(set(tokens["item_id"].to_pylist())) == 45
        last = probe.tokens(["relative_error"], layer=4)["relative_error"].to_pylist()
        assert (max(last) < 1e-5) == probe.record.again
    assert babelbits(asked) == ExitCode.DONE
    again = capsys.readouterr()
    assert "looking into" not in again.err
    assert json.loads(again.out) == found


@pytest.mark.slow
def test_long_texts_are_said_and_nothing_else_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_study(tmp_path)
    few = ["--limit", "4"]
    assert babelbits(["run", str(path), *few, "--no-report"]) == ExitCode.DONE
    capsys.readouterr()
    assert babelbits(["probe", str(path), *few, "--attention-tokens", "5"]) == ExitCode.DONE
    out, err = capsys.readouterr()
    assert "attention was not looked at in 8 sequences: they are longer than 5 tokens" in err
    assert "w4-rtn" in out
    assert babelbits(["probe", str(path), *few, "--token-budget", "9", "--json"]) == ExitCode.DONE
    out, err = capsys.readouterr()
    left = [one["record"]["left_out"] for one in json.loads(out)["probes"]]
    assert all(set(one) == {"longer than 9 tokens"} for one in left)


@pytest.mark.slow
def test_switching_reads_each_models_own_answers_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = STUDY.replace('suite = "math"', 'suite = "confusion"').replace('"sw"', '"hi"')
    path = write_study(tmp_path, text)
    few = ["--limit", "4"]
    assert babelbits(["run", str(path), *few, "--no-report"]) == ExitCode.DONE
    capsys.readouterr()
    asked = ["probe", str(path), *few, "--switching", "--json", "--contrast", "w4-rtn:baseline"]
    assert babelbits(asked) == ExitCode.DONE
    out, err = capsys.readouterr()
    assert "reading the answers of w4-rtn" in err
    found = json.loads(out)
    losses = found["language_loss"]
    contrasts = found["strategies"]
    assert {one["measure"] for one in contrasts} == {"language_match", "tokens in the language"}
    assert all(one["languages"] == ["en", "hi"] for one in contrasts)
    assert {one["suite"] for one in found["switch_attention"]} == {"confusion"}
    for one in found["switch_attention"]:
        assert one["difference"] is None
        assert one["why_not"] in {
            "no answer leaves its language", "no word of the prompt names the language",
        }  # fmt: skip
    assert babelbits([*asked[:-1], "w4-rnt:baseline"]) == ExitCode.USAGE
    assert "no variant 'w4-rnt' in this study" in capsys.readouterr().err
    assert {(one["variant"], one["language"]) for one in losses} == {
        (variant, language) for variant in ("baseline", "w4-rtn") for language in ("en", "hi")
    }
    for one in losses:
        assert 0 <= one["means"]["other_script"] <= one["means"]["other_language"] + 1 <= 2
        assert one["difference"] is None or one["variant"] != "baseline"
    assert babelbits(asked) == ExitCode.DONE
    again = capsys.readouterr()
    assert "reading" not in again.err
    assert json.loads(again.out)["language_loss"] == losses
