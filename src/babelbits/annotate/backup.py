"""A copy of a campaign's votes while people rate, and a campaign from such a copy.

A backup is one SQLite file, whatever the campaign's database is: SQLite's online backup, or every
table of PostgreSQL as one transaction sees them. Copying `votes.sqlite` with `cp` is no backup:
what was recorded last stands in its log beside it. A backup is as blind as the database, and holds
neither the secret nor the key; both stay in the campaign's folder, which a restore needs.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Table, func, select, text

from babelbits.annotate import models
from babelbits.annotate.database import Database, get_meta, set_meta
from babelbits.annotate.folder import (
    FROZEN,
    Campaign,
    find_frozen_at,
    open_database,
    read_key_content_hash,
)
from babelbits.errors import NothingThereError, StoreError
from babelbits.store.atomic import store_errors, sync_folder
from babelbits.words import plural

_ROWS = 1000


def write_backup(campaign: Campaign, out: Path) -> int:
    """Write a backup to `out`, whole or not at all; returns how many answers it holds.

    Raises
    ------
    StoreError
        If there is a file of that name, or it cannot be written.
    """
    if out.exists():
        raise NothingThereError("there is a file already", where=str(out), hint="name another")
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        with store_errors(out):
            os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            answers = _copy(campaign.database, partial)
            sync_folder(partial)  # which serves for files as well
            partial.replace(out)
            sync_folder(out.absolute().parent)
    finally:
        for path in partial.parent.glob(f"{partial.name}*"):
            path.unlink()
    return answers


def restore(folder: Path, backup: Path, *, overwrite: bool) -> int:
    """Put a backup in the place of a campaign's votes; returns how many answers it holds.

    What the database holds now is overwritten, in one transaction; it may be lost altogether.
    Nobody may be rating meanwhile. A campaign that was unblinded stays frozen.

    Parameters
    ----------
    folder : Path
        Of the campaign, with the secret and the key that the backup goes with.
    backup : Path
        What `write_backup` wrote.
    overwrite : bool
        Whether answers that the database holds may go.

    Raises
    ------
    StudyError
        If there is no campaign in the folder.
    StoreError
        If the file is no backup, or of another campaign, or answers would be lost.
    """
    if not backup.is_file():
        raise NothingThereError("there is no such file", where=str(backup))
    _check_format(backup)
    with _opened(backup) as source, source.reading() as old:
        _check_same(folder, old, backup)
        with closing(open_database(folder)) as database, database.writing() as new:
            there = _answers(new)
            if there and not overwrite:
                raise StoreError(
                    f"the campaign holds {plural(there, 'answer')}, which a restore overwrites",
                    where=str(folder),
                    hint="back these up under another name, then add --overwrite",
                )
            frozen = find_frozen_at(new)
            for table in reversed(models.metadata.sorted_tables):
                new.execute(table.delete())
            for table in models.metadata.sorted_tables:
                for rows in _batches(old, table):
                    new.execute(table.insert(), rows)
            _continue_numbers(new)
            if frozen is not None and find_frozen_at(new) is None:
                set_meta(new, FROZEN, frozen)  # who knows the key rates no more
            return _answers(new)


def _copy(database: Database, target: Path) -> int:
    if database.is_sqlite:
        with database.reading() as connection, closing(sqlite3.connect(target)) as copy:
            driver = connection.connection.driver_connection
            assert isinstance(driver, sqlite3.Connection)  # noqa: S101  the dialect says so
            driver.backup(copy)
    else:
        with _opened(target) as copied, database.snapshot() as old, copied.writing() as new:
            models.metadata.create_all(new)
            for table in models.metadata.sorted_tables:
                for rows in _batches(old, table):
                    new.execute(table.insert(), rows)
    with _opened(target) as source, source.reading() as connection:
        answers = _answers(connection)
    with closing(sqlite3.connect(target)) as file:
        file.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
    return answers


@contextmanager
def _opened(file: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{file.resolve()}")
    try:
        yield database
    finally:
        database.close()


def _batches(connection: Connection, table: Table) -> Iterator[list[dict[str, object]]]:
    rows = connection.execute(select(table)).mappings()
    for part in rows.partitions(_ROWS):
        yield [dict(row) for row in part]


def _check_format(backup: Path) -> None:
    """Raise unless the file is an SQLite database with a campaign's tables."""
    try:
        with closing(sqlite3.connect(f"{backup.resolve().as_uri()}?mode=ro", uri=True)) as file:
            names = {name for (name,) in file.execute("SELECT name FROM sqlite_master")}
    except sqlite3.Error as error:
        raise StoreError(f"this is no backup: {error}", where=str(backup)) from error
    if missing := sorted(models.metadata.tables.keys() - names):
        raise StoreError(f"this is no backup: it lacks '{missing[0]}'", where=str(backup))


def _check_same(folder: Path, old: Connection, backup: Path) -> None:
    if get_meta(old, "content_hash") != read_key_content_hash(folder):
        raise StoreError(
            "this is a backup of another campaign",
            where=str(backup),
            hint="votes on other texts mean nothing here",
        )


def _answers(connection: Connection) -> int:
    count = select(func.count()).where(models.event.c.kind == "answer")
    return connection.scalar(count) or 0


def _continue_numbers(connection: Connection) -> None:
    """Let PostgreSQL count on from the highest numbers, which were given and not drawn."""
    if connection.dialect.name != "postgresql":
        return
    for table in models.metadata.sorted_tables:
        if "id" in table.c and table.c.id.autoincrement is not False:
            connection.execute(
                text(
                    f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), "  # noqa: S608
                    f"(SELECT COALESCE(MAX(id), 0) + 1 FROM {table.name}), false) "
                    f"WHERE pg_get_serial_sequence('{table.name}', 'id') IS NOT NULL"
                )
            )
