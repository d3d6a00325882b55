"""Meets the server of a variant before its first cell, and knows it again.

What is met for the first time is recorded; what is known is held against the record. A server that
changed is met anew, and has another hash: cells of the former one are set aside when theirs run.
Where a former server is back, its record and hash are, too.
"""

from dataclasses import replace
from pathlib import Path

from babelbits.engines.endpoint.abilities import find_abilities
from babelbits.engines.endpoint.likeness import ServerRecord, find_change, meet, read_record
from babelbits.engines.endpoint.server import Server
from babelbits.engines.endpoint.settings import ServedBy
from babelbits.engines.served import RECORD, find_answers_file, load_tokenizer, make_encoder
from babelbits.errors import EngineError
from babelbits.recipes.manifests import hash_files, hash_weights
from babelbits.store.atomic import write_atomically


def prepare_served(by: ServedBy, folder: Path) -> str:
    """Meet a server, or know it again; gives what stands in place of its weights hash.

    Parameters
    ----------
    folder : Path
        Of its record (`planning.served.record_folder`).

    Raises
    ------
    EngineError
        If it does not answer, or has no such model.
    StoreError
        If the record is damaged or cannot be written.
    """
    server = Server(by.endpoint, cache=find_answers_file(folder), allow_network=by.allow_network)
    try:
        server.check_model()
        says = server.says()
        path = folder / RECORD
        for file in (path, *_former(folder)):
            if not file.is_file():
                continue
            content = file.read_bytes()
            record = read_record(content, where=str(file))
            if find_change(server.ask, record, says=says) is None:
                if file != path:
                    _put(content, folder)
                return _hash(folder)
        _put(_met(server, by).as_bytes(), folder)
        return _hash(folder)
    finally:
        server.close()


def _met(server: Server, by: ServedBy) -> ServerRecord:
    able = find_abilities(server.ask, encode=make_encoder(load_tokenizer(by.tokenizer)))
    if not able.generates:
        raise EngineError(f"the server answers nothing: {able.chat.why}", where=server.settings.url)
    return meet(server.ask, says=server.says(), abilities=replace(able, more={}))


def _former(folder: Path) -> list[Path]:
    return sorted((folder.parent / "former").glob(f"{folder.name}-*.json"))


def _put(content: bytes, folder: Path) -> None:
    """Make a record the present one; the one before it is kept among the former ones."""
    path = folder / RECORD
    if path.is_file():
        kept = folder.parent / "former" / f"{folder.name}-{_hash(folder)[:12]}.json"
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(kept, path.read_bytes())
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)


def _hash(folder: Path) -> str:
    return hash_weights(hash_files(folder))
