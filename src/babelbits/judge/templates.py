"""What a judge is asked: a text file with places for the prompt and the answers, known by its hash.

The part above the line `=== user ===` is the system message, what is below it the user's. Places
are {language}, {nonce}, {prompt} and {answer_a}, {answer_b} (pairwise), {answer} (direct, option),
or {gold} and {answer} (grade).

Answers are hostile text. They are put in once, so that a place named in an answer stays as it is,
and between lines that hold a nonce: a code made from the texts themselves, which therefore no text
can hold. The verdict must bear it, too. A judge can still be talked into a wrong verdict; what an
answer cannot do is end its own quotation or write the verdict itself. The nonce depends on nothing
else, so that the same question is the same request again, and a reply that was paid for is found.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from babelbits.engines.chat import Message
from babelbits.errors import StudyError
from babelbits.judge.parse_reply import Mode, parse
from babelbits.records import digest
from babelbits.tasks.reading import read_text

_SPLIT = re.compile(r"^=== user ===$", re.MULTILINE)
_PLACE = re.compile(r"\{([a-z_]+)\}")
_TEXTS: Mapping[Mode, frozenset[str]] = {
    "pairwise": frozenset({"prompt", "answer_a", "answer_b"}),
    "direct": frozenset({"prompt", "answer"}),
    "grade": frozenset({"prompt", "gold", "answer"}),
    "option": frozenset({"prompt", "answer"}),
}
_SAFE = frozenset({"language", "nonce"})
"""Places that hold no text of others: the only ones that a system message may have."""
_NONCE_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A question to a judge."""

    name: str
    """Of the file, without its ending."""
    mode: Mode
    system: str
    """May be empty."""
    user: str

    @property
    def hash(self) -> str:
        """Of both parts: another wording is another judge."""
        return digest([self.mode, self.system, self.user])


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeQuestion:
    """A template with its places filled."""

    messages: tuple[Message, ...]
    nonce: str


def load_template(path: Path | None, *, mode: Mode) -> Template:
    """The template in a file, or the one that ships in the package for a mode.

    Raises
    ------
    TaskError
        If the file cannot be read.
    StudyError
        If it lacks a place or a part, has an unknown place, or holds a verdict itself.
    """
    if path is None:
        text = files("babelbits").joinpath("judge", "prompts", f"{mode}.md").read_text("utf-8")
        return _template(mode, text, mode=mode, where=f"bundled template {mode}")
    return _template(path.stem, read_text(path), mode=mode, where=str(path))


def ask(
    template: Template, texts: Mapping[str, str], *, language: str, seed: int = 0
) -> JudgeQuestion:
    """Fill a template.

    Parameters
    ----------
    texts : mapping
        Prompt and answers by the name of their place.
    language : str
        Name for the judge, e.g. 'Norwegian Bokmål'.
    seed : int
        Another one gives other nonces, and so another reply.
    """
    nonce = _nonce([seed, template.hash, language, dict(texts)], texts)
    values = {**texts, "language": language, "nonce": nonce}

    def filled(part: str) -> str:
        return _PLACE.sub(lambda place: values[place[1]], part).strip()

    system = filled(template.system)
    messages = [Message(role="system", content=system)] if system else []
    return JudgeQuestion(
        messages=(*messages, Message(role="user", content=filled(template.user))), nonce=nonce
    )


def _nonce(content: object, texts: Mapping[str, str]) -> str:
    """Digits that no text holds: hash them again in the unheard-of case that one does."""
    nonce = digest(content, length=_NONCE_DIGITS)
    while any(nonce in text for text in texts.values()):
        nonce = digest(nonce, length=_NONCE_DIGITS)
    return nonce


def _template(name: str, text: str, *, mode: Mode, where: str) -> Template:
    parts = _SPLIT.split(text.replace("\r\n", "\n"))
    if len(parts) != 2:
        raise StudyError(
            "a template has one line '=== user ===' between the system's part and the user's",
            where=where,
            hint="the part above it may be empty",
        )
    template = Template(name=name, mode=mode, system=parts[0], user=parts[1])
    _check_places(template, where)
    blank = ask(template, dict.fromkeys(_TEXTS[mode], ""), language="English")
    for message in blank.messages:
        if parse(message.content, nonce=blank.nonce, mode=mode).outcome != "unparsed":
            raise StudyError(
                "the template holds a line that reads like a verdict: a judge that repeats its "
                "question would be taken at that word",
                where=where,
                hint="show the form of the verdict without one, as the bundled templates do",
            )
    return template


def _check_places(template: Template, where: str) -> None:
    wanted = _TEXTS[template.mode] | {"nonce"}
    system, user = (frozenset(_PLACE.findall(part)) for part in (template.system, template.user))
    if missing := sorted(wanted - user):
        raise StudyError(
            f"the user's part lacks {{{missing[0]}}}",
            where=where,
            hint=f"a {template.mode} template has {', '.join(sorted(wanted))}",
        )
    unknown = sorted((user - wanted - _SAFE) | (system - _SAFE - wanted))
    if unknown:
        raise StudyError(f"there is nothing to put into {{{unknown[0]}}}", where=where)
    if texts := sorted(system - _SAFE):
        raise StudyError(
            f"{{{texts[0]}}} stands in the system's part, where it would be an instruction",
            where=where,
            hint="move it below '=== user ==='",
        )
