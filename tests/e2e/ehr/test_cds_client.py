"""A clinical system calls the served process: signed calls, its FHIR server, and nothing left behind.

The Python client of SMART Health IT reads its server and ours.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
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
from tests.ehr.card_schema import DISCOVERY, RESPONSE, check
from tests.ehr.hooks import SERVICE, bundle
from tests.ehr.records import concept, observation
from tests.ehr.signing import SigningClient

pytestmark = pytest.mark.e2e

ATC = "http://www.whocc.no/atc"


def by_template(service: dict[str, Any], records: list[dict[str, Any]]) -> dict[str, Any]:
    """Answer the prefetch templates as a simple record system does: by type, whatever the codes."""
    prefetch: dict[str, Any] = {}
    for key, template in service["prefetch"].items():
        kind = template.split("?")[0].split("/")[0]
        found = [one for one in records if one["resourceType"] == kind]
        prefetch[key] = found[0] if "?" not in template else bundle(*found) if found else None
    return prefetch


def body(patient: str = "p1", **more: object) -> dict[str, Any]:
    context = {"userId": "Practitioner/dr", "patientId": patient}
    return {"hook": "patient-view", "hookInstance": str(uuid.uuid4()), "context": context, **more}


def authorisation(clinic: Clinic, patient: str = "p1") -> dict[str, Any]:
    token = clinic.token(patient)
    granted = {"access_token": token, "token_type": "Bearer", "expires_in": 300, "scope": "patient/*.rs"}
    return {"fhirServer": clinic.fhir, "fhirAuthorization": {**granted, "subject": "ms-cdss"}}


def call(server: Server, signer: SigningClient, sent: dict[str, Any]) -> httpx.Response:
    address = server.address + SERVICE
    return httpx.post(address, json=sent, headers=signer.authorization(address), timeout=30)


@pytest.fixture(scope="module")
def service(trusting: Server) -> dict[str, Any]:
    document = httpx.get(f"{trusting.address}/cds-services").json()
    check(document, DISCOVERY)
    found: dict[str, Any] = document["services"][0]
    return found


def test_a_card_from_prefetch(trusting: Server, signer: SigningClient, service: dict[str, Any]) -> None:
    answer = call(trusting, signer, body(prefetch=by_template(service, records_of_today())))
    assert answer.status_code == 200, answer.text
    check(answer.json(), RESPONSE)
    (card,) = answer.json()["cards"]
    assert "EDSS 2.5" in card["detail"]
    assert card["detail"].count("\n| ") >= 8
    assert card["links"][0]["url"] == f"{trusting.address}/smart/launch"


def test_a_card_from_the_fhir_server(trusting: Server, signer: SigningClient, clinic: Clinic) -> None:
    answer = call(trusting, signer, body(**authorisation(clinic)))
    check(answer.json(), RESPONSE)
    (card,) = answer.json()["cards"]
    assert "EDSS 2.5" in card["detail"]
    assert "prior treatment moderate efficacy" in card["detail"]


def test_both_ways_say_the_same(
    trusting: Server, signer: SigningClient, clinic: Clinic, service: dict[str, Any]
) -> None:
    sent = call(trusting, signer, body(prefetch=by_template(service, records_of_today()))).json()
    fetched = call(trusting, signer, body(**authorisation(clinic))).json()
    assert sent["cards"][0]["detail"] == fetched["cards"][0]["detail"]


def test_a_patient_without_the_disease_gets_no_card(trusting: Server, signer: SigningClient, clinic: Clinic) -> None:
    answer = call(trusting, signer, body("p2", **authorisation(clinic, "p2")))
    assert (answer.status_code, answer.json()) == (200, {"cards": []})


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
@pytest.mark.parametrize(("drug", "cards"), [("L04AG08", 1), ("N02BE01", 0)])
def test_an_order_gets_a_card_when_it_is_for_the_disease(
    trusting: Server, signer: SigningClient, clinic: Clinic, hook: str, drug: str, cards: int
) -> None:
    order = {
        "resourceType": "MedicationRequest",
        "id": "new",
        "status": "draft",
        "intent": "order",
        "subject": {"reference": "Patient/p1"},
        "medicationCodeableConcept": concept(drug, ATC),
    }
    context = {"userId": "Practitioner/dr", "patientId": "p1", "draftOrders": bundle(order)}
    selected = {**context, "selections": ["MedicationRequest/new"]} if hook == "order-select" else context
    answer = call(trusting, signer, {**body(hook=hook, context=selected), **authorisation(clinic)})
    assert answer.status_code == 200, answer.text
    check(answer.json(), RESPONSE)
    assert len(answer.json()["cards"]) == cards
    if cards:
        assert "anti-CD20" in answer.json()["cards"][0]["summary"]


@pytest.mark.parametrize("wrong", ["no token", "a token of another server", "another server"])
def test_without_data_the_answer_is_412(trusting: Server, signer: SigningClient, clinic: Clinic, wrong: str) -> None:
    more = authorisation(clinic)
    if wrong == "no token":
        del more["fhirAuthorization"]
    elif wrong == "another server":
        more["fhirServer"] = f"{clinic.root}/elsewhere"
    else:
        more["fhirAuthorization"]["access_token"] = "unknown"  # noqa: S105 - of nobody
    answer = call(trusting, signer, body(**more))
    assert answer.status_code == 412
    assert {one["key"] for one in answer.json()["missing"]} == {"patient", "conditions", "edss"}


def test_a_record_of_five_thousand_observations(
    trusting: Server, signer: SigningClient, service: dict[str, Any]
) -> None:
    pressure = concept("8480-6", "http://loinc.org", "Systolic blood pressure", "Systolic blood pressure")
    quantity = {"value": 120, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}
    many = [observation(pressure, id=f"bp{n}", valueQuantity=quantity) for n in range(5000)]
    prefetch = by_template(service, [*records_of_today(), *many])
    answer = call(trusting, signer, body(prefetch=prefetch))
    assert answer.status_code == 200, answer.text[:500]
    assert len(answer.json()["cards"]) == 1


def test_the_token_serves_once_and_an_open_call_is_a_bare_401(
    trusting: Server, signer: SigningClient, service: dict[str, Any]
) -> None:
    address = trusting.address + SERVICE
    headers = signer.authorization(address)
    sent = body(prefetch=by_template(service, records_of_today()))
    answers = [httpx.post(address, json=sent, headers=given, timeout=30) for given in (headers, headers, {})]
    assert [answer.status_code for answer in answers] == [200, 401, 401]
    assert [answer.content for answer in answers[1:]] == [b"", b""]


def test_browsers_of_the_clinic_only(trusting: Server) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    for origin, allowed in (("https://clinic.example", "https://clinic.example"), ("https://evil.example", None)):
        answer = httpx.options(trusting.address + SERVICE, headers={"Origin": origin, **asked})
        assert answer.headers.get("access-control-allow-origin") == allowed


def test_feedback_can_be_sent_twice(trusting: Server, signer: SigningClient, clinic: Clinic) -> None:
    (card,) = call(trusting, signer, body(**authorisation(clinic))).json()["cards"]
    address = f"{trusting.address}{SERVICE}/feedback"
    reason = {"reason": {name: card["overrideReasons"][0][name] for name in ("code", "system")}}
    report = {"card": card["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-01-01T00:00:00Z"}
    for _ in range(2):
        sent = {"feedback": [{**report, "overrideReason": reason}]}
        assert httpx.post(address, json=sent, headers=signer.authorization(address)).status_code == 200


def test_neither_tokens_nor_clinical_values_are_left_behind(
    trusting: Server, signer: SigningClient, clinic: Clinic, home: Path
) -> None:
    granted = authorisation(clinic)
    address = trusting.address + SERVICE
    signed = signer.authorization(address)
    sent = body(**granted)
    assert httpx.post(address, json=sent, headers=signed, timeout=30).status_code == 200
    marks = [granted["fhirAuthorization"]["access_token"], signed["Authorization"].split()[1], sent["hookInstance"]]
    birth = next(one["birthDate"] for one in records_of_today() if one["resourceType"] == "Patient")
    written = [trusting.log, *(path for path in home.rglob("*") if path.is_file() and "releases" not in path.parts)]
    for path in written:
        content = path.read_bytes()
        assert not any(mark.encode() in content for mark in [*marks, birth, "Practitioner/dr", "Patient/p1"]), path


def test_a_machine_client_projects_records_at_night(trusting: Server, machine: SigningClient) -> None:
    discovered = httpx.get(f"{trusting.address}/fhir/.well-known/smart-configuration").json()
    fields = {
        "grant_type": "client_credentials",
        "scope": "system/RiskAssessment.c",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": machine.token(discovered["token_endpoint"], sub=machine.issuer),
    }
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    granted = httpx.post(discovered["token_endpoint"], content=urlencode(fields), headers=form).json()
    address = f"{trusting.address}/fhir/RiskAssessment/$project"
    headers = {"Authorization": f"Bearer {granted['access_token']}"}
    answer = httpx.post(address, json=bundle(*records_of_today()), headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    assert answer.json()["resourceType"] == "RiskAssessment"
    assert httpx.post(address, json=bundle(*records_of_today())).status_code == 401


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


def test_our_terminology_is_read_by_the_client(trusting: Server) -> None:
    server = FHIRServer(None, base_uri=f"{trusting.address}/fhir")
    try:
        assert CapabilityStatement.read_from("metadata", server).fhirVersion == "4.0.1"
        system = CodeSystem.read("ms-observations", server)
        assert "mri-gd-lesion-count" in {one.code for one in system.concept}
        assert len(list(CodeSystem.where({"url": system.url}).perform_resources_iter(server))) == 1
    finally:
        server.session.close()
