"""The engine of served variants, before it is loaded: a model behind an endpoint.

Its folder holds no weights: `server.json` says who was met (`engines.endpoint.likeness`). The file
of answers lies beside the folder, so that no hash of the folder depends on it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babelbits.engines.base import EngineIdentity, EngineKind, EngineSettings
from babelbits.errors import EngineError, StudyError
from babelbits.records import JSON

if TYPE_CHECKING:
    from babelbits.engines.endpoint.served_engine import ServedEngine

NAME = "endpoint"
FORMAT = "served"
RECORD = "server.json"
UNKNOWN_CONTEXT = 4096
"""Tokens, where neither the server nor the model's files say."""


def find_answers_file(folder: Path) -> Path:
    """The file of answers and spending of a served variant."""
    return folder.with_name(f"{folder.name}.sqlite")


class EndpointEngine(EngineKind):
    """Models behind OpenAI-compatible endpoints."""

    name = NAME
    formats = (FORMAT,)
    libraries = ("openai",)

    def version(self) -> str:
        """Of the engine alone: which version of the HTTP client asks changes no number."""
        return str(self.revision)

    def device(self, resolved: str, *, asked: str) -> str:
        """Nobody here knows."""
        return "server"

    def dtype(self, asked: str, *, device_kind: str) -> str:
        """Nobody here knows."""
        return "server"

    def identity(
        self,
        settings: EngineSettings,
        *,
        config: JSON | None = None,
    ) -> EngineIdentity:
        """What can be said before the server is met; its own words are in the variant."""
        return EngineIdentity(
            name=NAME,
            version=self.version(),
            device_kind="server",
            dtype="server",
            long_prompts=settings.long_prompts,
        )

    def load(self, folder: Path, *, settings: EngineSettings) -> "ServedEngine":
        """Connect to the server that was met; nothing is sent yet.

        Raises
        ------
        EngineError
            If no server is named, or it was not met yet.
        """
        from babelbits.engines.endpoint.likeness import read_record
        from babelbits.engines.endpoint.served_engine import ServedEngine
        from babelbits.engines.endpoint.server import Server

        by = settings.served
        if by is None:
            raise StudyError(f"the engine '{NAME}' runs variants with an endpoint alone")
        path = folder / RECORD
        if not path.is_file():
            raise EngineError("the server was not asked yet who it is", where=str(path))
        record = read_record(path.read_bytes(), where=str(path))
        server = Server(
            by.endpoint, cache=find_answers_file(folder), allow_network=by.allow_network
        )
        try:
            lengths = [n for n in (server.context(), by.context) if n is not None]
            return ServedEngine(
                server,
                record,
                identity=self.identity(settings),
                tokenizer=load_tokenizer(by.tokenizer),
                context_length=min(lengths, default=UNKNOWN_CONTEXT),
                long_prompts=settings.long_prompts,
            )
        except BaseException:
            server.close()
            raise


def load_tokenizer(folder: Path | None) -> Any:
    """The tokenizer in a folder; None where there is none."""
    if folder is None or not folder.is_dir() or not any(folder.glob("tokenizer*")):
        return None
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def make_encoder(tokenizer: Any) -> Callable[[str], tuple[int, ...]] | None:
    """From text to token ids, with what the tokenizer puts before a text."""
    if tokenizer is None:
        return None
    from babelbits.engines.encoding import find_appended_tokens

    after = len(find_appended_tokens(tokenizer))

    def encode(text: str) -> tuple[int, ...]:
        ids = tokenizer(text)["input_ids"]
        return tuple(ids[: len(ids) - after])

    return encode


ENGINE = EndpointEngine()
