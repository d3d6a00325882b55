"""The app of one campaign."""

import logging
import socket
import time
from collections.abc import Callable, Sequence

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from babelbits.annotate.events import MAX_COMMENT, RefusedError
from babelbits.annotate.folder import Campaign
from babelbits.annotate.web import entering, owner, rating
from babelbits.annotate.web.connections import count_connections, make_bounded_protocol
from babelbits.annotate.web.protection import Limiter, Protection
from babelbits.annotate.web.site import (
    RATER,
    AppContext,
    find_interface,
    find_rater,
    make_templates,
)
from babelbits.errors import StudyError

_WRONG_TRIES = (20, 600.0)
_WRONG_LINKS = (600, 600.0)
"""From one address; a token has 192 bits, so that guessing is hopeless at any rate."""
_REQUESTS = (600, 60.0)
"""Ten a second for a minute: far beyond reading."""
_NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""Whatever the environment says: nothing about raters leaves this process."""
_STATUS = {"closed": 423, "stale": 409, "screen_is_final": 409, "comment_too_long": 413}


def make_app(
    campaign: Campaign,
    *,
    public_url: str | None = None,
    clock: Callable[[], float] = time.time,
) -> FastAPI:
    """The app that serves a campaign.

    Parameters
    ----------
    campaign : Campaign
        An open one.
    public_url : str, optional
        Where raters reach it, if that is not where it listens; https makes cookies secure.
    clock : callable
        Seconds since 1970; an argument so that tests need not wait.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, telemetry=_NO_TELEMETRY)
    app.state.site = AppContext(
        campaign=campaign,
        clock=clock,
        templates=make_templates(),
        https=public_url is not None and public_url.startswith("https:"),
        wrong_tries=Limiter(*_WRONG_TRIES, clock=clock),
        wrong_links=Limiter(*_WRONG_LINKS, clock=clock),
        requests=Limiter(*_REQUESTS, clock=clock),
    )
    app.state.standing = owner.Standing()
    for router in (entering.router, rating.router, owner.router):
        app.include_router(router)
    app.mount("/static", StaticFiles(packages=[("babelbits.annotate", "static")]))
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _failed)
    app.add_middleware(Protection, public_url=public_url)
    return app


def _refused(request: Request, error: Exception) -> Response:
    code = str(error)
    return _sentence(request, code, _STATUS.get(code, 422))


def _invalid(request: Request, _error: Exception) -> Response:
    return _sentence(request, "bad_request", 422)  # what was sent is not sent back


def _failed(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 500)
    code = str(getattr(error, "detail", "bad_request"))
    return _sentence(request, code, status)


def _sentence(request: Request, code: str, status: int) -> Response:
    """An error as a code for the page and a sentence for people, in their language."""
    site: AppContext = request.app.state.site
    words = find_interface(
        request, find_rater(request, site) if site.token(request, RATER) else None
    )
    known = code if code in words.words else "bad_request"
    text = words.say(known, n=MAX_COMMENT)
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": known, "message": text}, status_code=status)
    return site.page("message.html.j2", words, heading=words.say("title"), text=text, status=status)


# --- serving --------------------------------------------------------------------------------------

_BACKLOG = 1024


def serve(
    campaign: Campaign,
    *,
    host: str,
    port: int,
    public_url: str | None,
    proxies: Sequence[str] = (),
    verbose: bool,
) -> None:
    """Serve until interrupted.

    Parameters
    ----------
    proxies : sequence of str
        Addresses of proxies whose `X-Forwarded-For` is believed; anybody else can write one.
    verbose : bool
        Log every request: method, route, status, time; never an address or a text.

    Raises
    ------
    StudyError
        If nobody can listen there.
    """
    try:
        listener = socket.create_server((host, port), backlog=_BACKLOG)
    except OSError as error:
        raise StudyError(
            f"cannot listen at {host}:{port}: {error.strerror or error}",
            where="--port",
            hint="another program may have it: name another port",
        ) from error
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    if verbose:
        logging.getLogger("babelbits.annotate").setLevel(logging.INFO)
    config = uvicorn.Config(
        make_app(campaign, public_url=public_url),
        access_log=False,
        server_header=False,
        log_level="warning",
        http=make_bounded_protocol(most=count_connections()),
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        timeout_graceful_shutdown=10,
    )
    with listener:
        uvicorn.Server(config).run(sockets=[listener])
