"""The doors for clinical systems on a reference database of random patients, and a client that signs its calls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from cdss.api import problems
from cdss.audit import AuditKey
from cdss.ehr.configuration import EhrConfiguration, Partners
from cdss.ehr.doors import Doors, install_doors
from cdss.persistence import Database, open_database
from cdss.reference import Reference
from cdss.security.tokens import Sessions
from cdss.settings import Settings
from projection import Projector
from tests.client import TestClient
from tests.ehr.records import TODAY
from tests.ehr.signing import SigningClient
from tests.episodes import MemoryRelease, random_episodes

PUBLIC_URL = "https://cdss.test"


@pytest.fixture(scope="session")
def projector() -> Projector:
    """3,600 patients with relapsing-remitting disease."""
    return Projector(MemoryRelease(random_episodes(3600)))


@pytest.fixture(scope="session")
def signer() -> SigningClient:
    return SigningClient("https://ehr.test")


@pytest.fixture(scope="session")
def machine() -> SigningClient:
    return SigningClient("batch-importer")


@pytest.fixture(scope="session")
def partners(signer: SigningClient, machine: SigningClient) -> Partners:
    return Partners.model_validate(
        {
            "cds_clients": [{"issuer": signer.issuer, "jwks": signer.key_set}],
            "cors_origins": ["https://ehr.test"],
            "fhir_servers": ["https://fhir.test/r4"],
            "smart_issuers": [{"issuer": "https://fhir.test/r4", "client_id": "ms-cdss"}],
            "machine_clients": [{"client_id": machine.issuer, "jwks": machine.key_set}],
        }
    )


@pytest.fixture
def application(projector: Projector, partners: Partners, database: Database) -> FastAPI:
    """The routes for clinical systems under the strict profile, on the day of the records."""
    return make_application(projector, EhrConfiguration(public_url=PUBLIC_URL, partners=partners), database)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The database of a service; its tables are of no patient, so the tests share it."""
    database = open_database(Settings(home=tmp_path_factory.mktemp("home")))
    yield database
    database.close()


def make_application(projector: Projector, configuration: EhrConfiguration, database: Database) -> FastAPI:
    app = FastAPI()
    app.state.database = database
    app.state.settings = Settings(home=Path("unused"))
    app.state.reference = Reference(app.state.settings, _projector=projector)
    app.state.sessions = Sessions(AuditKey(b"a secret of the tests, long enough"))
    problems.install(app)
    install_doors(
        app,
        configuration,
        secret=lambda: "a secret of the tests, which is long enough",
        handover_key=lambda: b"k" * 32,
    )
    state: Doors = app.state.doors
    state.today = lambda: TODAY
    return app


@pytest.fixture
def client(application: FastAPI) -> Iterator[TestClient]:
    with TestClient(application, base_url=PUBLIC_URL) as client:
        yield client


@pytest.fixture
def sandbox(projector: Projector, database: Database) -> Iterator[TestClient]:
    """The same under the ``dev`` profile: no token needed."""
    app = make_application(projector, EhrConfiguration(public_url="http://127.0.0.1:8000", dev=True), database)
    with TestClient(app, base_url="http://127.0.0.1:8000", client=("127.0.0.1", 50000)) as client:
        yield client
