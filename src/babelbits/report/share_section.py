"""Damage against a corpus's share of each language, as plain values for the page.

A row a variant, and one for all together; a picture a unit. Exploratory: languages are few, and a
corpus of now is not what the model was trained on. Pure: no files, no markup.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from babelbits.analysis.format import NOTHING
from babelbits.decide.corpus_damage import (
    CorpusDamage,
    correlate_damage,
    describe_damage,
    explain_none,
)
from babelbits.decide.evidence import EvidenceRow, make_rows_without_errors
from babelbits.languages.corpus_shares import CORPORA, make_title
from babelbits.records import quantities
from babelbits.records.quantities import with_sign
from babelbits.report import share_picture
from babelbits.results.results import Results
from babelbits.stats.rank_correlation import RankCorrelation
from babelbits.words import listed

HEADS = (
    *("variant", "measured in", "languages", "Spearman", "interval"),
    *("held fixed", "partial", "interval", "can show"),
)
NUMERIC = (2, 3, 4, 6, 7, 8)
ALL = "all variants"


@dataclass(frozen=True, slots=True, kw_only=True)
class SharePicture:
    """A unit's picture; `chart` is drawn by `svg`."""

    unit: str
    chart: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareSection:
    """What the section shows."""

    corpus: str
    about: str
    """Of what the shares are, and where they come from."""
    rows: tuple[tuple[str, ...], ...]
    sentences: tuple[str, ...]
    pictures: tuple[SharePicture, ...]


def make_section(report: Results) -> ShareSection | None:
    """The section of a report; None where no variant was asked anything."""
    rows = make_rows_without_errors(report)
    if not rows:
        return None
    name = report.corpus
    shares = report.shares
    if shares is None:
        shares = CORPORA[name].shares
    alpha = report.study.alpha
    table, said, pictures = [], [], []
    for unit in dict.fromkeys(row.unit for row in rows):
        ours = [row for row in rows if row.unit == unit]
        together = correlate_damage(ours, shares, alpha=alpha)
        word = quantities.unit_word(unit)
        said += [f"in {word}: {line}" for line in describe_damage(together)]
        table += _rows(ours, together, shares, alpha=alpha)
        if len(together.languages) > 1:
            chart = share_picture.draw(together, corpus=make_title(name))
            pictures.append(SharePicture(unit=word, chart=chart))
    return ShareSection(
        corpus=make_title(name),
        about=_about(name, shares),
        rows=tuple(table),
        sentences=tuple(said),
        pictures=tuple(pictures),
    )


def _about(name: str, shares: Mapping[str, float]) -> str:
    if name in CORPORA:
        known = CORPORA[name]
        return f"Shares are of {known.of} ({known.source}, {known.date})."
    if not shares:
        return "The table of shares is no longer where the study says, so that none is known."
    return "Shares are those of the user's own table."


def _rows(
    rows: Sequence[EvidenceRow],
    together: CorpusDamage,
    shares: Mapping[str, float],
    *,
    alpha: float,
) -> list[tuple[str, ...]]:
    variants = list(dict.fromkeys(row.variant for row in rows))
    found = [
        _row(
            label,
            correlate_damage([row for row in rows if row.variant == label], shares, alpha=alpha),
        )
        for label in variants
    ]
    return found if len(variants) == 1 else [_row(ALL, together), *found]


def _row(label: str, found: CorpusDamage) -> tuple[str, ...]:
    about = (label, quantities.unit_word(found.unit), f"{len(found.languages):,}")
    if found.plain is None:
        return (*about, NOTHING, explain_none(found), NOTHING, NOTHING, NOTHING, NOTHING)
    least = found.plain.detectable
    shown = "none" if least is None else f"{least:.2f}"
    if found.partial is None:
        return (*about, *_words(found.plain), NOTHING, NOTHING, NOTHING, shown)
    return (*about, *_words(found.plain), listed(found.held), *_words(found.partial), shown)


def _words(found: RankCorrelation) -> tuple[str, str]:
    low, high = with_sign(found.interval.low, 2), with_sign(found.interval.high, 2)
    return with_sign(found.r, 2), f"{low} to {high}"
