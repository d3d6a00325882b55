"""The table `[endpoint]`, in whatever file it stands: its shape, and the settings that it gives."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from babelbits.engines.endpoint import EndpointSettings, Price
from babelbits.errors import StudyError
from babelbits.study.config.problems import Findings
from babelbits.study.config.toml_reading import Count, Text, TomlTable

_Amount = Annotated[float, Field(ge=0)]


class PriceTable(TomlTable):
    """As `engines.endpoint.Price`."""

    input: _Amount | None = Field(examples=[0.15])
    """Of a million tokens of prompts."""
    output: _Amount | None = Field(examples=[0.6])
    """Of a million tokens of answers."""


class EndpointTable(TomlTable):
    """As `engines.endpoint.EndpointSettings`, which has the defaults."""

    url: Text | None = Field(examples=["http://127.0.0.1:8080/v1"])
    """Base URL of an OpenAI-compatible server."""
    model: Text | None = Field(examples=["local"])
    """The name that the server knows the model by."""
    label: Text | None = None
    """Tells servers apart that answer to one URL and name."""
    key_variable: Text | None = None
    """Environment variable that holds the API key; BABELBITS_API_KEY if left out."""
    key_env: Text | None = None
    """The same as `key_variable`."""
    answers_as: Text | None = None
    """What the server calls the model in its replies, where that does not resemble `model`."""
    price: PriceTable | None = None
    """What a million tokens cost."""
    max_cost: _Amount | None = None
    """No request is sent that could take the spending beyond this."""
    requests_per_minute: Count | None = None
    """Most requests begun in a minute."""
    tokens_per_minute: Count | None = None
    """Most tokens asked for in a minute."""
    concurrency: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Requests under way at the same time; 4 if left out."""
    timeout: Annotated[float, Field(gt=0, lt=86_400)] | None = None
    """Seconds of one attempt; 120 if left out."""
    attempts: Annotated[int, Field(ge=1, le=100)] | None = None
    """Tries of a request; 6 if left out."""
    token_parameter: Literal["max_tokens", "max_completion_tokens"] | None = None
    """What the server calls the limit on new tokens; 'max_tokens' if left out."""
    omit: Annotated[list[Text], Field(min_length=1)] | None = None
    """Parameters that the server does not take, e.g. ["temperature"]."""
    extra: dict[str, Any] | None = None
    """More parameters of every request's body."""


def make_endpoint_settings(
    table: EndpointTable, found: Findings, *, cache: Path | None
) -> EndpointSettings | None:
    """The settings that a table gives; None, and problems noted, if it is wrong.

    Parameters
    ----------
    table : EndpointTable
        As it was read.
    found : Findings
        About the table.
    cache : Path, optional
        Where answers are kept.
    """
    given = table.given()
    if "key_env" in given:
        if "key_variable" in given:
            what = "'key_env' is the same as 'key_variable', which is given too"
            found.note(what, "key_env", hint="leave it out", part="key")
        given.setdefault("key_variable", given["key_env"])
        del given["key_env"]
    if "omit" in given:
        given["omit"] = tuple(given["omit"])
    if table.price is not None:
        put, got = table.price.input, table.price.output
        given["price"] = None if put is None or got is None else Price(input=put, output=got)
    if table.url is None or table.model is None or given.get("price", "") is None:
        return None
    try:
        return EndpointSettings(**given, cache=cache)
    except StudyError as error:
        key = error.where if error.where in table.model_fields_set else "url"
        found.note(error.what, key or "url", hint=error.hint)
        return None
