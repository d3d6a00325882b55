"""One attempt over HTTP with the `openai` client: bytes or a fault, never an exception.

The client's own retries are off: they do not say what they cost. Redirects are not followed, so
that a key never goes where it was not sent. The whole reply must be there before the deadline; a
server that sends a byte now and then does not hold a worker for ever.
"""

import time
from dataclasses import replace
from typing import Any

from babelbits.engines.chat import ChatRequest
from babelbits.engines.endpoint.completion import Completion, read_completion
from babelbits.engines.endpoint.faults import Fault, of_status, quoted
from babelbits.engines.endpoint.settings import EndpointSettings
from babelbits.errors import MissingExtraError

_CONNECT = 10.0
"""Seconds for a connection to be made."""
_LARGEST = 32 * 2**20
"""Bytes of a reply; more is no chat."""
_NEVER_SENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol")
"""Exceptions of the HTTP library that mean that no request has reached anyone."""
_NO_KEY = "none"
"""Local servers want no key, the client wants one."""
_REDACTED = "[key]"


class _TooSlow(Exception):  # noqa: N818  a signal between two functions
    pass


class _TooLarge(Exception):  # noqa: N818  it never leaves this module
    pass


class Transport:
    """Connections to one endpoint; for any number of threads.

    Raises
    ------
    MissingExtraError
        If `openai` is not installed.
    """

    def __init__(self, settings: EndpointSettings, *, key: str | None) -> None:
        try:
            import openai
        except ImportError as error:
            raise MissingExtraError(
                "asking an endpoint needs the package openai",
                hint="pip install 'babelbits[endpoint]'",
            ) from error
        self._settings = settings
        self._key = key
        self._errors = openai
        self._client = openai.OpenAI(
            base_url=settings.url,
            api_key=key or _NO_KEY,
            max_retries=0,
            timeout=openai.Timeout(settings.timeout, connect=min(_CONNECT, settings.timeout)),
            http_client=openai.DefaultHttpxClient(
                follow_redirects=False,
                trust_env=not settings.loopback,  # a proxy cannot reach this machine
            ),
        )

    def send(self, request: ChatRequest) -> tuple[Completion, str] | Fault:
        """One attempt: what the model said with the raw reply, or what went wrong."""
        try:
            raw = self._fetch(request)
        except self._errors.APIStatusError as error:
            headers = {name.lower(): value for name, value in error.response.headers.items()}
            return self._clean(of_status(error.status_code, headers, error.response.content))
        except Exception as error:  # noqa: BLE001  the HTTP library's own, of either of its versions
            return self._clean(self._broken(error))
        read = read_completion(
            raw, model=self._settings.model, answers_as=self._settings.answers_as
        )
        if isinstance(read, Fault):
            return self._clean(read)
        whole = self._hidden(raw.decode("utf-8", "replace"))
        return replace(read, text=self._hidden(read.text)), whole

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _fetch(self, request: ChatRequest) -> bytes:
        """The body of the reply, whole."""
        deadline = time.monotonic() + self._settings.timeout
        parameters = body_of(request, self._settings)
        create: Any = self._client.chat.completions.with_streaming_response.create
        with create(**parameters, extra_body=dict(self._settings.extra)) as response:
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if time.monotonic() > deadline:
                    raise _TooSlow
                if len(body) > _LARGEST:
                    raise _TooLarge
            return bytes(body)

    def _broken(self, error: Exception) -> Fault:
        """The fault behind an exception of the HTTP library."""
        cause = error.__cause__ or error
        name = type(cause).__name__
        if name in _NEVER_SENT:
            kind: Any = "timeout" if name.endswith("Timeout") else "server_error"
            what = f"no connection to {self._settings.url}: {quoted(str(cause))}"
            return Fault(kind=kind, message=what, retry=True)
        if isinstance(cause, _TooLarge):
            what = f"the reply is longer than {_LARGEST:,} bytes"
            return Fault(kind="malformed", message=what, maybe_charged=True)
        if isinstance(cause, _TooSlow) or name.endswith("Timeout"):
            what = f"no whole reply within {self._settings.timeout:g} s"
            return Fault(kind="timeout", message=what, retry=True, maybe_charged=True)
        what = f"the connection broke: {name}: {quoted(str(cause))}"
        return Fault(kind="server_error", message=what, retry=True, maybe_charged=True)

    def _clean(self, fault: Fault) -> Fault:
        return replace(fault, message=self._hidden(fault.message))

    def _hidden(self, text: str) -> str:
        """Text without the API key, which some servers repeat."""
        return text.replace(self._key, _REDACTED) if self._key else text


def body_of(request: ChatRequest, settings: EndpointSettings) -> dict[str, Any]:
    """The parameters of a request that the endpoint is to be sent."""
    optional: dict[str, Any] = {"temperature": request.temperature, "seed": request.seed}
    if request.top_p != 1:
        optional["top_p"] = request.top_p
    if request.stop:
        optional["stop"] = list(request.stop)
    return {
        "model": settings.model,
        "messages": [{"role": turn.role, "content": turn.content} for turn in request.messages],
        settings.token_parameter: request.max_new_tokens,
        **{name: value for name, value in optional.items() if name not in settings.omit},
    }
