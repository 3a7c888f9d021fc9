"""What tests of several packages share: an empty database of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cdss.persistence import Database
from tests.postgresql import PostgresServer, postgres_server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresServer]:
    """A running PostgreSQL server."""
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of an empty database; the test runs once on each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'service.sqlite'}"
    server: PostgresServer = request.getfixturevalue("postgresql")
    return server.create_database()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database; the test runs once on each kind."""
    database = Database(database_url)
    yield database
    database.close()
