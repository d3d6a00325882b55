"""The owner's pages: sign in, and how the campaign stands. Blind as everything else here."""

import threading
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Form, HTTPException, Request
from sqlalchemy import func, select
from starlette.responses import RedirectResponse, Response

from babelbits.annotate import auth
from babelbits.annotate.auth import Visitor
from babelbits.annotate.interface import FALLBACK, load_interface
from babelbits.annotate.models import event
from babelbits.annotate.progress import Progress, measure_progress
from babelbits.annotate.web.site import OWNER, AppContext, TheSite, find_owner, read_address
from babelbits.languages import resolve

router = APIRouter(prefix="/owner")
Owner = Annotated[Visitor | None, Depends(find_owner)]


class Standing:
    """How the campaign stands, computed once for as many events as there are."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._for: tuple[int, int] | None = None
        self._found: Progress | None = None

    def of(self, site: AppContext) -> Progress:
        """The progress now; what is held is at most a minute old."""
        now = site.clock()
        with self._lock:
            with site.campaign.database.reading() as connection:
                latest = connection.scalar(select(func.max(event.c.id))) or 0
            state = (latest, int(now // 60))
            if self._found is None or state != self._for:
                self._found = measure_progress(site.campaign, now=now, rng=np.random.default_rng(0))
                self._for = state
            return self._found


@router.get("/login")
def login_page(site: TheSite) -> Response:
    """Ask for the password."""
    return site.page("login.html.j2", load_interface(FALLBACK), wrong=False)


@router.post("/login")
def login(request: Request, site: TheSite, password: Annotated[str, Form()] = "") -> Response:
    """Begin a session of the owner."""
    keys = (f"owner at {read_address(request)}", "owner")
    if any(site.wrong_tries.is_full(key) for key in keys):
        raise HTTPException(429, "too_many")
    with site.campaign.database.reading() as connection:
        right = auth.is_owner_password(connection, password[:200])
    if not right:
        for key in keys:
            site.wrong_tries.count(key)
        return site.page("login.html.j2", load_interface(FALLBACK), wrong=True, status=403)
    with site.campaign.database.writing() as connection:
        token = auth.start_session(connection, None, now=site.clock())
    response = RedirectResponse("/owner", status_code=303)
    site.set_cookie(response, OWNER, token, auth.OWNER_SECONDS)
    return response


@router.post("/logout")
def logout(
    request: Request, site: TheSite, owner: Owner, csrf: Annotated[str, Form()] = ""
) -> Response:
    """End the owner's session."""
    if owner is not None and auth.is_csrf_token(csrf, owner.csrf):
        with site.campaign.database.writing() as connection:
            auth.end_session(connection, site.token(request, OWNER) or "")
    response = RedirectResponse("/owner/login", status_code=303)
    response.delete_cookie(site.cookie(OWNER))
    return response


@router.get("")
def dashboard(request: Request, site: TheSite, owner: Owner) -> Response:
    """How the campaign stands."""
    if owner is None:
        return RedirectResponse("/owner/login", status_code=303)
    return _standing(request, site, owner, "owner.html.j2")


@router.get("/live")
def live(request: Request, site: TheSite, owner: Owner) -> Response:
    """The same without the frame, for the page to renew itself."""
    if owner is None:
        raise HTTPException(401, "session_ended")
    return _standing(request, site, owner, "standing.html.j2")


def _standing(request: Request, site: AppContext, owner: Visitor, template: str) -> Response:
    standing: Standing = request.app.state.standing
    return site.page(
        template,
        load_interface(FALLBACK),
        standing=standing.of(site),
        settings=site.campaign.settings,
        name_of=lambda code: resolve(code).name,
        csrf=owner.csrf,
    )
