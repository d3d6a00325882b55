"""One attempt over HTTP with the `openai` client: bytes or a fault, never an exception.

The client's own retries are off: they do not say what they cost. Redirects are not followed, so
that a key never goes where it was not sent. The whole reply, its headers and errors too, must be
there before the deadline and within bounds (`bounds`): a server that sends a byte now and then does
not hold a worker for ever.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from babelbits.engines.chat import ChatRequest
from babelbits.engines.endpoint.bounds import (
    LARGEST_ERROR,
    LARGEST_REPLY,
    Bounds,
    StatusError,
    TooLargeError,
    TooSlowError,
    set_bounds,
)
from babelbits.engines.endpoint.completion import Completion, read_completion
from babelbits.engines.endpoint.faults import EndpointFault, quoted, read_status_fault
from babelbits.engines.endpoint.served_request import ServedRequest, find_extra_parameters
from babelbits.engines.endpoint.settings import EndpointSettings
from babelbits.errors import MissingExtraError

_CONNECT = 10.0
"""Seconds for a connection to be made."""
_LOOK = 10.0
"""Seconds for what a server says of itself."""
_NEVER_SENT = ("ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol")
"""Exceptions of the HTTP library that mean that no request has reached anyone."""
_NO_KEY = "none"
"""Local servers want no key, the client wants one."""
_REDACTED = "[key]"
_LONG_KEY = 16
"""Letters of a key that is looked for in answers; a shorter one may be a word of theirs."""


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
        self._bounds = Bounds()
        http_client = openai.DefaultHttpxClient(
            follow_redirects=False,
            trust_env=not settings.loopback,  # a proxy cannot reach this machine
            event_hooks={"response": [self._refuse_status]},
        )
        set_bounds(http_client, self._bounds)
        self._http = http_client
        self._client = openai.OpenAI(
            base_url=settings.url,
            api_key=key or _NO_KEY,
            max_retries=0,
            timeout=openai.Timeout(settings.timeout, connect=min(_CONNECT, settings.timeout)),
            http_client=http_client,
        )

    def send(self, request: ChatRequest) -> tuple[Completion, str] | EndpointFault:
        """One attempt: what the model said with the raw reply, or what went wrong."""
        try:
            raw = self._fetch(request)
        except Exception as error:  # noqa: BLE001  the HTTP library's own, of either of its versions
            return self._clean(self._broken(error))
        read = read_completion(
            raw,
            model=self._settings.model,
            answers_as=self._settings.answers_as,
            request=request if isinstance(request, ServedRequest) else None,
        )
        if isinstance(read, EndpointFault):
            return self._clean(read)
        whole = raw.decode("utf-8", "replace")
        if self._key and len(self._key) >= _LONG_KEY:
            return replace(read, text=self._hidden(read.text)), self._hidden(whole)
        return read, whole

    def name_model(self, name: str) -> None:
        """Ask for another model from now on."""
        self._settings = replace(self._settings, model=name)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _fetch(self, request: ChatRequest) -> bytes:
        """The body of the reply, whole."""
        self._bounds.begin(self._settings.timeout)
        parameters = make_body(request, self._settings)
        extra = dict(self._settings.extra)
        api: Any = self._client.chat.completions
        if isinstance(request, ServedRequest):
            extra |= find_extra_parameters(request)
            api = api if request.prompt is None else self._client.completions
        with api.with_streaming_response.create(**parameters, extra_body=extra) as response:
            return self._read(response)

    def _read(self, response: Any) -> bytes:
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            self._bounds.left(None)
            if len(body) > LARGEST_REPLY:
                raise TooLargeError
        return bytes(body)

    def look(self, url: str, *, body: Mapping[str, Any] | None = None) -> Any:
        """What a server says of itself at a URL: parsed JSON, or None whatever goes wrong.

        Parameters
        ----------
        url : str
            Whole.
        body : mapping, optional
            Sent by POST; None: GET.
        """
        self._bounds.begin(min(_LOOK, self._settings.timeout))
        headers = {"Authorization": f"Bearer {self._key or _NO_KEY}"}
        method = "GET" if body is None else "POST"
        try:
            with self._http.stream(method, url, json=body, headers=headers) as response:
                return json.loads(self._hidden(self._read(response).decode("utf-8", "replace")))
        except Exception:  # noqa: BLE001  no server has all of these addresses
            return None

    def _refuse_status(self, response: Any) -> None:
        """Raise for a status other than 200 with the beginning of its body, before it is read."""
        if response.status_code == 200:
            return
        body = bytearray()
        try:
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) >= LARGEST_ERROR:
                    break
        except Exception:  # noqa: BLE001, S110  however the body breaks, the status is known
            pass
        headers = {name.lower(): value for name, value in response.headers.items()}
        raise StatusError(response.status_code, headers, bytes(body[:LARGEST_ERROR]))

    def _broken(self, error: Exception) -> EndpointFault:
        """The fault behind an exception of the HTTP library."""
        cause = error.__cause__ or error
        if isinstance(cause, StatusError):
            return read_status_fault(cause.status, cause.headers, cause.body)
        name = type(cause).__name__
        if name in _NEVER_SENT:
            kind: Any = "timeout" if name.endswith("Timeout") else "server_error"
            what = f"no connection to {self._settings.url}: {quoted(str(cause))}"
            return EndpointFault(kind=kind, message=what, retry=True)
        if isinstance(cause, TooLargeError):
            what = f"the reply is longer than {LARGEST_REPLY:,} bytes"
            return EndpointFault(kind="malformed", message=what, maybe_charged=True)
        if isinstance(cause, TooSlowError) or name.endswith("Timeout"):
            what = f"no whole reply within {self._settings.timeout:g} s"
            return EndpointFault(kind="timeout", message=what, retry=True, maybe_charged=True)
        what = f"the connection broke: {name}: {quoted(str(cause))}"
        return EndpointFault(kind="server_error", message=what, retry=True, maybe_charged=True)

    def _clean(self, fault: EndpointFault) -> EndpointFault:
        return replace(fault, message=self._hidden(fault.message))

    def _hidden(self, text: str) -> str:
        """Text without the API key, which some servers repeat, where it stands by itself."""
        if not self._key:
            return text
        return re.sub(rf"(?<!\w){re.escape(self._key)}(?!\w)", _REDACTED, text)


def make_body(request: ChatRequest, settings: EndpointSettings) -> dict[str, Any]:
    """The parameters of a request that the endpoint is to be sent."""
    optional: dict[str, Any] = {"temperature": request.temperature, "seed": request.seed}
    if request.top_p != 1:
        optional["top_p"] = request.top_p
    if request.stop:
        optional["stop"] = list(request.stop)
    asked: dict[str, Any] = {
        "messages": [{"role": turn.role, "content": turn.content} for turn in request.messages],
        settings.token_parameter: request.max_new_tokens,
    }
    if isinstance(request, ServedRequest) and request.prompt is not None:
        text = request.prompt
        prompt = text if isinstance(text, str) else list(text)
        asked = {"prompt": prompt, "max_tokens": request.max_new_tokens}
    return {
        "model": settings.model,
        **asked,
        **{name: value for name, value in optional.items() if name not in settings.omit},
    }
