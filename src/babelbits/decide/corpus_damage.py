"""Is a language harmed less the more of it a corpus holds? Rank correlation over languages.

A language's damage is its mean change less what the same variant of the same model does on the same
task over all languages, so that languages which only harmful variants were tried on do not look
harmed. Sign: a positive correlation is less harm where the share is larger.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from babelbits.decide.evidence import EvidenceRow
from babelbits.languages import resolve
from babelbits.stats.rank_correlation import RankCorrelation, spearman
from babelbits.words import listed, plural

FEWEST = 4
"""Languages from which on a rank correlation has an interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageDamage:
    """One language of the picture."""

    language: str
    share: float
    """Of the corpus, a fraction."""
    damage: float
    """Change beyond that of all languages, in the metric's unit; harm is negative."""
    latin: bool
    fertility: float | None
    """Tokens of a parallel sentence, mean of the models that measured it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusDamage:
    """Damage against share in one unit."""

    unit: str
    languages: tuple[LanguageDamage, ...]
    unknown: tuple[str, ...]
    """Languages whose share is not known: not in the picture."""
    plain: RankCorrelation | None
    partial: RankCorrelation | None
    held: tuple[str, ...]
    """What the partial correlation holds fixed."""


def correlate_damage(
    rows: Sequence[EvidenceRow], shares: Mapping[str, float], *, alpha: float
) -> CorpusDamage:
    """Damage of each language against its share, alone and with script and fertility fixed.

    Parameters
    ----------
    rows : sequence of EvidenceRow
        Of one unit, at least one; those at the floor or stopped early are left out, those without a
        standard error are not: no error is used.
    shares : mapping
        Language to its share.
    """
    usable = [row for row in rows if not row.at_floor and not row.early]
    damage = _damage(usable)
    fertility = _fertility(usable)
    known = tuple(
        LanguageDamage(
            language=code,
            share=shares[code],
            damage=value,
            latin=resolve(code).script == "Latn",
            fertility=fertility.get(code),
        )
        for code, value in damage.items()
        if shares.get(code)
    )
    columns: dict[str, list[float]] = {}
    if len({one.latin for one in known}) == 2:
        columns["script"] = [float(one.latin) for one in known]
    tokens = [one.fertility for one in known if one.fertility is not None]
    if known and len(tokens) == len(known):
        columns["tokens of a sentence"] = tokens
    x, y = [one.share for one in known], [one.damage for one in known]
    partial = None
    if columns:
        held = np.column_stack([np.asarray(one) for one in columns.values()])
        partial = spearman(x, y, controls=held, level=1 - alpha)
    return CorpusDamage(
        unit=rows[0].unit,
        languages=known,
        unknown=tuple(code for code in damage if not shares.get(code)),
        plain=spearman(x, y, level=1 - alpha),
        partial=partial,
        held=tuple(columns),
    )


def _damage(rows: Sequence[EvidenceRow]) -> dict[str, float]:
    """Language to its mean change beyond that of its places: a variant of a model on a task."""
    places: dict[tuple[str, str, str], list[EvidenceRow]] = defaultdict(list)
    for row in rows:
        places[row.model, row.variant, row.task].append(row)
    beyond: dict[str, list[float]] = defaultdict(list)
    for ours in places.values():
        if len({row.language for row in ours}) > 1:
            mean = float(np.mean([row.delta for row in ours]))
            for row in ours:
                beyond[row.language].append(row.delta - mean)
    return {code: float(np.mean(values)) for code, values in beyond.items()}


def _fertility(rows: Sequence[EvidenceRow]) -> dict[str, float]:
    found: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row.fertility is not None:
            found[row.language].append(row.fertility)
    return {code: float(np.mean(values)) for code, values in found.items()}


def describe_damage(found: CorpusDamage) -> tuple[str, ...]:
    """What the picture shows, and what so few languages could not have shown."""
    n = len(found.languages)
    said = []
    if found.unknown:
        said.append(
            f"share not known of {plural(len(found.unknown), 'language')}, which "
            f"{'is' if len(found.unknown) == 1 else 'are'} left out: {listed(found.unknown)}"
        )
    if not n:
        said.append("damage against share: no task was asked in several languages of known share")
        return tuple(said)
    if found.plain is None:
        said.append(f"damage against share over {plural(n, 'language')}: {explain_none(found)}")
        return tuple(said)
    said.append(f"damage against share over {plural(n, 'language')}: {_words(found.plain)}")
    if found.partial is not None:
        said.append(f"the same with {listed(found.held)} held fixed: {_words(found.partial)}")
    least = found.plain.detectable
    said.append(
        f"{plural(n, 'language')} cannot be relied on to show any correlation"
        if least is None
        else f"the smallest correlation that {plural(n, 'language')} can show with 80 % power is "
        f"{least:.2f}; languages of one family count as independent here"
    )
    return tuple(said)


def explain_none(found: CorpusDamage) -> str:
    """Why there is no correlation."""
    if len(found.languages) < FEWEST:
        return f"no rank correlation: it takes {FEWEST} or more for an interval"
    return "no rank correlation: all shares, or all changes, are alike"


def _words(found: RankCorrelation) -> str:
    low, high = found.interval.low, found.interval.high
    said = "no direction is shown"
    if low > 0:
        said = "less harm where the share is larger is shown"
    elif high < 0:
        said = "more harm where the share is larger is shown"
    return f"Spearman {_signed(found.r)} ({_signed(low)} to {_signed(high)}): {said}"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")
