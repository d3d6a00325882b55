"""A user's own prompts with instructions that rules can check, as IFEval and Multi-IF write them.

Columns `prompt`, `instruction_id_list` and `kwargs` (JSON in a table's cell), or Multi-IF's
`turn_1_prompt`, `turn_1_instruction_id_list` and `turn_1_kwargs`: its first turn alone is asked.

`prompt_strict` is 1 where every instruction of a prompt is followed, as IFEval's strict accuracy;
`instruction_strict` the share of its instructions that are. Both are higher-is-better, harm is
negative. An instruction that cannot be checked in the language has no verdict: a prompt that has
one is undefined in `prompt_strict`, unless another of its instructions is broken; the share is over
those that can be checked. An answer that is empty or a loop follows nothing, however long it is,
and `degenerate` counts it apart.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, cast

from babelbits.errors import TaskError
from babelbits.records import GenerateRequest, Generation, Item, Metric, Outcome, Reply, Request
from babelbits.tasks.collapse import signs
from babelbits.tasks.collapse.rule import CollapseRule, open_usual_identifier
from babelbits.tasks.instructions.verifiable import RULES, VERSION, check, explain_unchecked
from babelbits.tasks.language_id import Identifier
from babelbits.tasks.own_files import OwnFile
from babelbits.tasks.reading import Row, text_field
from babelbits.words import plural

MAX_NEW_TOKENS = 1280
"""As lm-eval's `ifeval`."""
PROMPT, SHARE, DEGENERATE = "prompt_strict", "instruction_strict", "degenerate"
_FIRST_TURN = "turn_1_"
_NAMES = ("prompt", "instruction_id_list", "kwargs")


class InstructionsTask(OwnFile):
    """`prompt, instruction_id_list, kwargs`."""

    metrics = (
        Metric(name=PROMPT, kind="binary"),
        Metric(name=SHARE, kind="bounded"),
        Metric(name=DEGENERATE, kind="binary", higher_is_better=False),
    )
    output_type = "generation"

    @cached_property
    def scorer_version(self) -> str:  # type: ignore[override]  # read-only, not known to the class
        """Rules, and the identifier where a prompt asks for a language."""
        asks = any("language:response_language" in one[0] for one in self._instructions.values())
        who = "" if not asks else f"; {'none' if self._who is None else self._who.recipe}"
        return f"instructions {VERSION}; collapse {signs.VERSION}{who}"

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]  # depends on the rows
        """What cannot be checked in the language, with how often it is asked."""
        reasons: dict[str, int] = {}
        for ids, _ in self._instructions.values():
            for one in ids:
                why = self._why_not(one)
                if why is not None:
                    reasons[why] = reasons.get(why, 0) + 1
        return tuple(f"{why} ({plural(count, 'instruction')})" for why, count in reasons.items())

    def rows(self) -> list[tuple[str, Row]]:
        """Place and row; of Multi-IF the first turn."""
        return [(where, _first_turn(row)) for where, row in super().rows()]

    def build(self, row: Row, where: str) -> tuple[Sequence[Request], str]:
        """The prompt as it stands; the ids of its instructions."""
        prompt = text_field(row, "prompt", where)
        ids, _ = list_instructions(row, where)
        return (GenerateRequest(prompt=prompt, max_new_tokens=MAX_NEW_TOKENS),), ", ".join(ids)

    def judge(self, item: Item, replies: Sequence[Reply]) -> Outcome:
        """Every instruction by its rule."""
        reply = cast(Generation, replies[0])
        text, reason = reply.texts[0], reply.finish_reasons[0]
        prompt = cast(GenerateRequest, item.requests[0]).prompt
        shown = self._collapse.signs_of(text, reason, prompt=prompt)
        is_degenerate = signs.EMPTY in shown or signs.LOOP in shown
        ids, kwargs = list_instructions(cast(Row, item.doc), "")
        found = [
            check(
                one, text, kwargs=given, prompt=prompt,
                language=self.language, identifier=self._who,
            )
            for one, given in zip(ids, kwargs, strict=True)
        ]  # fmt: skip
        known = [one.followed and not is_degenerate for one in found if one.followed is not None]
        whole: float | None = None
        if not all(known) or len(known) == len(found):
            whole = float(all(known))
        broken = [
            name for name, one in zip(ids, found, strict=True)
            if one.followed is not None and (is_degenerate or not one.followed)
        ]  # fmt: skip
        said = [f"not followed: {', '.join(broken)}"] if broken else []
        said += dict.fromkeys(one.reason for one in found if one.reason)
        if is_degenerate:
            said.insert(0, f"degenerate: {', '.join(shown)}")
        return Outcome(
            output=text,
            scores={
                PROMPT: whole,
                SHARE: sum(known) / len(known) if known else None,
                DEGENERATE: float(is_degenerate),
            },
            finish_reason=reason,
            remark="; ".join(said),
        )

    def _why_not(self, instruction: str) -> str | None:
        if instruction not in RULES:
            return f"no rule is known for '{instruction}'"
        return explain_unchecked(instruction, language=self.language)

    @cached_property
    def _instructions(self) -> Mapping[str, tuple[list[str], list[dict[str, Any]]]]:
        return {where: list_instructions(row, where) for where, row in self.rows()}

    @cached_property
    def _who(self) -> Identifier | None:
        return open_usual_identifier()

    @cached_property
    def _collapse(self) -> CollapseRule:
        return CollapseRule(info=self.info, identifier=None)


def list_instructions(row: Row, where: str) -> tuple[list[str], list[dict[str, Any]]]:
    """Ids of the instructions of a row, and the arguments of each.

    Raises
    ------
    TaskError
        If there is none, or they are not as many as their arguments.
    """
    ids = _listed(row.get("instruction_id_list"), "instruction_id_list", where)
    given = [_parsed(one, "kwargs", where) for one in _listed(row.get("kwargs"), "kwargs", where)]
    if not ids or not all(isinstance(one, str) for one in ids):
        raise TaskError("'instruction_id_list' is no list of ids", where=where)
    if len(ids) != len(given) or not all(isinstance(one, dict) for one in given):
        raise TaskError(
            f"'kwargs' must be an object for each of {plural(len(ids), 'instruction')}", where=where
        )
    return [str(one) for one in ids], given


def _first_turn(row: Row) -> Row:
    """A row with IFEval's names; Multi-IF's prompt is a message in JSON."""
    found = dict(row)
    for name in _NAMES:
        if name not in found and _FIRST_TURN + name in found:
            found[name] = found[_FIRST_TURN + name]
    said = found.get("prompt")
    if isinstance(said, str) and said.lstrip().startswith("{") and _FIRST_TURN + "prompt" in found:
        try:
            message = json.loads(said)
        except ValueError:
            message = None
        if isinstance(message, dict) and isinstance(message.get("content"), str):
            found["prompt"] = message["content"]
    elif isinstance(said, dict):
        found["prompt"] = said.get("content")
    if "id" not in row and "key" in row:
        found["source_id"] = str(row["key"])
    return {name: value for name, value in found.items() if not name.startswith("turn_")}


def _listed(value: Any, name: str, where: str) -> list[Any]:
    found = _parsed(value, name, where)
    if not isinstance(found, list):
        raise TaskError(f"'{name}' is no list", where=where)
    return found


def _parsed(value: Any, name: str, where: str) -> Any:
    """A value, or what its text says in JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise TaskError(f"'{name}' is no JSON: {error}", where=where) from error
