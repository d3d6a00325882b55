"""Which endpoint, how fast, and for how much money: what a user decides before the first request.

Mistakes are errors here, before anything is sent. The API key is named by its environment variable
and is in none of these values: what is printed, hashed or stored cannot hold it. Prices are per
million tokens, in whatever currency the user gave them in; times are in seconds.
"""

import ipaddress
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from babelbits.errors import StudyError

KEY_VARIABLE = "BABELBITS_API_KEY"
"""Read if the user names no other variable. A key of another service is never sent unasked."""

TokenParameter = Literal["max_tokens", "max_completion_tokens"]
_OWN_PARAMETERS = ("model", "messages", "stream", "n", "max_tokens", "max_completion_tokens")
_OMITTABLE = ("temperature", "top_p", "seed", "stop")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a million tokens cost."""

    input: float
    output: float

    def of(self, prompt_tokens: int, output_tokens: int) -> float:
        """Cost of one request."""
        return (prompt_tokens * self.input + output_tokens * self.output) / 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings:
    """One model behind one OpenAI-compatible URL.

    Raises
    ------
    StudyError
        If a value is impossible, if a spend limit has no price, or if the URL holds a password.
    """

    url: str
    """Base URL, e.g. 'http://127.0.0.1:8080/v1'; '/chat/completions' is put behind it."""
    model: str
    """The name that the endpoint knows the model by."""
    label: str = ""
    """Tells servers apart that answer to one URL and name, e.g. the quant that is loaded."""
    key_variable: str | None = None
    """Environment variable of the API key; None: `BABELBITS_API_KEY`, or no key if it is unset."""
    answers_as: str | None = None
    """What the endpoint calls the model in its replies, where that does not resemble `model`."""
    price: Price | None = None
    max_cost: float | None = None
    """No request is sent that could take the spending recorded in the cache file beyond this."""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int = 4
    """Requests under way at the same time."""
    timeout: float = 120.0
    """Of one attempt, from sending it to the last byte of its reply."""
    attempts: int = 6
    """Tries of a request, the first included."""
    first_wait: float = 1.0
    """Before the second try; doubles with each, with jitter."""
    longest_wait: float = 60.0
    """Between two tries; a `Retry-After` may ask for up to ten times as much."""
    token_parameter: TokenParameter = "max_tokens"  # noqa: S105  no secret
    """What the endpoint calls the limit on new tokens."""
    omit: tuple[str, ...] = ()
    """Parameters that the endpoint does not take, e.g. ('temperature',) for reasoning models."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """More parameters of the request's body, e.g. {'reasoning_effort': 'low'}."""
    cache: Path | None = None
    """SQLite file of answers and spending; None: kept in memory, for this run only."""

    def __post_init__(self) -> None:
        _check_url(self.url)
        _check_numbers(self)
        _check_parameters(self)
        if not self.model.strip():
            raise StudyError("the endpoint's model has no name", where="model")
        if self.max_cost is not None and self.price is None:
            raise StudyError(
                "a spend limit needs the price of the model",
                where="max_cost",
                hint="give what a million input and output tokens cost; 0 and 0 if nothing",
            )

    @property
    def loopback(self) -> bool:
        """Whether the endpoint is on this machine."""
        return is_loopback(self.url)

    @property
    def identity(self) -> dict[str, Any]:
        """What may change an answer: where, which model, and how it is asked; never how fast."""
        return {
            "kind": "endpoint",
            "url": self.url.rstrip("/"),
            "model": self.model,
            "label": self.label,
            "omit": sorted(self.omit),
            "extra": dict(self.extra),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedBy:
    """Who serves a variant, and what is known here of its model."""

    endpoint: EndpointSettings
    tokenizer: Path | None = None
    """Folder with the model's tokenizer; None where the model is not here."""
    context: int | None = None
    """Tokens, by the model's own files."""
    allow_network: bool = False
    """Leave this machine even though `HF_HUB_OFFLINE` is set."""


def is_loopback(url: str) -> bool:
    """Whether a URL's host is this machine by its name or number; no name is looked up."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_offline() -> bool:
    """Whether the user's environment says that nothing may be fetched."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def read_key(settings: EndpointSettings) -> str | None:
    """The API key from its environment variable; None if there is none and none was named.

    Raises
    ------
    StudyError
        If the variable that the user named is not set, or holds no possible key.
    """
    variable = settings.key_variable or KEY_VARIABLE
    key = os.environ.get(variable, "").strip()
    if not key:
        if settings.key_variable is None:
            return None
        raise StudyError(
            "the API key is not set",
            where=f"environment variable {variable}",
            hint=f"export {variable}=…",
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise StudyError(
            "the API key holds a space, a control character or a letter outside ASCII",
            where=f"environment variable {variable}",
            hint="copy it again",
        )
    return key


def check_network(settings: EndpointSettings, *, offline: bool, allow: bool) -> None:
    """Refuse to leave this machine when the user is offline.

    Raises
    ------
    StudyError
        If offline, the endpoint is elsewhere, and the user did not allow it.
    """
    if offline and not allow and not settings.loopback:
        raise StudyError(
            f"offline, and the endpoint is on another machine: {urlsplit(settings.url).hostname}",
            where=settings.url,
            hint="allow it with --allow-network, or unset HF_HUB_OFFLINE",
        )


# --- checks --------------------------------------------------------------------------------------


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises if it is no number
    except ValueError as error:
        raise StudyError(f"the endpoint's URL is not valid: {error}", where="url") from error
    if parts.username or parts.password:
        raise StudyError(
            "the endpoint's URL holds a user name or password",
            where="url",
            hint=f"keep it out of files: put the key in the environment variable {KEY_VARIABLE}",
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise StudyError(
            f"the endpoint's URL must begin with http:// or https://, not {url[:80]!r}",
            where="url",
            hint="for example http://127.0.0.1:8080/v1",
        )
    if parts.query or parts.fragment:
        raise StudyError(
            "the endpoint's URL must have no '?' and no '#'",
            where="url",
            hint="it is a base URL such as https://host/v1; a key belongs into the environment",
        )
    if parts.path.rstrip("/").endswith("/chat/completions"):
        raise StudyError(
            "the endpoint's URL must be the base URL",
            where="url",
            hint="leave '/chat/completions' out",
        )


def _check_numbers(settings: EndpointSettings) -> None:
    at_least_one = ("requests_per_minute", "tokens_per_minute", "concurrency", "attempts")
    for name in at_least_one:
        value = getattr(settings, name)
        if value is not None and value < 1:
            raise StudyError(f"must be at least 1, not {value}", where=name)
    for name in ("timeout", "first_wait", "longest_wait"):
        if not 0 < getattr(settings, name) < float("inf"):
            raise StudyError(f"must be above 0, not {getattr(settings, name)}", where=name)
    amounts = {"max_cost": settings.max_cost}
    if settings.price is not None:
        amounts |= {
            "price of input": settings.price.input,
            "price of output": settings.price.output,
        }
    for name, amount in amounts.items():
        if amount is not None and not 0 <= amount < float("inf"):
            raise StudyError(f"must be 0 or more, not {amount}", where=name)


def _check_parameters(settings: EndpointSettings) -> None:
    for name in settings.omit:
        if name not in _OMITTABLE:
            raise StudyError(
                f"{name!r} cannot be left out", where="omit", hint=f"only {', '.join(_OMITTABLE)}"
            )
    for name in settings.extra:
        if name in _OWN_PARAMETERS or name in _OMITTABLE:
            raise StudyError(f"{name!r} is set by Babelbits itself", where="extra")
        if re.search("api.?key|secret|password|authorization", name, re.IGNORECASE):
            raise StudyError(
                f"{name!r} looks like a secret, and parameters are stored",
                where="extra",
                hint=f"put a key in the environment variable {KEY_VARIABLE}",
            )
    try:
        json.dumps(dict(settings.extra), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StudyError(f"is no JSON: {error}", where="extra") from error
