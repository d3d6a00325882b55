"""Recorded answers and graders for the tests of `babelbits.judge.grading`."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from babelbits.analysis import CellResult
from babelbits.engines.chat import ChatFailure, ChatModel
from babelbits.judge.grading.grader import Grader
from babelbits.judge.pairwise import JudgeSettings
from babelbits.judge.templates import load_template
from babelbits.records import Answer, CellMeta, Failure, ItemRow, Metric, TaskInfo
from fake_endpoint import Answer as HttpAnswer
from fake_endpoint import says
from judging import ScriptedGrader

FREE, CHOICE = "mixeval-free-form", "mixeval"


def cell(
    variant: str,
    outputs: Sequence[str | tuple[str, ...] | None],
    *,
    suite: str = FREE,
    language: str = "en",
    replicate: int = 0,
    rule: Sequence[float] | None = None,
    target: str = "Mars",
    golds: tuple[str, ...] = (),
    prompt: str = "Question: Which planet is red, number {}?",
) -> CellResult:
    """A cell whose outputs are these; None is an item without an answer, a tuple its samples."""
    metric = "acc" if suite == CHOICE else "rule_match"
    chance = 0.25 if suite == CHOICE else None
    info = TaskInfo(
        name=f"{suite}_{language}",
        suite=suite,
        language=language,
        metrics=(Metric(name=metric, kind="binary", chance=chance),),
        primary=metric,
        output_type="generation",
        parallel=True,
        scorer_version="rule",
        origin="test",
    )
    meta = CellMeta(
        cell_id=f"{variant}-{suite}-{language}-{replicate}",
        identity={},
        variant=variant,
        variant_id=variant,
        replicate=replicate,
        task=info,
        n_items=len(outputs),
        chunk=len(outputs),
        smoke=False,
    )
    rules = rule or [1.0] * len(outputs)
    return CellResult(
        meta=meta,
        rows=tuple(
            _row(
                number, output, info=info, variant=variant, score=rules[number], target=target,
                golds=golds, prompt=prompt.format(number),
            )
            for number, output in enumerate(outputs)
        ),
    )  # fmt: skip


def _row(
    number: int,
    output: str | tuple[str, ...] | None,
    *,
    info: TaskInfo,
    variant: str,
    score: float,
    target: str,
    golds: tuple[str, ...],
    prompt: str,
) -> ItemRow:
    samples = output if isinstance(output, tuple) else ()
    text = samples[0] if samples else output
    return ItemRow(
        item_id=f"{info.name}-{number}",
        source_id=f"s{number}",
        task=info.name,
        language=info.language,
        variant=variant,
        target=target,
        output="" if not isinstance(text, str) else text,
        scores={info.primary: None if output is None else score},
        choice_logprobs=None,
        prompt_hash="h",
        prompt=prompt,
        prompt_tokens=9,
        output_tokens=2,
        finish_reason="stop",
        failure=Failure(kind="nan_logits", message="NaN") if output is None else None,
        answers=tuple(
            Answer(text=one, finish_reason="stop", output_tokens=1, scores={info.primary: 1.0})
            for one in samples
        ),
        golds=golds,
    )


def grader(model: ChatModel) -> Grader:
    """The bundled questions put to a model."""
    return Grader(
        model=model,
        name="scripted",
        templates={
            "grade": load_template(None, mode="grade"),
            "option": load_template(None, mode="option"),
        },
        settings=JudgeSettings(),
    )


def said(answer: str, nonce: str) -> str | ChatFailure:
    """What the tests' judge says: an answer 'grade 0.3' gets 0.3; see the words below."""
    if "error" in answer:
        return ChatFailure(kind="server_error", message="500", cost=0.0)
    if "refuse" in answer:
        return f"GRADE {nonce}: NONE"
    if "mumble" in answer:
        return "It depends."
    letter = re.search(r"option (\w+)", answer)
    if letter:
        word = "NO OPTION" if letter[1] == "none" else letter[1]
        return f"OPTION {nonce}: {word}"
    number = re.search(r"grade ([\d.]+)", answer)
    return f"Compared.\nGRADE {nonce}: {number[1] if number else '0.0'}"


def model() -> ScriptedGrader:
    return ScriptedGrader(said)


def http(request: Mapping[str, Any], _times: int = 0) -> HttpAnswer:
    """The same judge behind an endpoint."""
    content = request["messages"][-1]["content"]
    found = re.search(r"\[answer (\w+)\]\n(.*?)\n\[end of answer \1\]", content, re.DOTALL)
    assert found is not None, content
    answer = said(found[2], found[1])
    assert isinstance(answer, str)
    return says(answer)


def run_folder(folder: Path, cells: Sequence[CellResult], **more: Any) -> Path:
    """A run folder with these cells."""
    from run_folders import record

    return record(folder, cells, sizes={}, **more)
