"""A clinic on this machine: its FHIR server, the served release with a trusted client, and a sandbox."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import playwright
import pytest
import yaml

from tests.e2e.ehr.clinic import records_of_today
from tests.e2e.installations import made_up_installation
from tests.e2e.processes import Server, start_server, stop_server
from tests.ehr.records import concept, observation, patient
from tests.ehr.signing import SigningClient

FHIR_SERVER = Path(__file__).parent / "fhir_server"
NODE = Path(playwright.__file__).parent / "driver" / "node"


@dataclass(frozen=True)
class Clinic:
    """A running FHIR server with the SMART endpoints of a record system."""

    fhir: str

    @property
    def root(self) -> str:
        return self.fhir.removesuffix("/fhir")

    def token(self, patient: str) -> str:
        """Return an access token to one record, as the record system makes them for decision support."""
        return str(httpx.get(f"{self.root}/tokens", params={"patient": patient}).json()["access_token"])

    def launch(self, patient: str) -> str:
        """Return the launch parameter of a link that is clicked within a record."""
        return str(httpx.get(f"{self.root}/launches", params={"patient": patient}).json()["launch"])


@pytest.fixture(scope="session")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed and could not be: no FHIR server to test against")
    if not (FHIR_SERVER / "node_modules").is_dir():
        pytest.fail("the FHIR server is not installed: run `.ci/install-fhir-server`")
    records = tmp_path_factory.mktemp("clinic") / "records.json"
    asthma = [
        patient(id="p2"),
        {**observation(concept(text="Peak flow")), "id": "flow", "subject": {"reference": "Patient/p2"}},
    ]
    records.write_text(json.dumps([*records_of_today(), *asthma]))
    process = subprocess.Popen([NODE, "server.mjs", records], cwd=FHIR_SERVER, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert address.startswith("http"), "the FHIR server did not start"
    yield Clinic(address)
    process.terminate()
    process.wait(timeout=10)
    process.stdout.close()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a release of made-up patients under every class: what a clinic is told of them is nothing to it."""
    return made_up_installation(tmp_path_factory.mktemp("home"), 3600)


@pytest.fixture(scope="session")
def signer() -> SigningClient:
    return SigningClient("https://clinic.example")


@pytest.fixture(scope="session")
def machine() -> SigningClient:
    return SigningClient("night-job")


def _serve(home: Path, folder: Path, environment: dict[str, str]) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        server = start_server(home, folder / "log")
    yield server
    stop_server(server)


@pytest.fixture(scope="session")
def trusting(
    home: Path,
    clinic: Clinic,
    signer: SigningClient,
    machine: SigningClient,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """The service under the strict profile, with the clinic as its partner."""
    folder = tmp_path_factory.mktemp("trusting")
    partners: dict[str, Any] = {
        "cds_clients": [{"issuer": signer.issuer, "jwks": signer.key_set}],
        "fhir_servers": [clinic.fhir],
        "cors_origins": ["https://clinic.example"],
        "smart_issuers": [{"issuer": clinic.fhir, "client_id": "ms-cdss"}],
        "machine_clients": [{"client_id": machine.issuer, "jwks": machine.key_set}],
    }
    path = folder / "partners.yaml"
    path.write_text(yaml.safe_dump(partners))
    yield from _serve(home, folder, {"CDSS_EHR_PARTNERS": str(path)})


@pytest.fixture(scope="session")
def sandbox(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service under the dev profile."""
    yield from _serve(home, tmp_path_factory.mktemp("sandbox"), {"CDSS_EHR_PROFILE": "dev"})
