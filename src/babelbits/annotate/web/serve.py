"""Serve a campaign with uvicorn: one process, and no access log, for invitations are secret."""

import logging
import socket

import uvicorn

from babelbits.annotate.folder import Campaign
from babelbits.annotate.web.app import make_app
from babelbits.errors import StudyError

_BACKLOG = 1024


def serve(
    campaign: Campaign, *, host: str, port: int, public_url: str | None, verbose: bool
) -> None:
    """Serve until interrupted.

    Parameters
    ----------
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
        proxy_headers=public_url is not None,
        timeout_graceful_shutdown=10,
    )
    with listener:
        uvicorn.Server(config).run(sockets=[listener])
