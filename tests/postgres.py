"""A PostgreSQL server for tests: in a temporary folder, on a free port, with a password."""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import required

__all__ = ["PASSWORD", "server", "write"]

PASSWORD = "pä/ss@w0rd?#"
_USER = "tester"
_PROGRAMS = "/usr/lib/postgresql/*/bin"


@contextmanager
def server() -> Iterator[str]:
    """The address of an empty database, without a table, until the block ends."""
    required.module("psycopg")
    init = required.program("initdb", besides=_PROGRAMS)
    control = required.program("pg_ctl", besides=_PROGRAMS)
    folder = Path(tempfile.mkdtemp(prefix="plausible-postgres-"))
    data, words = folder / "data", folder / "password"
    words.write_text(PASSWORD, encoding="utf-8")
    if _is_root():
        for path in (folder, words):
            shutil.chown(path, "postgres", "postgres")
    port = _free_port()
    settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
    try:
        _run(init, "-D", str(data), "-U", _USER, "-A", "scram-sha-256", "-E", "UTF8",
             "--locale=C", "--no-sync", f"--pwfile={words}")  # fmt: skip
        _run(control, "-D", str(data), "-l", str(folder / "log"), "-w", "-o", settings, "start")
        try:
            yield f"postgresql://{_USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/postgres"
        finally:
            _run(control, "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write(frame: pd.DataFrame, address: str, name: str, types: str) -> None:
    """Make a table of rows.

    Args:
        frame: the rows.
        address: of the database.
        name: of the table.
        types: columns and their types, as in CREATE TABLE.
    """
    import psycopg

    rows = frame.astype(object).where(frame.notna(), None)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"create table {name} ({types})")
        with connection.cursor().copy(f"copy {name} from stdin") as copy:
            for row in rows.itertuples(index=False):
                copy.write_row(row)


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _run(*command: str) -> None:
    """Run a program, which refuses to be run by root, as the user postgres if need be."""
    as_user = ("runuser", "-u", "postgres", "--") if _is_root() else ()
    done = subprocess.run([*as_user, *command], cwd="/", capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f"{getpass.getuser()} ran {command[0]}: {done.stdout}{done.stderr}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
