"""Attention that tokens which leave a language put on the words that name it in the prompt.

Of an answer that switches, two rows of attention are read: that of the first switching token, and
that of the token before, which chose it. Each counts by the attention that it puts on the names of
the language in the prompt, mean over heads and layers. They are held against *matched* tokens: of
the same variant, task and language, at most `WINDOW` positions away, in answers that never switch.

Sign: switching less matched, so that a negative number says that the switching token looks less at
the names. Units: shares of a token's attention. Exploratory, and no cause. Memory is bounded: one
sequence is looked at, up to a limit of tokens.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from babelbits.languages import resolve

WINDOW = 2
"""Positions by which a matched token may lie elsewhere in its answer."""
MOST_MATCHED = 40
"""Answers of a language that are looked at for matched tokens: the first that stay."""
ROWS = ("choice", "token")
"""The row before the switching token, which chose it, and its own."""
UNNAMED = "no word of the prompt names the language"
TOO_LONG = "the prompt and the answer are too long for attention maps"
NO_MAPS = "the model keeps no attention weights"


class _Seen(Protocol):
    @property
    def attention(self) -> tuple[Any, ...] | None:
        """A tensor a block, shape (sequences, heads, tokens, tokens)."""


class ShowsAttention(Protocol):
    """What of `Insides` is needed."""

    def look(self, sequences: Sequence[Sequence[int]], *, attention: bool) -> _Seen:
        """Attention of sequences of one length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAnswer:
    """An answer to look into."""

    item_id: str
    unit: str
    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    switched_at: int | None


def list_language_names(code: str) -> tuple[str, ...]:
    """How a prompt may name a language: in English and by its own name, without brackets."""
    known = resolve(code)
    names = [name.partition("(")[0].strip() for name in (known.name, known.native_name)]
    first = names[0].split()[0]  # 'Norwegian Bokmål' is asked for as 'Norwegian'
    return tuple(dict.fromkeys(name for name in (*names, first) if len(name) > 1))


def name_positions(tokens: Sequence[int], names: Sequence[str], *, tokenizer: Any) -> list[int]:
    """Places of the tokens that write one of the names, in any letter case.

    Parameters
    ----------
    tokens : sequence of int
        Of a prompt.
    """
    whole = tokenizer.decode(list(tokens)).casefold()
    wanted = [name.casefold() for name in names if name.casefold() in whole]
    if not wanted:
        return []
    ends = [len(tokenizer.decode(list(tokens[: n + 1])).casefold()) for n in range(len(tokens))]
    found: set[int] = set()
    for name in wanted:
        start = whole.find(name)
        while start >= 0:
            end = start + len(name)
            for place, (low, high) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
                if low < end and high > start:
                    found.add(place)
            start = whole.find(name, end)
    return sorted(found)


def read_attention(
    model: ShowsAttention,
    answers: Sequence[ReadAnswer],
    *,
    language: str,
    tokenizer: Any,
    limit: int,
    stopping: Callable[[], bool],
) -> dict[str, list[Any]] | None:
    """A row a switching or matched token of one cell, by column; None where asked to stop.

    Answers that switch and cannot be read have a row with the reason in `why`.

    Parameters
    ----------
    model : Insides
        Shows attention computed in plain steps.
    answers : sequence of ReadAnswer
        Of one variant on one task in one language.
    limit : int
        Tokens of the longest sequence that is looked at.
    """
    names = list_language_names(language)
    switching = [one for one in answers if one.switched_at is not None]
    rows: list[dict[str, Any]] = []
    for one in switching:
        if stopping():
            return None
        places = name_positions(one.prompt, names, tokenizer=tokenizer)
        rows += _rows(model, one, places, [one.switched_at or 0], limit=limit)
    looked = [row["position"] for row in rows if row["why"] is None]
    wanted = sorted({place + step for place in looked for step in range(-WINDOW, WINDOW + 1)})
    n_matched = 0
    for one in answers:
        positions = [place for place in wanted if 0 <= place < len(one.answer)]
        if one.switched_at is not None or not positions or n_matched == MOST_MATCHED:
            continue
        if stopping():
            return None
        places = name_positions(one.prompt, names, tokenizer=tokenizer)
        matched = _rows(model, one, places, positions, limit=limit) if places else []
        n_matched += bool(matched)
        rows += [row for row in matched if row["why"] is None]
    columns = ("item_id", "unit", "position", "switched", "why", *ROWS, "by_layer")
    return {name: [row[name] for row in rows] for name in columns} if rows else {}


def _rows(
    model: ShowsAttention,
    one: ReadAnswer,
    places: Sequence[int],
    positions: Sequence[int],
    *,
    limit: int,
) -> list[dict[str, Any]]:
    """Rows of one answer; of a switch that cannot be read one with the reason."""
    begin = len(one.prompt)
    about = {"item_id": one.item_id, "unit": one.unit, "switched": one.switched_at is not None}
    nothing = {"position": positions[0], **dict.fromkeys(ROWS), "by_layer": None}
    tokens = [*one.prompt, *one.answer[: positions[-1] + 1]]
    if not places:
        return [about | nothing | {"why": UNNAMED}]
    if len(tokens) > limit:
        return [about | nothing | {"why": TOO_LONG}]
    maps = model.look([tokens], attention=True).attention
    if maps is None:
        return [about | nothing | {"why": NO_MAPS}]
    on_names = np.stack([_on_names(one_map, places) for one_map in maps])
    return [
        about
        | {
            "position": position,
            "why": None,
            "choice": float(on_names[:, begin + position - 1].mean()),
            "token": float(on_names[:, begin + position].mean()),
            "by_layer": [float(value) for value in on_names[:, begin + position]],
        }
        for position in positions
    ]


def _on_names(attention: Any, places: Sequence[int]) -> NDArray[np.float64]:
    """Attention on the names, mean over heads; shape (tokens,)."""
    found: NDArray[np.float64] = (
        attention[0][:, :, list(places)].sum(dim=-1).mean(dim=0).double().cpu().numpy()
    )
    return found
