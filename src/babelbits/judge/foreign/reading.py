"""Another tool's export to `Vote`s: every judgment joined to its pair, and told which side won."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from babelbits.errors import TaskError, UnknownNameError
from babelbits.judge.foreign import argilla, label_studio, table
from babelbits.judge.foreign.raw import Choice, RawVote
from babelbits.judge.pairs import AnswerPair
from babelbits.judge.votes import Verdict, Vote
from babelbits.suggest import did_you_mean
from babelbits.tasks.reading import read_jsonl, read_text
from babelbits.words import agreeing, plural

_SHOWN = 3
"""Unknown items that an error names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Votes of people, and what of the file they leave out."""

    votes: tuple[Vote, ...]
    format: Literal["label-studio", "argilla", "csv"]
    skipped: int
    """Annotations that were cancelled, drafts, discarded responses."""
    replaced: int
    """Earlier judgments of the same rater on the same pair: the last one counts."""


def read_foreign(
    path: Path,
    *,
    pairs: Sequence[AnswerPair],
    raters: Iterable[str] | None = None,
    means: Mapping[str, Choice] = MappingProxyType({}),
) -> Imported:
    """Read preferences that were given elsewhere.

    Parameters
    ----------
    path : Path
        `.csv`, or JSON or JSON Lines as Label Studio and Argilla export it.
    pairs : sequence
        The pairs that were judged.
    raters : iterable of str, optional
        Who was asked; anybody else is an error. Everybody is welcome if left out.
    means : mapping
        What answers in the raters' own words mean, e.g. {'venstre': 'left'}.

    Raises
    ------
    TaskError
        If the file is of no known format or damaged, or a judgment fits no pair.
    UnknownNameError
        If a rater is not among those who were asked.
    """
    kind, raw = _read(path, means)
    known = [vote for vote in raw if vote is not None]
    _check_raters(known, raters)
    index = _Index(pairs)
    unknown = [vote for vote in known if index.find(vote) is None]
    if unknown:
        raise TaskError(
            f"{len(unknown)} of {plural(len(known), 'judgment')} "
            f"{agreeing(len(unknown), 'is', 'are')} about no known pair: "
            + "; ".join(vote.where for vote in unknown[:_SHOWN]),
            where=str(path),
            hint="give the pairs file that these judgments were collected on",
        )
    votes = {
        (one.judge, one.pair_id, one.variant): one for vote in known for one in index.votes(vote)
    }
    joined = sum(len(index.votes(vote)) for vote in known)
    return Imported(
        votes=tuple(votes.values()),
        format=kind,
        skipped=len(raw) - len(known),
        replaced=joined - len(votes),
    )


Format = Literal["label-studio", "argilla", "csv"]


def _read(path: Path, means: Mapping[str, Choice]) -> tuple[Format, list[RawVote | None]]:
    if path.name.removesuffix(".xz").endswith(".csv"):
        return "csv", list(table.votes(path, means=means))
    rows = _rows(path)
    if label_studio.is_label_studio(rows):
        return "label-studio", list(label_studio.votes(rows, file=str(path), means=means))
    if argilla.is_argilla(rows):
        return "argilla", list(argilla.votes(rows, file=str(path), means=means))
    raise TaskError(
        "neither Label Studio's export, nor Argilla's records, nor a .csv",
        where=str(path),
        hint="export JSON there, or write a table: see docs/voices.md",
    )


def _rows(path: Path) -> list[dict[str, Any]]:
    text = read_text(path)
    if not text.lstrip().startswith("["):
        return read_jsonl(path)
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise TaskError(f"not JSON: {error}", where=str(path)) from error
    return [row for row in rows if isinstance(row, dict)]


def _check_raters(votes: Iterable[RawVote], raters: Iterable[str] | None) -> None:
    if raters is None:
        return
    asked = set(raters)
    for vote in votes:
        if vote.rater not in asked:
            raise UnknownNameError(
                f"unknown rater {vote.rater!r:.60}",
                where=vote.where,
                hint=did_you_mean(vote.rater, asked) or f"asked were {', '.join(sorted(asked))}",
            )


class _Index:
    """Pairs by what an export may name them by."""

    def __init__(self, pairs: Sequence[AnswerPair]) -> None:
        self._by_id: dict[str, list[AnswerPair]] = {}
        self._by_texts: dict[tuple[str, frozenset[str]], list[AnswerPair]] = {}
        for pair in pairs:
            self._by_id.setdefault(pair.pair_id, []).append(pair)
            answers = frozenset((_plain(pair.baseline_answer), _plain(pair.variant_answer)))
            for prompt in {_plain(pair.prompt), ""}:
                self._by_texts.setdefault((prompt, answers), []).append(pair)

    def find(self, vote: RawVote) -> list[AnswerPair] | None:
        """The pairs that a vote is about: one, or several variants that said the same."""
        if vote.pair_id is not None:
            return self._by_id.get(vote.pair_id)
        if vote.left is None or vote.right is None:
            return None
        texts = frozenset((_plain(vote.left), _plain(vote.right)))
        found = self._by_texts.get((_plain(vote.prompt or ""), texts), [])
        return found if len({pair.pair_id for pair in found}) == 1 else None

    def votes(self, vote: RawVote) -> list[Vote]:
        """The vote, once for every variant whose answer it is about."""
        return [_vote(vote, pair) for pair in self.find(vote) or ()]


def _plain(text: str) -> str:
    return text.strip()


def _vote(raw: RawVote, pair: AnswerPair) -> Vote:
    verdict = _verdict(raw, pair)
    value = {"variant": 1.0, "baseline": -1.0}.get(verdict, 0.0)
    return Vote(
        pair_id=pair.pair_id,
        source_id=pair.source_id,
        language=pair.language,
        variant=pair.variant,
        judge=raw.rater,
        kind="human",
        verdict=verdict,
        value=value,
        strength=None if raw.strength is None else int(raw.strength * value),
        both_unusable=raw.choice == "unusable",
        reasons=raw.reasons,
        seconds=raw.seconds,
    )


def _verdict(raw: RawVote, pair: AnswerPair) -> Verdict:
    if raw.choice in ("tie", "unusable"):
        return "tie"
    if raw.choice == "variant" or raw.choice == "baseline":
        return raw.choice
    side = raw.variant_side or _variant_side(raw, pair)
    if side is None:
        raise TaskError(
            "it is not known which side was the variant",
            where=raw.where,
            hint="export the two texts that were shown, or a column variant_side",
        )
    return "variant" if raw.choice == side else "baseline"


def _variant_side(raw: RawVote, pair: AnswerPair) -> Literal["left", "right"] | None:
    """From the texts that were shown; identical ones tell nothing."""
    if raw.left is None or pair.identical:
        return None
    return "left" if _plain(raw.left) == _plain(pair.variant_answer) else "right"
