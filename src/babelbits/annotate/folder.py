"""A campaign's folder: the secret, the key apart, and where outputs came from.

    campaign.json   schema and database URL
    secret          32 bytes, hex
    votes.sqlite    unless the database is elsewhere
    source.json     file and hash of the pairs, so that changed outputs are noticed
    key.json        which text is whose; only `unblind` opens it
    unblinded/      what unblinding wrote

All files are for their owner alone. The web app opens neither `key.json` nor `source.json`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from babelbits.annotate import models
from babelbits.annotate.campaign_settings import Settings
from babelbits.annotate.create import CampaignDraft, KeyEntry, hash_content, hash_pairs
from babelbits.annotate.database import Database, get_meta, set_meta
from babelbits.annotate.secrets import hash_password
from babelbits.errors import NothingThereError, StoreError, StudyError
from babelbits.preferences.pair_files import read_pairs
from babelbits.records import canonical_json
from babelbits.store.atomic import store_errors, write_atomically
from babelbits.store.codec import from_json, to_json

SCHEMA = "babelbits.annotate/1"
CAMPAIGN, SECRET, SOURCE, KEY, VOTES = (
    "campaign.json",
    "secret",
    "source.json",
    "key.json",
    "votes.sqlite",
)
FROZEN = "frozen_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """An open campaign."""

    folder: Path
    secret: bytes = field(repr=False)
    database: Database
    settings: Settings
    languages: tuple[str, ...]
    """Languages with something to rate."""

    def close(self) -> None:
        """Give connections back."""
        self.database.close()


def write_campaign(
    folder: Path,
    draft: CampaignDraft,
    settings: Settings,
    *,
    secret: bytes,
    database_url: str | None,
    owner_password: str,
    pairs_file: Path,
    pairs_digest: str,
    now: float,
) -> Campaign:
    """Write a campaign; its `campaign.json` comes last, so that half a campaign is none.

    Raises
    ------
    StoreError
        If the folder holds a campaign, the database is not empty, or writing fails.
    """
    if (folder / CAMPAIGN).exists():
        raise NothingThereError("there is a campaign already", where=str(folder))
    url = database_url or f"sqlite:///{(folder / VOTES).resolve()}"
    with store_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    if database_url is None:
        for path in folder.glob(f"{VOTES}*"):  # of an attempt that was broken off
            path.unlink()
    database = Database(url)
    if not database.is_empty():
        raise NothingThereError(
            "the database holds a campaign already", where=database.shown_url, hint="name another"
        )
    _write_private(folder / SECRET, secret.hex().encode())
    source = {"file": str(pairs_file.resolve()), "hash": pairs_digest}
    _write_private(folder / SOURCE, canonical_json(source).encode())
    _write_private(folder / KEY, _key_bytes(draft))
    database.migrate()
    with database.writing() as connection:
        _fill(connection, draft, settings, owner_password=owner_password, now=now)
    stated = {"schema": SCHEMA, "database": None if database_url is None else url}
    _write_private(folder / CAMPAIGN, canonical_json(stated).encode())
    database.close()
    return open_campaign(folder)


def open_campaign(folder: Path) -> Campaign:
    """Open a campaign and check that its units are those it was made of.

    Raises
    ------
    StudyError
        If there is no campaign in the folder.
    StoreError
        If the database cannot be reached, or units differ from what was written.
    """
    if _read_json(folder / CAMPAIGN).get("database") is None and not (folder / VOTES).exists():
        raise StoreError(
            "the votes are not there",
            where=str(folder / VOTES),
            hint=f"put a backup in their place: babelbits annotate restore {folder} BACKUP",
        )
    database = open_database(folder)
    with database.reading() as connection:
        settings = from_json(Settings, get_meta(connection, "settings"), where=database.shown_url)
        kept = get_meta(connection, "content_hash")
        if kept != hash_content(_contents(connection)):
            raise StoreError(
                "the texts differ from those that the campaign was made of",
                where=database.shown_url,
                hint="votes on changed texts mean nothing: make a new campaign",
            )
        languages = connection.scalars(
            select(models.unit.c.language).distinct().order_by(models.unit.c.language)
        ).all()
    return Campaign(
        folder=folder,
        secret=bytes.fromhex((folder / SECRET).read_text("ascii").strip()),
        database=database,
        settings=settings,
        languages=tuple(languages),
    )


def open_database(folder: Path) -> Database:
    """A campaign's database, whatever it holds; with empty tables where it was lost.

    Raises
    ------
    StudyError
        If there is no campaign in the folder.
    StoreError
        If the database cannot be reached.
    """
    url = _read_json(folder / CAMPAIGN).get("database")
    database = Database(url or f"sqlite:///{(folder / VOTES).resolve()}")
    database.migrate()
    return database


def check_outputs(folder: Path) -> str | None:
    """Refuse a campaign whose outputs were changed since; a note if they are not there to compare.

    Raises
    ------
    StoreError
        If the file of pairs has other content now.
    """
    source = _read_json(folder / SOURCE)
    path = Path(source["file"])
    if not path.exists():
        return f"{path} is gone: whether the outputs have changed since cannot be checked"
    if hash_pairs(read_pairs(path)) != source["hash"]:
        raise StoreError(
            "the outputs have changed since the campaign was created",
            where=str(path),
            hint="votes would be on other texts: create a new campaign, or put the file back",
        )
    return None


def has_campaign(folder: Path) -> bool:
    """Whether a whole campaign is in the folder."""
    return (folder / CAMPAIGN).exists()


def has_same_outputs(folder: Path, pairs_digest: str) -> bool:
    """Whether the campaign in `folder` is about the outputs with this hash."""
    return bool(_read_json(folder / SOURCE)["hash"] == pairs_digest)


def read_key(folder: Path) -> tuple[KeyEntry, ...]:
    """The key. Only unblinding calls this.

    Raises
    ------
    StudyError, StoreError
        If it is not there or cannot be read.
    """
    path = folder / KEY
    return tuple(from_json(KeyEntry, row, where=str(path)) for row in _read_json(path)["pairs"])


def read_key_content_hash(folder: Path) -> str:
    """The hash of the units that the key is about."""
    return str(_read_json(folder / KEY)["content_hash"])


def find_frozen_at(connection: Connection) -> float | None:
    """When the campaign was unblinded; None while it goes on.

    In a writing transaction nobody can freeze it before that transaction ends.
    """
    query = select(models.meta.c.value).where(models.meta.c.name == FROZEN)
    found = connection.scalar(query.with_for_update(read=True))
    return None if found is None else float(found)


def log_act(connection: Connection, kind: str, *, now: float, detail: Mapping[str, Any]) -> None:
    """Note an act of the owner; acts are only ever added."""
    connection.execute(models.act.insert().values(at=now, kind=kind, detail=dict(detail)))


def _fill(
    connection: Connection,
    draft: CampaignDraft,
    settings: Settings,
    *,
    owner_password: str,
    now: float,
) -> None:
    set_meta(connection, "settings", to_json(settings))
    set_meta(connection, "content_hash", draft.content_hash)
    set_meta(connection, "owner_password", hash_password(owner_password))
    set_meta(connection, "n_identical", draft.n_identical)
    set_meta(connection, FROZEN, None)
    connection.execute(models.unit.insert(), [asdict(unit) for unit in draft.units])
    slots = [
        {"unit_id": unit.id, "number": number}
        for unit in draft.units
        for number in range(unit.wanted)
    ]
    connection.execute(models.slot.insert(), slots)
    log_act(connection, "create", now=now, detail={"units": len(draft.units)})


def _contents(connection: Connection) -> Sequence[tuple[int, str, str, str, str]]:
    columns = models.unit.c
    rows = connection.execute(
        select(columns.id, columns.language, columns.prompt, columns.text_a, columns.text_b)
    )
    return [tuple(row) for row in rows]


def _key_bytes(draft: CampaignDraft) -> bytes:
    value = {
        "schema": SCHEMA,
        "content_hash": draft.content_hash,
        "pairs": [to_json(entry) for entry in draft.key],
    }
    return canonical_json(value).encode()


def _write_private(path: Path, content: bytes) -> None:
    write_atomically(path, content, private=True)


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise StudyError(
            "no campaign here",
            where=str(path.parent),
            hint="babelbits annotate create PAIRS.jsonl --folder FOLDER makes one",
        )
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError as error:
        raise StoreError("cannot be read", where=str(path)) from error
    return found
