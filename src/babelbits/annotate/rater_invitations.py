"""Raters to invite: how many of which language, and the links that let them in. Prints nothing."""

import time
from typing import TYPE_CHECKING, Any

from babelbits.errors import StudyError

if TYPE_CHECKING:
    from babelbits.annotate.folder import Campaign


def parse_wanted_raters(text: str) -> dict[str, int]:
    """'ar=3,sw=2' as languages and counts."""
    from babelbits.languages import resolve

    found: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        code, _, count = part.partition("=")
        if not count.isdigit() or int(count) < 1:
            raise StudyError(f"cannot read {part!r}", where="--raters", hint="e.g. ar=3,sw=3")
        found[resolve(code).code] = int(count)
    return found


def check_languages(raters: dict[str, int], known: set[str]) -> None:
    """Refuse raters of a language in which there is nothing to rate."""
    from babelbits.suggest import one_of

    for code in raters:
        if code not in known:
            raise StudyError(
                f"there is nothing to rate in {code!r}",
                where="--raters",
                hint=f"the pairs that differ are in {one_of(sorted(known))}",
            )


def invite_raters(
    campaign: "Campaign",
    languages: list[str],
    spoken: str | None,
    *,
    days: float,
    url: str,
    name: str | None = None,
) -> dict[str, Any]:
    """Invite a new rater of `languages`, or the one called `name` again; the link is in no file.

    Raises
    ------
    StudyError, UnknownNameError
        If the pages do not speak the interface's language, or there is no such rater or language.
    """
    from babelbits.annotate import auth
    from babelbits.annotate.folder import log_act
    from babelbits.annotate.interface import FALLBACK, list_languages
    from babelbits.suggest import one_of

    if spoken is not None and spoken not in list_languages():
        raise StudyError(
            f"the pages do not speak {spoken!r}",
            where="--interface",
            hint=f"they speak {one_of(list_languages())}",
        )
    with campaign.database.writing() as connection:
        now = time.time()
        if name is None:
            first = languages[0] if languages[0] in list_languages() else FALLBACK
            name = auth.add_rater(connection, languages, interface=spoken or first, now=now)
        token = auth.invite_rater(connection, name, days=days, now=now)
        log_act(connection, "invite", now=now, detail={"rater": name, "days": days})
    return {"rater": name, "languages": languages, "link": f"{url.rstrip('/')}/join/{token}"}
