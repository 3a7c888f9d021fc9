"""A frozen release of made-up episodes, and the service on it, in this process."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cdss.app import Service
from cdss.settings import Settings
from reference_db.release import ReleaseContent, activate, freeze
from tests.client import TestClient
from tests.episodes import random_episodes
from tests.privacy_records import passing_record

Serve = Callable[..., TestClient]


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with one active release of 1,800 made-up patients."""
    folder = tmp_path_factory.mktemp("frozen") / "releases"
    episodes = random_episodes(1800)
    content = ReleaseContent(
        seed=1, parameters={"k": 20}, sources=tuple(episodes.sources.values()), privacy=passing_record(), reasons=()
    )
    manifest = freeze(folder, episodes.table, content, attachments={})
    activate(folder, manifest.version)
    return folder


@pytest.fixture
def home(tmp_path: Path, releases: Path) -> Path:
    """Folder of an installation with a copy of the release that a test may damage."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copytree(releases, home / "releases")
    return home


@pytest.fixture
def serve(home: Path) -> Iterator[Serve]:
    """Start the service in this process with chosen settings, and give a client of it."""
    started: list[tuple[Service, TestClient]] = []

    def start(**settings: Any) -> TestClient:  # noqa: ANN401  # whatever a setting takes
        service = Service(Settings(**{"home": home, **settings}))
        client = TestClient(service, base_url="http://localhost:8000", raise_server_exceptions=False)
        started.append((service, client))
        return client

    yield start
    for service, client in started:
        client.close()
        service.close()


@pytest.fixture(scope="module")
def shared_services(
    releases: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Mapping[str, Any]], Service]]:
    """Services that the tests of a file share, one for each choice of settings: most take less than to start one."""
    started: list[tuple[Mapping[str, Any], Service]] = []

    def find_or_start(settings: Mapping[str, Any]) -> Service:
        for chosen, service in started:
            if chosen == settings:
                return service
        home = tmp_path_factory.mktemp("shared")
        shutil.copytree(releases, home / "releases")
        started.append((settings, Service(Settings(**{"home": home, **settings}))))
        return started[-1][1]

    yield find_or_start
    for _, service in started:
        service.close()


@pytest.fixture
def ask(shared_services: Callable[[Mapping[str, Any]], Service]) -> Iterator[Serve]:
    """Give a client of its own to a test that only asks, and leaves nothing in the service for the tests after it."""
    clients: list[TestClient] = []

    def start(**settings: Any) -> TestClient:  # noqa: ANN401  # whatever a setting takes
        service = shared_services(settings)
        client = TestClient(service, base_url="http://localhost:8000", raise_server_exceptions=False)
        clients.append(client)
        return client

    yield start
    for client in clients:
        client.close()
