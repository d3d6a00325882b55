"""Every entry of the catalogue against the installed lm-eval, and against the data where they are.

The numbers of rows are those that the benchmarks' authors publish.
"""

from collections import Counter
from pathlib import Path

import pytest

from babelbits.errors import TaskError
from babelbits.languages import resolve
from babelbits.records import ScoreRequest
from babelbits.tasks.base import TaskOptions, find_prompt
from babelbits.tasks.catalogue import list_wanted, load
from babelbits.tasks.lm_eval.adapter import LmEvalTask, find_packaged_yaml
from babelbits.tasks.lm_eval.group import LmEvalGroup
from babelbits.tasks.lm_eval.index import list_installed_tasks
from babelbits.tasks.lm_eval.runtime import read_config
from babelbits.tasks.lm_eval.suite import LmEvalSuite
from babelbits.tasks.suites import list_all_suites

THROUGH_LM_EVAL = [suite for suite in list_all_suites().values() if isinstance(suite, LmEvalSuite)]
OUTPUT = {"choice": "multiple_choice", "generation": "generate_until"}


def of_lm_eval(suite: LmEvalSuite) -> list[str]:
    """The last languages too: tables are cut at their ends."""
    codes = list(suite.languages)
    return codes if len(codes) <= 15 else [*codes[:2], *codes[-2:]]


@pytest.mark.slow
@pytest.mark.parametrize("suite", THROUGH_LM_EVAL, ids=lambda suite: suite.name)
def test_every_configuration_resolves_and_says_what_the_catalogue_says(suite: LmEvalSuite) -> None:
    for language in of_lm_eval(suite):
        task = load(suite.name, language, TaskOptions())
        assert isinstance(task, LmEvalTask | LmEvalGroup)
        assert task.name == suite.lm_eval_task.format(suite.upstream[language])
        first = task._tasks[0] if isinstance(task, LmEvalGroup) else task
        config = read_config(first._yaml_name, first._yaml_file)
        # lm-eval 0.4.13 has some languages of Global-MMLU under the owner's later name.
        dataset = str(config["dataset_path"]).replace("CohereLabs/", "CohereForAI/")
        assert dataset == suite.hub_dataset
        assert config.get("output_type") == OUTPUT[suite.output_type]
        choices = config.get("doc_to_choice")
        if isinstance(choices, list):
            assert len(choices) == suite.choices
        wants = first.wanted()
        assert [one.revision for one in wants] == [suite.revision]
        assert resolve(language).code == language


def test_what_is_pulled_is_a_config_a_language_or_a_subject() -> None:
    assert [str(one) for one in list_wanted("belebele", "nb", TaskOptions())] == [
        "facebook/belebele/nob_Latn@7899cdfa4e1e0d733fd77c848e2c273cb1d32be2"
    ]
    (lite,) = list_wanted("global-mmlu-lite", "sw", TaskOptions())
    assert (lite.dataset, lite.config) == ("CohereForAI/Global-MMLU-Lite", "sw")
    assert list_wanted("math", "nb", TaskOptions()) == ()


def test_sib200_asks_as_afrobench_does() -> None:
    """lm-eval's afrobench/sib/prompt_1: the same words and the same choices in the same order."""
    ours = read_config("sib200", find_packaged_yaml("sib200.yaml"))
    theirs = read_config("sib_swa_prompt_1", list_installed_tasks()["sib_swa_prompt_1"])
    for key in ("doc_to_text", "doc_to_choice", "doc_to_target", "output_type", "test_split"):
        assert ours[key] == theirs[key]


@pytest.mark.shared_data
@pytest.mark.slow
def test_every_language_of_the_data_that_are_here_loads(shared_data: Path) -> None:
    sizes = {"mgsm": 250, "xcopa": 500, "sib200": 204}
    folders = {"mgsm": "mgsm", "xcopa": "xcopa", "sib200": "sib200_flores"}
    for name, size in sizes.items():
        suite = list_all_suites()[name]
        codes = suite.languages if name != "sib200" else ("en", "nb", "zh-Hant", "ace-Arab", "zu")
        sources = set()
        for language in codes:
            task = load(name, language, TaskOptions(data=shared_data / folders[name]))
            assert len(task.items()) == size
            sources.add(tuple(item.source_id for item in task.items()))
            chance = task.info.metric(task.info.primary).chance
            assert chance == (None if suite.chance is None else pytest.approx(suite.chance))
            assert not [note for note in task.info.notes if "is written in" in note]
        assert len(sources) == 1, "the same questions in every language"


@pytest.mark.shared_data
@pytest.mark.slow
def test_mmlu_is_all_its_subjects_with_five_examples_of_their_own(shared_data: Path) -> None:
    """14,042 questions, 57 subjects: Hendrycks et al. 2021. 100 of abstract algebra."""
    folder = shared_data / "mmlu_en"
    task = load("mmlu", "en", TaskOptions(data=folder, shots=0))
    items = task.items()
    assert len(items) == 14042
    parts = Counter(item.doc["part"] for item in items)
    assert len(parts) == 57
    assert parts["mmlu_abstract_algebra"] == 100
    shown = load("mmlu", "en", TaskOptions(data=folder, limit=1)).items()
    first = find_prompt(shown[0])
    assert first.startswith("The following are multiple choice questions (with answers) about abst")
    assert first.count("\nAnswer:") == 6
    assert [one.continuation for one in items[0].requests if isinstance(one, ScoreRequest)] == [
        " A", " B", " C", " D",
    ]  # fmt: skip
    assert any("repeat another one" in note for note in task.info.notes)


@pytest.mark.shared_data
def test_a_smoke_run_of_mmlu_takes_one_of_each_subject(shared_data: Path) -> None:
    task = load("mmlu", "en", TaskOptions(data=shared_data / "mmlu_en", limit=4, shots=0))
    assert len({item.doc["part"] for item in task.items()}) == len(task.items()) == 4


def test_a_language_under_the_wrong_name_is_told_with_an_example(tmp_path: Path) -> None:
    (tmp_path / "sr.txt").write_text("Ово је добро.\n", encoding="utf-8")
    (tmp_path / "uk.txt").write_text("This is English, not Ukrainian.\n", encoding="utf-8")
    options = TaskOptions(data=tmp_path)
    assert load("text", "sr", options).info.notes == ()
    (note,) = load("text", "uk", options).info.notes
    assert note.startswith("Ukrainian (uk) is written in Cyrl, but 100% of the letters")
    assert "'This is English, not Ukrainian.'" in note


def test_sib200_of_its_repository_and_of_one_table_are_the_same(tmp_path: Path) -> None:
    from babelbits.tasks.local_data import read_local

    (tmp_path / "wide").mkdir()
    (tmp_path / "repo" / "nob_Latn").mkdir(parents=True)
    (tmp_path / "wide" / "sib200_wide.tsv").write_text(
        "split\tindex_id\tcategory\tnob_Latn\ndev\t7\ttravel\tEn tur\ntest\t9\thealth\tEn pille\n"
    )
    for split, line in (("dev", "7\ttravel\tEn tur"), ("test", "9\thealth\tEn pille")):
        path = tmp_path / "repo" / "nob_Latn" / f"{split}.tsv"
        path.write_text(f"index_id\tcategory\ttext\n{line}\n")
    wide, repo = (read_local("Davlan/sib200", "nob_Latn", tmp_path / n) for n in ("wide", "repo"))
    assert set(wide.splits) == set(repo.splits) == {"validation", "test"}
    for held in (wide, repo):
        assert [row["text"] for row in held.splits["test"]] == ["En pille"]
        assert held.splits["validation"][0]["index_id"] == 7
    with pytest.raises(TaskError, match="no column 'swh_Latn'"):
        read_local("Davlan/sib200", "swh_Latn", tmp_path / "wide")


def test_mmlu_of_its_authors_csv_files(tmp_path: Path) -> None:
    """github.com/hendrycks/test: no header, the answer is a letter."""
    from babelbits.tasks.local_data import read_local

    for split in ("dev", "test"):
        (tmp_path / split).mkdir()
        text = '"What, now?",one,two,three,four,C\n'
        (tmp_path / split / f"anatomy_{split}.csv").write_text(text)
    held = read_local("cais/mmlu", "anatomy", tmp_path).splits
    row = {"question": "What, now?", "subject": "anatomy", "answer": 2}
    assert held["test"] == [row | {"choices": ["one", "two", "three", "four"]}]
    (tmp_path / "test" / "anatomy_test.csv").write_text("q,one,two,three,four,E\n")
    with pytest.raises(TaskError, match="A, B, C or D") as caught:
        read_local("cais/mmlu", "anatomy", tmp_path)
    assert str(caught.value.where).endswith("anatomy_test.csv:1")
    with pytest.raises(TaskError, match="no data for config 'law'"):
        read_local("cais/mmlu", "law", tmp_path)


def test_belebele_from_its_own_files(tmp_path: Path) -> None:
    """Belebele's archive has one JSONL file a language; an item without an id is an error."""
    import json

    row = {
        "link": "https://x", "question_number": 1, "flores_passage": "Et avsnitt.",
        "question": "Hva?", "mc_answer1": "a", "mc_answer2": "b", "mc_answer3": "c",
        "mc_answer4": "d", "correct_answer_num": "2",
    }  # fmt: skip
    file = tmp_path / "nob_Latn.jsonl"
    file.write_text(json.dumps(row))
    (item,) = load("belebele", "nb", TaskOptions(data=tmp_path)).items()
    assert (item.target, item.source_id) == ("B", "https://x/1")
    file.write_text(json.dumps(row | {"link": None}))
    with pytest.raises(TaskError, match="without an id: nothing in column 'link'"):
        load("belebele", "nb", TaskOptions(data=tmp_path)).items()


def test_a_split_without_examples_says_how_many_there_are(tmp_path: Path) -> None:
    import json

    row = {
        "id": "anatomy/test/1", "instruction": "Hva?", "option_a": "a", "option_b": "b",
        "option_c": "c", "option_d": "d", "answer": "B",
    }  # fmt: skip
    (tmp_path / "nb").mkdir()
    (tmp_path / "nb" / "test.jsonl").write_text(json.dumps(row))
    with pytest.raises(TaskError, match="0 few-shot examples, 5 were asked for") as caught:
        load("m_mmlu", "nb", TaskOptions(data=tmp_path)).items()
    assert "shots = 0" in str(caught.value.hint)
    assert len(load("m_mmlu", "nb", TaskOptions(data=tmp_path, shots=0)).items()) == 1


@pytest.mark.shared_data
@pytest.mark.slow
def test_parity_with_lm_evals_own_hf_model(shared_data: Path) -> None:
    """The bundled model in fp32: the same prompts, texts and metrics, log-likelihoods to 1e-4."""
    import json
    import subprocess
    import sys

    bench = Path(__file__).resolve().parents[2] / "bench" / "parity.py"
    asked = ["--data", str(shared_data), "--items", "2", "--languages", "sw,nb,en", "--json"]
    done = subprocess.run(
        [sys.executable, str(bench), *asked], capture_output=True, text=True, check=True
    )
    results = json.loads(done.stdout[done.stdout.index("[\n") :])
    suites = {result["suite"] for result in results}
    assert suites >= {"mgsm", "xcopa", "xwinograd", "mmlu", "sib200", "mine_choice", "mine_written"}
    for result in results:
        assert result["same_prompts"]
        assert result["same_metrics"]
        assert (result["largest_difference"] or 0.0) < 1e-4
        assert result["same_generations"] in (None, 1.0)
