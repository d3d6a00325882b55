"""`babelbits pull` against a hub over HTTP, then everything again without it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import fake_hub
from babelbits.errors import MissingDataError, TaskError
from babelbits.tasks import hub_data
from babelbits.tasks.hub_data import HubDataset

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NEWER = "89abcdef0123456789abcdef0123456789abcdef"
XCOPA = "cambridgeltl/xcopa"
CARD = """---
configs:
- config_name: sw
  data_files:
  - {split: validation, path: sw/val.jsonl}
  - {split: test, path: sw/test.jsonl}
---
"""
STUDY = """
[study]
name = "pulled"
[engine]
dtype = "float32"
[[tasks]]
suite = "xcopa"
languages = ["sw"]
"""


@dataclass(frozen=True, kw_only=True)
class Hub:
    """A running hub, and the folder of its files."""

    folder: Path
    port: int
    home: Path

    def babelbits(self, *arguments: str, online: bool = True) -> subprocess.CompletedProcess[str]:
        """The command in a process of its own: the hub's libraries read their settings once."""
        port = self.port if online else 9  # nothing listens on the port called discard
        env = {
            **os.environ,
            "HF_ENDPOINT": f"http://127.0.0.1:{port}",
            "HF_HOME": str(self.home),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_OFFLINE": "0",
            "HF_DATASETS_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
        }
        return subprocess.run(
            [sys.executable, "-m", "babelbits.cli.main", *arguments],
            env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip


def rows(count: int, *, word: str = "swali") -> str:
    held = [
        {
            "premise": f"{word} {n}.", "choice1": "Moja.", "choice2": "Mbili.",
            "question": "cause", "label": n % 2, "idx": n, "changed": False,
        }
        for n in range(count)
    ]  # fmt: skip
    return "".join(json.dumps(row) + "\n" for row in held)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    folder = tmp_path / "hub"
    (folder / XCOPA / "sw").mkdir(parents=True)
    (folder / XCOPA / "README.md").write_text(CARD)
    (folder / XCOPA / "sw" / "val.jsonl").write_text(rows(2))
    (folder / XCOPA / "sw" / "test.jsonl").write_text(rows(5))
    (folder / f"{XCOPA}.commit").write_text(COMMIT)
    port_file = tmp_path / "port"
    process = subprocess.Popen([sys.executable, fake_hub.__file__, str(folder), str(port_file)])
    while not (port_file.is_file() and port_file.read_text()):
        time.sleep(0.05)
    yield Hub(folder=folder, port=int(port_file.read_text()), home=tmp_path / "home")
    process.kill()
    process.wait()


@pytest.fixture
def study(tmp_path: Path) -> Path:
    file = tmp_path / "study.toml"
    file.write_text(STUDY)
    return file


@pytest.mark.slow
def test_pull_then_run_without_a_network(hub: Hub, study: Path) -> None:
    before = hub.babelbits("run", str(study), "--offline")
    assert before.returncode == 2
    assert f"babelbits pull {study}" in before.stderr

    got = hub.babelbits("pull", str(study), "--json")
    assert got.returncode == 0, got.stderr
    (held,) = json.loads(got.stdout)["datasets"]
    assert (held["commit"], held["rows"]) == (COMMIT, {"validation": 2, "test": 5})
    record = json.loads(next(study.parent.rglob("pulled.json")).read_text())
    assert record["datasets"] == [held]
    assert record["model"]["label"] == "bundled"

    after = hub.babelbits("run", str(study), "--offline", online=False)
    assert after.returncode == 0, after.stderr
    assert "computed 10 items" in after.stderr, "five items, and the baseline again"
    plan = hub.babelbits("plan", str(study), "--build", online=False)
    assert "all 2 cells are done" in plan.stdout


@pytest.mark.slow
def test_a_branch_stays_where_it_was_until_it_is_pulled_again(hub: Hub, study: Path) -> None:
    def pulled(*options: str) -> dict[str, Any]:
        found = hub.babelbits("pull", str(study), "--no-model", "--json", *options)
        assert found.returncode == 0, found.stderr
        (held,) = json.loads(found.stdout)["datasets"]
        return dict(held)

    first = pulled()
    (hub.folder / XCOPA / "sw" / "test.jsonl").write_text(rows(7, word="jambo"))
    (hub.folder / f"{XCOPA}.commit").write_text(NEWER)
    assert pulled() == first
    again = pulled("--again")
    assert (again["commit"], again["rows"]["test"]) == (NEWER, 7)
    assert Path(first["folder"]).is_dir(), "the older copy is kept"


@pytest.mark.slow
def test_a_folder_to_carry_stands_in_for_the_hub(hub: Hub, study: Path, tmp_path: Path) -> None:
    got = hub.babelbits("pull", str(study), "--no-model", "--folder", str(tmp_path / "usb"))
    assert got.returncode == 0, got.stderr
    lines = got.stdout[got.stdout.index("[data]") :]
    study.write_text(lines + STUDY)
    plan = hub.babelbits("plan", str(study), "--build", "--json", online=False)
    assert plan.returncode == 0, plan.stderr
    assert {cell["items"] for cell in json.loads(plan.stdout)["cells"]} == {5}


def card(*configs: str, splits: Sequence[str]) -> str:
    """A data set's card: which file is which split of which config."""
    lines = ["---", "configs:"]
    for name in configs:
        lines += [f"- config_name: {name}", "  data_files:"]
        lines += [f"  - {{split: {split}, path: {name}/{split}.jsonl}}" for split in splits]
    return "\n".join([*lines, "---", ""])


Held = Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]
"""Config to split to rows."""


def put(hub: Hub, dataset: str, held: Held) -> None:
    """Lay a data set onto the hub."""
    folder = hub.folder / dataset
    for config, splits in held.items():
        (folder / config).mkdir(parents=True)
        for split, content in splits.items():
            text = "".join(json.dumps(row) + "\n" for row in content)
            (folder / config / f"{split}.jsonl").write_text(text)
    (folder / "README.md").write_text(card(*held, splits=tuple(next(iter(held.values())))))
    (hub.folder / f"{dataset}.commit").write_text(COMMIT)


@pytest.mark.slow
def test_our_own_suites_are_pulled_too(hub: Hub, tmp_path: Path) -> None:
    """FLORES+ in three languages (English for the token limits), MixEval in upstream's columns."""
    put(
        hub,
        "openlanguagedata/flores_plus",
        {
            code: {
                split: [{"id": n, "text": f"{code} {split} {n}."} for n in range(6)]
                for split in ("dev", "devtest")
            }
            for code in ("eng_Latn", "deu_Latn", "fra_Latn")
        },
    )
    question = {"problem_type": "x", "context": None, "prompt": "Is it?", "benchmark_name": "ARC"}
    choice = {**question, "options": ["no", "yes"], "target": ["1"]}
    choices = [{**choice, "id": str(n)} for n in (7, 8)]
    written = [{**question, "id": "9", "options": ["-"], "target": ["yes", "it is"]}]
    splits = {"free_form": written, "multiple_choice": choices}
    put(hub, "MixEval/MixEval", {"MixEval": splits})
    study = tmp_path / "own.toml"
    study.write_text(
        STUDY.split("[[tasks]]", maxsplit=1)[0]
        + '[[tasks]]\nsuite = "flores"\nlanguages = ["de"]\npivot = "fr"\nshots = 1\n'
        + '[[tasks]]\nsuite = "mixeval"\nlanguages = ["en"]\n'
        + '[[tasks]]\nsuite = "mixeval-free-form"\nlanguages = ["en"]\n'
    )
    lacking = hub.babelbits("plan", str(study), online=False)
    assert lacking.returncode == 2
    assert f"babelbits pull {study}" in lacking.stderr

    got = hub.babelbits("pull", str(study), "--no-model", "--json")
    assert got.returncode == 0, got.stderr
    configs = [one["config"] for one in json.loads(got.stdout)["datasets"]]
    assert configs == ["fra_Latn", "deu_Latn", "eng_Latn", "MixEval", "MixEval"]

    plan = hub.babelbits("plan", str(study), "--json", online=False)
    assert plan.returncode == 0, plan.stderr
    items = {cell["task"]: cell["items"] for cell in json.loads(plan.stdout)["cells"]}
    assert items == {"flores": 6, "mixeval": 2, "mixeval-free-form": 1}

    carried = hub.babelbits("pull", str(study), "--no-model", "--folder", str(tmp_path / "usb"))
    lines = carried.stdout[carried.stdout.index("[data]") :]
    study.write_text(lines + study.read_text())
    again = hub.babelbits("plan", str(study), "--json", online=False)
    assert again.returncode == 0, again.stderr
    assert {c["task"]: c["items"] for c in json.loads(again.stdout)["cells"]} == items


@pytest.mark.slow
def test_what_the_hub_does_not_have(hub: Hub, tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text(STUDY.replace('"xcopa"', '"xwinograd"').replace('"sw"', '"fr"'))
    got = hub.babelbits("pull", str(file), "--no-model")
    assert got.returncode == 2
    assert "Muennighoff/xwinograd/fr@main" in got.stderr
    assert "Traceback" not in got.stderr


def test_a_changed_copy_is_found_out(tmp_path: Path) -> None:
    from datasets import Dataset

    wanted = HubDataset(dataset="a/b", config=None, revision=COMMIT)
    place = tmp_path / "a--b" / COMMIT / "default"
    hub_data._write({"test": Dataset.from_list([{"q": "x"}])}, wanted, COMMIT, place)
    copy = hub_data.find(wanted, tmp_path)
    assert copy is not None
    assert hub_data.read(copy)["test"].to_list() == [{"q": "x"}]
    raw = (place / "test.parquet").read_bytes()
    (place / "test.parquet").write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    with pytest.raises(TaskError, match="not the file that was written"):
        hub_data.find(wanted, tmp_path)


def test_offline_nothing_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(MissingDataError, match="offline") as caught:
        hub_data.get(HubDataset(dataset="a/b", config="nb", revision=None))
    assert "babelbits pull" in str(caught.value.hint)
