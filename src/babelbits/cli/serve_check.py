"""`babelbits serve-check`: what a server of a model can and cannot do."""

from typing import TYPE_CHECKING, Any

import click

from babelbits.cli.console import make_cell, open_console, print_data, print_json, say

if TYPE_CHECKING:
    from babelbits.engines.endpoint.abilities import Abilities, Ability
    from babelbits.engines.endpoint.server import Server

SCHEMA = "babelbits.serve-check/1"
_WORDS = {True: "yes", False: "no", None: "not known"}


@click.command(name="serve-check")
@click.argument("url")
@click.option("--model", help="The model's name at the server; may be left out if it lists one.")
@click.option("--key-env", help="Environment variable of the API key.  [BABELBITS_API_KEY]")
@click.option(
    "--tokenizer",
    metavar="FOLDER",
    help="The model's own files, or bundled: are token ids the same?",
)
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), default=60.0,
              show_default=True, help="Seconds of one request.")  # fmt: skip
@click.option("--allow-network", is_flag=True, help="Leave this machine although HF_HUB_OFFLINE.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def serve_check(
    url: str,
    *,
    model: str | None,
    key_env: str | None,
    tokenizer: str | None,
    timeout: float,
    allow_network: bool,
    as_json: bool,
) -> int:
    """Ask the OpenAI-compatible server at URL what it can do, and print what it showed.

    Nothing is taken at its word: log-likelihoods, seeds, stop strings are tried with requests whose
    answers are known beforehand. About 40 short requests are sent. Exit code 0 if a study can ask
    it for texts at all, else 1.
    """
    from babelbits.engines.endpoint.abilities import find_abilities, find_more
    from babelbits.engines.endpoint.server import Server
    from babelbits.engines.endpoint.settings import EndpointSettings
    from babelbits.engines.served import load_tokenizer, make_encoder

    settings = EndpointSettings(
        url=url, model=model or "?", key_variable=key_env, timeout=timeout, attempts=2
    )
    server = Server(settings, allow_network=allow_network)
    try:
        listed = [str(one["id"]) for one in server.models() or []]
        if model is None:
            server.name_model(_only(listed, url))
        encode = make_encoder(load_tokenizer(_folder(tokenizer)))
        if not as_json:
            say(f"asking {url} for '{server.settings.model}' …")
        found = find_abilities(server.ask, encode=encode)
        more = find_more(server.ask, found)
        told = _told(server, listed)
    finally:
        server.close()
    rows = _rows(found, more)
    if as_json:
        print_json(_object(server, found, rows, told))
    else:
        _print(server, found, rows, told)
    return 0 if found.generates else 1


def _only(listed: list[str], url: str) -> str:
    from babelbits.errors import StudyError

    if len(listed) == 1:
        return listed[0]
    raise StudyError(
        "no list of models could be had here"
        if not listed
        else f"it lists {', '.join(listed[:20])}",
        where=url,
        hint="name one: --model NAME"
        + ("" if listed else "; does the URL end with /v1, and does the server run?"),
    )


def _folder(named: str | None) -> Any:
    """The folder with the tokenizer that the server should have."""
    from pathlib import Path

    from babelbits.bundled import find_bundled_model

    if named is None:
        return None
    return find_bundled_model() if named == "bundled" else Path(named)


def _told(server: "Server", listed: list[str]) -> dict[str, Any]:
    """What the server says of itself; nothing here can be verified."""
    told = server.says()
    context = server.context()
    if context is not None:
        told["context"] = context
    if listed:
        told["models"] = listed[:20]
    return told


def _rows(found: "Abilities", more: "dict[str, Ability]") -> "list[tuple[str, str, Ability]]":
    """Name, what it is for, and what came out."""
    rows = [
        ("continues text", "asked like the other variants", found.completions),
        ("answers chats", "enough for open prompts", found.chat),
        ("log-likelihood of a prompt", "choices", found.scoring),
        ("log-likelihood of a whole text", "bits per byte, pairs of sentences", found.whole),
        ("takes token ids", "the very tokens of the other variants", found.token_ids),
        ("log-probability of output", "knows a changed model again", found.logprobs),
    ]
    uses = {
        "deterministic": "3 repeats",
        "seeds": "sampling that can be repeated",
        "stop strings": "fewer tokens",
        "several at once": "speed",
    }
    return [*rows, *((name, uses[name], one) for name, one in more.items())]


def _print(
    server: "Server",
    found: "Abilities",
    rows: "list[tuple[str, str, Ability]]",
    told: dict[str, Any],
) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("what", "for", "", "what it showed"):
        table.add_column(name, overflow="fold")
    for name, use, one in rows if found.generates else rows[:2]:
        table.add_row(*map(make_cell, (name, use, _WORDS[one.able], one.why)))
    open_console().print(table)
    for name, value in told.items():
        print_data(f"says of itself: {name}: {value}")
    if not told:
        print_data("says nothing of itself")
    print_data("")
    print_data(describe_verdict(found, name=server.settings.model))


def describe_verdict(found: "Abilities", *, name: str) -> str:
    """What a study can do with a server, in a sentence."""
    if not found.generates:
        return f"No study can ask '{name}' here: {found.chat.why}."
    if found.way is not None and found.whole.able:
        return f"A study can ask '{name}' everything; log-likelihoods come by `{found.way}`."
    if found.way is not None:
        return (
            f"A study can ask '{name}' for texts and choices; log-likelihoods come by "
            f"`{found.way}`. Bits per byte of whole texts are refused."
        )
    return (
        f"A study can ask '{name}' for texts. Tasks with choices and bits per byte are refused: "
        "without log-likelihoods they would be scored at chance."
    )


def _object(
    server: "Server",
    found: "Abilities",
    rows: "list[tuple[str, str, Ability]]",
    told: dict[str, Any],
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "url": server.settings.url,
        "model": server.settings.model,
        "usable": found.generates,
        "log_likelihood_by": found.way,
        "abilities": [{"what": name, "able": one.able, "showed": one.why} for name, _, one in rows],
        "says_of_itself": told,
        "verdict": describe_verdict(found, name=server.settings.model),
    }
