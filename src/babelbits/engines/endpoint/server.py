"""A server that runs a model: a connection to it, and what it says of itself.

Fixed prompts must reach the server every time, so they never go through the file of answers; what
they cost is in it all the same. What only concerns the moment (times, memory) is left out.
"""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from babelbits.engines.chat import ChatAnswer
from babelbits.engines.chat_cache import AnswerFile
from babelbits.engines.endpoint.model import EndpointModel
from babelbits.engines.endpoint.served_request import ServedRequest
from babelbits.engines.endpoint.settings import (
    EndpointSettings,
    check_network,
    is_offline,
    read_key,
)
from babelbits.engines.endpoint.transport import Transport
from babelbits.errors import EngineError
from babelbits.records import digest
from babelbits.suggest import did_you_mean

_FLEETING = ("created", "permission", "modified_at", "expires_at", "size_vram", "status")
"""Of a model's entry: vLLM writes the time of the request there."""
_PROPERTIES = ("build_info", "model_path", "model_alias", "modalities")
"""Of llama-server's /props, which also has settings of single requests."""
_LENGTHS = ("max_model_len", "context_length", "max_context_length", "n_ctx", "n_ctx_train")
"""What servers call the context in a model's entry, the one that holds first."""


class Server:
    """One model behind an endpoint; for any number of threads. Nothing is sent before it is asked.

    Parameters
    ----------
    cache : Path, optional
        The file of answers and spending.
    allow_network : bool
        Leave this machine even though `HF_HUB_OFFLINE` is set. Loopback is always allowed.

    Raises
    ------
    StudyError
        If offline and the endpoint is elsewhere, or the named API key is not set.
    MissingExtraError
        If `openai` is not installed.
    """

    def __init__(
        self,
        settings: EndpointSettings,
        *,
        cache: Path | None = None,
        allow_network: bool = False,
        on_interrupt: Callable[[], None] | None = None,
    ) -> None:
        check_network(settings, offline=is_offline(), allow=allow_network)
        self.settings = settings
        self._transport = Transport(settings, key=read_key(settings))
        self._answers = AnswerFile(cache)
        self._on_interrupt = on_interrupt
        self._number = count()

    def model(self, scope: str) -> EndpointModel:
        """The model with answers of its own: those of another scope are not found."""
        label = f"{self.settings.label}\x1f{scope}"
        return EndpointModel(
            replace(self.settings, label=label),
            transport=self._transport,
            answers=self._answers,
            on_interrupt=self._on_interrupt,
        )

    def ask(self, requests: Sequence[ServedRequest]) -> list[ChatAnswer]:
        """Answers that the server gives now, never kept ones."""
        now = f"{os.getpid()} {time.time_ns()} {next(self._number)}"
        return self.model(now).ask(requests)

    def name_model(self, name: str) -> None:
        """Ask for another model from now on."""
        self.settings = replace(self.settings, model=name)
        self._transport.name_model(name)

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()
        self._answers.close()

    # --- of itself ---

    def models(self) -> list[dict[str, Any]] | None:
        """The entries of /models; None where there is no such list."""
        listed = self._transport.look(f"{self._base}/models")
        data = listed.get("data") if isinstance(listed, dict) else None
        if not isinstance(data, list):
            return None
        return [one for one in data if isinstance(one, dict) and isinstance(one.get("id"), str)]

    def says(self) -> dict[str, Any]:
        """What the server says of itself and of the model, as it is asked again and again."""
        found: dict[str, Any] = {}
        if (entry := self._entry()) is not None:
            found["model"] = {k: v for k, v in entry.items() if k not in _FLEETING}
        if isinstance(version := self._transport.look(f"{self._root}/version"), dict):
            found["version"] = version.get("version", version)
        props = self._transport.look(f"{self._root}/props")
        if isinstance(props, dict):
            known = {k: props[k] for k in _PROPERTIES if props.get(k)}
            template = props.get("chat_template")
            if isinstance(template, str):
                known["chat_template"] = digest(template)
            found["props"] = known
        if (ollama := self._ollama()) is not None:
            found["ollama"] = ollama
        return found

    def context(self) -> int | None:
        """Tokens that the server takes, by its own words; None where it does not say."""
        entry = self._entry() or {}
        meta = entry.get("meta")
        known = {**(meta if isinstance(meta, dict) else {}), **entry}
        lengths = [known[k] for k in _LENGTHS if isinstance(known.get(k), int) and known[k] > 0]
        props = self._transport.look(f"{self._root}/props")
        usual = props.get("default_generation_settings") if isinstance(props, dict) else None
        slot = usual.get("n_ctx") if isinstance(usual, dict) else None
        if isinstance(slot, int) and slot > 0:
            return slot
        return lengths[0] if lengths else None

    def check_model(self) -> None:
        """Refuse a model that the server does not list.

        Raises
        ------
        EngineError
            It names those that are listed.
        """
        listed = self.models()
        name = self.settings.model
        if not listed or len(listed) > 1000 or self._entry() is not None:
            return
        names = [str(one["id"]) for one in listed]
        if len(names) == 1 and "/" in names[0]:
            return  # servers of one file list its path and take any name
        near = did_you_mean(name, names) or f"it lists {', '.join(names[:8])}"
        raise EngineError(f"the server has no model {name!r}", where=self.settings.url, hint=near)

    @property
    def _base(self) -> str:
        return self.settings.url.rstrip("/")

    @property
    def _root(self) -> str:
        parts = urlsplit(self._base)
        path = parts.path.removesuffix("/v1")
        return f"{parts.scheme}://{parts.netloc}{path}"

    def _entry(self) -> dict[str, Any] | None:
        """What /models says of the model."""
        listed = self.models() or []
        named = [one for one in listed if one["id"] == self.settings.model]
        if not named and len(listed) == 1 and "/" in listed[0]["id"]:
            named = listed
        return named[0] if named else None

    def _ollama(self) -> Mapping[str, Any] | None:
        version = self._transport.look(f"{self._root}/api/version")
        if not isinstance(version, dict) or "version" not in version:
            return None
        tags = self._transport.look(f"{self._root}/api/tags")
        models = tags.get("models") if isinstance(tags, dict) else None
        name = self.settings.model
        known = (name, f"{name}:latest")
        one = next((m for m in models or () if isinstance(m, dict) and m.get("name") in known), {})
        return {
            "version": version["version"],
            "digest": one.get("digest"),
            "details": one.get("details"),
        }
