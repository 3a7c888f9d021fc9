"""A real PostgreSQL server of the test run's own, on the loopback, in a temporary folder, run without privileges."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.processes import free_port

MISSING = "POSTGRESQL IS NOT INSTALLED: the tests on PostgreSQL did NOT run; `.ci/install-postgresql` installs it"


@dataclass
class PostgresServer:
    """A server that can be stopped and started again."""

    folder: Path
    port: int
    password: str
    binaries: Path
    process: subprocess.Popen[bytes] | None = None

    def url(self, name: str) -> str:
        """Address of one of its databases."""
        return f"postgresql://tests:{self.password}@127.0.0.1:{self.port}/{name}"

    def create_database(self) -> str:
        """Create an empty database and return its address."""
        name = f"t{secrets.token_hex(6)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = [
            "-c",
            "fsync=off",
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            f"unix_socket_directories={self.folder}",
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.binaries / "postgres", "-D", self.folder / "data", "-p", str(self.port), *options],
                stdout=log,
                stderr=log,
                **_unprivileged(),
            )
        deadline = time.monotonic() + 30
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    pytest.fail(f"PostgreSQL did not start: {(self.folder / 'log').read_text()}")
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """Stop it at once, dropping whoever is connected; it recovers when it is started again."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(timeout=30)
            self.process = None


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Give a running server; skips, loudly, where PostgreSQL is not installed."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip(MISSING)
    folder = Path(tempfile.mkdtemp(prefix="cdss-postgresql-"))
    password = secrets.token_hex(16)
    user = _unprivileged()
    try:
        (folder / "password").write_text(password)
        if user:
            for path in (folder, folder / "password"):
                os.chown(path, int(user["user"]), int(user["group"]))
        subprocess.run(
            [
                *(binaries / "initdb", "-D", folder / "data", "--username=tests", "--auth=scram-sha-256"),
                *(f"--pwfile={folder / 'password'}", "--no-sync", "--no-instructions", "--encoding=UTF8"),
            ],
            check=True,
            capture_output=True,
            **user,
        )
        server = PostgresServer(folder, free_port(), password, binaries)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path | None:
    """Folder of the server's programmes: Debian keeps them off the path."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = str(debian[-1]) if debian else shutil.which("initdb")
    return Path(found).parent if found else None


def _unprivileged() -> Mapping[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    pytest.skip("there is no unprivileged user to run PostgreSQL as")
