"""The memory and the speed that a recommendation must keep to, and what speaks against a variant.

Limits are settled before quality is looked at, and a variant that does not keep to them is no part
of the order: so they cost the recommendation none of its error. Medians are held against them, of
one reader alone (batch 1). What was not measured does not keep to a limit.

Bytes; tokens or parallel sentences a second.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from babelbits.errors import StudyError
from babelbits.languages import resolve
from babelbits.words import agreeing, bytes_size, listed

if TYPE_CHECKING:
    from babelbits.study.speed.recorded_speed import RecordedSpeed
    from babelbits.study.speed.speed_summary import ArmSpeed, Quartiles

_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
          "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}  # fmt: skip
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?i?b?)", re.IGNORECASE)
_SPEED = re.compile(
    r"(\d+(?:\.\d+)?)\s*(?:(tokens?|sentences?)\s*/\s*s)?(?:\s+in\s+(\S+))?", re.IGNORECASE
)
_MEASURE = "memory and speed were not measured: babelbits speed measures them"


@dataclass(frozen=True, slots=True, kw_only=True)
class CostLimits:
    """What a variant must keep to."""

    memory: int | None = None
    """Most bytes held at batch 1."""
    tokens: float | None = None
    """Fewest tokens a second at batch 1."""
    sentences: float | None = None
    """Fewest parallel sentences a second at batch 1, in each of `languages`."""
    languages: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is any limit."""
        return self.memory is not None or self.tokens is not None or self.sentences is not None

    def __str__(self) -> str:
        """'at most 8 GB of memory and at least 20 tokens a second'."""
        parts = []
        if self.memory is not None:
            parts.append(f"at most {bytes_size(self.memory)} of memory")
        if self.tokens is not None:
            unit = agreeing(self.tokens, "token", "tokens")
            parts.append(f"at least {self.tokens:g} {unit} a second")
        if self.sentences is not None:
            where = listed([resolve(code).name for code in self.languages])
            unit = agreeing(self.sentences, "sentence", "sentences")
            parts.append(f"at least {self.sentences:g} {unit} a second in {where}")
        return " and ".join(parts)


NO_LIMITS = CostLimits()


def read_limits(
    *, max_memory: str | None, min_speed: str | None, languages: Sequence[str]
) -> CostLimits:
    """Limits as written on a command line.

    Parameters
    ----------
    max_memory : str, optional
        '8GB', '800 MB', '7.5 GiB'.
    min_speed : str, optional
        '20' or '20 tokens/s'; '5 sentences/s in ml', or in each of `languages` where none is named.
    languages : sequence of str
        Codes that the recommendation is about.

    Raises
    ------
    StudyError
        If a text is no limit, or names a language that no parallel sentences are in.
    """
    memory = None if max_memory is None else _bytes(max_memory)
    if min_speed is None:
        return CostLimits(memory=memory)
    found = _SPEED.fullmatch(min_speed.strip())
    unit = "" if found is None else (found[2] or "").casefold()
    is_language_out_of_place = found is not None and found[3] and not unit.startswith("sentence")
    if found is None or is_language_out_of_place or float(found[1]) <= 0:
        raise StudyError(
            f"--min-speed {min_speed!r} is no speed",
            hint="e.g. --min-speed 20 (tokens a second), or --min-speed '5 sentences/s in ml'",
        )
    if not unit.startswith("sentence"):
        return CostLimits(memory=memory, tokens=float(found[1]))
    codes = (resolve(found[3]).code,) if found[3] else tuple(dict.fromkeys(languages))
    _check_languages(codes)
    return CostLimits(memory=memory, sentences=float(found[1]), languages=codes)


def _bytes(text: str) -> int:
    found = _SIZE.fullmatch(text.strip())
    unit = "" if found is None else found[2].upper()
    if unit in ("K", "M", "G", "T"):
        unit += "B"
    if found is None or unit not in _BYTES or float(found[1]) <= 0:
        raise StudyError(f"--max-memory {text!r} is no size", hint="e.g. --max-memory 8GB or 500MB")
    return int(float(found[1]) * _BYTES[unit])


def _check_languages(codes: Sequence[str]) -> None:
    from babelbits.study.speed.parallel_sentences import read_sentences

    there = read_sentences()
    for code in codes:
        if code not in there:
            raise StudyError(
                f"no parallel sentences in {resolve(code).name} are bundled",
                hint=f"they are in {', '.join(there)}; or ask for tokens: --min-speed 20",
            )


def find_exceeded(
    limits: CostLimits, speed: "RecordedSpeed | None", variants: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Variant to why it does not keep to the limits; those that do are left out."""
    if not limits:
        return {}
    arms: Mapping[str, ArmSpeed] = {} if speed is None else speed.arms
    reasons = {name: _reasons(limits, arms.get(name)) for name in variants}
    return {name: lines for name, lines in reasons.items() if lines}


def _reasons(limits: CostLimits, arm: "ArmSpeed | None") -> tuple[str, ...]:
    if arm is None:
        return (_MEASURE,)
    if arm.not_measured is not None:
        return (arm.not_measured,)
    lines = []
    if limits.memory is not None:
        if arm.memory_alone is None:
            lines.append("its memory was not measured")
        elif arm.memory_alone > limits.memory:
            held, most = bytes_size(arm.memory_alone), bytes_size(limits.memory)
            lines.append(f"its peak memory at batch 1 is {held}, more than {most}")
    if limits.tokens is not None:
        lines += _too_slow(arm.decode, limits.tokens, "tokens a second")
    for code in limits.languages:
        unit = f"sentences a second in {resolve(code).name}"
        lines += _too_slow(arm.sentences(code), limits.sentences or 0.0, unit)
    return tuple(lines)


def _too_slow(found: "Quartiles | None", least: float, unit: str) -> list[str]:
    if found is None:
        return [f"its {unit} at batch 1 were not measured"]
    if found.median >= least:
        return []
    return [f"it writes {found.median:.3g} {unit}, fewer than {least:g}"]


def close_calls(
    limits: CostLimits, speed: "RecordedSpeed | None", variants: Sequence[str]
) -> list[str]:
    """Variants on one side of a speed limit by less than the measurement's own spread."""
    arms: Mapping[str, ArmSpeed] = {} if speed is None else speed.arms
    lines = []
    for name in variants:
        arm = arms.get(name)
        asked = [] if arm is None else _asked(limits, arm)
        lines += [
            f"{name} is close to the limit of {least:g} {unit}: its quartiles are "
            f"{found.low:.3g} to {found.high:.3g}"
            for found, least, unit in asked
            if found is not None and found.low < least <= found.high
        ]
    return lines


def _asked(limits: CostLimits, arm: "ArmSpeed") -> "list[tuple[Quartiles | None, float, str]]":
    """What is held against a limit of speed, the limit, and its unit."""
    found: list[tuple[Quartiles | None, float, str]] = []
    if limits.tokens is not None:
        found.append((arm.decode, limits.tokens, "tokens a second"))
    for code in limits.languages:
        unit = f"sentences a second in {resolve(code).name}"
        found.append((arm.sentences(code), limits.sentences or 0.0, unit))
    return found
