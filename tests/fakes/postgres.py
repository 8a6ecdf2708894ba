"""A PostgreSQL server for one test session, of the programs that the machine has."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString

import psutil
import psycopg
from psycopg import sql

PROGRAMS = ("initdb", "pg_ctl")

_EMPTY = """
DO $$ BEGIN
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid();
    EXECUTE (
        SELECT 'TRUNCATE ' || string_agg(quote_ident(tablename), ', ') FROM pg_tables
        WHERE schemaname = 'public' AND tablename <> 'alembic_version'
    );
END $$
"""


class PostgresServer:
    """Listens on a Unix socket in its own folder, and nowhere else."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._numbers = itertools.count(1)
        # PostgreSQL refuses to run as root.
        self._account = _unprivileged_account() if os.geteuid() == 0 else None

    def start(self) -> None:
        if self._account is not None:
            os.chown(self._folder, self._account.pw_uid, self._account.pw_gid)
        self._run(
            "initdb", "--pgdata", self._data, "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"
        )
        self.start_again()

    def start_again(self) -> None:
        """With the data of the last time."""
        # No fsync: nobody needs this data after a power cut.
        options = f"-c listen_addresses='' -c unix_socket_directories='{self._folder}' -c fsync=off"
        log = str(self._folder / "server.log")
        self._run("pg_ctl", "start", "--wait", "--pgdata", self._data, "--log", log, "--options", options)

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "--wait", "--pgdata", self._data, "--mode=immediate")

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """Every process of it is stopped where it is while the block runs: connections stay, and nothing answers."""
        postmaster = psutil.Process(int((Path(self._data) / "postmaster.pid").read_text().split()[0]))
        processes = [postmaster, *postmaster.children()]
        try:
            for process in processes:
                process.suspend()
            yield
        finally:
            for process in processes:
                process.resume()

    @property
    def socket_folder(self) -> str:
        """What libpq calls the host."""
        return str(self._folder)

    def new_database(self) -> str:
        """Make a database, and return its name."""
        name = f"test_{next(self._numbers)}"
        self._execute("postgres", sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return name

    def empty(self, database: str) -> None:
        """End what goes on in a database and delete all rows; three times as fast as making another."""
        self._execute(database, _EMPTY)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self._folder}"

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def _execute(self, database: str, statement: LiteralString | sql.Composed) -> None:
        with psycopg.connect(host=str(self._folder), user="postgres", dbname=database, autocommit=True) as connection:
            connection.execute(statement)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), *arguments],
            check=True,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            user=None if self._account is None else self._account.pw_uid,
            group=None if self._account is None else self._account.pw_gid,
            extra_groups=None if self._account is None else [],
        )


def find_programs() -> Path | None:
    """The folder of PostgreSQL's programs: on the PATH, or the newest where Debian keeps them."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    return next((path for path in folders if all((path / program).exists() for program in PROGRAMS)), None)


@contextlib.contextmanager
def running_postgres(programs: Path) -> Iterator[PostgresServer]:
    # Not pytest's folder: that may be too long a name for a socket, and closed to the account of the server.
    with tempfile.TemporaryDirectory(prefix="rayscribe-pg-") as folder:
        server = PostgresServer(programs, Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _unprivileged_account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise LookupError("neither postgres nor nobody is an account here, and PostgreSQL does not run as root")
