"""Any usual form of a language code to one `Language`.

BCP-47 (`nb`, `nb-NO`), ISO 639-1/2/3 (`no`, `nob`), FLORES (`nob_Latn`) and NTREX (`srp-Cyrl`)
forms meet in one canonical code: the shortest BCP-47 tag, with a script only where it is not the
language's usual one (`zh-Hant`, `sr-Latn`). A region decides the script (`zh-TW`) and is then
dropped: `pt-BR` is `pt`; which Portuguese a benchmark holds is the benchmark's own matter.

Names, macro-languages and likely scripts come from CLDR through `langcodes`, imported on first use.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

from babelbits.errors import UnknownNameError
from babelbits.languages import tables
from babelbits.suggest import find_nearest

Tier = Literal["high", "mid", "low"]

_NO_LANGUAGE = (None, "und", "mul", "mis", "zxx")
"""Registered codes for 'undetermined', 'several', 'uncoded' and 'none'."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """A written language."""

    code: str
    """Shortest BCP-47 form, e.g. 'nb', 'zh', 'zh-Hant'."""
    name: str
    """In English."""
    native_name: str
    script: str
    """ISO 15924, e.g. 'Latn', 'Hans', 'Jpan'."""
    direction: Literal["ltr", "rtl"]
    family: str | None
    """Top level of Glottolog; None where the table does not say."""
    tier: Tier
    """Resource tier by the classes of Joshi et al. 2020."""

    @property
    def indo_european(self) -> bool:
        """Whether the family is Indo-European."""
        return self.family == "Indo-European"


@cache
def resolve(code: str) -> Language:
    """The language that `code` stands for.

    Parameters
    ----------
    code : str
        E.g. 'no', 'nb', 'nob', 'nob_Latn', 'nb-NO', 'zh-CN', 'zho_Hant', in any letter case.

    Raises
    ------
    UnknownNameError
        If no such language is registered; the hint names the nearest codes.
    """
    subtag, script = _parse(code)
    usual = _usual_script(subtag)
    canonical = subtag if script == usual else f"{subtag}-{script}"
    return Language(
        code=canonical,
        name=_name(canonical),
        native_name=_native_name(canonical),
        script=script,
        direction="rtl" if script in tables.RIGHT_TO_LEFT else "ltr",
        family=_families().get(subtag),
        tier=_tier(subtag),
    )


def list_codes() -> tuple[str, ...]:
    """Codes of the languages whose family is known, sorted: what suggestions are drawn from."""
    return tuple(sorted(_families()))


def _parse(code: str) -> tuple[str, str]:
    """Language subtag and script of a code in any form."""
    import langcodes

    whole = code.strip().replace("_", "-").lower()
    first, _, rest = tables.SYNONYMS.get(whole, whole).partition("-")
    first = tables.SYNONYMS.get(first, first)
    tag = f"{first}-{rest}" if rest else first
    try:
        language = langcodes.Language.get(langcodes.standardize_tag(tag, macro=True))
    except (langcodes.LanguageTagError, ValueError) as error:
        raise _unknown(code) from error
    if not language.is_valid() or language.language in _NO_LANGUAGE or language.script == "Zzzz":
        raise _unknown(code)
    subtag = tables.KEPT_APART.get(first, str(language.language))
    return subtag, _script(subtag, language)


def _script(subtag: str, language: Any) -> str:
    """The script a `langcodes.Language` names or its region implies, else the usual one."""
    script = language.script
    if script is None and language.territory and subtag not in tables.SCRIPTS:
        script = language.maximize().script
    script = str(script or _usual_script(subtag))
    return tables.SCRIPT_ALIASES.get((subtag, script), script)


@cache
def _usual_script(subtag: str) -> str:
    """The script a language is mostly written in, by CLDR's likely subtags."""
    if subtag in tables.SCRIPTS:
        return tables.SCRIPTS[subtag]
    import langcodes

    return str(langcodes.Language.get(subtag, normalize=False).maximize().script or "Zzzz")


def _name(canonical: str) -> str:
    """English name by CLDR."""
    if canonical in tables.NAMES:
        return tables.NAMES[canonical]
    import langcodes

    return str(langcodes.Language.get(canonical, normalize=False).display_name("en"))


def _native_name(canonical: str) -> str:
    """What the language calls itself; its English name where CLDR has none."""
    if canonical in tables.NATIVE_NAMES:
        return tables.NATIVE_NAMES[canonical]
    import langcodes

    return str(langcodes.Language.get(canonical, normalize=False).autonym())


@cache
def _families() -> Mapping[str, str]:
    """Language subtag to family."""
    return MappingProxyType(
        {code: family for family, codes in tables.FAMILIES.items() for code in codes.split()}
    )


def _tier(subtag: str) -> Tier:
    """Resource tier of a language subtag."""
    if subtag in tables.HIGH.split():
        return "high"
    return "mid" if subtag in tables.MID.split() else "low"


def _unknown(code: str) -> UnknownNameError:
    """The error for a code nobody registered, with the nearest codes and names."""
    names = {_name(known): known for known in list_codes()}
    near = find_nearest(code, names)
    found = [f"'{names[name]}' ({name})" for name in near]
    found += [
        f"'{known}'"
        for known in find_nearest(code, list_codes())
        if known not in map(names.get, near)
    ]
    hint = (
        f"did you mean {' or '.join(found[:3])}?"
        if found
        else "use a code such as 'nb' or 'zh-Hant'"
    )
    return UnknownNameError(f"unknown language {code[:60]!r}", hint=hint)
