"""`babelbits quick` from the command line: mistakes at once, and a whole run as a stranger's."""

import shutil
from pathlib import Path

import pytest

from babelbits import load_results, load_study, make_variant
from babelbits.cli.main import run
from babelbits.errors import ExitCode


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bundled", "w8"], "--languages"),
        (["bundled", "-l", "nb"], "VARIANT"),
        (["bundled", "w4-gg", "-l", "nb"], "'w4-gg' is neither a recipe nor a file"),
        (["bundled", "./none.gguf", "-l", "nb"], "there is no GGUF file"),
        (["bundled", "w8", "-l", "nb", "--suites", "maths"], "did you mean 'math'"),
        (["bundled", "w8", "-l", "nb", "--margin", "-1"], "--margin '-1'"),
        (["bundled", "w8", "-l", "zzz9"], "zzz9"),
    ],
)
def test_mistakes_are_told_before_anything_is_made(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["quick", *words, "--folder", str(tmp_path / "q")]) == ExitCode.USAGE
    assert said in capsys.readouterr().err
    assert not (tmp_path / "q" / "study.run").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["bundled", "w8", "./none.gguf"], "VARIANT ./none.gguf: there is no GGUF file"),
        (["./none.gguf", "w8"], "BASE ./none.gguf: there is no GGUF file"),
        (["bundled", "nf4", "w8", "w8"], "VARIANT w8: two variants are called 'w8'"),
    ],
)
def test_a_mistake_names_the_argument_and_not_the_written_study(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "q"
    code = run(["quick", *words, "-l", "nb", "--suites", "text", "--folder", str(folder)])
    assert code == ExitCode.USAGE
    told = capsys.readouterr().err
    assert said in told
    assert "study.toml" not in told


@pytest.mark.slow
def test_two_files_of_somebody_elses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Q2_K_S harms the bundled model's bits per byte beyond all doubt; Q4_K_M is not settled."""
    files = []
    for recipe in ("q4_k_m", "q2_k_s"):
        make_variant("bundled", recipe, tmp_path / recipe, calibration="nb")
        made = max((tmp_path / recipe).glob("*.gguf"), key=lambda file: file.stat().st_size)
        files.append(shutil.copy(made, tmp_path / f"tiny-{recipe.upper()}.gguf"))
        shutil.rmtree(tmp_path / recipe)
    folder = tmp_path / "q"
    words = ["quick", "bundled", *map(str, files), "-l", "nb,swh_Latn", "--minutes", "3"]
    words += ["--suites", "text", "--folder", str(folder), "--workers", "1"]
    assert run(words) == ExitCode.DONE
    out, err = capsys.readouterr()
    assert "it was made with an importance matrix" in err
    assert "does not say whether an importance matrix" not in err
    assert "chosen for speed, before any result: 1 suite" in err
    assert "Harm is confirmed for tiny-Q2_K_S." in out
    assert "Harm is confirmed for tiny-Q4_K_M" not in out
    assert "is unharmed" not in out
    assert "text: 80 items a language; the smallest loss that would be seen" in out
    assert (folder / "study.run" / "report.html").is_file()
    study = load_study(folder / "study.toml")
    assert not study.smoke
    assert not load_results(study.file).analysis.smoke
    assert run(words) == ExitCode.DONE
    assert "nothing to do" in capsys.readouterr().err
