"""Which model a server runs: what it says of itself, and its answers to fixed prompts.

Both stand in place of a weights hash, and neither can be verified: a server may say what it likes.
What it answers cannot be made up, but is noisy: many servers add up a batch in an order that
depends on who else asks. So the prompts are asked several times when a server is met, and later
answers are held against all of those:

- an answer is *like* the known ones if it is one of them, or begins with all that they have in
  common where they differ among themselves. A prompt *differs* if no answer to it is like them in
  three tries. Two prompts that differ are a change; one may be a near tie that tipped over.
- where the server gives log-probabilities, the mean absolute difference over the tokens that an
  answer begins with like a known one must stay below a tolerance: five times what it is among the
  first answers, and at least `SMALLEST` nats. Quantizing a model moves it by more.
- what it says of itself must be the same, `system_fingerprint`s apart: of those several servers
  behind one address have several, and one of the known ones must come again.

Log-probabilities are in nats.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from babelbits.engines.chat import ChatFailure
from babelbits.engines.endpoint.abilities import (
    Abilities,
    Ability,
    Ask,
    make_chat_request,
    make_text_request,
)
from babelbits.engines.endpoint.served_request import ServedRequest, Written, read_said
from babelbits.errors import EngineError, StoreError
from babelbits.words import plural

PROMPTS = (
    "Monday, Tuesday, Wednesday, Thursday,",
    "The river rose in the night, and in the morning the people of the village",
    "def mean(values):\n    ",
    "भारत की राजधानी",
    "昔々、あるところに",
    "Mji mkuu wa Tanzania ni",
    "Три сестры жили в старом доме, и",
    "1, 1, 2, 3, 5, 8,",
)
N_TOKENS = 24
REPEATS = 3
"""Times that each prompt is asked when a server is met, and at most when it is held against it."""
MOST_DIFFERENT = 1
"""Prompts that may differ without a change of the model."""
SMALLEST = 0.02
"""Nats: the smallest tolerance. Rounding to bfloat16 in another order moves a log-probability by
about 0.01; 8 bits in place of 16 by about 0.02, 4 bits by 0.1 and more."""
_CAP = 1.0
_TIMES = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeAnswer:
    """What a server wrote after one of the prompts."""

    text: str
    tokens: tuple[str, ...]
    logprobs: tuple[float, ...]
    """Of the tokens, nats; both empty where the server gives none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRecord:
    """A server as it was met."""

    says: Mapping[str, Any]
    """Of itself."""
    fingerprints: tuple[str, ...]
    """Every `system_fingerprint` of its replies, sorted."""
    abilities: Abilities
    answers: tuple[tuple[ProbeAnswer, ...], ...]
    """To each of the prompts, in order of asking."""

    def as_bytes(self) -> bytes:
        """The record as a file; its hash stands in place of a weights hash."""
        text = json.dumps(asdict(self), ensure_ascii=False, indent=1, sort_keys=True)
        return f"{text}\n".encode("utf-8", "backslashreplace")


def read_record(content: bytes, *, where: str) -> ServerRecord:
    """A record from its file.

    Raises
    ------
    StoreError
        If it is damaged.
    """
    try:
        fields = json.loads(content)
        abilities = fields["abilities"]
        named: dict[str, Any] = {
            name: Ability(**value)
            for name, value in abilities.items()
            if name not in ("way", "adds_start", "more")
        }
        return ServerRecord(
            says=fields["says"],
            fingerprints=tuple(fields["fingerprints"]),
            abilities=Abilities(**named, way=abilities["way"], adds_start=abilities["adds_start"]),
            answers=tuple(
                tuple(
                    ProbeAnswer(
                        text=one["text"],
                        tokens=tuple(one["tokens"]),
                        logprobs=tuple(one["logprobs"]),
                    )
                    for one in prompt
                )
                for prompt in fields["answers"]
            ),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"the record of a server is damaged: {error}",
            where=where,
            hint="delete it: the next run asks the server again",
        ) from error


def meet(ask: Ask, *, says: Mapping[str, Any], abilities: Abilities) -> ServerRecord:
    """Ask a server its prompts for the first time.

    Raises
    ------
    EngineError
        If it does not answer one.
    """
    rounds = [_asked(ask, abilities) for _ in range(REPEATS)]
    prints = {one.fingerprint for said in rounds for one in said if one.fingerprint}
    return ServerRecord(
        says=dict(says),
        fingerprints=tuple(sorted(prints)),
        abilities=abilities,
        answers=tuple(
            tuple(_answer(said[number]) for said in rounds) for number in range(len(PROMPTS))
        ),
    )


def find_change(ask: Ask, record: ServerRecord, *, says: Mapping[str, Any]) -> str | None:
    """What shows that a server runs another model than when it was met; None: nothing does.

    Raises
    ------
    EngineError
        If it does not answer.
    """
    if told := _said_otherwise(record.says, says):
        return told
    open_prompts = list(range(len(PROMPTS)))
    gaps: list[float] = []
    prints: set[str] = set()
    allowed = estimate_tolerance(record)
    for _ in range(REPEATS):
        said = _asked(ask, record.abilities, numbers=open_prompts)
        prints |= {one.fingerprint for one in said if one.fingerprint}
        answers = {number: _answer(one) for number, one in zip(open_prompts, said, strict=True)}
        found = _gap([(answers[number], record.answers[number]) for number in open_prompts])
        gaps += [] if found is None else [found]
        if not gaps or gaps[-1] <= allowed:
            open_prompts = [n for n in open_prompts if not is_like(answers[n], record.answers[n])]
        if len(open_prompts) <= MOST_DIFFERENT and (not gaps or min(gaps) <= allowed):
            break
    if prints and record.fingerprints and not prints & set(record.fingerprints):
        return f"its replies have the system fingerprint {min(prints)!r}, not one of the known"
    if gaps and min(gaps) > allowed:
        return (
            f"log-probabilities of its answers are {min(gaps):.3f} nats off those of before "
            f"({allowed:.3f} is the noise of its answers)"
        )
    if len(open_prompts) > MOST_DIFFERENT:
        first = PROMPTS[open_prompts[0]]
        return (
            f"it answers {len(open_prompts)} of {plural(len(PROMPTS), 'fixed prompt')} otherwise "
            f"than before in {REPEATS} tries, {first!r} for one"
        )
    return None


def is_like(answer: ProbeAnswer, known: Sequence[ProbeAnswer]) -> bool:
    """Whether an answer may be by the model that gave the known ones."""
    texts = [one.text for one in known]
    if answer.text in texts:
        return True
    if len(set(texts)) == 1:
        return False
    first, last = min(texts), max(texts)  # what these two share all between them share, too
    pairs = enumerate(zip(first, last, strict=False))
    in_common = next((n for n, (a, b) in pairs if a != b), min(len(first), len(last)))
    return answer.text.startswith(first[:in_common])


def estimate_tolerance(record: ServerRecord) -> float:
    """Nats that log-probabilities may be off: from the differences among the first answers."""
    among = [
        gap
        for number in range(1, REPEATS)
        if (gap := _gap([(prompt[number], prompt[:number]) for prompt in record.answers]))
        is not None
    ]
    return max(SMALLEST, _TIMES * max(among, default=0.0))


def _gap(pairs: Sequence[tuple[ProbeAnswer, Sequence[ProbeAnswer]]]) -> float | None:
    """Mean absolute difference of log-probabilities, nats; None where there are none.

    Of each answer against the known one that it shares most tokens with, over those tokens, and
    the nearest of such. A difference counts as 1 nat at most.
    """
    differences: list[float] = []
    for answer, known in pairs:
        sizes = [_n_shared(answer, one) for one in known]
        most = max(sizes, default=0)
        if not most:
            continue
        nearest = [
            [abs(a - b) for a, b in zip(answer.logprobs[:most], one.logprobs, strict=False)]
            for one, size in zip(known, sizes, strict=True)
            if size == most
        ]
        differences += [min(value, _CAP) for value in min(nearest, key=sum)]
    return sum(differences) / len(differences) if differences else None


def _n_shared(answer: ProbeAnswer, known: ProbeAnswer) -> int:
    pairs = zip(answer.tokens, known.tokens, strict=False)
    shared = [a == b for a, b in pairs]
    return shared.index(False) if False in shared else len(shared)


def _said_otherwise(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """The first thing that a server says otherwise, where it says anything about it both times."""
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old is not None and new is not None and old != new:
            keys = [k for k in old if old[k] != new.get(k)] if isinstance(old, dict) else []
            if keys and isinstance(new, dict):
                name, old, new = f"{name}, {keys[0]}", old[keys[0]], new.get(keys[0])
            return f"it says otherwise of itself ({name}): {old!r} before, {new!r} now"
    return None


def _asked(
    ask: Ask, abilities: Abilities, *, numbers: Sequence[int] | None = None
) -> list[Written]:
    make = make_text_request if abilities.completions.able else make_chat_request
    chosen = PROMPTS if numbers is None else [PROMPTS[number] for number in numbers]
    requests: list[ServedRequest] = [
        make(prompt, tokens=N_TOKENS, logprobs=bool(abilities.logprobs.able)) for prompt in chosen
    ]
    answers = ask(requests)
    for answer in answers:
        if isinstance(answer, ChatFailure):
            raise EngineError(
                f"the server does not answer a fixed prompt: {answer.message}",
                hint="nothing is lost: run the same command again when it does",
            )
    return [read_said(one.text) for one in answers if not isinstance(one, ChatFailure)]


def _answer(said: Written) -> ProbeAnswer:
    text = said.text if said.thinking is None else f"{said.thinking}\n{said.text}"
    return ProbeAnswer(text=text, tokens=said.tokens, logprobs=said.logprobs)
