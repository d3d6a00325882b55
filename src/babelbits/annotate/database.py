"""A campaign's database: SQLite with a write-ahead log, or PostgreSQL by URL.

What a transaction recorded is on disk when it ends: SQLite runs with `synchronous=FULL`. Writers of
one process queue at a lock, because SQLite's own waiting is unfair and makes some wait very long;
one process serves a campaign on SQLite.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, CursorResult, Engine, create_engine, event, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError

from babelbits.annotate import models
from babelbits.errors import MissingExtraError, StoreError

_CONNECTIONS = 48
"""More than the web server has threads."""
_BUSY_SECONDS = 60


def _create_tables(connection: Connection) -> None:
    models.metadata.create_all(connection)


MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_create_tables,)
"""In order; a campaign's schema version is how many of them it has been through."""


class Database:
    """Transactions on a campaign's tables.

    Parameters
    ----------
    url : str
        As SQLAlchemy writes it: `sqlite:///file` or `postgresql+psycopg://user@host/name`.

    Raises
    ------
    StoreError
        If the database cannot be reached, or was made by a newer version.
    MissingExtraError
        If its driver is not installed.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self.is_sqlite = self._engine.dialect.name == "sqlite"
        self._writing = threading.Lock()
        self.shown_url = self._engine.url.render_as_string(hide_password=True)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for reading."""
        with database_errors(self.shown_url), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection that sees the tables as they are now, whatever is written meanwhile."""
        with database_errors(self.shown_url), self._engine.connect() as connection:
            if not self.is_sqlite:  # where a transaction always sees one state
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: recorded as a whole when the block ends, dropped if it raises."""
        with database_errors(self.shown_url):
            if not self.is_sqlite:
                with self._engine.begin() as connection:
                    yield connection
                return
            with self._writing, self._engine.connect() as connection:
                connection.info["immediate"] = True  # no reader that wants to write later
                with connection.begin():
                    yield connection

    def migrate(self) -> None:
        """Bring the tables to this version's schema.

        Raises
        ------
        StoreError
            If they are of a newer version.
        """
        with self.writing() as connection:
            version = self._version(connection)
            if version > len(MIGRATIONS):
                raise StoreError(
                    f"the campaign has schema {version}, this version knows {len(MIGRATIONS)}",
                    where=self.shown_url,
                    hint="update Babelbits",
                )
            for step in MIGRATIONS[version:]:
                step(connection)
            set_meta(connection, "schema", len(MIGRATIONS))

    def is_empty(self) -> bool:
        """Whether there is no campaign in the database."""
        with self.reading() as connection:
            return not inspect(connection).has_table("meta")

    def close(self) -> None:
        """Give connections back."""
        self._engine.dispose()

    def _version(self, connection: Connection) -> int:
        if not inspect(connection).has_table("meta"):
            return 0
        return int(get_meta(connection, "schema") or 0)


@contextmanager
def database_errors(where: str) -> Iterator[None]:
    """Turn a driver's complaints into a `StoreError` that names the database."""
    try:
        yield
    except OperationalError as error:
        raise StoreError(
            f"the database says: {_first_line(error)}",
            where=where,
            hint="check that it runs, can be reached and has space",
        ) from error


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]


def get_meta(connection: Connection, name: str) -> Any:
    """A value of the campaign; None where there is none."""
    return connection.scalar(select(models.meta.c.value).where(models.meta.c.name == name))


def set_meta(connection: Connection, name: str, value: object) -> None:
    """Set a value of the campaign. In place: who waits for the row then sees the new value."""
    changed = connection.execute(
        models.meta.update().where(models.meta.c.name == name).values(value=value)
    )
    if changed.rowcount == 0:
        connection.execute(models.meta.insert().values(name=name, value=value))


def read_inserted_id(result: CursorResult[Any]) -> int:
    """The number that a new row got."""
    key = result.inserted_primary_key
    if key is None:
        raise RuntimeError("the database did not say which row it made")
    return int(key[0])


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "postgresql" and parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        made = create_engine(parsed, pool_size=_CONNECTIONS, max_overflow=0, pool_timeout=120)
    except (ArgumentError, NoSuchModuleError) as error:
        raise StoreError(
            f"no database URL: {error}",
            where="--database",
            hint="use sqlite:///file.sqlite or postgresql://user:password@host/name",
        ) from error
    except ImportError as error:
        raise MissingExtraError(
            f"the database driver is not installed: {error.name}",
            hint="pip install 'babelbits[postgres]'",
        ) from error
    if made.dialect.name == "sqlite":
        _make_private(made.url.database)
        event.listen(made, "connect", _set_up_sqlite)
        event.listen(made, "begin", _begin_sqlite)
    return made


def _make_private(file: str | None) -> None:
    """Votes are for their owner alone; SQLite gives its log the mode of the file."""
    if file and file != ":memory:":
        with suppress(OSError):  # SQLite says what is wrong with the place
            os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
            Path(file).chmod(0o600)


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions are ours, not the driver's
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",  # what is forgotten is overwritten
        f"busy_timeout={_BUSY_SECONDS * 1000}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.info.pop("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")
