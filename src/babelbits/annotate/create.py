"""Pairs to units, and the key that says what was what. Pure: nothing here is written or served.

Pairs that say the same are one unit. Pairs with identical answers are ties by construction:
counted, never shown (showing them wastes people's time and invites noise), but for a few on
purpose, as checks. Everything that is drawn is drawn with the campaign's secret.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from babelbits.annotate import gold, order
from babelbits.annotate.campaign_settings import Settings, list_problems
from babelbits.annotate.models import UnitKind
from babelbits.annotate.secrets import derive_number, hash_with_key
from babelbits.annotate.texts import normalised
from babelbits.errors import StudyError
from babelbits.preferences.answer_pairs import AnswerPair
from babelbits.records import digest
from babelbits.words import every, plural

Side = Literal["a", "b"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUnit:
    """A row of the table `unit`."""

    id: int
    language: str
    kind: UnitKind
    stratum: int
    rank: int
    wanted: int
    prompt: str
    text_a: str
    text_b: str
    expected: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEntry:
    """What a pair is: a row of the key file, which the app never opens."""

    unit: int | None
    """None: the answers are identical and were not shown, a tie by construction."""
    baseline: Side | None
    """Which text of the unit is the baseline's; None where they are identical."""
    pair_id: str
    source_id: str
    item_id: str
    task: str
    language: str
    variant: str

    @property
    def identical(self) -> bool:
        """Whether both arms wrote the same."""
        return self.unit is None


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignDraft:
    """A campaign before it is written."""

    units: tuple[NewUnit, ...]
    key: tuple[KeyEntry, ...]
    notes: tuple[str, ...] = ()
    """What could not be made as asked, in sentences."""

    @property
    def n_identical(self) -> int:
        """Pairs that are ties by construction."""
        return sum(entry.unit is None for entry in self.key)

    @property
    def content_hash(self) -> str:
        """Of everything that raters will see."""
        return hash_content(
            (unit.id, unit.language, unit.prompt, unit.text_a, unit.text_b) for unit in self.units
        )


@dataclass
class _Book:
    """Units so far, numbered."""

    units: list[NewUnit] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def next_id(self) -> int:
        return len(self.units) + 1


def hash_content(rows: Iterable[tuple[int, str, str, str, str]]) -> str:
    """Hash of units: id, language, prompt, text a, text b, in the order of ids."""
    return digest([list(row) for row in sorted(rows)], length=32)


def hash_pairs(pairs: Iterable[AnswerPair]) -> str:
    """Hash of the outputs that a campaign is about."""
    return digest(sorted([one.pair_id, one.source_id, one.task, one.variant] for one in pairs))


def draft_campaign(
    pairs: Sequence[AnswerPair], settings: Settings, *, secret: bytes
) -> CampaignDraft:
    """Units and key of a campaign over `pairs`.

    Parameters
    ----------
    pairs : sequence of AnswerPair
        Of any languages and variants.
    secret : bytes
        Of the campaign; the same secret gives the same campaign.

    Raises
    ------
    StudyError
        If there is nothing to rate, settings are wrong, or the title names a variant.
    """
    _check(pairs, settings)
    book = _Book()
    key = [
        KeyEntry(unit=None, baseline=None, **_labels(one))
        for one in pairs
        if _texts(one)[0] == _texts(one)[1]
    ]
    strata = _strata(pairs, secret)
    for (language, variants), groups in sorted(_by_stratum(pairs).items()):
        key += _add_pairs(book, groups, settings, secret, stratum=strata[language, variants])
    for language in sorted({unit.language for unit in book.units}):
        _add_checks(book, language, pairs, settings, secret)
    units, renumbered = _renumbered(_ranked(book.units, secret), key, secret)
    return CampaignDraft(units=units, key=renumbered, notes=tuple(book.notes))


def _check(pairs: Sequence[AnswerPair], settings: Settings) -> None:
    if wrong := list_problems(settings):
        raise StudyError("; ".join(wrong), where="annotate create")
    if all(_texts(one)[0] == _texts(one)[1] for one in pairs):
        raise StudyError(
            f"nothing to rate: the answers are identical in {every(len(pairs), 'pair')}"
            if pairs
            else "nothing to rate: there are no pairs",
            where="annotate create",
            hint="identical answers are ties by construction; ask about more prompts",
        )
    for variant in sorted({one.variant for one in pairs}):
        if variant and variant.casefold() in settings.title.casefold():
            raise StudyError(
                f"the title names the variant {variant!r}, and raters would see it",
                where="--title",
                hint="choose words that say nothing about models",
            )


def _texts(pair: AnswerPair) -> tuple[str, str]:
    return normalised(pair.baseline_answer), normalised(pair.variant_answer)


def _labels(pair: AnswerPair) -> dict[str, str]:
    return {
        "pair_id": pair.pair_id,
        "source_id": pair.source_id,
        "item_id": pair.item_id,
        "task": pair.task,
        "language": pair.language,
        "variant": pair.variant,
    }


# --- pairs -----------------------------------------------------------------------------------


def _by_stratum(
    pairs: Sequence[AnswerPair],
) -> Mapping[tuple[str, tuple[str, ...]], list[list[AnswerPair]]]:
    """Groups of pairs that say the same, by language and by their variants and tasks."""
    same: dict[tuple[str, ...], list[AnswerPair]] = defaultdict(list)
    for one in pairs:
        baseline, variant = _texts(one)
        if baseline != variant:
            same[one.language, normalised(one.prompt), baseline, variant].append(one)
    found: dict[tuple[str, tuple[str, ...]], list[list[AnswerPair]]] = defaultdict(list)
    for content, group in sorted(same.items()):
        found[content[0], _arms(group)].append(group)
    return found


def _arms(group: Iterable[AnswerPair]) -> tuple[str, ...]:
    return tuple(sorted({f"{one.variant}\x1f{one.task}" for one in group}))


def _strata(
    pairs: Sequence[AnswerPair], secret: bytes
) -> Mapping[tuple[str, tuple[str, ...]], int]:
    """A number for every stratum of a language, in keyed order: it says nothing."""
    found: dict[tuple[str, tuple[str, ...]], int] = {}
    keys = _by_stratum(pairs).keys()
    for language in {language for language, _ in keys}:
        arms = [arm for code, arm in keys if code == language]
        arms.sort(key=lambda arm: hash_with_key(secret, "stratum", *arm))
        found |= {(language, arm): number for number, arm in enumerate(arms)}
    return found


def _add_pairs(
    book: _Book,
    groups: Sequence[Sequence[AnswerPair]],
    settings: Settings,
    secret: bytes,
    *,
    stratum: int,
) -> Iterator[KeyEntry]:
    """Units of one stratum: every other one has the baseline as text a, the first have overlap."""
    entries: list[KeyEntry] = []
    sides = sorted(groups, key=lambda group: hash_with_key(secret, "sides", group[0].pair_id))
    overlapping = sorted(
        groups, key=lambda group: hash_with_key(secret, "overlap", group[0].pair_id)
    )
    subset = {
        group[0].pair_id for group in overlapping[: round(settings.overlap_share * len(groups))]
    }
    for place, group in enumerate(sides):
        baseline, variant = _texts(group[0])
        is_a = order.is_baseline_a(place)
        unit = NewUnit(
            id=book.next_id,
            language=group[0].language,
            kind="pair",
            stratum=stratum,
            rank=0,
            wanted=settings.overlap if group[0].pair_id in subset else 1,
            prompt=normalised(group[0].prompt),
            text_a=baseline if is_a else variant,
            text_b=variant if is_a else baseline,
        )
        book.units.append(unit)
        entries += [
            KeyEntry(unit=unit.id, baseline="a" if is_a else "b", **_labels(one)) for one in group
        ]
    return iter(entries)


def _ranked(units: Sequence[NewUnit], secret: bytes) -> Iterator[NewUnit]:
    """Units with their rank within the language, in keyed order."""
    places: dict[str, int] = defaultdict(int)
    for unit in sorted(units, key=lambda one: hash_with_key(secret, "rank", one.id)):
        yield replace(unit, rank=places[unit.language])
        places[unit.language] += 1


def _renumbered(
    units: Iterable[NewUnit], key: Iterable[KeyEntry], secret: bytes
) -> tuple[tuple[NewUnit, ...], tuple[KeyEntry, ...]]:
    """Units numbered, and so stored, in a keyed order of their own.

    They are made one after the other with sides taking turns, so that their first numbers would
    say whose text is whose.
    """
    in_order = sorted(units, key=lambda one: hash_with_key(secret, "number", one.id))
    numbers = {one.id: number for number, one in enumerate(in_order, start=1)}
    return (
        tuple(replace(one, id=numbers[one.id]) for one in in_order),
        tuple(one if one.unit is None else replace(one, unit=numbers[one.unit]) for one in key),
    )


# --- checks ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Source:
    prompt: str
    answer: str
    source_id: str


def _add_checks(
    book: _Book,
    language: str,
    pairs: Sequence[AnswerPair],
    settings: Settings,
    secret: bytes,
) -> None:
    sources = _sources(language, pairs, secret)
    _add_identical(book, language, sources, settings)
    rng = np.random.default_rng(derive_number(secret, "gold", language))
    made = list(_by_rule(language, sources, pairs, settings.gold + settings.screen, rng=rng))
    if len(made) < settings.gold + settings.screen:
        book.notes.append(
            f"{language}: {len(made)} of "
            f"{plural(settings.gold + settings.screen, 'check')} by rule could be"
            " made: too few answers of eight words or more"
        )
    # The screen comes first where there are too few for both.
    for number, (kind, source, damaged) in enumerate(made):
        right = (
            "a" if derive_number(secret, "right", language, number // 2) % 2 == number % 2 else "b"
        )
        book.units.append(
            NewUnit(
                id=book.next_id,
                language=language,
                kind="screen" if number < settings.screen else kind,
                stratum=0,
                rank=0,
                wanted=0,
                prompt=source.prompt,
                text_a=source.answer if right == "a" else damaged,
                text_b=damaged if right == "a" else source.answer,
                expected=right,
            )
        )


def _sources(language: str, pairs: Sequence[AnswerPair], secret: bytes) -> list[_Source]:
    """Distinct prompts of a language, each with its longest answer, in keyed order."""
    best: dict[str, _Source] = {}
    for one in pairs:
        if one.language == language:
            prompt, answer = (
                normalised(one.prompt),
                max(_texts(one), key=lambda text: (len(text), text)),
            )
            if prompt not in best or len(answer) > len(best[prompt].answer):
                best[prompt] = _Source(prompt, answer, one.source_id)
    return sorted(best.values(), key=lambda source: hash_with_key(secret, "source", source.prompt))


def _add_identical(
    book: _Book, language: str, sources: Sequence[_Source], settings: Settings
) -> None:
    for source in [one for one in sources if one.answer][: settings.identical]:
        book.units.append(
            NewUnit(
                id=book.next_id,
                language=language,
                kind="identical",
                stratum=0,
                rank=0,
                wanted=0,
                prompt=source.prompt,
                text_a=source.answer,
                text_b=source.answer,
                expected="same",
            )
        )


def _by_rule(
    language: str,
    sources: Sequence[_Source],
    pairs: Sequence[AnswerPair],
    count: int,
    *,
    rng: np.random.Generator,
) -> Iterator[tuple[UnitKind, _Source, str]]:
    """Rule, source and damaged answer; the rules take turns where both can be followed."""
    usable = [one for one in sources if gold.can_shuffle(one.answer, language)]
    answers = [(one.language, max(_texts(one), key=len)) for one in pairs]
    for number in range(count if usable else 0):
        source = usable[-1 - number % len(usable)]
        other = None
        if number % 2:
            own = [
                (one.language, max(_texts(one), key=len))
                for one in pairs
                if one.source_id == source.source_id
            ]
            other = gold.find_in_other_language(
                language, own, like=source.answer
            ) or gold.find_in_other_language(language, answers, like=source.answer)
        if other is not None:
            yield "language", source, other
        else:
            yield "shuffled", source, gold.shuffled(source.answer, language, rng=rng)
