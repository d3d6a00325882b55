"""A PostgreSQL server for tests: in a temporary folder, on a loopback port, gone afterwards.

PostgreSQL refuses to run as root, so root becomes the user `postgres` that Debian's package makes.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _program(name: str) -> str | None:
    folders = [str(folder) for folder in _DEBIAN]
    return shutil.which(name, path=os.pathsep.join([*folders, os.environ.get("PATH", "")]))


def _account() -> pwd.struct_passwd | None:
    """Whose the server is: ours, or `postgres` if we are root; None if root has no such user."""
    if os.getuid() != 0:
        return pwd.getpwuid(os.getuid())
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return None


def why_not() -> str | None:
    """Why there can be no server here."""
    if _program("initdb") is None or _program("postgres") is None:
        return "no PostgreSQL on this machine: apt-get install postgresql"
    if _account() is None:
        return "PostgreSQL does not run as root, and there is no user 'postgres'"
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "no psycopg: pip install 'babelbits[postgres]'"
    return None


@contextmanager
def running() -> Iterator[str]:
    """URL of a fresh server's database; the server ends with the block."""
    account = _account()
    assert account is not None
    # Not below pytest's folders, which other users may not enter.
    home = Path(tempfile.mkdtemp(prefix="bbpg"))
    try:
        os.chown(home, account.pw_uid, account.pw_gid)
        with _server(home, account) as url:
            yield url
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _server(home: Path, account: pwd.struct_passwd) -> Iterator[str]:
    as_them = {} if os.getuid() else {"user": account.pw_uid, "group": account.pw_gid}
    data = home / "data"
    subprocess.run(
        [_program("initdb"), "-D", data, "-U", "rater", "-A", "trust", "-E", "UTF8", "--locale=C"],
        check=True, capture_output=True, cwd=home, **as_them,
    )  # fmt: skip
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": home}
    options["max_connections"] = 100
    arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    log = (home / "log").open("wb")
    server = subprocess.Popen(
        [_program("postgres"), "-D", data, *arguments], stdout=log, stderr=log, cwd=home, **as_them
    )
    try:
        url = f"postgresql+psycopg://rater@127.0.0.1:{port}/postgres"
        _wait(url, server, home / "log")
        yield url
    finally:
        server.terminate()
        server.wait(timeout=60)
        log.close()


def _wait(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    import time

    import psycopg

    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(url.replace("+psycopg", ""), connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text("utf-8", "replace")) from None
            time.sleep(0.1)


def new_database(url: str, name: str) -> str:
    """A fresh database on the server."""
    import psycopg

    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
        connection.execute(f'CREATE DATABASE "{name}"')
    return url.rpartition("/")[0] + f"/{name}"
