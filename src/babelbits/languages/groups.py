"""Named groups of languages, for summaries and for tests with languages as units.

* `latin`, `non-latin`: by script.
* `ltn-ie`: written in Latin script *and* Indo-European, the comparison group of Marchisio et al.
  2024 (arXiv 2407.03211), there de, es, fr, it, pt (and en); `non-ltn-ie`: all others (there ar,
  ja, ko, zh). Vietnamese is Latin but not Indo-European, Russian the reverse: both are in
  `non-ltn-ie`.
* `tier-high`, `tier-mid`, `tier-low`: resource tiers.
* `claimed`, `unseen`: languages that the model claims to know, and the others; only where a claim
  is known and there are languages on both sides.
* any number of groups that the user names.
"""

from collections.abc import Callable, Collection, Iterable, Mapping

from babelbits.languages.resolve import Language, resolve

_MEMBERSHIP: dict[str, Callable[[Language], bool]] = {
    "latin": lambda language: language.script == "Latn",
    "non-latin": lambda language: language.script != "Latn",
    "ltn-ie": lambda language: language.script == "Latn" and language.indo_european,
    "non-ltn-ie": lambda language: not (language.script == "Latn" and language.indo_european),
    "tier-high": lambda language: language.tier == "high",
    "tier-mid": lambda language: language.tier == "mid",
    "tier-low": lambda language: language.tier == "low",
}

CLAIMED, UNSEEN = "claimed", "unseen"
GROUP_NAMES = (*_MEMBERSHIP, CLAIMED, UNSEEN)
"""Names that a user's own group cannot take."""


def group_languages(
    languages: Iterable[str],
    *,
    user: Mapping[str, Iterable[str]] | None = None,
    claimed: Iterable[str] | None = None,
) -> dict[str, tuple[str, ...]]:
    """Which of `languages` belong to which group.

    Parameters
    ----------
    languages : iterable of str
        Codes in any form; duplicates are dropped, the order is kept.
    user : mapping, optional
        Further groups: name to codes. Members that are not among `languages` are left out.
    claimed : iterable of str, optional
        Codes of the languages that the model claims; None: nobody says.

    Returns
    -------
    dict
        Group name to canonical codes, in the order of `languages`; empty groups are left out.

    Raises
    ------
    UnknownNameError
        If a code is unknown.
    """
    present = {resolve(code).code: resolve(code) for code in languages}
    by_group = {
        name: tuple(code for code, language in present.items() if belongs(language))
        for name, belongs in _MEMBERSHIP.items()
    }
    if claimed is not None:
        by_group |= _by_claim(present, {resolve(code).code for code in claimed})
    for name, codes in ({} if user is None else user).items():
        members = {resolve(code).code for code in codes}
        by_group[name] = tuple(code for code in present if code in members)
    return {name: codes for name, codes in by_group.items() if codes}


def _by_claim(present: Iterable[str], claimed: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Both groups, or none: one alone would be all languages under another name."""
    inside = tuple(code for code in present if code in claimed)
    outside = tuple(code for code in present if code not in claimed)
    return {CLAIMED: inside, UNSEEN: outside} if inside and outside else {}
