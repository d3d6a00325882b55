"""What `babelbits quick` chooses and writes, against hand calculations."""

from pathlib import Path

import pytest

from babelbits.errors import StudyError, UnknownNameError
from babelbits.study import load
from babelbits.study.execution.interrupt import Stop
from babelbits.study.execution.suite_timing import Deadline
from babelbits.study.planning.quick_study import (
    LEAST_ITEMS,
    QuickTask,
    QuickWish,
    choose_items,
    describe_choice,
    draft_text,
    find_suites,
    resumes,
    write_study_text,
)


def suite(name: str, n_items: int = 100) -> QuickTask:
    return QuickTask(suite=name, languages=("nb", "sw"), n_items=n_items, whole=n_items)


def wish(*variants: str, **more: object) -> QuickWish:
    given = {"base": "bundled", "languages": ("nb", "sw"), "minutes": 20.0, **more}
    return QuickWish(variants=variants or ("w8",), **given)  # type: ignore[arg-type]


def written(folder: Path, text: str) -> Path:
    file = folder / "study.toml"
    file.write_text(text, "utf-8")
    return file


def test_everything_is_asked_whole_where_there_is_time() -> None:
    chosen = choose_items([suite("text"), suite("math", 60)], {"text": 1, "math": 2}, seconds=220)
    assert [(one.suite, one.n_items) for one in chosen.tasks] == [("text", 100), ("math", 60)]
    assert chosen.seconds == 220  # 100 x 1 + 60 x 2


def test_both_get_the_same_number_of_items_where_there_is_less() -> None:
    """N x 1 + min(n, 60) x 2 <= 150: n = 50."""
    chosen = choose_items([suite("text"), suite("math", 60)], {"text": 1, "math": 2}, seconds=150)
    assert [one.n_items for one in chosen.tasks] == [50, 50]
    assert describe_choice(chosen)[1] == "  text: the first 50 of 100 items in nb and sw"


def test_a_suite_that_would_have_too_few_items_is_left_out_with_its_time() -> None:
    """40 x 1 + 40 x 10 = 440 s do not fit into 300; text alone takes 100."""
    chosen = choose_items([suite("text"), suite("math")], {"text": 1, "math": 10}, seconds=300)
    assert [one.n_items for one in chosen.tasks] == [100]
    assert chosen.left_out == {"math": f"{LEAST_ITEMS} items a language take 7 min"}


def test_one_suite_is_asked_with_few_items_rather_than_none() -> None:
    chosen = choose_items([suite("text"), suite("math")], {"text": 4, "math": 2}, seconds=21)
    assert [(one.suite, one.n_items) for one in chosen.tasks] == [("math", 10)]


def test_a_suite_that_was_not_timed_is_not_guessed() -> None:
    chosen = choose_items([suite("text"), suite("math")], {"text": 1}, seconds=1000)
    assert chosen.left_out == {"math": "there was no time to measure how fast it is"}


def test_no_time_at_all_is_an_error() -> None:
    with pytest.raises(StudyError, match="not even one item"):
        choose_items([suite("text")], {"text": 10}, seconds=9)


def test_bundled_suites_are_found_and_others_say_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    found, left_out = find_suites(wish())
    assert [one.suite for one in found] == ["text", "pairs", "math"]
    assert left_out["belebele"] == "no data on this machine"
    with pytest.raises(StudyError, match="no suite can be asked in yo"):
        find_suites(wish(languages=("yo",), suites=("pairs",)))


def test_what_is_written_is_a_study_that_counts(tmp_path: Path) -> None:
    text = write_study_text(
        wish("w4-g", "W4-G@hi", margins={"fraction": 0.05, "pairs": 0.1}),
        [QuickTask(suite="math", languages=("nb", "sw"), n_items=50, whole=150)],
    )
    study = load(written(tmp_path, text))
    assert not study.smoke
    assert [one.label for one in study.variants] == ["baseline", "w4-g@en", "w4-g@hi"]
    assert study.suites[0].options.limit == 50
    assert study.analysis.margins["fraction"] == 0.05
    assert not study.analysis.aa
    assert load(study.file, limit=8).suites[0].options.limit == 8
    assert load(study.file, limit=80).suites[0].options.limit == 50


def test_items_of_limits_give_way_to_an_option_as_before(tmp_path: Path) -> None:
    text = write_study_text(wish(), [suite("math")]) + "[limits]\nitems = 5\n"
    file = written(tmp_path, text)
    assert load(file).smoke
    assert load(file, limit=9).suites[0].options.limit == 9


def test_paths_are_absolute_and_hub_ids_stay(tmp_path: Path) -> None:
    (tmp_path / "a-Q4_K_M.gguf").write_bytes(b"GGUF")
    text = write_study_text(
        wish(str(tmp_path / "a-Q4_K_M.gguf"), "owner/repo:Q4_K_M"), [suite("math")]
    )
    study = load(written(tmp_path, text))
    assert [one.label for one in study.compared] == ["a-Q4_K_M", "repo-Q4_K_M"]
    assert study.compared[0].source is not None
    assert study.compared[0].source.folder == tmp_path / "a-Q4_K_M.gguf"


def test_a_name_that_is_nothing_names_what_is_near() -> None:
    with pytest.raises(UnknownNameError, match="'w4-h' is neither a recipe nor a file") as error:
        write_study_text(wish("w4-h"), [suite("math")])
    assert "w4-g" in str(error.value)


def test_the_same_wish_resumes_and_another_one_overwrites_nothing(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    assert not resumes(file, wish())
    written(tmp_path, draft_text(wish(), [suite("math")]))
    assert not resumes(file, wish())  # timed only: choose again
    written(tmp_path, write_study_text(wish(), [suite("math")]))
    assert resumes(file, wish())
    with pytest.raises(StudyError, match="another study is here"):
        resumes(file, wish(minutes=30.0))


def test_a_deadline_stops_when_its_time_is_up_or_somebody_else_asks() -> None:
    now = [0.0]
    other = Stop()
    deadline = Deadline(other, seconds=10, clock=lambda: now[0])
    assert not deadline.is_requested()
    now[0] = 10.5
    assert deadline.is_requested()
    now[0] = 1.0
    other.request()
    assert deadline.is_requested()
