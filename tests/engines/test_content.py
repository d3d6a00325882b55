"""After rendering, what the user says stands in the prompt, once, whatever form the template takes.

Expected prompts: worked out by hand from each template's text (`part_templates`).
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from babelbits.bundled import find_bundled_model
from babelbits.engines.chat import Message
from babelbits.engines.content import Shape, contains_text
from babelbits.engines.local_chat import render
from babelbits.engines.template_trial import check_template
from babelbits.engines.templates import load_template
from babelbits.errors import ModelError
from chat_models import NO_SYSTEM, TEMPLATE
from part_templates import AYA_VISION, HIDDEN, PARTS_FROM_USERS, SHOWN, SMOL_VLM

HEI = [{"role": "user", "content": "Hei!"}]
TALK = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Hei!"},
    {"role": "assistant", "content": "Hallo."},
    {"role": "user", "content": " «Hva heter du?»\n"},
]


def checkpoint(folder: Path, template: str) -> Path:
    """The package's own model with a template, and '<s>' as its first token."""
    shutil.copytree(find_bundled_model(), folder)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**config, "bos_token": "<s>", "eos_token": "</s>"}), "utf-8")
    (folder / "chat_template.jinja").write_text(template, "utf-8")
    return folder


@pytest.mark.parametrize("name", SHOWN)
def test_one_question_is_written_as_by_hand(tmp_path: Path, name: str) -> None:
    template, by_hand = SHOWN[name]
    folder = checkpoint(tmp_path / "m", template)
    assert load_template(folder, options={}).render(HEI) == by_hand
    check_template(folder, options={})


@pytest.mark.parametrize("name", SHOWN)
def test_every_turn_of_a_talk_is_there_once_and_in_order(tmp_path: Path, name: str) -> None:
    prompt = load_template(checkpoint(tmp_path / "m", SHOWN[name][0]), options={}).render(TALK)
    places = []
    for message in TALK:
        assert prompt.count(message["content"].strip()) == 1
        places.append(prompt.index(message["content"].strip()))
    assert places == sorted(places)


@pytest.mark.parametrize("name", SHOWN)
def test_a_judge_is_shown_the_same(tmp_path: Path, name: str) -> None:
    folder = checkpoint(tmp_path / "m", SHOWN[name][0])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    turns = [Message(role=one["role"], content=one["content"]) for one in TALK]
    prompt, stop = render(turns, tokenizer=tokenizer)
    assert prompt == load_template(folder, options={}).render(TALK)
    assert stop == ()


def test_what_the_templates_of_vision_models_do_to_a_text(tmp_path: Path) -> None:
    """The fault: transformers renders it without an error, and the question is not there."""
    for number, template in enumerate((AYA_VISION, SMOL_VLM)):
        tokenizer = AutoTokenizer.from_pretrained(checkpoint(tmp_path / str(number), template))
        assert "Hei" not in tokenizer.apply_chat_template(HEI, tokenize=False)


def test_text_goes_first_where_a_template_takes_both(tmp_path: Path) -> None:
    template = load_template(checkpoint(tmp_path / "m", SHOWN["Llama 4"][0]), options={})
    assert template._form == Shape(user=False, assistant=False, system=False)
    other = load_template(checkpoint(tmp_path / "o", PARTS_FROM_USERS), options={})
    assert other._form == Shape(user=True, assistant=False, system=False)


def test_a_turn_to_go_on_with_may_be_parts(tmp_path: Path) -> None:
    """lm-eval's `gen_prefix`: the last turn is the model's, and stays open."""
    template = load_template(checkpoint(tmp_path / "m", SMOL_VLM), options={})
    prompt = template.render(
        [*HEI, {"role": "assistant", "content": "The answer is"}], add_generation_prompt=False
    )
    assert prompt == "User: Hei!<end_of_utterance>\nAssistant: The answer is"


@pytest.mark.parametrize("name", HIDDEN)
def test_a_template_that_shows_nothing_is_refused_everywhere(tmp_path: Path, name: str) -> None:
    template, reason = HIDDEN[name]
    folder = checkpoint(tmp_path / "m", template)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with pytest.raises(ModelError, match=reason):
        check_template(folder, options={})
    with pytest.raises(ModelError, match=reason):
        load_template(folder, options={}).render(HEI)
    with pytest.raises(ModelError, match=reason):
        render([Message(role="user", content="Hei!")], tokenizer=tokenizer)


def test_a_message_that_is_left_out_for_what_it_says_is_an_error(tmp_path: Path) -> None:
    picky = TEMPLATE.replace("{{ message['content'] | trim }}", "{{ message['content'][:9] }}")
    template = load_template(checkpoint(tmp_path / "m", picky), options={})
    assert "Hei!" in template.render(HEI)
    with pytest.raises(ModelError, match="leaves out what the user says: 'Hva heter du"):
        template.render([{"role": "user", "content": "Hva heter du?"}])


def test_a_system_message_that_is_dropped_without_a_word_is_told(tmp_path: Path) -> None:
    drops = "{% for m in messages if m.role != 'system' %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    for number, (text, dropped) in enumerate([(drops, True), (NO_SYSTEM, True), (TEMPLATE, False)]):
        folder = checkpoint(tmp_path / str(number), text)
        template = load_template(folder, options={})
        assert "Hei!" in template.render(TALK[:2])
        assert template.drops_system is dropped
        tokenizer = AutoTokenizer.from_pretrained(folder)
        turns = [Message(role=one["role"], content=one["content"]) for one in TALK[:2]]
        assert "Be kind." in render(turns, tokenizer=tokenizer)[0]  # a judge needs its instructions


@pytest.mark.parametrize(
    ("prompt", "text", "there"),
    [
        ("<user>a  b\nc", "a b c", True),
        ('{"q": "a \\"b\\" \\u00e5"}', 'a "b" å', True),
        ("<user>", "a", False),
        ("<user>", "", True),
    ],
)
def test_shows(prompt: str, text: str, there: bool) -> None:
    assert contains_text(prompt, text) is there


@pytest.mark.parametrize(
    "text",
    [
        "{% generation %}{{ messages[0].content }}{% endgeneration %}",
        (
            "{% for m in messages %}{% if m.role == 'x' %}{% continue %}{% endif %}{{ m.content }}"
            "{{ strftime_now('%Y') }}{{ m | tojson | length }}{% endfor %}"
        ),
        "{% unknown_tag %}",  # transformers will say
    ],
)
def test_a_plan_refuses_nothing_that_it_does_not_know(tmp_path: Path, text: str) -> None:
    check_template(checkpoint(tmp_path / "m", text), options={})


def test_a_plan_without_a_template_passes(tmp_path: Path) -> None:
    check_template(tmp_path, options={})


def test_transformers_and_the_plan_write_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan's own environment against `apply_chat_template`, probes and all."""
    seen: dict[str, list[str]] = {"plan": [], "run": []}
    from babelbits.engines import template_trial, templates

    def kept(name: str, find: Callable[..., Any]) -> Callable[..., Any]:
        def finding(apply: Callable[..., str]) -> Any:
            def noted(turns: list[dict[str, Any]]) -> str:
                text = apply(turns)
                seen[name].append(text)
                return text

            return find(noted)

        return finding

    monkeypatch.setattr(template_trial, "find_shape", kept("plan", template_trial.find_shape))
    monkeypatch.setattr(templates, "find_shape", kept("run", templates.find_shape))
    for number, (template, _) in enumerate(SHOWN.values()):
        folder = checkpoint(tmp_path / str(number), template)
        check_template(folder, options={})
        load_template(folder, options={}).render(HEI)
    assert seen["plan"] == seen["run"]
    assert len(seen["plan"]) > len(SHOWN)
