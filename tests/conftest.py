"""What tests of several packages share: an empty database of each kind; and how a parallel run shares them out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from cdss.persistence import Database
from tests.distribution import SharedScheduling, longest_first
from tests.postgresql import PostgresServer, postgres_server

if TYPE_CHECKING:
    from xdist.remote import Producer

# No test is timed: one that shares its processor takes longer than it did a moment ago.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    longest_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SharedScheduling:
    return SharedScheduling(config, log)


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
