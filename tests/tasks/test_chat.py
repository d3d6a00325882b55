"""Prompts of chats against lm-eval's own HF model with `apply_chat_template=True`."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from babelbits.engines.base import EngineSettings
from babelbits.engines.encoding import Encoder
from babelbits.engines.templates import load_template, load_tokenizer
from babelbits.errors import TaskError
from babelbits.records import GenerateRequest, Request, ScoreRequest
from babelbits.tasks.base import TaskOptions
from babelbits.tasks.catalogue import load
from babelbits.tasks.prompting import ChatOptions
from chat_models import NO_SYSTEM, make_chat

TASK = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}, dev: {data}}}}}
test_split: test
fewshot_split: dev
fewshot_config: {{sampler: first_n}}
num_fewshot: {shots}
description: "Answer in one word.\\n\\n"
doc_to_text: "Question: {{{{q}}}}\\nAnswer:"
"""
KINDS = {
    "chat_choice": """output_type: multiple_choice
doc_to_choice: "{{choices}}"
doc_to_target: gold
metric_list: [{metric: acc}]
""",
    "chat_writing": """output_type: generate_until
doc_to_target: "{{choices[gold]}}"
generation_kwargs: {until: ["\\n"], max_gen_toks: 8, do_sample: false}
metric_list: [{metric: exact_match}]
""",
    "chat_prefix": """output_type: generate_until
gen_prefix: "The answer is"
doc_to_target: "{{choices[gold]}}"
generation_kwargs: {until: ["\\n"], max_gen_toks: 8, do_sample: false}
metric_list: [{metric: exact_match}]
""",
}


@pytest.fixture(scope="module")
def model(tiny_model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_chat(tiny_model("llama"), tmp_path_factory.mktemp("chat"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("tasks")
    rows = [
        {"q": f"{word} {i}?", "choices": ["fox", "dog", "der Hund"], "gold": i % 3}
        for i, word in enumerate(["狐狸", "лиса", "Fuchs", "mbwa", "कुत्ते"])
    ]
    (place / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for shots in (0, 2):
        for kind, text in KINDS.items():
            name = f"{kind}_{shots}"
            head = TASK.format(name=name, data=place / "rows.jsonl", shots=shots)
            (place / f"{name}.yaml").write_text(head + text)
    return place


def arguments(request: Request) -> tuple[str, ...]:
    match request:
        case ScoreRequest():
            return request.context, request.continuation
        case GenerateRequest():
            return (request.prompt,)
    raise TypeError(request)


def lm_eval_prompts(model: Path, folder: Path, names: list[str], **options: Any) -> dict[str, Any]:
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    held = HFLM(pretrained=str(model), device="cpu", dtype="float32", batch_size=1)
    found = lm_eval.simple_evaluate(
        model=held,
        tasks=names,
        task_manager=TaskManager(include_defaults=False, include_path=str(folder)),
        apply_chat_template=True,
        bootstrap_iters=0,
        **options,
    )
    return {
        name: [
            [one[:1] if isinstance(one[1], dict) else tuple(one) for one in sample["arguments"]]
            for sample in found["samples"][name]
        ]
        for name in names
    }


@pytest.mark.parametrize("fewshot", ["turns", "one-turn"])
@pytest.mark.parametrize("system", [None, "You are terse."])
def test_prompts_are_lm_evals_with_apply_chat_template(
    model: Path, folder: Path, fewshot: Any, system: str | None
) -> None:
    names = [f"{kind}_{shots}" for kind in KINDS for shots in (0, 2)]
    theirs = lm_eval_prompts(
        model,
        folder,
        names,
        fewshot_as_multiturn=fewshot == "turns",
        system_instruction=system,
    )
    chat = ChatOptions(template="on", fewshot=fewshot, system_prompt=system, thinking=())
    for name in names:
        task = load(name, "en", TaskOptions(include_path=folder, chat=chat, model=model))
        ours = [[arguments(request) for request in item.requests] for item in task.items()]
        assert ours == theirs[name]
        assert "<|assistant|>" in ours[0][0][0]


def test_a_template_without_system_role_drops_it_as_lm_eval_does(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    strict = make_chat(model, tmp_path / "strict", template=NO_SYSTEM)
    [name] = names = ["chat_choice_2"]
    theirs = lm_eval_prompts(
        strict, folder, names, fewshot_as_multiturn=True, system_instruction="Be terse."
    )
    chat = ChatOptions(template="on", system_prompt="Be terse.", thinking=())
    task = load(name, "en", TaskOptions(include_path=folder, chat=chat, model=strict))
    assert [[arguments(r) for r in item.requests] for item in task.items()] == theirs[name]
    assert any("no system message" in note for note in task.info.notes)


def test_the_bos_token_is_not_doubled(model: Path) -> None:
    """The template writes it, and a tokenizer that adds one must not add another."""
    from tokenizers.processors import TemplateProcessing

    template = load_template(model, options={})
    tokenizer = load_tokenizer(model)
    bos = tokenizer.bos_token_id
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|bos|> $A", special_tokens=[("<|bos|>", bos)]
    )
    assert tokenizer("x")["input_ids"][0] == bos
    prompt = template.render([{"role": "user", "content": "x"}])
    encoder = Encoder(tokenizer, context_length=256, long_prompts="fail")
    [written] = encoder.prompts([GenerateRequest(prompt=prompt, max_new_tokens=4)])
    [scored] = encoder.queries([ScoreRequest(context=prompt, continuation="y")])
    assert written.tokens.count(bos) == scored.tokens.count(bos) == 1  # type: ignore[union-attr]


def test_gguf_reads_the_tokens_that_transformers_reads(
    model: Path, tmp_path: Path, llama_cpp: Any
) -> None:
    from babelbits.engines.llama_cpp import load as load_llama
    from babelbits.engines.transformers import load as load_hf
    from gguf_models import write_llama

    settings = EngineSettings(device="cpu", dtype="float32", long_prompts="truncate-left")
    file = write_llama(model, tmp_path / "gguf")
    first, second = load_hf(model, settings=settings), load_llama(file, settings=settings)
    prompt = load_template(model, options={}).render(
        [{"role": "system", "content": "Be terse."}, {"role": "user", "content": "狐狸 und Hund?"}]
    )
    asked = [GenerateRequest(prompt=prompt, max_new_tokens=4)]
    try:
        assert first.encoder.prompts(asked) == second.encoder.prompts(asked)
    finally:
        first.close()
        second.close()


CHAT = ChatOptions(template="on", thinking=(("<think>", "</think>"),))


def test_our_own_tasks_are_asked_as_chats(model: Path) -> None:
    plain = load("math", "en", TaskOptions(limit=3))
    chat = load("math", "en", TaskOptions(limit=3, chat=CHAT, model=model))
    for before, after in zip(plain.items(), chat.items(), strict=True):
        [old], [new] = before.requests, after.requests
        assert isinstance(old, GenerateRequest)
        assert isinstance(new, GenerateRequest)
        said = f"<|bos|><|user|>\n{old.prompt.strip()}<|eos|>\n<|assistant|>\n"
        assert (new.prompt, new.thinking) == (said, CHAT.thinking)
        assert (before.source_id, before.target) == (after.source_id, after.target)
        assert before.item_id != after.item_id


def test_enable_thinking_reaches_the_template(model: Path) -> None:
    chat = replace(CHAT, enable_thinking=False)
    [item] = load("math", "en", TaskOptions(limit=1, chat=chat, model=model)).items()
    assert item.requests[0].prompt.endswith("<think>\n\n</think>\n\n")  # type: ignore[union-attr]


def test_a_model_cannot_think_before_given_choices(model: Path, folder: Path) -> None:
    chat = replace(CHAT, enable_thinking=True)
    options = TaskOptions(include_path=folder, chat=chat, model=model)
    with pytest.raises(TaskError, match="cannot think before a choice"):
        load("chat_choice_0", "en", options).items()


def test_a_chat_without_a_model_is_turns_that_only_a_server_can_write_out() -> None:
    """The prompt says who speaks, and no template's marks; the turns are there for the server."""
    [item] = load("math", "en", TaskOptions(limit=1, chat=CHAT)).items()
    request = item.requests[0]
    assert isinstance(request, GenerateRequest)
    assert request.messages[-1][0] == "user"
    assert request.prompt.endswith(f"[user] {request.messages[-1][1]}")
    assert "<|" not in request.prompt
