r"""One response to its verdict, by the rules of the Language Confusion Benchmark.

The rules are those of `compute_metrics.py` in github.com/for-ai/language-confusion (arXiv
2406.20052, section 3):

* the response ends at the first line that begins a new question ("\nQ:"); ASCII punctuation and a
  few other marks are dropped, then it falls into lines;
* lines of fewer than five tokens are dropped; a response without a line left has no verdict;
* *line pass*: every line is identified as the language;
* *word pass*: of the responses whose lines pass, those without a lower-case English word of more
  than three letters; only in languages of other scripts.

Nothing here reads a file or a clock.
"""

import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from babelbits.tasks.language_id import Guess, Identifier, is_same_language

VERSION = 1
"""Changes whenever the same response could be judged differently by the same identifier."""
SHORTEST_LINE = 5
"""Tokens that a line must have."""
WORD_LANGUAGES = ("ar", "hi", "ja", "ko", "ru", "zh")
"""Languages with a word pass rate: Latin words stand out in their scripts."""

_DROPPED = str.maketrans({**dict.fromkeys(string.punctuation + "،"), "—": " "})

Tokenize = Callable[[str], Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineVerdict:
    """One line that is long enough to be judged."""

    text: str
    """Without punctuation."""
    guess: Guess
    passes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is made of one response."""

    language: str
    """The language that was wanted."""
    lines: tuple[LineVerdict, ...]
    english: tuple[str, ...] | None
    """English words in lines that all pass; None where words are not judged."""

    @property
    def line_pass(self) -> bool | None:
        """Whether every line is in the language; None without a line."""
        return all(line.passes for line in self.lines) if self.lines else None

    @property
    def word_pass(self) -> bool | None:
        """Whether there is no English word; None unless the lines pass and words are judged."""
        return None if self.english is None else not self.english

    @property
    def remark(self) -> str:
        """Why it does not pass, for people; '' where there is nothing to say."""
        if not self.lines:
            return f"no line of {SHORTEST_LINE} or more words"
        wrong = [(number, line) for number, line in enumerate(self.lines, 1) if not line.passes]
        if wrong:
            number, line = wrong[0]
            which = f"line {number} of {len(self.lines)}" if len(self.lines) > 1 else "the line"
            more = f"; {len(wrong)} lines fail" if len(wrong) > 1 else ""
            return f"{which} is {line.guess.said}, not {self.language}{more}"
        return f"English words: {', '.join(self.english)}" if self.english else ""


def judge(
    response: str,
    language: str,
    *,
    identifier: Identifier,
    tokenize: Tokenize,
    english: frozenset[str] | None = None,
) -> Verdict:
    """Judge one response.

    Parameters
    ----------
    response : str
        What the model wrote.
    language : str
        Canonical code of the language that it should have written.
    identifier : Identifier
        Names the language of a line.
    tokenize : callable
        A line to its tokens (see `words.make_tokenizer`).
    english : frozenset of str, optional
        English words; without them, and in languages not in `WORD_LANGUAGES`, words are not judged.
    """
    tokenized = [(line, tokenize(line)) for line in normalize(response).split("\n")]
    kept = [(line, tokens) for line, tokens in tokenized if len(tokens) >= SHORTEST_LINE]
    lines = tuple(_line(text, language, identifier) for text, _ in kept)
    words = None
    if english is not None and has_word_rate(language) and _all_pass(lines):
        tokens = (token.strip() for _, tokens in kept for token in tokens)
        words = tuple(dict.fromkeys(token for token in tokens if token in english))
    return Verdict(language=language, lines=lines, english=words)


def _line(text: str, language: str, identifier: Identifier) -> LineVerdict:
    guess = identifier.guess(text)
    return LineVerdict(text=text, guess=guess, passes=is_same_language(guess.code, language))


def _all_pass(lines: Sequence[LineVerdict]) -> bool:
    return bool(lines) and all(line.passes for line in lines)


def normalize(response: str) -> str:
    """The response up to a new question, without punctuation."""
    return response.split("\nQ:")[0].strip().translate(_DROPPED)


def has_word_rate(language: str) -> bool:
    """Whether words are judged in a language."""
    return language.partition("-")[0] in WORD_LANGUAGES
