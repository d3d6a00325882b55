"""`babelbits kl` on a real variant of the bundled model, against torch's own divergence."""

import json
import os
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest

from babelbits.cli.main import run as babelbits
from babelbits.errors import ExitCode

STUDY = """\
[study]
name = "kl"
folder = "run"

[model]
path = "bundled"

[[variants]]
recipe = "w4-rtn"

[[tasks]]
suite = "text"
languages = ["nb", "ml"]

[[tasks]]
suite = "pairs"
languages = ["nb"]
"""
LIMIT = ["--limit", "3"]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that has been run."""
    path = tmp_path_factory.mktemp("kl") / "study.toml"
    path.write_text(STUDY, "utf-8")
    assert babelbits(["run", str(path), *LIMIT, "--no-report"]) == ExitCode.DONE
    return path


def asked(study: Path, capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert babelbits(["kl", str(study), *LIMIT, *options, "--json"]) == ExitCode.DONE
    divergences: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["divergences"]
    return divergences


def torchs_divergence(study: Path, language: str) -> tuple[float, float]:
    """Mean KL in nats and share of same tops, by transformers and torch on the same documents."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from babelbits.bundled import find_bundled_model, find_mini_folder

    lines = (find_mini_folder() / f"passages/{language}.jsonl").read_text("utf-8").splitlines()[:3]
    (variant,) = (study.parent / "run" / "variants").glob("[!.]*")
    tokenizer = AutoTokenizer.from_pretrained(find_bundled_model())
    models = [
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        for folder in (find_bundled_model(), variant)
    ]
    kl, same = [], []
    for line in lines:
        ids = tokenizer(" ".join(json.loads(line)["sentences"]), return_tensors="pt").input_ids
        inputs = torch.cat([torch.tensor([[tokenizer.bos_token_id]]), ids], dim=1)[:, :-1]
        with torch.inference_mode():
            p, q = (model(inputs).logits[0].double().log_softmax(-1) for model in models)
        kl.append(torch.nn.functional.kl_div(q, p, log_target=True, reduction="none").sum(-1))
        same.append((p.argmax(-1) == q.argmax(-1)).double())
    return float(torch.cat(kl).mean()), float(torch.cat(same).mean())


@pytest.mark.slow
def test_with_all_tokens_kept_it_is_torchs_divergence(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = asked(study, capsys, "--top", "6144")
    assert [(one["suite"], one["language"]) for one in found] == [("text", "nb"), ("text", "ml")]
    for one in found:
        expected, same = torchs_divergence(study, one["language"])
        assert one["summary"]["mean"] == pytest.approx(expected, rel=1e-4)
        assert one["summary"]["same_top"] == pytest.approx(same, abs=2e-3)
        assert one["summary"]["kept"] == pytest.approx(1.0)
        assert one["summary"]["n_documents"] == 3
        interval = one["summary"]["mean_interval"]
        assert interval["low"] < one["summary"]["mean"] < interval["high"]


@pytest.mark.slow
def test_fewer_tokens_bound_it_and_nothing_is_measured_twice(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exact = asked(study, capsys, "--top", "6144")
    capsys.readouterr()
    assert babelbits(["kl", str(study), *LIMIT]) == ExitCode.DONE
    out, err = capsys.readouterr()
    assert "lower bound" in err
    assert "w4-rtn" in out
    bound = asked(study, capsys)
    for few, all_ in zip(bound, exact, strict=True):
        assert 0 < few["summary"]["mean"] < all_["summary"]["mean"]
        assert few["summary"]["perplexity_ratio"] == pytest.approx(
            all_["summary"]["perplexity_ratio"], rel=1e-9
        )
    assert babelbits(["kl", str(study), *LIMIT, "--json"]) == ExitCode.DONE
    again = capsys.readouterr()
    assert "measuring" not in again.err
    assert json.loads(again.out)["divergences"] == bound


@pytest.mark.slow
def test_ctrl_c_finishes_the_language_in_flight_keeps_it_and_says_how_to_go_on(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from babelbits.study.execution import divergence

    real = divergence._compare

    def press(*args: Any, **options: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return real(*args, **options)

    monkeypatch.setattr(divergence, "_compare", press)
    capsys.readouterr()
    assert babelbits(["kl", str(study), *LIMIT, "--top", "9", "--json"]) == ExitCode.INTERRUPTED
    out, err = capsys.readouterr()
    assert [one["language"] for one in json.loads(out)["divergences"]] == ["nb"]
    assert f"go on with: babelbits kl {study} --limit 3 --top 9" in err
    monkeypatch.undo()
    assert [one["language"] for one in asked(study, capsys, "--top", "9")] == ["nb", "ml"]


@pytest.mark.slow
def test_the_report_shows_what_was_measured(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from babelbits.results.load import load_run

    found = asked(study, capsys)
    read = load_run(study.parent / "run", smoke=True).divergences
    shown = [one for one in read if one.k == 64]
    assert [one.summary and one.summary.mean for one in shown] == [
        one["summary"]["mean"] for one in found
    ]


def test_without_a_made_variant_it_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "study.toml"
    path.write_text(STUDY, "utf-8")
    assert babelbits(["kl", str(path), *LIMIT]) == ExitCode.USAGE
    assert "run it first" in capsys.readouterr().err


def test_the_hint_names_the_study_that_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is read back by a shell's own rules; the command that it names finds the file."""
    path = tmp_path / "my study.toml"
    path.write_text(STUDY, "utf-8")
    assert babelbits(["kl", str(path)]) == ExitCode.USAGE
    last = capsys.readouterr().err.strip().splitlines()[-1]
    words = shlex.split(last.partition("first: ")[2])
    assert words[:2] == ["babelbits", "run"]
    assert Path(words[2]).is_file()
