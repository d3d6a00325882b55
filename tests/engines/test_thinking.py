"""Thinking is found, taken out and counted; expected values are by hand."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from babelbits.engines.stopping import Ending, Stopping
from babelbits.engines.thinking import USUAL_TAGS, cut_thinking, find_opened_block, split
from tiny_models import save_tokenizer

THINK, HARMONY = USUAL_TAGS


@pytest.mark.parametrize(
    ("text", "opened", "answer", "thoughts", "finished"),
    [
        ("42", None, "42", (), True),
        (" 42\n", None, " 42\n", (), True),
        ("<think>six times seven</think>\n\n42", None, "42", ("six times seven",), True),
        ("<think>\n\n</think>\n\n42", None, "42", ("\n\n",), True),
        ("six times seven</think>42", THINK, "42", ("six times seven",), True),
        (
            "opened unseen</think>42",
            None,
            "42",
            ("opened unseen",),
            True,
        ),
        ("<think>6</think>4<think>7</think> 2", None, "42", ("6", "7"), True),
        ("<think>never", None, "", ("never",), False),
        ("never", THINK, "", ("never",), False),
        ("<think>6</think>42<think>or", None, "", ("6", "or"), False),
        (
            f"{HARMONY[0]}6x7<|end|><|start|>assistant{HARMONY[1]}42",
            None,
            "42",
            ("6x7<|end|><|start|>assistant",),
            True,
        ),
        ("<|channel|>final<|message|>42", None, "42", ("",), True),
    ],
)
def test_split_by_hand(
    text: str,
    opened: tuple[str, str] | None,
    answer: str,
    thoughts: tuple[str, ...],
    finished: bool,
) -> None:
    found = split(text, USUAL_TAGS, opened=opened)
    assert (found.answer, found.thoughts, found.finished) == (answer, thoughts, finished)


def test_a_prompt_opens_a_block_where_it_does_not_close_it() -> None:
    assert find_opened_block("<|assistant|>\n<think>\n", USUAL_TAGS) == THINK
    assert find_opened_block("<|assistant|>\n<think>\n\n</think>\n\n", USUAL_TAGS) is None
    assert find_opened_block("plain", USUAL_TAGS) is None


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> object:
    return save_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def ended(tokenizer: object, text: str, ending: Ending) -> tuple[str, str | None, str]:
    """Feed a text token by token: what ended it, what it thought, what it says."""
    stopping = Stopping(tokenizer, generation_config=SimpleNamespace(eos_token_id=None))
    ids = tokenizer.encode(text, add_special_tokens=False)  # type: ignore[attr-defined]
    for end in range(1, len(ids) + 1):
        [reason] = stopping.finished([ids[:end]], [ending], [len(ids)])
        if reason is not None:
            break
    thought = stopping.thinking(ids[:end], ending)
    return str(reason), None if thought is None else thought.text, stopping.text(ids[:end], ending)


def test_a_stop_string_counts_in_the_answer_alone(tokenizer: object) -> None:
    text = "<think>first\nsecond\n</think>\n\nthe answer\nand more"
    seen = ended(tokenizer, text, Ending(stop=("\n",), thinking=USUAL_TAGS))
    assert seen == ("stop", "first\nsecond", "the answer")
    assert ended(tokenizer, text, Ending(stop=("\n",)))[2] == "<think>first"  # as lm-eval does


def test_the_end_of_sequence_in_a_thought_leaves_no_answer(tokenizer: object) -> None:
    ending = Ending(stop=("\n",), thinking=USUAL_TAGS)
    assert ended(tokenizer, "<think>never ends<|eos|>", ending)[::2] == ("eos", "")


def test_thinking_tokens_are_those_up_to_the_closing_tag(tokenizer: object) -> None:
    stopping = Stopping(tokenizer, generation_config=SimpleNamespace(eos_token_id=None))
    encode = tokenizer.encode  # type: ignore[attr-defined]
    thought, answer = (
        encode(text, add_special_tokens=False) for text in ("<think>fox</think>", "the dog")
    )
    found = stopping.thinking(thought + answer, Ending(stop=(), thinking=USUAL_TAGS))
    assert found is not None
    assert (found.tokens, found.finished) == (len(thought), True)


def test_find_template_reads_the_file_before_the_configuration(tmp_path: Path) -> None:
    from babelbits.engines.templates import find_template
    from babelbits.errors import ModelError

    assert find_template(tmp_path) is None
    config = tmp_path / "tokenizer_config.json"
    config.write_text('{"chat_template": [{"name": "default", "template": "A"}]}')
    assert find_template(tmp_path) == "A"
    config.write_text('{"chat_template": [{"name": "tool_use", "template": "A"}]}')
    with pytest.raises(ModelError, match="none is the default"):
        find_template(tmp_path)
    (tmp_path / "chat_template.jinja").write_text("B")
    assert find_template(tmp_path) == "B"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("42", "42"),
        ("<think>six</think> 42", " 42"),
        ("a thought that quotes </think> and ends</think>42", "42"),
        (f"{HARMONY[0]}six{HARMONY[1]}42", "42"),
        ("the tag <think> is quoted", "the tag <think> is quoted"),
    ],
)
def test_after_thinking_by_hand(text: str, left: str) -> None:
    assert cut_thinking(text) == left
