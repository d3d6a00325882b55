"""Coming in and going out: invitations, consent, ended sessions, the interface's language."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, RedirectResponse, Response

from babelbits.annotate import auth
from babelbits.annotate.auth import Invited, Visitor
from babelbits.annotate.interface import list_languages, load_interface
from babelbits.annotate.models import rater as rater_table
from babelbits.annotate.secrets import hash_token
from babelbits.annotate.web.site import (
    RATER,
    AppContext,
    TheSite,
    find_interface,
    find_rater,
    read_address,
)

router = APIRouter()
Rater = Annotated[Visitor | None, Depends(find_rater)]


@router.get("/")
def start(request: Request, site: TheSite, rater: Rater) -> Response:
    """To the pairs, or to a page that asks for a link."""
    if rater is not None:
        return RedirectResponse("/rate", status_code=303)
    words = find_interface(request, None)
    return site.page(
        "message.html.j2", words, heading=words.say("title"), text=words.say("need_link")
    )


@router.get("/join/{token}")
def invitation(token: str, request: Request, site: TheSite) -> Response:
    """What a rater is asked to agree to. Opening it changes nothing."""
    found = _invited(site, token, read_address(request))
    if found is None:
        return _bad_link(request, site)
    words = load_interface(found.interface)
    settings = site.campaign.settings
    pay = None
    if settings.pay_per_hour is not None:
        pay = words.say(
            "consent_pay", rate=f"{settings.pay_per_hour:g} {settings.currency}".strip()
        )
    return site.page("consent.html.j2", words, token=token, pay=pay)


@router.post("/join/{token}")
def agree(token: str, request: Request, site: TheSite) -> Response:
    """Consent: begins a session."""
    found = _invited(site, token, read_address(request))
    if found is None:
        return _bad_link(request, site)
    with site.campaign.database.writing() as connection:
        session = auth.start_session(connection, found.rater_id, now=site.clock())
    response = RedirectResponse("/rate", status_code=303)
    site.set_cookie(response, RATER, session, auth.SESSION_SECONDS)
    return response


class Renewal(BaseModel):
    """An invitation link, or its last part, pasted into the form of an ended session."""

    link: str = Field(max_length=500)


@router.post("/api/renew")
def renew(body: Renewal, request: Request, site: TheSite) -> Response:
    """A new session in place, so that what is on the page can be sent."""
    token = body.link.strip().rstrip("/").rpartition("/")[2]
    found = _invited(site, token, read_address(request))
    if found is None or not found.consented:
        raise HTTPException(403, "link_bad")
    with site.campaign.database.writing() as connection:
        session = auth.start_session(connection, found.rater_id, now=site.clock())
    response = JSONResponse({"csrf": auth.make_csrf_token(session, secret=site.campaign.secret)})
    site.set_cookie(response, RATER, session, auth.SESSION_SECONDS)
    return response


@router.post("/leave")
def leave(
    request: Request, site: TheSite, rater: Rater, csrf: Annotated[str, Form()] = ""
) -> Response:
    """Sign out."""
    words = find_interface(request, rater)
    if rater is not None and auth.is_csrf_token(csrf, rater.csrf):
        with site.campaign.database.writing() as connection:
            auth.end_session(connection, site.token(request, RATER) or "")
    response = site.page(
        "message.html.j2", words, heading=words.say("thanks"), text=words.say("left")
    )
    response.delete_cookie(site.cookie(RATER))
    return response


@router.post("/interface")
def choose_interface(
    site: TheSite,
    rater: Rater,
    language: Annotated[str, Form()],
    csrf: Annotated[str, Form()] = "",
) -> Response:
    """Another language for the interface."""
    if rater is not None and auth.is_csrf_token(csrf, rater.csrf) and language in list_languages():
        with site.campaign.database.writing() as connection:
            connection.execute(
                rater_table.update()
                .where(rater_table.c.id == rater.rater_id)
                .values(interface=language)
            )
    return RedirectResponse("/rate", status_code=303)


def _invited(site: AppContext, token: str, source: str) -> Invited | None:
    """Whose invitation this is.

    Wrong links are counted by link and by address, and too many are refused. A right link opens
    whatever others at its address have tried: a classroom has one address.
    """
    with site.campaign.database.reading() as connection:
        found = auth.find_invitation(connection, token, now=site.clock())
    if found is None:
        same_link = site.wrong_tries.count(f"link {hash_token(token)}")
        if not (site.wrong_links.count(source) and same_link):
            raise HTTPException(429, "too_many")
    return found


def _bad_link(request: Request, site: AppContext) -> Response:
    words = find_interface(request, None)
    return site.page(
        "message.html.j2",
        words,
        status=403,
        heading=words.say("title"),
        text=words.say("link_bad"),
    )
