"""How a campaign stands, language by language and rater by rater; nothing here unblinds.

Agreement is on the ordinal scale of -2 to 2 over pairs that several raters judged. The share of
"first" among preferences says whether the place on the screen decides. Raters who look odd are
flagged, never removed: the rule for leaving somebody out was declared when the campaign was made,
and results stand with and without.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from sqlalchemy import Connection, func, select

from babelbits.annotate.campaign_settings import Settings
from babelbits.annotate.database import get_meta
from babelbits.annotate.folder import Campaign, find_frozen_at
from babelbits.annotate.judgments import Judgment, read_judgments
from babelbits.annotate.models import rater, rater_language, slot, unit
from babelbits.records import Interval
from babelbits.stats.agreement import (
    alpha_interval,
    krippendorff_alpha,
    leave_one_out,
    raw_agreement,
)
from babelbits.stats.binary import wilson
from babelbits.words import plural

_RESAMPLES = 500
_LOW_CONSISTENCY = 0.5
_MIN_FOR_FLAG = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Of something, how many."""

    count: int
    total: int
    interval: Interval | None
    """Wilson; None of nothing."""

    @property
    def value(self) -> float | None:
        """A fraction; None of nothing."""
        return self.count / self.total if self.total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageProgress:
    """One language."""

    language: str
    units: int
    wanted: int
    """Judgments."""
    done: int
    held: int
    """Out with raters now."""
    surplus: int
    raters: int
    """Invited and not screened out."""
    most_wanted: int
    """Judgments wanted of one unit: it takes as many raters."""
    agreement_units: int
    alpha: float | None
    """Krippendorff's, ordinal; None where undefined."""
    alpha_interval: Interval | None
    raw: float | None
    """Share of equal judgments among those of one unit, on five steps."""
    first: Share
    """Preferences for the answer that came first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RaterProgress:
    """One rater."""

    rater: str
    languages: tuple[tuple[str, str], ...]
    """Code and state of the screen."""
    state: str
    """'invited', 'active', 'revoked', 'forgotten'."""
    judgments: int
    checks: Share
    """Right among units made by rule, the screen left out."""
    repeats: Share
    """Same side, or no preference both times, among repeats."""
    first: Share
    minutes: float
    """Active, capped."""
    raw_minutes: float
    median_seconds: float | None
    """Active, a judgment."""
    with_others: float | None
    """Share of the others' judgments of the same units that are the same."""
    excluded: bool
    """By the rule declared beforehand."""
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A campaign at one moment."""

    languages: tuple[LanguageProgress, ...]
    raters: tuple[RaterProgress, ...]
    identical: int
    """Pairs that are ties by construction, not shown."""
    frozen_at: float | None

    @property
    def done(self) -> int:
        """Judgments that fill a slot."""
        return sum(one.done for one in self.languages)

    @property
    def wanted(self) -> int:
        """Judgments in all."""
        return sum(one.wanted for one in self.languages)


def measure_progress(campaign: Campaign, *, now: float, rng: np.random.Generator) -> Progress:
    """How the campaign stands.

    Parameters
    ----------
    now : float
        Seconds since 1970; leases are held against it.
    rng : numpy.random.Generator
        For the bootstrap of agreement.
    """
    with campaign.database.reading() as connection:
        judgments = read_judgments(connection)
        return Progress(
            languages=tuple(
                _language(connection, language, judgments, now=now, rng=rng)
                for language in campaign.languages
            ),
            raters=tuple(_raters(connection, judgments, campaign.settings)),
            identical=int(get_meta(connection, "n_identical") or 0),
            frozen_at=find_frozen_at(connection),
        )


def make_matrix(judgments: Sequence[Judgment]) -> tuple[np.ndarray, list[str]]:
    """First-round judgments of pairs as raters by units, NaN where there is none; and the raters.

    Surplus judgments are in it: they are as good, and agreement counts what people said.
    """
    rated = [
        one
        for one in judgments
        if one.kind == "pair" and one.round == 0 and one.preference is not None
    ]
    raters = sorted({one.rater for one in rated})
    units = sorted({one.unit_id for one in rated})
    table = np.full((len(raters), len(units)), np.nan)
    for one in rated:
        if one.preference is not None:
            table[raters.index(one.rater), units.index(one.unit_id)] = one.preference
    return table, raters


def count_share(values: Sequence[bool]) -> Share:
    """Of truth values."""
    n = len(values)
    return Share(count=sum(values), total=n, interval=wilson(sum(values), n) if n else None)


def list_excluded(judgments: Sequence[Judgment], settings: Settings) -> bool:
    """Whether the rule declared beforehand leaves out the rater whose judgments these are."""
    checks = count_share(
        [one.right for one in judgments if one.right is not None and one.kind != "screen"]
    )
    return (
        checks.total >= settings.exclude_min_checks
        and checks.value is not None
        and checks.value < settings.exclude_below
    )


def _language(
    connection: Connection,
    language: str,
    judgments: Sequence[Judgment],
    *,
    now: float,
    rng: np.random.Generator,
) -> LanguageProgress:
    ours = [one for one in judgments if one.language == language]
    columns = (slot.c.number, slot.c.done_at, slot.c.showing_id, slot.c.leased_until)
    slots = connection.execute(
        select(*columns).join(unit, unit.c.id == slot.c.unit_id).where(unit.c.language == language)
    ).all()
    table, _ = make_matrix(ours)
    shared = int(np.sum(np.sum(~np.isnan(table), axis=0) >= 2)) if table.size else 0
    return LanguageProgress(
        language=language,
        units=sum(row.number == 0 for row in slots),
        wanted=len(slots),
        done=sum(row.done_at is not None for row in slots),
        held=sum(
            row.done_at is None and row.showing_id is not None and row.leased_until >= now
            for row in slots
        ),
        surplus=sum(one.surplus for one in ours),
        raters=_n_raters(connection, language),
        most_wanted=max((row.number + 1 for row in slots), default=0),
        agreement_units=shared,
        alpha=krippendorff_alpha(table, measurement="ordinal") if shared else None,
        alpha_interval=alpha_interval(table, measurement="ordinal", rng=rng, resamples=_RESAMPLES)
        if shared
        else None,
        raw=raw_agreement(table) if shared else None,
        first=count_share(_firsts(ours)),
    )


def _n_raters(connection: Connection, language: str) -> int:
    query = (
        select(func.count())
        .select_from(rater_language.join(rater, rater.c.id == rater_language.c.rater_id))
        .where(
            rater_language.c.language == language,
            rater_language.c.screen != "failed",
            rater.c.revoked_at.is_(None),
            rater.c.forgotten_at.is_(None),
        )
    )
    return connection.scalar(query) or 0


def _firsts(judgments: Sequence[Judgment]) -> list[bool]:
    """Whether the first answer won, for pairs where one did."""
    return [
        one.chose_first for one in judgments if one.kind == "pair" and one.chose_first is not None
    ]


def _raters(
    connection: Connection, judgments: Sequence[Judgment], settings: Settings
) -> list[RaterProgress]:
    by_rater: dict[str, list[Judgment]] = defaultdict(list)
    for one in judgments:
        by_rater[one.rater].append(one)
    table, names = make_matrix(judgments)
    agreeing = (
        {
            one.rater: one.agreement
            for one in leave_one_out(table, raters=names, measurement="ordinal")
        }
        if names
        else {}
    )
    rows = connection.execute(select(rater).order_by(rater.c.id)).all()
    languages: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for row in connection.execute(select(rater_language).order_by(rater_language.c.place)):
        languages[row.rater_id].append((row.language, row.screen))
    return [
        _rater(row, tuple(languages[row.id]), by_rater[row.name], settings, agreeing.get(row.name))
        for row in rows
    ]


def _rater(
    row: object,
    languages: tuple[tuple[str, str], ...],
    judgments: Sequence[Judgment],
    settings: Settings,
    with_others: float | None,
) -> RaterProgress:
    checks = count_share(
        [one.right for one in judgments if one.right is not None and one.kind != "screen"]
    )
    repeats = count_share(_consistent(judgments))
    first = count_share(_firsts(judgments))
    times = [one.duration for one in judgments if one.duration is not None]
    return RaterProgress(
        rater=str(getattr(row, "name", "")),
        languages=languages,
        state=_state(row),
        judgments=sum(one.kind == "pair" and one.round == 0 for one in judgments),
        checks=checks,
        repeats=repeats,
        first=first,
        minutes=sum(one.active for one in times) / 60,
        raw_minutes=sum(one.raw for one in times) / 60,
        median_seconds=median(one.active for one in times) if times else None,
        with_others=with_others,
        excluded=list_excluded(judgments, settings),
        flags=tuple(_flags(checks, repeats, first, settings)),
    )


def _state(row: object) -> str:
    for column, word in (
        ("forgotten_at", "forgotten"),
        ("revoked_at", "revoked"),
        ("consented_at", "active"),
    ):
        if getattr(row, column) is not None:
            return word
    return "invited"


def _consistent(judgments: Sequence[Judgment]) -> list[bool]:
    """For each repeat, whether the side that won is the side that won before."""
    before = {one.unit_id: one for one in judgments if one.kind == "pair" and one.round == 0}
    return [
        _sign(one.preference) == _sign(before[one.unit_id].preference)
        for one in judgments
        if one.round == 1 and one.unit_id in before
    ]


def _sign(preference: int | None) -> int:
    return int(np.sign(preference or 0))


def _flags(checks: Share, repeats: Share, first: Share, settings: Settings) -> list[str]:
    found = []
    if checks.total >= _MIN_FOR_FLAG and (checks.value or 0) < settings.exclude_below:
        found.append(f"{checks.count} of {plural(checks.total, 'check')} right")
    if repeats.total >= _MIN_FOR_FLAG and (repeats.value or 0) < _LOW_CONSISTENCY:
        found.append(f"{repeats.count} of {plural(repeats.total, 'repeat')} judged the same way")
    if first.interval is not None and not first.interval.low <= 0.5 <= first.interval.high:
        found.append(f"prefers the answer that comes first in {first.value:.0%} of preferences")
    return found
