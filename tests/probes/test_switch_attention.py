"""Attention of switching tokens: hand-made maps, a model whose attention is even, and sentences."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from babelbits.probes import switch_attention
from babelbits.probes.attention_difference import compare_attention, describe_attention
from babelbits.probes.switch_attention import ReadAnswer, name_positions, read_attention

torch = pytest.importorskip("torch")
NAMES = (2, 3)
"""Places of 'German' in the prompt below."""
WORDS = ["Answer", " in", " Ger", "man", ":", " eins", " zwei", " three", " vier", " five"]
PROMPT = (0, 1, 2, 3, 4)


class Words:
    """A tokenizer whose token n is the n-th word."""

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(WORDS[one] for one in tokens)


@dataclass
class Seen:
    attention: tuple[Any, ...] | None


class HandMade:
    """Two blocks of two heads; tokens of English words put nothing on the names, others 0.5.

    Half of it lies on each of the two pieces, in every head; the rest is on the first token.
    """

    def __init__(self) -> None:
        self.looked = 0

    def look(self, sequences: Sequence[Sequence[int]], *, attention: bool) -> Seen:
        assert attention
        self.looked += 1
        [tokens] = sequences
        maps = torch.zeros(1, 2, len(tokens), len(tokens))
        maps[0, :, :, 0] = 1.0
        for place, token in enumerate(tokens):
            if place > max(NAMES) and token not in (7, 9):
                maps[0, :, place, 0] = 0.5
                maps[0, :, place, list(NAMES)] = 0.25
        return Seen(attention=(maps, maps))


def answer(number: int, tokens: tuple[int, ...], at: int | None = None) -> ReadAnswer:
    return ReadAnswer(
        item_id=f"i{number}", unit=f"s{number}", prompt=PROMPT, answer=tokens, switched_at=at
    )


def read(model: Any, answers: Sequence[ReadAnswer], *, limit: int = 64) -> list[dict[str, Any]]:
    columns = read_attention(
        model, answers, language="de", tokenizer=Words(), limit=limit, stopping=lambda: False
    )
    assert columns is not None
    size = len(columns.get("item_id", []))
    return [{name: values[n] for name, values in columns.items()} for n in range(size)]


def test_the_names_of_a_language_are_found_over_pieces() -> None:
    names = switch_attention.list_language_names("de")
    assert names == ("German", "Deutsch")
    assert name_positions(PROMPT, names, tokenizer=Words()) == list(NAMES)
    assert name_positions((0, 1, 4), names, tokenizer=Words()) == []
    assert "Norwegian" in switch_attention.list_language_names("nb")


def test_a_hand_made_pattern_is_found_with_its_size() -> None:
    """Switching tokens put 0 on the name, matched ones 0.5; those before the switch 0.5 as well."""
    answers = [answer(n, (5, 6, 7, 9), at=2) for n in range(4)]
    answers += [answer(10 + n, (5, 6, 8, 6)) for n in range(6)]
    rows = read(HandMade(), answers)
    choice, token = compare_attention("w4", "cross", {"de": rows})
    assert (token.n_switched, token.n_read) == (4, 4)
    assert token.switching == pytest.approx(0.0)
    assert token.matched == pytest.approx(0.5)
    assert token.difference == pytest.approx(-0.5)
    assert choice.difference == pytest.approx(0.0)
    told = describe_attention(token)
    assert "0.00 % against 50.00 % of" in told
    assert "4 of 4 switches" in told


def test_attention_that_is_even_is_the_share_of_the_tokens(tmp_path: Path) -> None:
    """Without queries every token attends evenly: two names of t + 1 tokens are 2 / (t + 1)."""
    from probed_models import changed, tiny_insides

    def blank(model: Any) -> None:
        for name, weight in model.named_parameters():
            if "q_proj" in name:
                weight.data.zero_()

    model = changed(tiny_insides(tmp_path / "llama"), blank)
    answers = [answer(0, (5, 6, 7), at=2), answer(1, (5, 6, 8)), answer(2, (8, 6, 5))]
    rows = read(model, answers)
    switched = [one for one in rows if one["switched"]]
    assert [one["position"] for one in switched] == [2]
    assert switched[0]["token"] == pytest.approx(2 / 8, abs=1e-5)  # the 8th of all tokens
    assert switched[0]["choice"] == pytest.approx(2 / 7, abs=1e-5)
    assert switched[0]["by_layer"] == pytest.approx([2 / 8] * 4, abs=1e-5)
    stays = [one for one in rows if not one["switched"] and one["position"] == 2]
    assert [one["token"] for one in stays] == pytest.approx([2 / 8] * 2, abs=1e-5)


def test_what_cannot_be_read_is_none_with_the_reason() -> None:
    stays = [answer(n, (5, 6, 8)) for n in range(3)]
    model = HandMade()
    assert read(model, stays) == []
    assert model.looked == 0
    none = compare_attention("w4", "cross", {"de": []})[1]
    assert (none.difference, none.why_not) == (None, "no answer leaves its language")
    unnamed = ReadAnswer(item_id="u", unit="u", prompt=(0, 4), answer=(5, 7), switched_at=1)
    found = compare_attention("w4", "mono", {"de": read(model, [unnamed, *stays])})[1]
    assert found.difference is None
    assert describe_attention(found) == (
        "w4 on mono, attention of the switching token to the language's name: not known: no word "
        "of the prompt names the language (1 answer leaves its language)"
    )
    long = compare_attention("w4", "c", {"de": read(model, [answer(0, (5, 7), at=1)], limit=4)})
    assert long[1].why_not == "the prompt and the answer are too long for attention maps"
    alone = compare_attention("w4", "c", {"de": read(model, [answer(0, (5, 7), at=1)])})
    assert alone[1].why_not == "fewer than two tokens that stay lie at its place"


def test_matched_tokens_are_those_of_the_same_place_and_memory_is_one_sequence() -> None:
    answers = [answer(0, (5, 6, 8, 6, 5, 6, 7, 9), at=6), answer(1, (5, 6, 8))]
    answers += [answer(2 + n, (5, 6, 8, 6, 5, 6, 8, 6)) for n in range(60)]
    model = HandMade()
    rows = read(model, answers)
    assert model.looked == 1 + switch_attention.MOST_MATCHED
    assert {one["position"] for one in rows if not one["switched"]} == {4, 5, 6, 7}
    assert "i1" not in {one["item_id"] for one in rows}  # it ends before


def test_intervals_hold_where_languages_differ_and_matched_tokens_are_shared() -> None:
    """Null: each language has its own level, switching and matched tokens alike; Welch's 95 %."""
    rng = np.random.default_rng(3)
    held = shown = 0
    for _ in range(200):
        rows = {
            code: [
                {
                    "item_id": f"{code}{n}", "unit": f"{code}{n}", "position": 4,
                    "switched": n < 6, "why": None, "choice": 0.0,
                    "token": level + 0.02 * rng.standard_normal(),
                }
                for n in range(18)
            ]
            for code, level in (("de", 0.1), ("hi", 0.4), ("zh", 0.2))
        }  # fmt: skip
        found = compare_attention("w4", "cross", rows)[1].interval
        assert found is not None
        held += found.low <= 0 <= found.high
        shown += not found.low <= 0 <= found.high
    assert 0.91 <= held / 200 <= 0.99
