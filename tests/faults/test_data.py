"""Data that is empty, without answers, too short or no text: said before a model is loaded."""

import json
from pathlib import Path

from babelbits.errors import ExitCode
from fault_files import CHOICE, WRITE, Command, TinyModel, own_task, small_study

GPTQ = """\
[[variants]]
recipe = "w8"
[[variants]]
recipe = "w4-g"
group_size = 64
calibration = { language = "nb", source = "own.txt", samples = 4, tokens = 64 }
"""


def nothing_was_computed(folder: Path) -> bool:
    return not list(folder.glob("run/**/cells")) and not list(folder.glob("run/variants"))


# --- tasks -----------------------------------------------------------------------------------


def test_a_task_without_items(command: Command, tiny_model: TinyModel, tmp_path: Path) -> None:
    tasks = own_task(tmp_path, [])
    said = command("run", small_study(tmp_path, model=tiny_model("llama"), tasks=tasks))
    assert said.code == ExitCode.USAGE
    assert "'own_nb' has no items in split 'test'" in said.err
    assert str(tmp_path / "own_nb") in said.err
    assert nothing_was_computed(tmp_path)


def test_an_item_without_a_gold_answer(
    command: Command, tiny_model: TinyModel, tmp_path: Path
) -> None:
    rows = [{"q": "a", "choices": ["x", "y"], "gold": 0}, {"q": "b", "choices": ["x", "y"]}]
    rows[1]["gold"] = -1
    tasks = own_task(tmp_path, rows)
    said = command("run", small_study(tmp_path, model=tiny_model("llama"), tasks=tasks))
    assert said.code == ExitCode.USAGE
    assert "own_nb, row 1: the item has no gold answer (found -1)" in said.err
    assert "labels are withheld" in said.err
    assert nothing_was_computed(tmp_path)


def test_an_open_question_without_a_gold_answer(
    command: Command, tiny_model: TinyModel, tmp_path: Path
) -> None:
    tasks = own_task(tmp_path, [{"q": "a", "a": "x"}, {"q": "b", "a": None}], body=WRITE)
    said = command("run", small_study(tmp_path, model=tiny_model("llama"), tasks=tasks))
    assert said.code == ExitCode.USAGE
    assert "own_nb, row 1: the item has no gold answer" in said.err


def test_yaml_that_is_no_task(command: Command, tiny_model: TinyModel, tmp_path: Path) -> None:
    broken = CHOICE.replace("doc_to_text", "doc_to_txet")
    tasks = own_task(tmp_path, [{"q": "a", "choices": ["x", "y"], "gold": 0}], body=broken)
    said = command("run", small_study(tmp_path, model=tiny_model("llama"), tasks=tasks))
    assert said.code == ExitCode.USAGE
    assert "own_nb" in said.err


def test_an_own_folder_of_yaml_that_is_not_there(
    command: Command, tiny_model: TinyModel, tmp_path: Path
) -> None:
    tasks = '[[tasks]]\nsuite = "own_nb"\nlanguages = ["nb"]\ninclude_path = "nowhere"\n'
    said = command("run", small_study(tmp_path, model=tiny_model("llama"), tasks=tasks))
    assert said.code == ExitCode.USAGE
    assert f"'include_path' is no folder: '{tmp_path / 'nowhere'}'" in said.err


# --- bytes that are no text ------------------------------------------------------------------


def test_a_study_that_is_not_utf8(command: Command, tmp_path: Path) -> None:
    study = tmp_path / "study.toml"
    study.write_bytes('[study]\nname = "prøve"\n'.encode("latin-1"))
    for what in ("plan", "run", "report"):
        said = command(what, study)
        assert said.code == ExitCode.USAGE
        assert f"{study}:2: byte 19 (0xf8) is not UTF-8" in said.err
        assert "save the file as UTF-8" in said.err


def test_data_that_is_not_utf8(command: Command, tiny_model: TinyModel, tmp_path: Path) -> None:
    tasks = own_task(tmp_path, [{"q": "a", "choices": ["x", "y"], "gold": 0}])
    data = tmp_path / "own_nb" / "test.jsonl"
    data.write_bytes(data.read_bytes() + b'{"q": "bl\xe5"}\n')
    said = command("run", small_study(tmp_path, model=tiny_model("llama"), tasks=tasks))
    assert said.code == ExitCode.USAGE
    offset = data.read_bytes().index(b"\xe5")
    assert f"{data}: not UTF-8: byte 0xe5 at offset {offset}" in said.err
    assert nothing_was_computed(tmp_path)


def test_half_a_surrogate_pair_in_data(
    command: Command, tiny_model: TinyModel, tmp_path: Path
) -> None:
    tasks = own_task(tmp_path, [{"q": "a", "choices": ["x", "y"], "gold": 0}])
    data = tmp_path / "own_nb" / "test.jsonl"
    data.write_text(json.dumps({"q": "\ud83d", "choices": ["x", "y"], "gold": 0}) + "\n")
    said = command("run", small_study(tmp_path, model=tiny_model("llama"), tasks=tasks))
    assert said.code == ExitCode.USAGE
    assert f"{data}:1: not a line of JSON" in said.err


def test_calibration_text_that_is_not_utf8(
    command: Command, tiny_model: TinyModel, tmp_path: Path
) -> None:
    (tmp_path / "own.txt").write_bytes("på norsk\n".encode("latin-1") * 500)
    said = command("run", small_study(tmp_path, model=tiny_model("llama"), variants=GPTQ))
    assert said.code == ExitCode.USAGE
    assert f"{tmp_path / 'own.txt'}: the file is not UTF-8: byte 0xe5 at offset 1" in said.err
    assert "iconv" in said.err
    assert nothing_was_computed(tmp_path)


# --- calibration -----------------------------------------------------------------------------


def test_calibration_text_that_is_not_there(
    command: Command, tiny_model: TinyModel, tmp_path: Path
) -> None:
    said = command("run", small_study(tmp_path, model=tiny_model("llama"), variants=GPTQ))
    assert said.code == ExitCode.USAGE
    assert f"there is no calibration file '{tmp_path / 'own.txt'}'" in said.err


def test_calibration_text_too_short_is_said_before_the_baseline_is_run(
    command: Command, tiny_model: TinyModel, tmp_path: Path
) -> None:
    (tmp_path / "own.txt").write_text("Dette er en kort tekst på norsk.\n", "utf-8")
    said = command("run", small_study(tmp_path, model=tiny_model("llama"), variants=GPTQ))
    assert said.code == ExitCode.USAGE
    assert "variant 'w4-g@nb[group_size=64]', own.txt: the calibration text in 'nb' has" in said.err
    assert "4 samples of 64 tokens need 256" in said.err
    assert "are missing" in said.err
    assert "lower `samples` or `tokens`" in said.err
    assert nothing_was_computed(tmp_path)


def test_calibration_windows_longer_than_the_context(
    command: Command, tiny_model: TinyModel, tmp_path: Path
) -> None:
    (tmp_path / "own.txt").write_text("Dette er en tekst på norsk.\n" * 500, "utf-8")
    variants = GPTQ.replace("tokens = 64", "tokens = 512")
    said = command("run", small_study(tmp_path, model=tiny_model("llama"), variants=variants))
    assert said.code == ExitCode.USAGE
    assert "samples of 512 tokens do not fit the model's context of 256" in said.err
    assert nothing_was_computed(tmp_path)
