"""`babelbits compare` from the command line, on logs that the tools themselves wrote."""

import csv
import json
import shutil
from io import StringIO
from pathlib import Path

import pytest

from babelbits.cli.main import run
from babelbits.errors import ExitCode

LOGS = Path(__file__).parent.parent / "interop" / "readers" / "fixtures"
PAIR = (f"base={LOGS / 'lm_eval' / 'base'}", f"w4={LOGS / 'lm_eval' / 'w4'}")


def test_table_on_stdout_and_talk_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", *PAIR]) == ExitCode.DONE
    out, err = capsys.readouterr()
    assert out.startswith("variant")
    assert "Swahili" in out
    assert "w4: 24 of 24 items matched, in 3 tasks" in err


def test_json_is_one_object_with_a_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", *PAIR, "--format", "json"]) == ExitCode.DONE
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "babelbits.analysis/1"
    assert [one["tool"] for one in found["sources"]] == ["lm-eval 0.4.13"] * 2
    assert {one["matched"] for one in found["matches"]} == {8}
    assert {one["variant"] for one in found["effects"]} == {"w4"}


def test_markdown_is_good_for_a_pull_request(capsys: pytest.CaptureFixture[str]) -> None:
    run(["compare", *PAIR, "--format", "md"])
    out = capsys.readouterr().out
    assert out.startswith("# w4 against base\n")
    assert "| variant | task | language | n |" in out
    assert "w4: 24 of 24 items matched" in out
    assert "babelbits run" not in out


def test_the_margin_is_in_points(capsys: pytest.CaptureFixture[str]) -> None:
    run(["compare", *PAIR, "--format", "csv", "--margin", "3.5"])
    rows = list(csv.DictReader(StringIO(capsys.readouterr().out)))
    assert {row["margin"] for row in rows} == {"0.035"}


def test_the_page_has_the_sources_and_no_dead_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "report.html"
    assert run(["compare", *PAIR, "--html", str(page)]) == ExitCode.DONE
    text = page.read_text("utf-8")
    assert f"written: {page}" in capsys.readouterr().err
    assert "lm-eval 0.4.13" in text
    assert "How many items matched" in text
    for dead in ("babelbits run", "babelbits report", "Run it again", 'id="size"', 'id="commands"'):
        assert dead not in text
    assert '"source":"p001-1-a"' in text  # the item browser's data


def test_matched_only_is_said_in_every_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(LOGS / "lm_eval" / "w4", tmp_path / "w4"))
    [file] = folder.rglob("samples_babelmini_pairs_sw*")
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:5]))
    sources = [PAIR[0], str(folder)]
    assert run(["compare", *sources]) == ExitCode.USAGE
    assert "5 of the baseline's 8 items matched" in capsys.readouterr().err
    for kind in ("md", "csv", "json", "html", "latex"):
        out = tmp_path / f"x.{kind}"
        code = run(["compare", *sources, "--matched-only", "--format", kind, "-o", str(out)])
        assert code == ExitCode.DONE
        assert "matched items only" in out.read_text("utf-8"), kind
    capsys.readouterr()
    run(["compare", *sources, "--matched-only"])
    assert "matched items only" in capsys.readouterr().err


def test_a_task_that_a_variant_lacks_is_told_and_the_rest_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(LOGS / "lm_eval" / "w4", tmp_path / "w4"))
    [file] = folder.rglob("samples_mgsm*")
    file.unlink()
    assert run(["compare", PAIR[0], str(folder)]) == ExitCode.INCOMPLETE
    out, err = capsys.readouterr()
    assert "babelmini_pairs" in out
    assert "mgsm_sw: not run or not finished (evaluate it on this task too)" in err


@pytest.mark.parametrize("tool", ["lighteval", "inspect", "evalscope"])
def test_every_format_compares(tool: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["compare", str(LOGS / tool / "base"), str(LOGS / tool / "q4")]) == ExitCode.DONE
    assert "matched, in 2 tasks" in capsys.readouterr().err


def test_logs_without_items_have_a_table_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "q4.sw.log"
    shutil.copy(LOGS / "llama_perplexity" / "iq2_kl.log", log)
    base = str(LOGS / "llama_perplexity" / "base.log")
    assert run(["compare", base, f"iq2={log}"]) == ExitCode.DONE
    out = capsys.readouterr().out
    assert "0.0980 ± 0.0022" in out
    assert "Swahili" in out
    for kind in ("md", "json", "html"):
        assert run(["compare", base, f"iq2={log}", "--format", kind]) == ExitCode.DONE
        assert "0979" in (text := capsys.readouterr().out) or "0.0980" in text


def test_one_variant_of_items_and_logs(capsys: pytest.CaptureFixture[str]) -> None:
    log = f"w4={LOGS / 'llama_perplexity' / 'iq2_kl.log'}"
    assert run(["compare", *PAIR, log]) == ExitCode.DONE
    out = capsys.readouterr().out
    assert "babelmini_pairs" in out
    assert "85.42 ± 0.22" in out


def test_logs_of_other_windows_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Perplexities of 512 and of 2,048 tokens a window are not about the same."""
    source = LOGS / "llama_perplexity"
    text = (source / "iq2_kl.log").read_text("utf-8").replace("n_ctx=2048", "n_ctx=512")
    (tmp_path / "q.sw.log").write_text(text, "utf-8")
    shutil.copy(source / "base.log", tmp_path / "fp.sw.log")
    words = [f"{name}={tmp_path / name}.sw.log" for name in ("fp", "q")]
    assert run(["compare", *words]) == ExitCode.DONE
    assert "n_ctx is '512', the baseline's is '2048' (q.sw)" in capsys.readouterr().err
    assert run(["compare", *words, "--strict"]) == ExitCode.USAGE


def test_lightevals_settings_beside_the_weights_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`results/<model>/results_<time>.json`, as lighteval 0.13's `EvaluationTracker` writes it."""
    words = []
    for name, dtype in (("base", "float32"), ("q4", "float16")):
        folder = Path(shutil.copytree(LOGS / "lighteval" / name, tmp_path / name))
        [details] = {path.parent for path in folder.rglob("details_*.parquet")}
        time = next(details.glob("*.parquet")).stem.rpartition("_")[2]
        place = details.parents[2] / "results" / details.parent.name
        place.mkdir(parents=True)
        settings = {"model_name": name, "dtype": dtype, "add_special_tokens": True}
        general = {"model_config": settings, "max_samples": 6}
        (place / f"results_{time}.json").write_text(json.dumps({"config_general": general}))
        words.append(f"{name}={folder}")
    assert run(["compare", *words]) == ExitCode.DONE
    said = capsys.readouterr().err
    assert "dtype is 'float16', the baseline's is 'float32'" in said
    assert "model_name" not in said


def test_nothing_to_compare_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    log = str(LOGS / "llama_perplexity" / "base.log")
    assert run(["compare", f"base={log}", PAIR[1]]) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert "nothing can be compared" in said
    assert "the baseline: 1 log without items" in said
    assert "w4: 3 tasks" in said


def test_items_without_any_score_do_not_end_with_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("item_id,language,score\n1,de,NA\n2,de,\n")
    words = [str(tmp_path / f"{name}.csv") for name in ("a", "b")]
    assert run(["compare", *words]) == ExitCode.INCOMPLETE
    assert "no item has a value of score" in capsys.readouterr().err


def test_hostile_outputs_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, score in (("a", 1), ("b", 0)):
        rows = [
            {
                "item_id": k,
                "language": "th",
                "score": score,
                "task": "x\x1b[31m",
                "output": "\x1b]0;",
            }
            for k in range(5)
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert run(["compare", str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")]) == ExitCode.DONE
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["nowhere", "nowhere2"], "no such file or folder"),
        ([PAIR[0], "w4=" + PAIR[0][5:], "--group", "x"], "NAME=de,fr"),
        ([PAIR[0], "base=" + PAIR[1][3:]], "has the baseline's name"),
        ([*PAIR, "--metric", "nope"], "no task has a metric 'nope'"),
    ],
)
def test_wrong_words_are_told(
    words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["compare", *words]) == ExitCode.USAGE
    assert complaint in capsys.readouterr().err


def test_a_gate_reads_other_tools_results_too(capsys: pytest.CaptureFixture[str]) -> None:
    base, w4 = (str(LOGS / "lm_eval" / name) for name in ("base", "w4"))
    code = run(["gate", w4, "--baseline", base, "--variant", "ours", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert code == ExitCode.UNDECIDED  # eight items a task show nothing
    assert found["variant"] == "ours"
    assert {one["outcome"] for one in found["answers"]} == {"undecided"}


def test_a_row_that_looks_equivalent_and_is_not_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """200 identical answers, half of them right: Tango's 0 +- 1.9 points; a guess may be 50 %."""
    rows = "".join(f"{number},en,{number % 2}\n" for number in range(200))
    for name in ("fp16", "w4"):
        (tmp_path / f"{name}.csv").write_text(f"item_id,language,score\n{rows}", "utf-8")
    files = [str(tmp_path / f"{name}.csv") for name in ("fp16", "w4")]
    assert run(["compare", *files]) == ExitCode.DONE
    assert "not called equivalent: what a guess scores is not known" in capsys.readouterr().err
    assert run(["compare", *files, "--chance", "0"]) == ExitCode.DONE
    said = capsys.readouterr()
    assert "not called equivalent" not in said.err
    assert "equivalent" in said.out.splitlines()[1]
