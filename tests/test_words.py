"""One item, two items. English plurals: Quirk et al. 1985, A Comprehensive Grammar, 5.80-5.82."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from babelbits.analysis.format import size
from babelbits.interop.matching import Match, describe_unmatched
from babelbits.store.counts import Thoughts
from babelbits.words import agreeing, every, plural

SOURCE = Path(__file__).resolve().parent.parent / "src" / "babelbits"

LEFT_AS_THEY_ARE = {
    # part of a recipe or of a cell's identity, where not a letter may change
    ("analysis/calibrations.py", "contrast.n_units"),
    ("analysis/contrasts.py", "numbers.size"),
    ("analysis/inference.py", "test.resamples"),
    ("analysis/inference.py", "flip.resamples"),
    ("tasks/chat_wrapper.py", "self._sampling.samples"),
    ("tasks/extended.py", "talk.tokens"),
    ("tasks/extended.py", "talk.turns"),
    # never one
    ("cli/recommend.py", "count"),
    ("study/config/suites.py", "bucket"),
    ("tasks/language_confusion/rules.py", "len(wrong)"),
    ("engines/hf/exactness.py", "limit"),
    ("engines/llama/engine.py", "self.loaded.short_texts"),
    ("engines/llama/engine.py", "longest"),
    ("formats/parts.py", "after.total()"),
    ("formats/parts.py", "before.total()"),
    ("llamacpp/forward.py", "length"),
    ("recipes/scope.py", "scope.n_quantized"),
    ("study/rehearsal/quantized_layers.py", "len(meant.quantized)"),
    ("study/rehearsal/answer_checks.py", "len(asked)"),
    ("study/rehearsal/miniature.py", "real"),
    ("study/rehearsal/miniature.py", "weights"),
    # of a damaged file's header
    ("llamacpp/gguf_header.py", "n_bytes"),
    ("llamacpp/gguf_header.py", "self._left"),
    # a number with decimals, or another noun's
    ("tasks/token_limits.py", "self._found.ratio"),
    ("cli/annotate.py", "draft.n_identical"),
    ("interop/readers/inspect_log.py", "_MOST_KEPT >> 20"),
    # no numbers
    ("formats/quantized.py", "describe_method(method)"),
    ("recipes/gguf_tokens.py", "list_names(languages)"),
    ("study/rehearsal/gguf_checks.py", "text[:40]"),
    ("preferences/summary.py", "' and '.join(kinds)"),
    ("interop/readers/llama_perplexity.py", "option"),
    ("report/limitations.py", "text"),
    ("report/limitations.py", "few"),
    ("study/config/suites.py", "name"),
    ("tasks/language_confusion/data.py", "setting"),
}
"""Files, and the expressions in them that stand before a plural as they are."""


@pytest.mark.parametrize(
    ("count", "word", "expected"),
    [
        (0, "item", "0 items"),
        (1, "item", "1 item"),
        (2, "item", "2 items"),
        (1234, "failed item", "1,234 failed items"),
        (2, "family", "2 families"),
        (2, "day", "2 days"),
        (2, "match", "2 matches"),
        (1, "match", "1 match"),
        (2, "loss", "2 losses"),
    ],
)
def test_plural(count: int, word: str, expected: str) -> None:
    assert plural(count, word) == expected


def test_words_with_a_plural_of_their_own() -> None:
    assert plural(2, "matrix", "matrices") == "2 matrices"
    assert plural(1, "matrix", "matrices") == "1 matrix"


@pytest.mark.parametrize(("count", "expected"), [(1, "the only cell"), (2, "all 2 cells")])
def test_every(count: int, expected: str) -> None:
    assert every(count, "cell") == expected


def test_verbs_agree() -> None:
    assert [agreeing(n, "is", "are") for n in (0, 1, 2)] == ["are", "is", "are"]


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (1, "1 of 1 generation thought first, 1 token on average"),
        (2, "2 of 2 generations thought first, 1 token on average"),
    ],
)
def test_a_sentence_about_thinking(count: int, told: str) -> None:
    thoughts = Thoughts(generations=count, thinking=count, unfinished=0, tokens=count)
    assert thoughts.in_words() == told


@pytest.mark.parametrize(
    ("used", "told"),
    [(1, "w4 · x · de: 1 of the baseline's 1 item matched"), (2, "2 of the baseline's 2 items")],
)
def test_a_sentence_about_matches(used: int, told: str) -> None:
    found = Match(
        label="w4",
        suite="x",
        language="de",
        missing=(),
        extra=(),
        baseline_items=used,
        run_items=used,
        matched=used,
        repeated=0,
    )
    assert told in describe_unmatched(found)


@pytest.mark.parametrize(
    ("points", "told"), [(1, "1 point"), (2, "2 points"), (1.5, "1.5 points"), (0, "0 points")]
)
def test_a_margin(points: float, told: str) -> None:
    assert size(points / 100, "fraction") == told


# --- the source ---------------------------------------------------------------------------------


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        if not name.startswith("stats/"):  # shapes of arrays, for programmers
            yield name, ast.parse(path.read_text("utf-8"))


def counted_words() -> set[str]:
    """Nouns that any call of `plural` or `every` counts, in the plural."""
    found = set()
    for _, tree in trees():
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            if node.func.id in ("plural", "every") and len(node.args) >= 2:
                word = node.args[-1]
                if isinstance(word, ast.Constant) and len(node.args) == 2:
                    found.add(plural(2, str(word.value)).split()[-1])
                elif isinstance(word, ast.Constant):
                    found.add(str(word.value).split()[-1])
    return found


def is_constant(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name.lstrip("_").isupper()


def bare_counts(tree: ast.Module, words: set[str]) -> Iterator[tuple[int, str, str]]:
    """Where an f-string has a number before a counted word: line, expression, words behind it."""
    pattern = re.compile(rf" (?:(?!of |in |the |and )[a-zA-Z-]+ ){{0,2}}({'|'.join(words)})\b")
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, text in zip(node.values, node.values[1:], strict=False):
            if not (isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant)):
                continue
            found = pattern.match(str(text.value))
            called = isinstance(value.value, ast.Call) and isinstance(value.value.func, ast.Name)
            helped = called and value.value.func.id in ("plural", "every", "agreeing")
            if found and not helped and not is_constant(value.value):
                yield node.lineno, ast.unparse(value.value), found[0]


def test_every_count_in_a_sentence_agrees_with_its_noun() -> None:
    """Where it does not: `plural(n, 'item')` in place of `{n} items`."""
    words = counted_words()
    assert {"items", "cells", "languages", "matrices"} <= words
    found = {
        (name, expression): f"line {line}: {{{expression}}}{text}"
        for name, tree in trees()
        for line, expression, text in bare_counts(tree, words)
    }
    assert {key: line for key, line in found.items() if key not in LEFT_AS_THEY_ARE} == {}
    assert found.keys() == LEFT_AS_THEY_ARE, "no entry is left over"
