"""The table `[endpoint]`, in whatever file it stands, to `EndpointSettings`."""

from pathlib import Path
from typing import Any

from babelbits.engines.endpoint import EndpointSettings, Price
from babelbits.errors import StudyError
from babelbits.study.config.toml_table import Table, array, choice, integer, number, text

_ANY = float("inf")


def read_endpoint(table: Table, *, cache: Path | None) -> EndpointSettings | None:
    """Read `[endpoint]`; None, and problems noted, if it is wrong.

    Parameters
    ----------
    table : Table
        With at least `url` and `model`.
    cache : Path, optional
        Where answers are kept.
    """
    url = table.need("url", text, example='url = "http://127.0.0.1:8080/v1"')
    model = table.need("model", text, example='model = "local"')
    usual = EndpointSettings(url="http://127.0.0.1/v1", model="any")
    chosen: dict[str, Any] = {
        "label": table.get("label", text, ""),
        "key_variable": table.get("key_variable", text, "") or None,
        "answers_as": table.get("answers_as", text, "") or None,
        "price": _price(table),
        "max_cost": table.get("max_cost", _optional, None),
        "requests_per_minute": table.get("requests_per_minute", integer(minimum=1), 0) or None,
        "tokens_per_minute": table.get("tokens_per_minute", integer(minimum=1), 0) or None,
        "concurrency": table.get(
            "concurrency", integer(minimum=1, maximum=1000), usual.concurrency
        ),
        "timeout": table.get("timeout", number(above=0, below=86_400), usual.timeout),
        "attempts": table.get("attempts", integer(minimum=1, maximum=100), usual.attempts),
        "token_parameter": table.get("token_parameter", _token_parameter, "max_tokens"),
        "omit": table.get("omit", array(text, what="parameters"), usual.omit),
        "extra": dict(table.table("extra").data),
    }
    table.close(what="[endpoint]")
    if url is None or model is None:
        return None
    try:
        return EndpointSettings(url=url, model=model, cache=cache, **chosen)
    except StudyError as error:
        key = error.where if error.where in table.data else "url"
        table.complain(error.what, key or "url", hint=error.hint)
        return None


def _price(table: Table) -> Price | None:
    if "price" not in table.data:
        return None
    inner = table.table("price")
    amount = number(above=0, below=_ANY, closed=True)
    example = "price = { input = 0.15, output = 0.60 }"
    put = inner.need("input", amount, example=example)
    got = inner.need("output", amount, example=example)
    inner.close(what="'price' (per million tokens)")
    return None if put is None or got is None else Price(input=put, output=got)


def _optional(value: Any) -> float | None:
    return number(above=0, below=_ANY, closed=True)(value)


def _token_parameter(value: Any) -> str:
    return choice("max_tokens", "max_completion_tokens")(value)
