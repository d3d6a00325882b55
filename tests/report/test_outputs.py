"""What variants wrote, out to another tool's scorer and back into a comparison."""

import csv
import json
from pathlib import Path

import pytest

from babelbits.cli.main import run as babelbits
from babelbits.errors import ExitCode
from babelbits.records import TaskInfo
from babelbits.tasks.base import TaskOptions, find_prompt
from babelbits.tasks.catalogue import load
from babelbits.tasks.translation.task import find_source
from flores_files import archive

ENGLISH = ["One dog.", "English: two cats.", "Three birds sing."]
CHINESE = ["一隻狗。", "英語:兩隻貓。", "三隻鳥唱歌。"]
STUDY = """\
[study]
name = "out and back"
folder = "run"

[[variants]]
recipe = "w4-rtn"

[[tasks]]
suite = "flores"
languages = ["zh-Hant"]
shots = 1

[[tasks]]
suite = "flores-from"
languages = ["zh-Hant"]
shots = 0

[[tasks]]
suite = "math"
languages = ["sw"]

[limits]
items = 3

[data]
flores = "{folder}"
"""


@pytest.mark.parametrize("suite", ["flores", "flores-from"])
@pytest.mark.parametrize("shots", [0, 2])
def test_the_source_of_a_prompt_is_what_it_was_built_from(
    tmp_path: Path, suite: str, shots: int
) -> None:
    folder = archive(tmp_path, eng_Latn=ENGLISH, zho_Hant=CHINESE)
    task = load(suite, "zh-Hant", TaskOptions(data=folder, shots=shots))
    asked = [find_source(find_prompt(item), task.info) for item in task.items()]
    assert asked == (ENGLISH if suite == "flores" else CHINESE)
    chat = f"<|user|>\n{find_prompt(task.items()[1])}</s>\n<|assistant|>\n"
    assert find_source(chat, task.info) == asked[1]


def test_other_tasks_translate_nothing() -> None:
    info: TaskInfo = load("math", "sw", TaskOptions(limit=1)).info
    assert find_source("English: x\nJapanese:", info) is None


def add_scores(path: Path) -> list[dict[str, str]]:
    """As docs/translation.md has it, with the length of the output instead of COMET."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for row in rows:
        row["score"] = "" if row["failed"] else str(len(row["output"]) / 1000)
        row["metric"] = "length"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)
    return rows


@pytest.mark.slow
def test_another_tools_scores_come_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flores = archive(tmp_path / "flores", eng_Latn=ENGLISH, zho_Hant=CHINESE)
    study, out = tmp_path / "study.toml", tmp_path / "out"
    study.write_text(STUDY.format(folder=flores), "utf-8")
    assert babelbits(["run", str(study), "--no-report"]) == ExitCode.DONE
    asked = ["--suite", "flores", "--suite", "flores-from"]
    assert babelbits(["outputs", str(study), "-o", str(out), *asked]) == ExitCode.DONE
    files = {path.stem: path for path in sorted(out.iterdir())}
    assert set(files) == {"baseline", "baseline-again", "w4-rtn"}
    held = {name: add_scores(path) for name, path in files.items()}
    assert [row["source"] for row in held["w4-rtn"]] == [*ENGLISH, *CHINESE]
    assert [row["target"] for row in held["w4-rtn"]] == [*CHINESE, *ENGLISH]
    capsys.readouterr()
    runs = [str(files[name]) for name in ("baseline", "w4-rtn")]
    again = ["--aa", str(files["baseline-again"]), "--format", "json"]
    assert babelbits(["compare", *runs, *again]) == ExitCode.DONE
    found = json.loads(capsys.readouterr().out)
    effects = {one["suite"]: one for one in found["effects"] if one["scope"] == "language"}
    assert set(effects) == {"flores", "flores-from"}
    for suite, effect in effects.items():
        scores = [
            [float(row["score"]) for row in held[name] if row["task"] == suite]
            for name in ("baseline", "w4-rtn")
        ]
        means = [sum(one) / len(one) for one in scores]
        assert effect["metric"] == "length"
        assert effect["delta"] == pytest.approx(means[1] - means[0], abs=1e-12)
    assert babelbits(["outputs", str(study), "-o", str(out), "--suite", "flore"]) == ExitCode.USAGE
    assert "did you mean 'flores'" in capsys.readouterr().err
