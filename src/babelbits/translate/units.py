"""A row or a paragraph, taken apart into the pieces that are translated, and put together again.

White space around a piece, blank lines between paragraphs and pieces without a letter never reach
the model: they are kept as they are. All pieces of a row go into one request, so that a question
and its options are translated alike; only rows longer than `LONGEST_REQUEST` are divided.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from babelbits.engines.endpoint import Price
from babelbits.errors import TaskError
from babelbits.records import digest
from babelbits.tasks.reading import Row
from babelbits.translate.job import TranslationJob
from babelbits.translate.prompts import SEVERAL

LONG = 1500
"""Characters of a text beyond which its paragraphs are pieces of their own."""
LONGEST_REQUEST = 4000
"""Characters of pieces in one request."""
_BLANK_LINES = re.compile(r"(\n[ \t]*\n\s*)")
_LINES = re.compile(r"(\n)")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPiece:
    """Text between white space; what is sent has a name."""

    before: str
    text: str
    after: str
    name: str | None
    """Of the piece in the request, e.g. 'options[2]'; None: it stays as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One text of a row: a column, or an element of a column that is a list."""

    column: str
    index: int | None
    pieces: tuple[TextPiece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What is translated, checked, and passes or fails together."""

    unit_id: str
    row: Row | None
    """None for a paragraph of a text."""
    fields: tuple[Field, ...]

    @property
    def texts(self) -> dict[str, str]:
        """The pieces that are translated, by name."""
        return {
            piece.name: piece.text
            for field in self.fields
            for piece in field.pieces
            if piece.name is not None
        }

    @property
    def lists(self) -> list[list[str]]:
        """Names of the pieces that are elements of one list, e.g. a question's options."""
        columns: dict[str, list[str]] = {}
        for field in self.fields:
            if field.index is not None:
                columns.setdefault(field.column, []).extend(p.name for p in field.pieces if p.name)
        return list(columns.values())

    @property
    def source_hash(self) -> str:
        """Of everything that was to be translated."""
        return digest([[field.column, field.index, _joined(field, {})] for field in self.fields])

    def requests(self) -> list[tuple[str, ...]]:
        """Names of the pieces of each request, in order."""
        packs: list[list[str]] = []
        room = 0
        for name, text in self.texts.items():
            if not packs or len(text) > room:
                packs.append([])
                room = LONGEST_REQUEST
            packs[-1].append(name)
            room -= len(text)
        return [tuple(pack) for pack in packs]

    def rebuilt(self, translated: Mapping[str, str]) -> dict[str, Any]:
        """Columns with translated pieces in the places of theirs."""
        found: dict[str, Any] = {}
        for field in self.fields:
            text = _joined(field, translated)
            if field.index is None:
                found[field.column] = text
            else:
                original = self.row[field.column] if self.row is not None else []
                found.setdefault(field.column, list(original))[field.index] = text
        return found


def make_row_unit(row: Row, *, unit_id: str, columns: Sequence[str], where: str) -> Unit:
    """Take a row apart.

    Parameters
    ----------
    columns : sequence of str
        Texts or lists of texts; null and missing ones are left out.

    Raises
    ------
    TaskError
        If a column holds something else, or none holds any text.
    """
    fields: list[Field] = []
    for column in columns:
        value = row.get(column)
        if isinstance(value, str):
            fields.append(_field(column, None, value))
        elif isinstance(value, list):
            fields += [
                _field(column, index, element)
                for index, element in enumerate(value)
                if isinstance(element, str)
            ]
        elif value is not None:
            raise TaskError(
                f"column '{column}' holds {type(value).__name__}, not text or a list of texts",
                where=where,
                hint="leave it out of --columns",
            )
    if not fields:
        raise TaskError(f"no text in {', '.join(columns)}", where=where)
    return Unit(unit_id=unit_id, row=row, fields=tuple(fields))


def make_text_unit(text: str, *, unit_id: str) -> Unit:
    """One paragraph of a text."""
    return Unit(unit_id=unit_id, row=None, fields=(_field("text", None, text),))


def _field(column: str, index: int | None, text: str) -> Field:
    name = column if index is None else f"{column}[{index}]"
    parts = list(_parts(text))
    several = len(parts) > 1
    pieces = [
        _piece(part, name=f"{name}#{number}" if several else name)
        for number, part in enumerate(parts, start=1)
    ]
    return Field(column=column, index=index, pieces=tuple(pieces))


def _parts(text: str) -> Iterator[str]:
    """A long text's paragraphs with what separates them, or its lines; a short one whole."""
    if len(text) <= LONG:
        yield text
        return
    pattern = _BLANK_LINES if _BLANK_LINES.search(text.strip()) else _LINES
    split = pattern.split(text)
    for start in range(0, len(split), 2):
        yield "".join(split[start : start + 2])


def _piece(text: str, *, name: str) -> TextPiece:
    core = text.strip()
    start = text.index(core) if core else len(text)
    sent = any(character.isalpha() for character in core)
    return TextPiece(
        before=text[:start],
        text=core,
        after=text[start + len(core) :],
        name=name if sent and not _is_letter(core) else None,
    )


def _is_letter(text: str) -> bool:
    """Whether a text is the letter of an option: 'B', '(C)', 'd.'."""
    return re.fullmatch(r"[(\[]?[A-Za-z][.)\]]?", text) is not None


def _joined(field: Field, translated: Mapping[str, str]) -> str:
    return "".join(
        piece.before
        + (translated.get(piece.name, piece.text) if piece.name else piece.text)
        + piece.after
        for piece in field.pieces
    )


# --- tokens and cost ------------------------------------------------------------------------------
# A token is taken for 3.5 bytes of the source language; a translation for 1.5 times the tokens of
# its source, more where tokenizers know a language badly. Units that need a second attempt are not
# counted. What limits are held against while requests are sent is not this but the most that each
# can cost (`engines.endpoint.model`).

_BYTES_PER_TOKEN = 3.5
_GROWTH = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """About what a job takes."""

    units: int
    requests: int
    prompt_tokens: int
    output_tokens: int
    cost: float | None
    """None where no price is known."""


def estimate(units: Sequence[Unit], job: TranslationJob, *, price: Price | None) -> Estimate:
    """About what `units` take, the back-translations included."""
    n_requests = sum(len(unit.requests()) for unit in units)
    text = (
        sum(len(piece.encode()) for unit in units for piece in unit.texts.values())
        / _BYTES_PER_TOKEN
    )
    rules = n_requests * len(SEVERAL) / _BYTES_PER_TOKEN
    prompt, output = rules + text, _GROWTH * text
    if job.back_translation is not None:
        prompt, output, n_requests = 2 * rules + (1 + _GROWTH) * text, output + text, 2 * n_requests
    tokens = round(prompt), round(output)
    return Estimate(
        units=len(units),
        requests=n_requests,
        prompt_tokens=tokens[0],
        output_tokens=tokens[1],
        cost=None if price is None else price.of(*tokens),
    )
