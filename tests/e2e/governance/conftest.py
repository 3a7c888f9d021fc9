"""An installation with a small release, without a build, for tests that damage and starve it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cdss.audit import AuditRecord, open_trail
from cdss.persistence import Database
from cdss.settings import Settings
from tests.e2e.installations import made_up_installation
from tests.e2e.processes import Server, start_server

Start = Callable[..., Server]


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    """Folder with one active release of 1,800 made-up patients."""
    return made_up_installation(tmp_path / "home")


@pytest.fixture
def start(installation: Path, tmp_path: Path) -> Iterator[Start]:
    """Start servers on the installation; whatever still runs at the end is killed."""
    started: list[Server] = []

    def starting(*arguments: str) -> Server:
        server = start_server(installation, tmp_path / f"log-{len(started)}", *arguments)
        started.append(server)
        return server

    yield starting
    for server in started:
        if server.process.poll() is None:
            server.process.terminate()
            server.process.wait(timeout=60)


def records(home: Path, url: str | None = None) -> list[AuditRecord]:
    """Return the audit trail of an installation, found intact."""
    database = Database(url or f"sqlite:///{home / 'service.sqlite'}")
    try:
        trail = open_trail(Settings(home=home), database)
        found = trail.verify()
        assert found.intact, found
        return list(trail.records())
    finally:
        database.close()
