"""What a server can do, found out by asking it things whose answers are known beforehand.

A server may ignore a parameter without a word: llama-server takes `echo` and gives no
log-probability of the prompt. So an ability is one only if the replies show it. The known answers
need no knowledge of the model: what it wrote greedily must come out as its most likely tokens, and
as likely as it said while it wrote; a text that nobody writes must come out less likely; a stop
string must be missing from the reply; equal seeds must draw equal texts, others other ones.

Sends a few dozen short requests, which a hosted service charges for. Log-probabilities are in nats.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from babelbits.engines.chat import ChatAnswer, ChatFailure, Message
from babelbits.engines.endpoint.served_request import (
    WAYS,
    ScoredToken,
    ServedRequest,
    Way,
    Written,
    read_said,
    read_tokens,
)
from babelbits.words import plural

Ask = Callable[[Sequence[ServedRequest]], list[ChatAnswer]]
"""Asks a server, never a cache."""
Encode = Callable[[str], tuple[int, ...]]
"""Text to token ids of the model's tokenizer, with the special tokens that it adds."""

PROMPT = "Monday, Tuesday, Wednesday, Thursday,"
UNLIKELY = " zq%vx ##\u2603 jj"
"""What no model writes after `PROMPT`."""
TOLERANCE = 0.1
"""Nats a token by which two computations of one text may differ: a batch's rounding, no model."""
_LONG = 24
_ONE_TOKEN = 16
"""Characters that one token may have."""
AT_ONCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """One thing that a server can or cannot do."""

    able: bool | None
    """None: not tried, or the replies do not tell."""
    why: str
    """What the replies showed, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What a server can do."""

    completions: Ability
    """Continue a text (/completions)."""
    chat: Ability
    """Answer a chat (/chat/completions)."""
    scoring: Ability
    """Log-likelihoods of a prompt."""
    way: Way | None
    """How they are asked for."""
    token_ids: Ability
    """Take a prompt as token ids."""
    whole: Ability
    """Log-likelihood of a text that nothing stands before, its first token included."""
    logprobs: Ability
    """Log-probabilities of what it generates."""
    adds_start: bool = False
    """Whether it puts the model's first token before a text by itself."""
    more: dict[str, Ability] = field(default_factory=dict)
    """What only `babelbits serve-check` tries."""

    @property
    def generates(self) -> bool:
        """Whether it writes anything at all."""
        return bool(self.completions.able or self.chat.able)


NOT_TRIED = Ability(able=None, why="not tried")


def make_text_request(
    prompt: str | tuple[int, ...], *, tokens: int, **more: object
) -> ServedRequest:
    """A text to continue greedily."""
    base = ServedRequest(messages=(), prompt=prompt, max_new_tokens=tokens)
    return replace(base, **more)  # type: ignore[arg-type]  # fields of a request


def make_chat_request(text: str, *, tokens: int, **more: object) -> ServedRequest:
    """A chat of one turn."""
    base = ServedRequest(messages=(Message(role="user", content=text),), max_new_tokens=tokens)
    return replace(base, **more)  # type: ignore[arg-type]  # fields of a request


def find_abilities(ask: Ask, *, encode: Encode | None = None) -> Abilities:
    """What a run needs to know of a server.

    Parameters
    ----------
    encode : callable, optional
        Of the tokenizer that the server should have; None: token ids are not tried.
    """
    (written,) = ask([make_text_request(PROMPT, tokens=_LONG)])
    (answered,) = ask([make_chat_request(PROMPT, tokens=8)])
    completions, chat = _written(written), _written(answered)
    if not completions.able:
        no_text = f"it continues no text: {completions.why}"
        none = Ability(able=False, why=no_text)
        probed = _chat_logprobs(ask) if chat.able else none
        return Abilities(
            completions=completions, chat=chat, scoring=none, way=None, token_ids=none,
            logprobs=probed, whole=none,
        )  # fmt: skip
    said = _with_logprobs(ask, PROMPT)
    logprobs = Ability(
        able=bool(said and said.logprobs),
        why="given with the text" if said and said.logprobs else "none came with the text",
    )
    way, scoring = _scoring(ask, said)
    ids, adds = _token_ids(ask, encode, way)
    return Abilities(
        completions=completions, chat=chat, scoring=scoring, way=way, token_ids=ids,
        logprobs=logprobs, whole=_whole(ask, way, scoring, ids), adds_start=adds,
    )  # fmt: skip


def _written(answer: ChatAnswer) -> Ability:
    if isinstance(answer, ChatFailure):
        return Ability(able=False, why=answer.message)
    text = read_said(answer.text).text
    return Ability(able=True, why=f"it wrote {text[:40]!r}" if text else "its reply is empty")


def _with_logprobs(ask: Ask, prompt: str | tuple[int, ...]) -> Written | None:
    """What is written greedily, with log-probabilities where there are any."""
    for logprobs in (True, False):
        (answer,) = ask([make_text_request(prompt, tokens=6, logprobs=logprobs)])
        if not isinstance(answer, ChatFailure):
            return read_said(answer.text)
    return None


def _chat_logprobs(ask: Ask) -> Ability:
    (answer,) = ask([make_chat_request(PROMPT, tokens=6, logprobs=True)])
    if isinstance(answer, ChatFailure):
        return Ability(able=False, why=answer.message)
    given = bool(read_said(answer.text).logprobs)
    return Ability(able=given, why="given with the text" if given else "none came with the text")


# --- log-likelihoods -----------------------------------------------------------------------------


def _scoring(ask: Ask, said: Written | None) -> tuple[Way | None, Ability]:
    """The first way in which the known answers come out, or what is wrong with each."""
    if said is None or not said.text:
        return None, Ability(able=False, why="nothing was written that could be scored")
    problems: dict[str, list[str]] = {}
    for way in WAYS:
        problem = _wrong_with(ask, said, way)
        if problem is None:
            return way, Ability(able=True, why=f"by `{way}`; what is known came out")
        problems.setdefault(problem, []).append(f"`{way}`")
    why = "; ".join(f"{' and '.join(ways)}: {problem}" for problem, ways in problems.items())
    return None, Ability(able=False, why=why)


def _wrong_with(ask: Ask, said: Written, way: Way) -> str | None:
    """What shows that a way gives no log-likelihoods of the prompt; None: nothing does."""
    texts = (PROMPT, PROMPT + said.text, PROMPT + UNLIKELY)
    answers = ask([make_text_request(text, tokens=1, way=way) for text in texts])
    scored = []
    for text, answer in zip(texts, answers, strict=True):
        if isinstance(answer, ChatFailure):
            return answer.message
        tokens = read_tokens(answer.text)
        if problem := _not_of(tokens, text):
            return problem
        scored.append(tokens)
    start, likely, unlikely = scored
    written = likely[count_shared(start, likely) :]
    other = unlikely[count_shared(start, unlikely) :]
    if not written or not other:
        return "a longer prompt has no more tokens than a shorter one"
    means = [_mean(written), _mean(other)]
    if means[0] <= means[1]:
        return (
            f"what the model itself writes comes out less likely ({means[0]:.2f} nats a token) "
            f"than nonsense ({means[1]:.2f})"
        )
    return _not_greedy(written, said)


def _whole(ask: Ask, way: Way | None, scoring: Ability, ids: Ability) -> Ability:
    """Whether the first token of a text is scored, too: after a special one that starts it."""
    if way is None:
        return scoring
    if ids.able:
        return Ability(able=True, why="the start of a text is sent as a token id")
    (answer,) = ask([make_text_request(PROMPT, tokens=1, way=way)])
    if isinstance(answer, ChatFailure):
        return Ability(able=False, why=answer.message)
    first, *rest = read_tokens(answer.text)
    is_all = "".join(one.text for one in rest).strip() == PROMPT
    if first.logprob is not None or is_all:
        return Ability(able=True, why="the server starts a text with a token of its own")
    return Ability(able=False, why="the first token of a text has no log-probability")


def _not_of(tokens: Sequence[ScoredToken], text: str) -> str | None:
    """What shows that scored tokens are not those of a prompt."""
    if not tokens:
        return "ignored: the reply holds no log-probability of the prompt"
    if sum(one.logprob is None for one in tokens) > 2:
        return "tokens of the prompt have no log-probability"
    if any(one.logprob is not None and one.logprob > 1e-3 for one in tokens):
        return "a log-probability is above 0"
    joined = "".join(one.text for one in tokens)
    whole, found = "".join(text.split()), "".join(joined.split())
    is_known = bool(found) and found.isascii() and whole.isascii()
    # The text of a first token that has no log-probability may be missing.
    has_all = whole in found or (
        not tokens[0].text and whole.endswith(found) and len(whole) - len(found) <= _ONE_TOKEN
    )
    if is_known and not has_all:
        return f"the reply's tokens are not those of the prompt: {joined[:40]!r}"
    return None


def _not_greedy(written: Sequence[ScoredToken], said: Written) -> str | None:
    """What shows that the numbers are not those of the tokens that they stand at."""
    tops = [one.is_top for one in written if one.is_top is not None]
    if tops and sum(tops) < 0.75 * len(tops):
        return (
            f"{len(tops) - sum(tops)} of {plural(len(tops), 'token')} that the model wrote "
            "greedily are not its most likely ones"
        )
    same = len(written) == len(said.logprobs)
    if same:
        gap = abs(_mean(written) - sum(said.logprobs) / len(said.logprobs))
        if gap > TOLERANCE:
            return f"a text is {gap:.2f} nats a token off what was said while it was written"
    if not tops and not same:
        return "nothing in the reply tells whether the numbers are those of their tokens"
    return None


def count_shared(first: Sequence[ScoredToken], second: Sequence[ScoredToken]) -> int:
    """How many tokens two scored texts begin with alike."""
    pairs = zip(first, second, strict=False)
    return next(
        (number for number, (a, b) in enumerate(pairs) if a.text != b.text),
        min(len(first), len(second)),
    )


def _mean(tokens: Sequence[ScoredToken]) -> float:
    known = [one.logprob for one in tokens if one.logprob is not None]
    return sum(known) / len(known) if known else 0.0


def _token_ids(ask: Ask, encode: Encode | None, way: Way | None) -> tuple[Ability, bool]:
    """Whether token ids mean what they mean here; whether texts are begun with a special token."""
    if encode is None:
        return Ability(able=None, why="not tried: the tokenizer is not known here"), False
    ids = encode(PROMPT)
    by_text, by_ids = ask([make_text_request(one, tokens=8) for one in (PROMPT, ids)])
    if isinstance(by_text, ChatFailure):
        return Ability(able=False, why=by_text.message), False
    adds = bool(encode("")) and by_text.prompt_tokens == len(ids)
    if isinstance(by_ids, ChatFailure):
        return Ability(able=False, why=by_ids.message), adds
    if by_ids.prompt_tokens is not None and by_ids.prompt_tokens != len(ids):
        sent, counted = plural(len(ids), "id"), plural(by_ids.prompt_tokens, "token")
        what = f"it was sent {sent}, and counted {counted}"
        return Ability(able=False, why=what), adds
    texts = [read_said(one.text).text for one in (by_text, by_ids)]
    if texts[0] == texts[1]:
        return Ability(able=True, why="they mean the same tokens as here"), adds
    if way is None:
        what = f"other text follows than after the same text: {texts[1][:40]!r}"
        return Ability(able=False, why=what), adds
    scores = ask([make_text_request(one, tokens=1, way=way) for one in (PROMPT, ids)])
    means = [
        None if isinstance(one, ChatFailure) else _mean(read_tokens(one.text)) for one in scores
    ]
    if None not in means and abs((means[0] or 0) - (means[1] or 0)) <= TOLERANCE:
        return Ability(able=True, why="they mean the same tokens as here"), adds
    return Ability(able=False, why="they are other tokens than here"), adds


# --- what only serve-check asks ------------------------------------------------------------------


def find_more(ask: Ask, found: Abilities) -> dict[str, Ability]:
    """Seeds, stop strings, determinism and concurrency: name to ability."""
    if not found.generates:
        return {}
    make = make_text_request if found.completions.able else make_chat_request
    return {
        "deterministic": _deterministic(ask, make),
        "seeds": _seeds(ask, make),
        "stop strings": _stops(ask, make),
        "several at once": _at_once(ask, make),
    }


_Make = Callable[..., ServedRequest]


def _texts(answers: Sequence[ChatAnswer]) -> list[str] | str:
    """The texts of answers, or why there is one missing."""
    for one in answers:
        if isinstance(one, ChatFailure):
            return one.message
    return [read_said(one.text).text for one in answers if not isinstance(one, ChatFailure)]


def _deterministic(ask: Ask, make: _Make) -> Ability:
    found = _texts([ask([make(PROMPT, tokens=_LONG)])[0] for _ in range(3)])
    if isinstance(found, str):
        return Ability(able=None, why=found)
    n_different = len(set(found))
    why = "3 equal answers" if n_different == 1 else f"of 3 answers {n_different} differ"
    return Ability(able=n_different == 1, why=why)


def _seeds(ask: Ask, make: _Make) -> Ability:
    def draw(seed: int) -> list[str] | str:
        return _texts(ask([make(PROMPT, tokens=_LONG, temperature=1.0, seed=seed)]))

    drawn = [draw(seed) for seed in (1, 1, 2, 3)]
    texts = [one[0] for one in drawn if not isinstance(one, str)]
    if len(texts) < len(drawn):
        return Ability(able=None, why=next(one for one in drawn if isinstance(one, str)))
    if texts[0] != texts[1]:
        return Ability(able=False, why="one seed drew two texts")
    if len(set(texts)) == 1:
        return Ability(able=None, why="three seeds drew one text: does it sample?")
    return Ability(able=True, why="equal seeds draw equal texts, others other ones")


def _stops(ask: Ask, make: _Make) -> Ability:
    found = _texts(ask([make(PROMPT, tokens=_LONG)]))
    if isinstance(found, str):
        return Ability(able=None, why=found)
    text = found[0]
    middle = text[len(text) // 3 :].strip()[:3].strip()
    if not middle or text.startswith(middle):
        return Ability(able=None, why="its text is too short to be stopped")
    stopped = _texts(ask([make(PROMPT, tokens=_LONG, stop=(middle,))]))
    if isinstance(stopped, str):
        return Ability(able=None, why=stopped)
    if middle in stopped[0]:
        return Ability(able=False, why=f"its text goes on behind {middle!r}; it is cut here")
    return Ability(able=True, why=f"its text ends before {middle!r}")


def _at_once(ask: Ask, make: _Make) -> Ability:
    numbers = count(1)
    requests = [make(f"{next(numbers)}. {PROMPT}", tokens=8) for _ in range(AT_ONCE)]
    found = _texts(ask(requests))
    if isinstance(found, str):
        return Ability(able=False, why=found)
    return Ability(able=True, why=f"{AT_ONCE} at the same time were answered")
