"""The study in its run folder: what is read is what was run, and old names are still read."""

import shutil
import tomllib
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from babelbits.cli.main import run
from babelbits.errors import ExitCode, NothingThereError, OldNameWarning, StoreError
from babelbits.store import Store
from babelbits.study import Study, load
from babelbits.study.planning import plan
from babelbits.study.planning.recorded import read_study, update_study

FORMER = sorted((Path(__file__).parent / "former").glob("*.toml"))
STUDY = """
[study]
name = "kept"
seed = 4
folder = "run"
[[variants]]
recipe = "w4-g"
group_size = 64
calibration = { language = ["en", "no"], draws = 2 }
[[variants]]
recipe = "llm-int8"
threshold = 5
[chat]
template = "auto"
thinking = [["<t>", "</t>"]]
[[tasks]]
suite = "math"
languages = ["en", "nb"]
samples = 3
[[tasks]]
suite = "extended"
languages = "mine"
turns = 2
[groups]
mine = ["sw"]
[languages]
claimed = ["en"]
[analysis]
alpha = 0.01
margins = { math = 0.05, "bits/byte" = 1 }
confirmatory = { variants = ["llm-int8[threshold=5]"] }
"""


def written(folder: Path, text: str = STUDY) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "study.toml"
    path.write_text(text, "utf-8")
    return path


def recorded(folder: Path, study: Study) -> Store:
    store = Store(folder / "run")
    with store.writing():
        store.save_plan(study.file.read_text("utf-8"), [], study=study.as_object())
    return store


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    study = load(written(tmp_path))
    assert read_study(recorded(tmp_path, study)) == study
    limited = load(study.file, limit=2)
    assert read_study(recorded(tmp_path, limited)) == limited


def test_a_folder_that_kept_the_text_alone_says_the_same_of_the_analysis(tmp_path: Path) -> None:
    """As folders of 0.1.0 are: nothing but study.toml and plan.json."""
    study = load(written(tmp_path))
    recorded(tmp_path, study)
    (tmp_path / "run" / "study.json").unlink()
    moved = tmp_path / "elsewhere" / "kept.run"
    shutil.copytree(tmp_path / "run", moved)
    found = read_study(Store(moved))
    for name in ("name", "seed", "analysis", "groups", "claimed", "limit"):
        assert getattr(found, name) == getattr(study, name)


def test_paths_of_a_former_folder_need_not_be_there(tmp_path: Path) -> None:
    text = STUDY.replace("[chat]", '[model]\npath = "./gone"\n[data]\nmath = "gone"\n[chat]')
    store = Store(tmp_path / "x.run")
    with store.writing():
        store.save_plan(text, [])
    found = read_study(store)
    assert found.analysis.margins["math"] == 0.05
    assert found.model.path == "./gone"


def test_a_record_beside_another_text_is_not_used(tmp_path: Path) -> None:
    """An older release that runs in the folder writes the text and leaves the record."""
    store = recorded(tmp_path, load(written(tmp_path)))
    text = STUDY.replace("alpha = 0.01", "alpha = 0.02")
    with store.writing():
        store.save_plan(text, [])
    assert read_study(store).analysis.alpha == 0.02


def test_a_damaged_record_is_named_and_an_empty_folder_too(tmp_path: Path) -> None:
    store = recorded(tmp_path, load(written(tmp_path)))
    path = tmp_path / "run" / "study.json"
    path.write_bytes(path.read_bytes().replace(b'"kept"', b'"kep7"'))
    with pytest.raises(StoreError, match="the file is damaged") as caught:
        read_study(store)
    assert caught.value.where == str(path)
    with pytest.raises(NothingThereError):
        read_study(Store(tmp_path / "nothing"))


def test_a_study_file_overlays_names_margins_and_alpha_but_not_what_was_run(
    tmp_path: Path,
) -> None:
    study = load(written(tmp_path), limit=3)
    store = recorded(tmp_path, study)
    changed = STUDY.replace("alpha = 0.01", "alpha = 0.1").replace('"kept"', '"new"')
    changed = changed.replace("math = 0.05", "math = 0.5").replace("samples = 3", "samples = 9")
    now = update_study(store, written(tmp_path / "other", changed))
    assert (now.name, now.analysis.alpha, now.analysis.margins["math"]) == ("new", 0.1, 0.5)
    assert (now.suites, now.limit, now.folder) == (study.suites, 3, study.folder)
    assert update_study(store, None) == study


@pytest.mark.parametrize("file", FORMER, ids=lambda path: path.stem)
def test_every_study_of_the_last_release_is_read(file: Path, tmp_path: Path) -> None:
    """Copies of the examples and of what the package shipped, as 0.1.0 had them."""
    text = file.read_text("utf-8")
    if file.stem == "demo_gguf":  # is put behind demo.toml
        text = file.with_name("demo.toml").read_text("utf-8") + text
    path = written(tmp_path / "study", text)
    data = tomllib.loads(text)
    for folder in data.get("data", {}).values():
        (path.parent / folder).mkdir(parents=True, exist_ok=True)
    chunk = data.get("engine", {}).get("chunk")
    if chunk is None:
        assert load(path).batch_items == 64
    else:
        with pytest.warns(OldNameWarning, match="batch_items"):
            assert load(path).batch_items == chunk


def test_an_old_name_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tasks = '[[tasks]]\nsuite = "pairs"\nlanguages = ["nb"]\n[limits]\nitems = 2\n'
    path = written(tmp_path, "[engine]\nchunk = 3\n" + tasks)
    for _ in range(2):
        assert run(["plan", str(path)]) == ExitCode.DONE
        told = capsys.readouterr().err
        assert told.count("'chunk' under [engine] is called 'batch_items' now") == 1
    path.write_text("[engine]\nbatch_items = 3\n" + tasks, "utf-8")
    assert run(["plan", str(path)]) == ExitCode.DONE
    assert "note" not in capsys.readouterr().err


def test_both_names_are_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, STUDY + "[engine]\nchunk = 3\nbatch_items = 4\n")
    assert run(["plan", str(path)]) == ExitCode.USAGE
    assert "the old name of 'batch_items'" in capsys.readouterr().err


def test_the_same_size_by_either_name_is_the_same_study(tmp_path: Path) -> None:
    new = load(written(tmp_path / "study", STUDY + "[engine]\nbatch_items = 3\n"))
    with pytest.warns(OldNameWarning):
        old = load(written(tmp_path / "study", STUDY + "[engine]\nchunk = 3\n"))
    assert replace(old, file=new.file) == new


def test_what_is_asked_is_the_same_after_study_and_folder_were_moved(tmp_path: Path) -> None:
    text = STUDY.replace("[chat]", '[data]\npairs = "data"\n[chat]')
    text += '[[tasks]]\nsuite = "pairs"\nlanguages = ["en"]\n'
    for place in ("here", "there"):
        (tmp_path / place / "data").mkdir(parents=True)
    row = '{"source_id": "1", "intact": "ab", "damaged": "ba", "rule": "x"}\n'
    for place in ("here", "there"):
        (tmp_path / place / "data" / "en.jsonl").write_text(row, "utf-8")
    before = load(written(tmp_path / "here", text))
    now = load(written(tmp_path / "there", text))
    assert before.suites != now.suites
    assert plan._asked(before) == plan._asked(now)
    changed = load(written(tmp_path / "there", text.replace("samples = 3", "samples = 4")))
    assert plan._asked(before) != plan._asked(changed)


def test_an_old_name_in_a_run_folder_is_nobodys_to_change(tmp_path: Path) -> None:
    store = Store(tmp_path / "run")
    with store.writing():
        store.save_plan(STUDY + "[engine]\nchunk = 7\n", [])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_study(store).batch_items == 7
