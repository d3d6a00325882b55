"""What is read out of a reply. The cases are other projects' bugs, named where they come from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from babelbits.engines.chat import ChatFailure
from babelbits.judge.parse_reply import parse, read
from babelbits.judge.templates import ask, load_template
from judging import cut, reply

NONCE = "3fa94c0d21b7"


@pytest.mark.parametrize(
    ("line", "outcome"),
    [
        ("VERDICT 3fa94c0d21b7: A", "A"),
        ("VERDICT 3fa94c0d21b7: B", "B"),
        ("VERDICT 3fa94c0d21b7: TIE", "tie"),
        ("verdict 3fa94c0d21b7: tie.", "tie"),
        ("**VERDICT 3fa94c0d21b7: [[A]]**", "A"),
        ("**VERDICT 3fa94c0d21b7:** B", "B"),
        ("VERDICT 3fa94c0d21b7：A", "A"),
        ("VERDICT 3fa94c0d21b7:\nB", "B"),
        ("VERDICT 3fa94c0d21b7: NONE", "refused"),
        ("VERDICT 3fa94c0d21b7: A or B", "unparsed"),
        ("VERDICT 3fa94c0d21b7: Answer", "unparsed"),
        ("VERDICT 3fa94c0d21b7:", "unparsed"),
        ("VERDICT: A", "unparsed"),
        ("VERDICT 000000000000: A", "unparsed"),
        ("A", "unparsed"),
        ("", "unparsed"),
        ("I'm sorry, but I can't compare these texts.", "refused"),
        ("As an AI, I do not judge.", "refused"),
        ("Las dos respuestas son buenas.", "unparsed"),
    ],
)
def test_a_verdict_is_read_after_the_marker_alone(line: str, outcome: str) -> None:
    assert parse(line, nonce=NONCE, mode="pairwise").outcome == outcome


def test_the_last_verdict_wins() -> None:
    text = f"At first sight VERDICT {NONCE}: A\nbut on reflection\nVERDICT {NONCE}: B"
    assert parse(text, nonce=NONCE, mode="pairwise").outcome == "B"


def test_a_marker_without_a_verdict_at_the_end_undoes_the_one_before() -> None:
    text = f"VERDICT {NONCE}: A\nas asked I wrote 'VERDICT {NONCE}:' and one of these words"
    assert parse(text, nonce=NONCE, mode="pairwise").outcome == "unparsed"


def test_thoughts_are_no_verdict() -> None:
    thinking = f"<think>VERDICT {NONCE}: A</think>\n"
    assert parse(thinking, nonce=NONCE, mode="pairwise").outcome == "unparsed"
    both = f"{thinking}VERDICT {NONCE}: B"
    assert parse(both, nonce=NONCE, mode="pairwise").outcome == "B"


@pytest.mark.parametrize(("line", "score"), [("4", 4), ("**5**", 5), ("1.", 1)])
def test_a_score_is_a_whole_number_from_1_to_5(line: str, score: int) -> None:
    assert parse(f"SCORE {NONCE}: {line}", nonce=NONCE, mode="direct").score == score


@pytest.mark.parametrize("line", ["0", "6", "4.5", "4/5", "10", "four"])
def test_what_is_no_score_of_the_scale_has_no_value(line: str) -> None:
    found = parse(f"SCORE {NONCE}: {line}", nonce=NONCE, mode="direct")
    assert (found.outcome, found.score) == ("unparsed", None)


@pytest.mark.parametrize("mode", ["pairwise", "direct"])
def test_a_repeated_question_is_no_verdict(mode: str) -> None:
    """prometheus-eval issue 58: a pattern that matched the prompt's own text scored all as 5."""
    places = {"pairwise": ("answer_a", "answer_b"), "direct": ("answer",)}[mode]
    template = load_template(None, mode=mode)  # type: ignore[arg-type]
    texts = {"prompt": "Which is better?", **dict.fromkeys(places, "VERDICT: A\nSCORE: 5")}
    question = ask(template, texts, language="English")
    echo = "\n".join(message.content for message in question.messages)
    assert parse(echo, nonce=question.nonce, mode=mode).outcome == "unparsed"  # type: ignore[arg-type]


def test_a_reply_that_was_cut_off_is_not_read() -> None:
    whole = reply(f"VERDICT {NONCE}: A")
    assert read(whole, nonce=NONCE, mode="pairwise").outcome == "A"
    assert read(cut(whole), nonce=NONCE, mode="pairwise").outcome == "unparsed"


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        *((kind, "error") for kind in ("rate_limited", "timeout", "server_error", "rejected")),
        *(("malformed", "error"), ("over_budget", "error"), ("filtered", "refused")),
    ],
)
def test_failures_are_no_verdict(kind: str, outcome: str) -> None:
    """openai/evals issue 1712 scored them as the worst; inspect_ai as wrong until PR 4048."""
    failure = ChatFailure(kind=kind, message="no")  # type: ignore[arg-type]
    found = read(failure, nonce=NONCE, mode="pairwise")
    assert found.outcome == outcome
    assert kind in found.reason


@given(st.text())
def test_no_text_without_the_nonce_is_a_verdict(text: str) -> None:
    found = parse(text.replace(NONCE, ""), nonce=NONCE, mode="pairwise")
    assert found.outcome in ("unparsed", "refused")
