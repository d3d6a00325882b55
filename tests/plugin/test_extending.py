"""The package of docs/extending.md, installed and used from the command line in child processes."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from babelbits.preferences.answer_pairs import AnswerPair
from babelbits.preferences.pair_files import write_pairs
from babelbits.registry import ENGINES, READERS, RECIPES, TASKS, VOTES
from babelbits.store import Store

PAGE = Path(__file__).resolve().parents[2] / "docs" / "extending.md"
TEXT = PAGE.read_text("utf-8")
FILES = dict(re.findall(r"`(babelbits_extra/[^`]+)`:\n\n```\w+\n(.*?)```", TEXT, re.DOTALL))
TABLES = [tomllib.loads(one) for one in re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)]
[PROJECT] = [one["project"] for one in TABLES if "project" in one]
[STUDY] = [one for one in re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL) if "[study]" in one]
LONGEST_EXAMPLE = 40


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages with the page's, as an installer leaves it."""
    folder = tmp_path_factory.mktemp("site")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    info = folder / f"{PROJECT['name'].replace('-', '_')}-{PROJECT['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {PROJECT['name']}\nVersion: {PROJECT['version']}\n"
    )
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in rows.items())
        for group, rows in PROJECT["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups))
    return folder


def babelbits(site: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join((str(site), os.environ.get("PYTHONPATH", "")))
    return subprocess.run(
        [sys.executable, "-m", "babelbits", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "COLUMNS": "200"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def out(site: Path, *arguments: object) -> str:
    """What a command that must succeed prints."""
    found = babelbits(site, *arguments)
    assert found.returncode == 0, found.stderr
    return found.stdout


# --- the page ----------------------------------------------------------------------------------


def test_every_kind_of_part_has_an_example_of_forty_lines_at_most() -> None:
    registries = (RECIPES, ENGINES, TASKS, READERS, VOTES)
    assert list(PROJECT["entry-points"]) == [one.group for one in registries]
    for rows in PROJECT["entry-points"].values():
        [value] = rows.values()
        file = value.partition(":")[0].replace(".", "/") + ".py"
        assert len(FILES[file].splitlines()) <= LONGEST_EXAMPLE, file


# --- a task ------------------------------------------------------------------------------------


def test_the_suite_is_listed_and_shown(site: Path) -> None:
    [suite] = json.loads(out(site, "tasks", "proverbs", "--json"))["suites"]
    assert (suite["summary"], suite["languages"]) == ("which ending a proverb has", ["en", "nb"])
    shown = json.loads(out(site, "tasks", "show", "proverbs", "nb", "--json"))
    assert shown["task"]["origin"] == "babelbits-extra"
    assert shown["items"][0]["requests"][0]["continuation"] == " aldri."


def test_a_mistyped_suite_is_told_the_packages(site: Path) -> None:
    found = babelbits(site, "tasks", "show", "proverb", "nb")
    assert found.returncode == 2
    assert "'proverbs'" in found.stderr


def test_a_key_of_the_suite_alone_changes_what_is_asked(site: Path, tmp_path: Path) -> None:
    """A cell's id holds a hash of its items' prompts: other prompts make other cells."""
    study = tmp_path / "study.toml"
    ids = []
    for words in (3, 2):
        study.write_text(STUDY.replace("most_words = 3", f"most_words = {words}"), "utf-8")
        cells = json.loads(out(site, "plan", study, "--json"))["cells"]
        ids.append({one["id"] for one in cells if one["variant"] == "baseline"})
    assert None not in ids[0] | ids[1]
    assert ids[0].isdisjoint(ids[1])


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("most_words = 0", "study.toml:18:14: 'most_words' must be at least 1, not 0"),
        (
            "most_words = true",
            "study.toml:18:14: 'most_words' must be a whole number, not a boolean",
        ),
        ("most_wrods = 3", "study.toml:18:1: unknown key 'most_wrods' in [[tasks]]"),
    ],
)
def test_a_mistake_in_such_a_key_has_its_place(
    site: Path, tmp_path: Path, written: str, said: str
) -> None:
    (tmp_path / "study.toml").write_text(STUDY.replace("most_words = 3", written), "utf-8")
    found = babelbits(site, "plan", tmp_path / "study.toml")
    assert found.returncode == 2
    assert said in found.stderr
    assert "did you mean 'most_words'" in found.stderr or "wrods" not in written


def test_editors_are_offered_such_a_key(site: Path) -> None:
    task = json.loads(out(site, "schema"))["properties"]["tasks"]["items"]
    key = task["properties"]["most_words"]
    assert (key["type"], key["minimum"], key["default"]) == ("integer", 1, 100)
    assert key["description"] == "Last words that are shown."
    assert not task["additionalProperties"]


# --- a reader ----------------------------------------------------------------------------------


def tally(path: Path, right: str) -> Path:
    items = [{"question": f"q{k}", "right": int(one)} for k, one in enumerate(right)]
    path.write_text(json.dumps({"task": "sums", "language": "sw", "items": items}))
    return path


def test_results_are_compared(site: Path, tmp_path: Path) -> None:
    """By hand: 15 of 20 right, then 10: a change of -0.25."""
    base = tally(tmp_path / "a.tally.json", "1" * 15 + "0" * 5)
    other = tally(tmp_path / "b.tally.json", "1" * 10 + "0" * 10)
    found = json.loads(out(site, "compare", f"base={base}", f"w4={other}", "--format", "json"))
    assert [one["tool"] for one in found["sources"]] == ["Tally", "Tally"]
    [effect] = [one for one in found["effects"] if one["where"] == "sw"]
    assert effect["delta"] == pytest.approx(-0.25)


def test_an_error_lists_what_was_looked_for(site: Path, tmp_path: Path) -> None:
    found = babelbits(site, "compare", tmp_path, tmp_path)
    assert found.returncode == 2
    assert "tally: *.tally.json" in found.stderr


# --- a recipe, an engine and a task in a run; votes beside it -----------------------------------


@pytest.fixture(scope="module")
def ran(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's study, run in worker processes, and reported."""
    study = tmp_path_factory.mktemp("study") / "study.toml"
    study.write_text(STUDY, "utf-8")
    found = babelbits(site, "run", study)
    assert found.returncode == 0, found.stderr
    return study


def test_the_recipe_is_listed(site: Path) -> None:
    assert "rounded, stored as it was" in out(site, "recipes")


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ('recipe = "coarse"', 'recipe = "coarze"', "'coarse'"),
        ('name = "deterministic"', 'name = "determinstic"', "'deterministic'"),
        ('suite = "proverbs"', 'suite = "proverb"', "'proverbs'"),
    ],
)
def test_a_mistyped_name_in_a_study_is_told_the_packages(
    site: Path, tmp_path: Path, right: str, wrong: str, said: str
) -> None:
    (tmp_path / "study.toml").write_text(STUDY.replace(right, wrong), "utf-8")
    found = babelbits(site, "plan", tmp_path / "study.toml")
    assert found.returncode == 2
    assert said in found.stderr


@pytest.mark.slow
def test_recipe_engine_and_task_run(site: Path, ran: Path) -> None:
    """Every cell says which parts it is from; the baseline is run twice."""
    cells = [meta for meta, _ in Store(ran.parent / "run").cells()]
    assert {(meta.task.name, meta.task.language) for meta in cells} == {
        ("proverbs_en", "en"),
        ("proverbs_nb", "nb"),
    }
    assert Counter(meta.variant for meta in cells) == {"baseline": 4, "coarse[steps=15]": 2}
    engines = {(one["name"], one["version"]) for one in (meta.identity["engine"] for meta in cells)}
    [(name, version)] = engines
    assert name == "deterministic"
    assert "babelbits-extra 1.0" in version
    page = next(ran.parent.rglob("report.html")).read_text("utf-8")
    assert "proverbs" in page
    assert "coarse" in page


@pytest.mark.slow
def test_a_plan_knows_what_is_done(site: Path, ran: Path) -> None:
    assert "all 6 cells are done" in out(site, "plan", ran)


@pytest.mark.slow
def test_votes_stand_beside_the_run(site: Path, ran: Path) -> None:
    pair = AnswerPair(
        source_id="1", item_id="1", task="proverbs", language="nb", variant="coarse[steps=15]",
        prompt="Bedre sent enn", baseline_answer="aldri", variant_answer="lilla",
    )  # fmt: skip
    pairs, export = ran.with_name("pairs.jsonl"), ran.with_name("export.thumbs")
    write_pairs(pairs, [pair])
    export.write_text(f"{pair.pair_id}\tkari\tbaseline\n", "utf-8")
    found = babelbits(site, "votes", export, ran, "--pairs", pairs)
    assert found.returncode == 0, found.stderr
    assert "1 vote of 1 rater" in found.stderr
    [held] = ran.parent.rglob("votes.jsonl")
    assert '"thumbs"' in "".join(one.read_text() for one in held.parent.glob("*.json"))


def test_an_export_of_no_tool_is_told_the_packages(site: Path, tmp_path: Path) -> None:
    pairs, export = tmp_path / "pairs.jsonl", tmp_path / "x.json"
    write_pairs(pairs, [AnswerPair(
        source_id="1", item_id="1", task="t", language="nb", variant="v", prompt="p",
        baseline_answer="a", variant_answer="b",
    )])  # fmt: skip
    export.write_text('[{"a": 1}]')
    code = (
        "from pathlib import Path; from babelbits.preferences.imports import read_foreign;"
        f"read_foreign(Path({str(export)!r}), pairs=())"
    )
    path = os.pathsep.join((str(site), os.environ.get("PYTHONPATH", "")))
    found = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "nor a .csv, nor a .thumbs" in found.stderr
