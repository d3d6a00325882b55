"""Models of the hub by their names, against a hub over HTTP."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import fake_hub
from babelbits.bundled import find_bundled_model
from babelbits.study.config.hub_names import HubName, parse
from babelbits.study.planning.hub_models import select_type

COMMIT = "0123456789abcdef0123456789abcdef01234567"
STUDY = """
[[variants]]
path = "{path}"
[[tasks]]
suite = "pairs"
languages = ["nb"]
[limits]
items = 2
"""


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("owner/model", HubName(repo="owner/model")),
        ("hub:owner/model", HubName(repo="owner/model")),
        ("gpt2", HubName(repo="gpt2")),
        ("owner/model:Q4_K_M", HubName(repo="owner/model", type="Q4_K_M")),
        ("hub:owner/model:q8_0", HubName(repo="owner/model", type="q8_0")),
        ("hub:owner/model/a-F16.gguf", HubName(repo="owner/model", file="a-F16.gguf")),
        ("hub:owner/model/UD/a.gguf", HubName(repo="owner/model", file="UD/a.gguf")),
        ("hub:owner/model/../a.gguf", None),
        ("owner/model/more", None),
        ("", None),
    ],
)
def test_names_as_llama_cpp_and_ollama_users_write_them(written: str, name: HubName | None) -> None:
    assert parse(written) == name


def test_a_type_is_the_whole_end_of_a_name() -> None:
    files = ["m-Q4_K.gguf", "m-Q4_K_M.gguf", "m-UD-Q4_K_XL.gguf", "IQ4_XS/m-IQ4_XS.gguf"]
    assert select_type("q4_k", files) == ["m-Q4_K.gguf"]
    assert select_type("Q4_K_M", files) == ["m-Q4_K_M.gguf"]
    assert select_type("UD-Q4_K_XL", files) == ["m-UD-Q4_K_XL.gguf"]
    assert select_type("IQ4_XS", files) == ["IQ4_XS/m-IQ4_XS.gguf"]
    assert select_type("Q5_K_M", files) == []


@dataclass(frozen=True, kw_only=True)
class ModelHub:
    """A running hub, and the folder of its files."""

    folder: Path
    port: int
    home: Path

    def put(self, repo: str, files: dict[str, bytes]) -> None:
        for name, data in files.items():
            path = self.folder / repo / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        (self.folder / f"{repo}.commit").write_text(COMMIT)

    def find(self, *names: str, online: bool = True, download: bool = True) -> list[str]:
        """The paths of models, or what is said in place of one.

        In a process of its own: the hub's library reads its settings once.
        """
        port = self.port if online else 9  # nothing listens on the port called discard
        done = subprocess.run(
            [sys.executable, "-c", _FIND, json.dumps([names, download])],
            env=self.environment(port), capture_output=True, text=True, check=True,
        )  # fmt: skip
        found: list[str] = json.loads(done.stdout)
        return found

    def environment(self, port: int) -> dict[str, str]:
        return {
            **os.environ,
            "HF_ENDPOINT": f"http://127.0.0.1:{port}",
            "HF_HOME": str(self.home),
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "COLUMNS": "200",
        }


_FIND = """
import json, sys
from babelbits.errors import BabelbitsError
from babelbits.study.config.hub_names import parse
from babelbits.study.planning.hub_models import find_model

names, download = json.loads(sys.argv[1])
found = []
for name in names:
    try:
        found.append(str(find_model(parse(name), revision="main", download=download)))
    except BabelbitsError as error:
        found.append(f"{error.what}\\n{error.hint}")
print(json.dumps(found))
"""


@pytest.fixture
def model_hub(tmp_path: Path) -> Iterator[ModelHub]:
    pytest.importorskip("huggingface_hub")
    folder, port_file = tmp_path / "hub", tmp_path / "port"
    folder.mkdir()
    process = subprocess.Popen([sys.executable, fake_hub.__file__, str(folder), str(port_file)])
    while not (port_file.is_file() and port_file.read_text()):
        time.sleep(0.05)
    yield ModelHub(folder=folder, port=int(port_file.read_text()), home=tmp_path / "home")
    process.kill()
    process.wait()


def test_a_file_is_fetched_by_its_type_and_nothing_else(model_hub: ModelHub) -> None:
    files = ["m-Q4_K_M.gguf", "m-Q8_0.gguf", "mmproj-m-F16.gguf", "README.md", "n/n-Q2_K.gguf"]
    parts = [f"m-Q6_K-0000{n}-of-00002.gguf" for n in (1, 2)]
    model_hub.put("owner/m", {name: name.encode() for name in (*files, *parts)})
    (before,) = model_hub.find("owner/m:Q4_K_M", download=False)
    assert "hf download owner/m" in before
    assert "babelbits pull" in before
    file, split, named, absent, whole, wrong = model_hub.find(
        *("owner/m:Q4_K_M", "owner/m:q6_k", "hub:owner/m/n/n-Q2_K.gguf"),
        *("owner/m:Q5_K_M", "owner/m", "hub:owner/m/o.gguf"),
    )
    assert Path(file).read_bytes() == b"m-Q4_K_M.gguf"
    assert Path(split).name == parts[0]
    assert Path(split).with_name(parts[1]).is_file()
    assert Path(named).read_bytes() == b"n/n-Q2_K.gguf"
    fetched = {path.name for path in model_hub.home.rglob("*.gguf")}
    assert fetched == {"m-Q4_K_M.gguf", *parts, "n-Q2_K.gguf"}
    assert "'owner/m' lacks a GGUF file of type Q5_K_M" in absent
    assert 'path = "owner/m:Q8_0"' in absent
    assert "mmproj" not in absent
    assert "holds GGUF files and no checkpoint" in whole
    assert "lacks the file 'o.gguf'" in wrong
    assert model_hub.find("owner/m:Q4_K_M", online=False, download=False) == [file]
    assert model_hub.find("owner/m:Q4_K_M", online=False) == [file]


def test_what_is_closed_several_or_not_there_says_what_to_do(model_hub: ModelHub) -> None:
    model_hub.put("owner/closed", {"config.json": b"{}"})
    (model_hub.folder / "owner" / "closed.gated").touch()
    model_hub.put("owner/two", {"a-Q8_0.gguf": b"", "b-Q8_0.gguf": b""})
    closed, by_type, nowhere, several = model_hub.find(
        "owner/closed", "owner/closed:Q8_0", "owner/nowhere", "owner/two:Q8_0"
    )
    for told in (closed, by_type):
        assert "'owner/closed' is open only to those who accept its licence" in told
        assert "accept it at https://huggingface.co/owner/closed" in told
        assert "HF_TOKEN" in told
    assert "the hub has no model 'owner/nowhere'" in nowhere
    assert "several files of type Q8_0" in several
    assert 'path = "hub:owner/two/b-Q8_0.gguf"' in several


def test_pull_fetches_a_variant_that_a_plan_then_knows(model_hub: ModelHub, tmp_path: Path) -> None:
    shutil.copytree(find_bundled_model(), model_hub.folder / "owner" / "tuned")
    config = model_hub.folder / "owner" / "tuned" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text("utf-8")) | {"by": "me"}), "utf-8")
    model_hub.put("owner/tuned", {"extra-Q8_0.gguf": b"large"})
    study = tmp_path / "study.toml"
    study.write_text(STUDY.format(path="owner/tuned"))
    for command, port, told in (
        ("pull", model_hub.port, "variant tuned: owner/tuned@main"),
        ("plan", 9, "found: not quantized"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "babelbits.cli.main", command, str(study)],
            env=model_hub.environment(port), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert told in done.stdout + done.stderr
    assert not list(model_hub.home.rglob("*.gguf"))
