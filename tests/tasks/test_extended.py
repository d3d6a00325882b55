"""Long answers cut into pieces; expected values are by hand."""

from collections.abc import Callable
from pathlib import Path

import pytest

from babelbits.errors import TaskError
from babelbits.records import GenerateRequest, Generation
from babelbits.tasks import language_consistency
from babelbits.tasks.base import Conversation, TaskOptions
from babelbits.tasks.catalogue import load
from babelbits.tasks.extended import TalkOptions
from babelbits.tasks.prompting import ChatOptions, Sampling
from chat_models import make_chat

SPANS = [(i, i + 1) for i in range(12)]


def test_repetition_by_position_by_hand() -> None:
    """1 2 3 4 5 | 1 2 3 4 5 | 1 2: 4-grams 1234 and 2345 come again from the 9th token on."""
    ids = [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2]
    assert language_consistency.mark_repeated(ids) == [False] * 5 + [True] * 4
    pieces = language_consistency.cut("abcdefghijkl", ids, SPANS, size=5)
    assert [piece.text for piece in pieces] == ["abcde", "fghij"]  # two tokens are too few
    # Tokens 4-5 end two new 4-grams; 6-8 end three new ones, 9 and 10 end 1234 and 2345 again.
    assert [piece.repeated for piece in pieces] == [0.0, pytest.approx(2 / 5)]


def test_the_whole_share_is_seq_rep_4() -> None:
    """1 - distinct / all 4-grams (Welleck et al. 2020, section 6)."""
    ids = [7, 8] * 10
    grams = [tuple(ids[i : i + 4]) for i in range(len(ids) - 3)]
    assert language_consistency.measure_share(
        language_consistency.mark_repeated(ids)
    ) == pytest.approx(1 - len(set(grams)) / len(grams))


def test_an_empty_answer_has_one_piece_and_no_repetition() -> None:
    [piece] = language_consistency.cut("", [], [], size=64)
    assert (piece.text, piece.repeated) == ("", None)


def test_names_cover_the_answer() -> None:
    assert language_consistency.name_pieces(100, 32) == ["1-32", "33-64", "65-96", "97-100"]


@pytest.fixture(scope="module")
def model(tiny_model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_chat(tiny_model("llama"), tmp_path_factory.mktemp("chat"))


def reply(text: str, finish: str = "eos") -> Generation:
    return Generation(
        texts=(text,),
        finish_reasons=(finish,),
        output_tokens=(9,),
        prompt_tokens=3,  # type: ignore[arg-type]
    )


ENGLISH = "The weather was fine and we walked along the river until it was quite late. "
RUSSIAN = "Погода была хорошая, и мы долго гуляли вдоль реки, пока не стало совсем поздно. "


def test_language_drift_is_seen_where_it_happens(model: Path) -> None:
    talk = TalkOptions(tokens=256, bucket=32)
    task = load("extended", "en", TaskOptions(limit=1, own=talk, model=model))
    [item] = task.items()
    scores = task.score(item, [reply(ENGLISH * 2 + RUSSIAN * 2)]).scores
    assert scores["language 1-32"] == 1.0
    drifted = [v for n, v in scores.items() if n.startswith("language ") and v is not None]
    assert drifted[0] == 1.0
    assert drifted[-1] == 0.0
    assert 0 < (scores["language"] or 0) < 1
    assert scores["repeated 1-32"] == 0.0
    assert (scores["repeated"] or 0) > 0


def test_a_position_that_is_not_reached_has_no_score(model: Path) -> None:
    talk = TalkOptions(tokens=128, bucket=64)
    task = load("extended", "en", TaskOptions(limit=1, own=talk, model=model))
    [item] = task.items()
    scores = task.score(item, [reply("Short, it is.")]).scores
    assert scores["language 65-128"] is None
    assert scores["language"] is not None


CHAT = ChatOptions(template="on", thinking=(("<think>", "</think>"),))


def test_a_conversation_goes_on_with_what_was_said(model: Path) -> None:
    talk = TalkOptions(tokens=64, bucket=64, turns=3)
    task = load("extended", "nb", TaskOptions(limit=1, own=talk, model=model, chat=CHAT))
    assert isinstance(task, Conversation)
    [item] = task.items()
    prompt = str(item.doc["prompt"])
    request = task.follow(item, [reply("Ja.")])
    assert isinstance(request, GenerateRequest)
    assert request.thinking == CHAT.thinking
    assert request.prompt == (
        f"<|bos|><|user|>\n{prompt}<|eos|>\n<|assistant|>\nJa.<|eos|>\n"
        "<|user|>\nFortsett, er du snill.<|eos|>\n<|assistant|>\n"
    )
    assert task.follow(item, [reply("Ja.")] * 3) is None
    assert task.follow(item, [reply(" ")]) is None, "nothing was said that could be gone on with"
    scores = task.score(item, [reply("Ja."), reply("Nei, det var det ikke.")]).scores
    assert scores["language turn 2"] is not None
    assert scores["language turn 3"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"own": TalkOptions(turns=2)}, "2 turns need a chat template"),
        ({"own": TalkOptions(turns=2), "chat": CHAT, "sampling": Sampling()}, "cannot be sampled"),
    ],
)
def test_what_cannot_be_is_said_before_a_model_is_loaded(
    model: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(TaskError, match=message):
        load("extended", "en", TaskOptions(limit=1, model=model, **options)).items()  # type: ignore[arg-type]


def test_a_language_nobody_wrote_follow_ups_for_needs_them_in_the_data(
    model: Path, tmp_path: Path
) -> None:
    (tmp_path / "sv.jsonl").write_text('{"source_id": "1", "prompt": "Hej"}\n')
    talk = TalkOptions(turns=2)
    options = TaskOptions(data=tmp_path, own=talk, model=model, chat=CHAT)
    with pytest.raises(TaskError, match="what the user says after"):
        load("extended", "sv", options).items()
    row = '{"source_id": "1", "prompt": "Hej", "follow_ups": ["Fortsätt."]}\n'
    (tmp_path / "sv.jsonl").write_text(row)
    task = load("extended", "sv", options)
    assert isinstance(task, Conversation)
    request = task.follow(task.items()[0], [reply("Ja.")])
    assert isinstance(request, GenerateRequest)
    assert "Fortsätt." in request.prompt
