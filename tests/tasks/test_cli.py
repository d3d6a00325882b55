"""`babelbits tasks`, called as a person would."""

import json
from pathlib import Path

import pytest

from babelbits.cli.main import main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["tasks", *arguments])
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


def test_list_and_filter(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys)
    assert code == 0
    assert all(name in out for name in ("text", "pairs", "math", "confusion", "ntrex", "mgsm"))
    _, out, _ = run(capsys, "xcopa")
    assert "et ht id it qu sw ta th tr vi zh" in out
    assert "\nxcopa_th\n" in out
    _, out, _ = run(capsys, "qu")
    assert "xcopa" in out
    assert "mgsm" not in out
    code, out, err = run(capsys, "nosuchthing")
    assert (code, out) == (0, "")
    assert "nosuchthing" in err


def test_json_is_one_object_wherever_the_flag_stands(capsys: pytest.CaptureFixture[str]) -> None:
    whole = json.loads(run(capsys, "--json")[1])
    assert whole["schema"] == "babelbits.tasks/1"
    assert whole["lm_eval_tasks"] == []
    before = json.loads(run(capsys, "--json", "xcopa")[1])
    after = json.loads(run(capsys, "xcopa", "--json")[1])
    assert before == after
    assert before["suites"][0]["chance"] == 0.5


def test_show_prints_prompt_and_gold_and_no_control_characters(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = [
        {"source_id": "m1", "question": "Hva er\x1b[31m 2 + 3?\u2028\x07 Svar:", "answer": "5"},
        {"source_id": "m2", "question": "Hva er 2 + 4? Svar:", "answer": "6"},
    ]
    (tmp_path / "nb.jsonl").write_text("\n".join(map(json.dumps, rows)))
    code, out, _ = run(capsys, "show", "math", "no", "--data", str(tmp_path))
    assert code == 0
    assert r"Hva er\x1b[31m 2 + 3?\u2028\x07 Svar:" in out
    assert "gold: 5" in out
    assert "2 + 4" not in out
    assert not set(out) & set("\x1b\x07\u2028")
    shown = json.loads(
        run(capsys, "show", "math", "nb", "--data", str(tmp_path), "--n", "2", "--json")[1]
    )
    assert [item["source_id"] for item in shown["items"]] == ["m1", "m2"]
    assert shown["items"][0]["requests"][0]["prompt"] == rows[0]["question"]
    assert shown["task"]["primary"] == "exact_match"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "xcoppa", "sw"), "did you mean 'xcopa'"),
        (("show", "xcopa", "nb"), "it is in et, ht"),
        (("show", "math", "klingonese"), "unknown language"),
        (("show", "ntrex", "nb"), "under [data] write"),
    ],
)
def test_mistakes_say_what_to_do(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert said in err
