"""INCLUDE, Global PIQA, MultiBLiMP and MMLU-ProX lite from local files in the hub's columns.

Prompts are those that lm-eval 0.4.13's own YAML files spell out.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from babelbits.records import Generation, ScoreRequest
from babelbits.tasks.base import TaskOptions, find_prompt
from babelbits.tasks.catalogue import find_info, list_wanted, load
from babelbits.tasks.lm_eval.index import list_installed_tasks
from babelbits.tasks.lm_eval.suite import LmEvalSuite
from babelbits.tasks.suites import list_all_suites


def write(folder: Path, config: str, split: str, rows: list[dict[str, Any]]) -> None:
    (folder / config).mkdir(parents=True, exist_ok=True)
    text = "\n".join(json.dumps(row) for row in rows)
    (folder / config / f"{split}.jsonl").write_text(text)


def continuations(item: Any) -> list[str]:
    return [one.continuation for one in item.requests if isinstance(one, ScoreRequest)]


def test_include_is_all_domains_of_a_language(tmp_path: Path) -> None:
    """Japanese has three domains; Albanian others. Each has lm-eval's description before it."""
    domains = ("Driving License", "Medical License", "Professional certification")
    rows = [
        {"question": f" q{n}? ", "option_a": "one", "option_b": "two", "option_c": "three"}
        | {"option_d": "four", "answer": n % 4, "domain": domain, "subject": "s"}
        for n, domain in enumerate(domains)
    ]
    write(tmp_path, "Japanese", "test", rows)
    task = load("include", "ja", TaskOptions(data=tmp_path))
    assert task.info.name == "include_base_44_japanese"
    items = task.items()
    assert len(items) == 3
    assert [one.target for one in items] == ["A", "B", "C"]
    assert continuations(items[0]) == [" A", " B", " C", " D"]
    assert "q0?\nA. one\nB. two\nC. three\n" in find_prompt(items[0])
    assert "question about Driving License" in find_prompt(items[0])
    assert task.info.metric("acc").chance == 0.25
    smoke = load("include", "ja", TaskOptions(data=tmp_path, limit=2)).items()
    assert len({item.doc["part"] for item in smoke}) == 2


def test_include_has_other_domains_in_other_languages() -> None:
    suite = list_all_suites()["include"]
    assert isinstance(suite, LmEvalSuite)
    assert len(suite.languages) == 44
    assert suite.parts_in("ka") == ("include_base_44_{}_arts_humanities",)
    assert len(suite.parts_in("zh")) == 8
    asked = {
        part.format(suite.upstream[code])
        for code in suite.languages
        for part in suite.parts_in(code)
    }
    here = {
        name: path
        for name, path in list_installed_tasks().items()
        if name.startswith("include_base_44_") and "default" in path.parts
    }
    groups = {suite.lm_eval_task.format(name) for name in suite.upstream.values()}
    assert asked == set(here) - groups, "as lm-eval's folder has them"


def test_global_piqa_of_native_speakers_and_of_translators(tmp_path: Path) -> None:
    row = {"prompt": "Ili kuchemsha maji,", "label": 1}
    two = {"solution0": "yaweke kivulini.", "solution1": "yaweke juu ya moto."}
    four = two | {"solution2": "yamwage.", "solution3": "yafunike kwa karatasi."}
    write(tmp_path / "own", "swh_latn", "test", [row | two])
    write(tmp_path / "same", "swh_latn", "test", [row | four, row | four | {"label": 3}])
    (item,) = load("global-piqa", "sw", TaskOptions(data=tmp_path / "own")).items()
    assert find_prompt(item) == "Ili kuchemsha maji,"
    assert continuations(item) == [" yaweke kivulini.", " yaweke juu ya moto."]
    task = load("global-piqa-parallel", "sw", TaskOptions(data=tmp_path / "same"))
    assert [one.source_id for one in task.items()] == ["0", "1"]
    assert task.info.metric("acc").chance == 0.25
    assert task.info.parallel


def test_global_piqa_asks_one_variety_of_a_language() -> None:
    upstream = find_info("global-piqa").upstream
    assert (upstream["fr"], upstream["pt"]) == ("fra_latn_fran", "por_latn_port")
    assert (upstream["hi"], upstream["hi-Latn"]) == ("hin_deva", "hin_latn")
    assert [str(one) for one in list_wanted("global-piqa", "nb", TaskOptions())] == [
        "mrlbenchmarks/global-piqa-nonparallel/nob_latn@main"
    ]


def test_multiblimp_asks_which_sentence_is_likelier_without_a_prompt(tmp_path: Path) -> None:
    row = {"sen": "Barnen leker.", "wrong_sen": "Barnen lek."}
    write(tmp_path, "swe", "train", [row])
    task = load("multiblimp", "sv", TaskOptions(data=tmp_path))
    (item,) = task.items()
    assert find_prompt(item) == ""
    assert continuations(item) == ["Barnen leker.", "Barnen lek."]
    assert item.target == "Barnen leker."
    assert task.info.metric("acc").chance == 0.5
    assert len(list_all_suites()["multiblimp"].languages) == 101


def test_mmlu_prox_is_reasoned_and_its_letter_read(tmp_path: Path) -> None:
    """Its words are Swahili's: "Jibu ni (B)"."""
    subjects = (
        *("biology", "business", "chemistry", "computer science", "economics", "engineering"),
        *("health", "history", "law", "math", "other", "philosophy", "physics", "psychology"),
    )
    options = {f"option_{n}": f"chaguo {n}" for n in range(10)}
    rows = [
        {"question": f"Swali la {name}?", "answer": "B", "answer_index": 1, "category": name}
        | {"cot_content": "A: Tufikiri. Jibu ni (B).", "question_id": n}
        | options
        for n, name in enumerate(subjects)
    ]
    write(tmp_path, "sw", "test", rows)
    write(tmp_path, "sw", "validation", rows)
    task = load("mmlu-prox-lite", "sw", TaskOptions(data=tmp_path, shots=1))
    items = task.items()
    assert len(items) == 14
    assert task.info.output_type == "generation"
    assert "Swali la law?" in find_prompt(items[8])

    def said(text: str) -> Generation:
        return Generation(
            texts=(text,), finish_reasons=("stop",), prompt_tokens=1, output_tokens=(1,)
        )

    right = task.score(items[0], [said("Tufikiri. Jibu ni (B).")])
    loop = task.score(items[0], [said("Tufikiri " * 40)])
    primary = task.info.primary
    assert (right.scores[primary], loop.scores[primary]) == (1.0, 0.0)


@pytest.mark.parametrize("suite", ["include", "global-piqa", "multiblimp", "mmlu-prox-lite"])
def test_every_language_has_one_upstream_name(suite: str) -> None:
    found = list_all_suites()[suite]
    assert set(found.upstream) == set(found.languages)
    assert len(set(found.upstream.values())) == len(found.languages)
