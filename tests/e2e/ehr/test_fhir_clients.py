"""The Python client of SMART Health IT reads the clinic's server and ours."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from fhirclient.models.capabilitystatement import CapabilityStatement
from fhirclient.models.codesystem import CodeSystem
from fhirclient.models.condition import Condition
from fhirclient.models.medicationstatement import MedicationStatement
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient
from fhirclient.server import FHIRServer

from cdss.ehr.patient_record import read_record
from tests.e2e.ehr.clinic import records_of_today
from tests.e2e.ehr.conftest import Clinic
from tests.e2e.processes import Server

pytestmark = pytest.mark.e2e


@pytest.fixture
def reader(clinic: Clinic) -> Iterator[FHIRServer]:
    server = FHIRServer(None, base_uri=clinic.fhir)
    server.session.headers["Authorization"] = f"Bearer {clinic.token('p1')}"
    yield server
    server.session.close()


def test_what_the_client_reads_is_what_we_read(reader: FHIRServer) -> None:
    found = [Patient.read("p1", reader)]
    for kind in (Condition, Observation, MedicationStatement):
        found += kind.where({"patient": "p1", "_count": "2"}).perform_resources_iter(reader)
    today = datetime.now(UTC).date()
    read = read_record([one.as_json() for one in found], today=today)
    assert read.patient is not None
    assert read.document == read_record(records_of_today(), today=today).document


def test_our_terminology_is_read_by_the_client(sandbox: Server) -> None:
    server = FHIRServer(None, base_uri=f"{sandbox.address}/fhir")
    try:
        assert CapabilityStatement.read_from("metadata", server).fhirVersion == "4.0.1"
        system = CodeSystem.read("ms-observations", server)
        assert "mri-gd-lesion-count" in {one.code for one in system.concept}
        assert len(list(CodeSystem.where({"url": system.url}).perform_resources_iter(server))) == 1
    finally:
        server.session.close()
