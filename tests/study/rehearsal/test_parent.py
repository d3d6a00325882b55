"""The process that rehearses dies, finds faults or works: what the caller is told.

The stand-in `rehearsal_children` is that process here; the rest is real.
"""

import json
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from babelbits.cli.main import run
from babelbits.errors import ExitCode
from babelbits.formats.trust import Trust
from babelbits.recipes.catalogue import settle
from babelbits.study.config.spec import VariantSpec
from babelbits.study.rehearsal import RehearsalResult, child, parent, rehearse_variants
from babelbits.study.rehearsal.outcomes import Stage

TESTS = Path(__file__).resolve().parents[2]

Rehearse = Callable[..., dict[str, RehearsalResult]]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Attempts of the stand-in, which takes the place of the real child."""
    src = TESTS.parent / "src"
    monkeypatch.setattr(parent, "MODULE", "rehearsal_children")
    monkeypatch.setenv("PYTHONPATH", f"{src}:{TESTS}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("REHEARSAL_LOG", str(tmp_path / "log"))
    monkeypatch.delenv("BABELBITS_NO_REHEARSE", raising=False)
    (tmp_path / "log").touch()
    return tmp_path / "log"


@pytest.fixture
def rehearse(log: Path, tmp_path: Path) -> Rehearse:
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text('{"model_type": "llama"}')

    def of(*recipes: str) -> dict[str, RehearsalResult]:
        specs = [VariantSpec(label=r, recipe=r, parameters=settle(r, {})) for r in recipes]
        return {result.label: result for result in rehearse_variants(base, specs)}

    return of


@pytest.mark.parametrize(("recipe", "signal"), [("nf4", "SIGABRT"), ("llm-int8", "SIGKILL")])
def test_a_process_that_dies_is_its_variants_fault_and_no_other(
    rehearse: Rehearse, log: Path, recipe: str, signal: str
) -> None:
    found = rehearse("w8", recipe, "w4")
    assert {label: result.outcome for label, result in found.items()} == {
        "w8": "works",
        recipe: "fails",
        "w4": "works",
    }
    fault = found[recipe].fault
    assert fault is not None
    assert signal in fault.what
    assert "GGML_ASSERT(n_layer > 0) failed" in fault.what
    assert log.read_text().splitlines().count(f"{recipe} two periods") == 1


def test_three_results(rehearse: Rehearse) -> None:
    found = rehearse("w8", "w4-rtn", "fp8")
    assert [result.outcome for result in found.values()] == ["works", "fails", "unrehearsable"]
    assert found["w4-rtn"].architecture == "llama"
    assert found["w4-rtn"].library.startswith("llmcompressor ")


def test_the_second_time_nothing_is_started(rehearse: Rehearse, log: Path) -> None:
    first = rehearse("w8", "w4-rtn")
    attempts = log.read_text()
    again = rehearse("w4-rtn", "w8")
    assert log.read_text() == attempts
    assert all(result.cached for result in again.values())
    assert {label: r.outcome for label, r in again.items()} == {
        label: r.outcome for label, r in first.items()
    }


def test_another_parameter_is_another_rehearsal(rehearse: Rehearse, log: Path) -> None:
    rehearse("w8")
    rehearse("w8", "w4")
    assert log.read_text().splitlines() == ["w8 one period", "w4 one period"]


def test_a_death_for_want_of_memory_is_not_remembered(rehearse: Rehearse, log: Path) -> None:
    """SIGKILL is what the kernel sends where memory is short; the next machine has more."""
    rehearse("llm-int8")
    before = len(log.read_text().splitlines())
    rehearse("llm-int8")
    assert len(log.read_text().splitlines()) == 2 * before


def test_a_gguf_file_cannot_be_rehearsed(log: Path, tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF")
    spec = VariantSpec(label="q4", recipe="q4_k_m", parameters=settle("q4_k_m", {}))
    (result,) = rehearse_variants(file, [spec])
    assert result.outcome == "unrehearsable"
    assert log.read_text() == ""


# --- commands ------------------------------------------------------------------------------------

STUDY = """\
[model]
path = "{model}"
[engine]
device = "cpu"
[[variants]]
recipe = "w8"
[[variants]]
recipe = "nf4"
[[variants]]
recipe = "w4-rtn"
[[tasks]]
suite = "pairs"
languages = ["en"]
[limits]
items = 2
"""


@pytest.fixture
def study(log: Path, tmp_path: Path, tiny_model: Callable[[str], Path]) -> Path:
    file = tmp_path / "study.toml"
    file.write_text(STUDY.format(model=tiny_model("llama")), "utf-8")
    return file


@pytest.mark.slow
def test_a_run_refuses_all_faults_at_once_before_the_baseline(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["run", str(study)]) == ExitCode.USAGE
    err = capsys.readouterr().err
    assert "2 variants do not work" in err
    assert "variant 'nf4': recipe 'nf4' on 'llama' (bitsandbytes" in err
    assert "variant 'w4-rtn': recipe 'w4-rtn' on 'llama' (llmcompressor" in err
    assert "--no-rehearse" in err
    assert "these variants of the study work: w8" in err
    assert not list(study.parent.glob("**/cells/*"))


@pytest.mark.slow
def test_no_rehearse_starts_no_rehearsal(study: Path, log: Path) -> None:
    assert run(["run", str(study), "--no-rehearse", "--no-report"]) == ExitCode.DONE
    assert log.read_text() == ""


@pytest.mark.slow
def test_plan_rehearse_prints_a_table_and_has_the_plans_exit_code(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["plan", str(study), "--rehearse"]) == ExitCode.USAGE
    out, err = capsys.readouterr()
    rows = {line.split()[0]: line.split()[1] for line in out.splitlines() if line.strip()}
    assert rows == {
        "variant": "rehearsal",
        "baseline": "works",
        "w8": "works",
        "nf4": "fails",
        "w4-rtn": "fails",
    }
    assert "rehearsed 4 variants in" in err


@pytest.mark.slow
def test_what_cannot_be_rehearsed_is_checked_when_it_is_made(
    study: Path, log: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The stand-in finds a fault in fp8 on one depth only, and then in the variant that is made."""
    text = study.read_text("utf-8").replace('"nf4"', '"fp8"')
    study.write_text(text.replace('[[variants]]\nrecipe = "w4-rtn"\n', ""), "utf-8")
    assert run(["run", str(study), "--no-report", "--workers", "1"]) == ExitCode.INCOMPLETE
    err = capsys.readouterr().err
    assert "fp8: cannot be rehearsed" in err
    assert "the variant is not what its recipe says" in err
    attempts = log.read_text().splitlines()
    assert attempts.count("fp8 one period") == 2
    assert attempts.count("w8 one period") == 1


@pytest.mark.parametrize(("code", "pickle"), [*product((False, True), repeat=2)])
def test_the_child_trusts_a_model_as_far_as_its_parent_does(
    tmp_path: Path, *, code: bool, pickle: bool
) -> None:
    trust = Trust(remote_code=code, pickle=pickle)
    asked = parent._job(Stage(base=tmp_path, trust=trust), {}, {}, tmp_path)
    made = child._rehearsal(json.loads(json.dumps(asked)), "one period", lambda _line: None)
    assert made.settings.trust == trust
