"""Serve a campaign with uvicorn: one process, and no access log, for invitations are secret."""

import logging
import socket
from collections.abc import Sequence

import uvicorn

from babelbits.annotate.folder import Campaign
from babelbits.annotate.web.app import make_app
from babelbits.annotate.web.connections import bounded_protocol, room_for_connections
from babelbits.errors import StudyError

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
        http=bounded_protocol(most=room_for_connections()),
        proxy_headers=bool(proxies),
        forwarded_allow_ips=list(proxies),
        timeout_graceful_shutdown=10,
    )
    with listener:
        uvicorn.Server(config).run(sockets=[listener])
