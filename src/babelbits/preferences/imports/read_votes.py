"""Another tool's export to `Vote`s: every judgment joined to its pair, and told which side won."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from babelbits.errors import BabelbitsError, TaskError, UnknownNameError
from babelbits.preferences.answer_pairs import AnswerPair
from babelbits.preferences.imports.raw import (
    Choice,
    ImportOptions,
    RawVote,
    Row,
    Unreadable,
    VoteImporter,
    read_rows,
)
from babelbits.preferences.to_votes import UNKNOWN, make_identical_ties
from babelbits.preferences.votes import Verdict, Vote
from babelbits.registry import VOTES
from babelbits.suggest import did_you_mean
from babelbits.words import plural

_SHOWN = 3
"""Rows that an error names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Votes of people, and what of the file they leave out."""

    votes: tuple[Vote, ...]
    """Ties of identical pairs among them, which nobody need have been shown."""
    format: str
    """Name of the importer."""
    skipped: int
    """Annotations that were cancelled, drafts, discarded or empty responses."""
    replaced: int
    """Earlier judgments of the same rater on the same pair: the last one counts."""
    left_out: tuple[Unreadable, ...] = ()
    """Rows that are no judgment on a known pair."""

    @property
    def anonymous(self) -> int:
        """Votes of which nobody says who gave them."""
        return sum(vote.judge == UNKNOWN for vote in self.votes)


def read_foreign(
    path: Path,
    *,
    pairs: Sequence[AnswerPair],
    raters: Iterable[str] | None = None,
    means: Mapping[str, Choice] = MappingProxyType({}),
    rater_column: str | None = None,
) -> Imported:
    """Read preferences that were given elsewhere.

    Of two judgments of one rater on one pair the later counts: by its time where both have one,
    else by its place in the file. Judgments of unknown raters all count. Identical pairs are ties,
    whatever was said of them.

    Parameters
    ----------
    path : Path
        `.csv`, JSON or JSON Lines as Label Studio and Argilla export it, or what another package
        reads.
    pairs : sequence
        The pairs that were judged.
    raters : iterable of str, optional
        Who was asked; anybody else is an error. Everybody is welcome if left out.
    means : mapping
        What answers in the raters' own words mean, e.g. {'venstre': 'left'}.
    rater_column : str, optional
        Which column or field names the rater, where it is not the format's own.

    Raises
    ------
    TaskError
        If the file is of no known format or damaged, or most of it cannot be used.
    UnknownNameError
        If a rater is not among those who were asked.
    """
    options = ImportOptions(means=means, rater_column=rater_column)
    kind, rows = _read(path, options)
    read = [row for row in rows if isinstance(row, RawVote)]
    _check_raters(read, raters)
    index = _Index(pairs)
    judgments = [_joined(row, index) for row in read]
    left_out = [row for row in (*rows, *judgments) if isinstance(row, Unreadable)]
    counted = [one for one in judgments if not isinstance(one, Unreadable)]
    _refuse_if_most(left_out, n_rows=sum(row is not None for row in rows), path=path)
    latest = _latest(counted)
    votes = tuple(vote for one in latest for vote in one.votes)
    return Imported(
        votes=(*votes, *make_identical_ties(votes, pairs)),
        format=kind,
        skipped=sum(row is None for row in rows),
        replaced=sum(len(one.votes) for one in counted) - len(votes),
        left_out=tuple(left_out),
    )


@dataclass(frozen=True, slots=True)
class _Judgment:
    """A row with the votes it stands for: one for every variant whose answer it is about."""

    raw: RawVote
    votes: tuple[Vote, ...]


def _joined(row: RawVote, index: "_Index") -> _Judgment | Unreadable:
    found = index.find(row)
    if not found:
        return Unreadable(where=row.where, what="it is about no known pair")
    try:
        return _Judgment(row, tuple(_vote(row, pair) for pair in found))
    except TaskError as error:
        return Unreadable(where=row.where, what=error.what)


def _refuse_if_most(left_out: Sequence[Unreadable], *, n_rows: int, path: Path) -> None:
    """Raise where more than half of the rows cannot be used: another file is meant."""
    if 2 * len(left_out) <= n_rows:
        return
    raise TaskError(
        f"{len(left_out)} of {plural(n_rows, 'judgment')} cannot be used: "
        + "; ".join(f"{one.where}: {one.what}" for one in left_out[:_SHOWN]),
        where=str(path),
        hint="give the pairs file that these judgments were collected on; a table must say which "
        "side was the variant (variant_side), or show both texts (left, right); --means says what "
        "other words mean",
    )


def _latest(judgments: Iterable[_Judgment]) -> list[_Judgment]:
    """The judgments that stand: each rater's last one on each pair, and all of unknown raters."""
    standing: dict[tuple[str, ...], _Judgment] = {}
    for number, one in enumerate(judgments):
        rater = one.raw.rater
        key = (str(number),) if rater is None else (rater, one.votes[0].pair_id)
        if key not in standing or not _is_earlier(one.raw, standing[key].raw):
            standing[key] = one
    return list(standing.values())


def _is_earlier(row: RawVote, other: RawVote) -> bool:
    """Whether a row further down was given before another; unknown times leave the file's order."""
    if row.given_at is None or other.given_at is None:
        return False
    return row.given_at < other.given_at


def _read(path: Path, options: ImportOptions) -> tuple[str, list[Row]]:
    """Which importer a file is for, and its rows."""
    for name, importer in VOTES.items():
        if importer.looks_like(path):
            return name, _rows(name, path, options)
    signs = [importer.sign for _, importer in VOTES.items()]
    if path.name.removesuffix(".xz").endswith((".json", ".jsonl")):
        read_rows(path)  # says what is wrong with JSON that is none
    raise TaskError(
        f"neither {', nor '.join(signs)}",
        where=str(path),
        hint="export JSON there, or write a table: see docs/preferences.md",
    )


def _rows(name: str, path: Path, options: ImportOptions) -> list[Row]:
    importer: VoteImporter = VOTES.get(name)
    try:
        return list(importer.read(path, options))
    except (BabelbitsError, OSError):
        raise
    except Exception as error:
        owner = VOTES.owner(name)
        if owner == "babelbits":
            raise
        raise TaskError(
            f"the import of votes '{name}' of {owner} failed: {type(error).__name__}: {error}",
            where=str(path),
            hint=f"is the file damaged? If not, tell those who make {owner}",
        ) from error


def _check_raters(votes: Iterable[RawVote], raters: Iterable[str] | None) -> None:
    if raters is None:
        return
    asked = set(raters)
    for vote in votes:
        if vote.rater is not None and vote.rater not in asked:
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
        judge=raw.rater or UNKNOWN,
        kind="human",
        verdict=verdict,
        value=value,
        strength=None if raw.strength is None else int(raw.strength * value),
        both_unusable=raw.choice == "unusable",
        reasons=raw.reasons,
        seconds=raw.seconds,
    )


def _verdict(raw: RawVote, pair: AnswerPair) -> Verdict:
    if raw.choice in ("tie", "unusable") or pair.identical:
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
    """From the texts that were shown."""
    if raw.left is None:
        return None
    return "left" if _plain(raw.left) == _plain(pair.variant_answer) else "right"
