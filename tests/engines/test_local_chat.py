"""A local checkpoint asked as a chat model."""

import json
import shutil
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from babelbits.bundled import find_bundled_model
from babelbits.engines.base import EngineSettings
from babelbits.engines.chat import ChatFailure, ChatReply, ChatRequest, Message
from babelbits.engines.local_chat import load, render
from babelbits.engines.transformers import load as load_engine
from babelbits.errors import ModelError
from babelbits.records import GenerateRequest, Generation

CPU = EngineSettings(device="cpu", dtype="float32")
TURNS = (Message(role="system", content="Be kind."), Message(role="user", content="Hei!"))
TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}</{{ m.role }}>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def ask(*turns: Message, length: int = 12) -> ChatRequest:
    return ChatRequest(messages=turns, max_new_tokens=length)


def greedy(folder: Path, prompt: str, *, stop: tuple[str, ...] = ()) -> str:
    """What the engine itself says to a prompt written by hand."""
    engine = load_engine(folder, settings=CPU)
    (reply,) = engine.generate([GenerateRequest(prompt=prompt, max_new_tokens=12, stop=stop)])
    engine.close()
    assert isinstance(reply, Generation)
    return reply.texts[0].strip()


def test_a_base_model_is_given_the_plain_script() -> None:
    chat = load(find_bundled_model(), settings=CPU)
    (answer,) = chat.ask([ask(*TURNS)])
    chat.close()
    assert isinstance(answer, ChatReply)
    by_hand = "Be kind.\n\nUser: Hei!\n\nAssistant:"
    assert answer.text == greedy(find_bundled_model(), by_hand, stop=("\n\nUser:",))
    assert answer.cost == 0


def test_a_template_of_the_checkpoint_is_used(tmp_path: Path) -> None:
    folder = tmp_path / "chat-model"
    shutil.copytree(find_bundled_model(), folder)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    chat = load(folder, settings=CPU)
    (answer,) = chat.ask([ask(*TURNS)])
    plain = load(find_bundled_model(), settings=CPU)
    assert chat.identity != plain.identity
    chat.close()
    plain.close()
    assert isinstance(answer, ChatReply)
    by_hand = "<system>Be kind.</system><user>Hei!</user><assistant>"
    assert answer.text == greedy(folder, by_hand)


def test_a_template_beside_the_tokenizer_is_used(tmp_path: Path) -> None:
    """As older multimodal checkpoints have it: `chat_template.json`, which no tokenizer reads."""
    folder = tmp_path / "chat-model"
    shutil.copytree(find_bundled_model(), folder)
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": TEMPLATE}))
    chat = load(folder, settings=CPU)
    (answer,) = chat.ask([ask(*TURNS)])
    chat.close()
    assert isinstance(answer, ChatReply)
    assert answer.text == greedy(folder, "<system>Be kind.</system><user>Hei!</user><assistant>")


def test_a_template_without_a_system_role_gets_it_in_the_users_turn() -> None:
    """Gemma's templates raise "System role not supported"; by hand, the two texts as one turn."""
    tokenizer = AutoTokenizer.from_pretrained(find_bundled_model())
    tokenizer.chat_template = (
        "{% if messages[0]['role'] == 'system' %}"
        "{{ raise_exception('System role not supported') }}{% endif %}" + TEMPLATE
    )
    text, stop = render(TURNS, tokenizer=tokenizer)
    assert text == "<user>Be kind.\n\nHei!</user><assistant>"
    assert stop == ()


def test_answers_are_kept_and_failures_are_not(tmp_path: Path) -> None:
    long = ask(Message(role="user", content="word " * 5000))
    for run in range(2):
        chat = load(find_bundled_model(), settings=CPU, cache=tmp_path / "answers.sqlite")
        told: dict[int, object] = {}
        answers = chat.ask([ask(*TURNS), long], on_answer=told.__setitem__)
        chat.close()
        assert isinstance(answers[0], ChatReply)
        assert answers[0].cached == (run == 1)
        assert isinstance(answers[1], ChatFailure)
        assert answers[1].kind == "rejected"
        assert sorted(told) == [0, 1]


def test_a_template_that_refuses_is_a_failure_of_its_request(tmp_path: Path) -> None:
    folder = tmp_path / "chat-model"
    shutil.copytree(find_bundled_model(), folder)
    (folder / "chat_template.jinja").write_text(
        "{% if 'Huh' in messages[0].content %}{{ raise_exception('not so') }}{% endif %}" + TEMPLATE
    )
    chat = load(folder, settings=CPU)
    refused, answered = chat.ask([ask(Message(role="user", content="Huh?")), ask(TURNS[1])])
    chat.close()
    assert isinstance(refused, ChatFailure)
    assert "not so" in refused.message
    assert isinstance(answered, ChatReply)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model folder"):
        load(tmp_path / "none")
