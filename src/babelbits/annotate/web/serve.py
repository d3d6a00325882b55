"""Serve a campaign with uvicorn: one process, and no access log, for invitations are secret."""

import logging

import uvicorn

from babelbits.annotate.folder import Campaign
from babelbits.annotate.web.app import make_app

_BACKLOG = 1024


def serve(
    campaign: Campaign, *, host: str, port: int, public_url: str | None, verbose: bool
) -> None:
    """Serve until interrupted.

    Parameters
    ----------
    verbose : bool
        Log every request: method, route, status, time; never an address or a text.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    if verbose:
        logging.getLogger("babelbits.annotate").setLevel(logging.INFO)
    uvicorn.run(
        make_app(campaign, public_url=public_url),
        host=host,
        port=port,
        access_log=False,
        server_header=False,
        log_level="warning",
        proxy_headers=public_url is not None,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=10,
    )
