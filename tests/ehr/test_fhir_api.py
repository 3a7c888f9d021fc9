"""Terminology and projections under /fhir/."""

from __future__ import annotations

import base64
import datetime
import json
import re
import time
import zlib
from typing import Any, cast
from urllib.parse import urlencode

import pytest
from fastapi import FastAPI
from fhir.resources.R4B import get_fhir_model_class

from cdss.ehr.codes import EDSS_LOINC_PART
from cdss.ehr.document import document_words
from projection.projector import CAVEATS
from reference_db.vocabulary import ACTIVE_TREATMENTS, drugs
from tests.client import TestClient
from tests.ehr.conftest import PUBLIC_URL
from tests.ehr.hooks import SERVICE, bundle
from tests.ehr.records import ATC, concept, condition, medication, patient, typical
from tests.ehr.signing import SigningClient

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
TOKEN_URL = f"{PUBLIC_URL}/smart/token"


def valid(resource: dict[str, Any]) -> dict[str, Any]:
    """Validate a resource against its FHIR R4 definition."""
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    return resource


def grant(client: TestClient, machine: SigningClient, **change: Any) -> Any:  # noqa: ANN401 - an HTTP answer
    claims = {"sub": machine.issuer, **change.pop("claims", {})}
    audience = change.pop("audience", TOKEN_URL)
    fields = {
        "grant_type": "client_credentials",
        "scope": "system/RiskAssessment.c system/DocumentReference.c",
        "client_assertion_type": ASSERTION,
        "client_assertion": change.pop("assertion", None) or machine.token(audience, **claims),
        **change,
    }
    return client.post(
        "/smart/token", content=urlencode(fields), headers={"Content-Type": "application/x-www-form-urlencoded"}
    )


@pytest.fixture
def access(client: TestClient, machine: SigningClient) -> dict[str, str]:
    return {"Authorization": f"Bearer {grant(client, machine).json()['access_token']}"}


def test_the_capability_statement_and_every_resource_that_it_names_are_valid(client: TestClient) -> None:
    statement = valid(client.get("/fhir/metadata").json())
    assert statement["fhirVersion"] == "4.0.1"
    readable = [one["type"] for one in statement["rest"][0]["resource"] if "interaction" in one]
    assert {"CodeSystem", "ValueSet", "ConceptMap"} <= set(readable)
    for kind in readable:
        found = valid(client.get(f"/fhir/{kind}").json())
        assert found["total"] == len(found["entry"]) > 0
        for entry in found["entry"]:
            one = valid(entry["resource"])
            assert client.get(f"/fhir/{kind}/{one['id']}").json() == one
            by_url = client.get(f"/fhir/{kind}", params={"url": one["url"]}).json()
            assert by_url["total"] == 1
            assert client.get(by_url["link"][0]["url"].removeprefix(PUBLIC_URL)).json() == by_url
            assert client.get(f"/fhir/{kind}", params={"_id": one["id"]}).json()["total"] == 1
            assert one["url"] == f"{PUBLIC_URL}/fhir/{kind}/{one['id']}"
    rest = statement["rest"][0]
    named = [*rest["operation"], *(one for part in rest["resource"] for one in part.get("operation", ()))]
    for operation in named:
        assert client.get(operation["definition"].removeprefix(PUBLIC_URL)).json()["code"] == operation["name"]


def test_answers_are_fhir_json_and_what_is_not_there_is_an_outcome(client: TestClient) -> None:
    assert client.get("/fhir/metadata").headers["content-type"] == "application/fhir+json"
    for path in ("/fhir/Patient", "/fhir/CodeSystem/none", "/fhir/Patient/1"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert valid(answer.json())["resourceType"] == "OperationOutcome"


def test_lesion_and_relapse_counts_are_coded_and_their_lack_of_a_standard_code_is_said(client: TestClient) -> None:
    system = client.get("/fhir/CodeSystem/ms-observations").json()
    codes = {one["code"] for one in system["concept"]}
    assert {"mri-gd-lesion-count", "mri-t2-lesion-count", "mri-new-t2-lesion-count", "relapse-count-12m"} <= codes
    (group,) = client.get("/fhir/ConceptMap/ms-observations-to-snomed").json()["group"]
    mapped = {one["code"]: one["target"][0] for one in group["element"]}
    assert mapped.keys() == codes
    assert mapped["edss"] == {"code": "273554001", "equivalence": "equal"}
    assert mapped["mri-gd-lesion-count"]["equivalence"] == "unmatched"


def test_every_atc_code_is_mapped_to_its_class_and_the_loinc_part_is_nowhere(client: TestClient) -> None:
    (group,) = client.get("/fhir/ConceptMap/atc-to-treatment-classes").json()["group"]
    assert {one["code"] for one in group["element"]} == {code for drug in drugs() for code in drug.atc}
    everything = "".join(client.get(f"/fhir/{kind}").text for kind in ("CodeSystem", "ValueSet", "ConceptMap"))
    assert EDSS_LOINC_PART[1] not in everything


def test_the_projection_as_a_risk_assessment(client: TestClient, access: dict[str, str]) -> None:
    answer = client.post("/fhir/RiskAssessment/$project", json=bundle(*typical()), headers=access)
    assert answer.status_code == 200, answer.text
    assessment = valid(answer.json())
    assert assessment["subject"] == {"reference": "Patient/p1"}
    assert {"reference": "Observation/o1"} in assessment["basis"]
    assert any("not a medical device" in note["text"] for note in assessment["note"])
    assert re.search(r"<td>natalizumab</td><td>\d+</td><td>\d+ % \(95 % interval", assessment["text"]["div"])
    worsening = [one for one in assessment["prediction"] if one["outcome"]["coding"][0]["code"] == "worsening-24w"]
    assert len(worsening) == len(ACTIVE_TREATMENTS) + 1
    for one in worsening:
        interval = one["extension"][1]["valueRange"]
        assert 0 <= interval["low"]["value"] <= one["probabilityDecimal"] <= interval["high"]["value"] <= 100
        assert "most similar patients" in one["rationale"]
        assert one["whenRange"]["high"]["value"] == 24


def test_the_projection_as_a_document(client: TestClient, access: dict[str, str]) -> None:
    record = {"resourceType": "Parameters", "parameter": [{"name": "record", "resource": bundle(*typical())}]}
    answer = client.post("/fhir/DocumentReference/$project", json=record, headers=access)
    attachment = valid(answer.json())["content"][0]["attachment"]
    pdf = base64.b64decode(attachment["data"])
    assert pdf.startswith(b"%PDF-")
    assert pdf.rstrip().endswith(b"%%EOF")
    assert attachment["size"] == len(pdf)


@pytest.mark.parametrize(
    ("accepted", "language", "words"),
    [
        (None, "en", ["not a medical device", "Beta interferon", "Read from the record: age 34", "release test"]),
        (
            "fr-FR,fr;q=0.9,en;q=0.8",
            "fr",
            ["pas un dispositif médical", "Interféron bêta", "EDSS 2,5", "version test"],
        ),
        ("de, en;q=0.5, fr;q=0.4", "en", ["not causal"]),
    ],
)
def test_the_document_is_in_the_language_that_is_accepted(
    client: TestClient, access: dict[str, str], accepted: str | None, language: str, words: list[str]
) -> None:
    headers = access | ({"Accept-Language": accepted} if accepted else {})
    answer = client.post("/fhir/DocumentReference/$project", json=bundle(*typical()), headers=headers)
    document = valid(answer.json())
    attachment = document["content"][0]["attachment"]
    assert attachment["language"] == language
    text = text_of_pdf(base64.b64decode(attachment["data"]))
    assert all(one in text for one in words), text


def text_of_pdf(pdf: bytes) -> str:
    """The strings that the content of the pages shows, one after the other."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    shown = [part for stream in streams for part in re.findall(rb"\((.*?)(?<!\\)\) Tj", zlib.decompress(stream))]
    return b" ".join(shown).replace(b"\\(", b"(").replace(b"\\)", b")").decode("latin-1")


def test_the_document_names_what_was_read_with_reservations(client: TestClient, access: dict[str, str]) -> None:
    unnamed = [*(one for one in typical() if one.get("id") != "c1"), condition(concept("24700007"))]
    answer = client.post("/fhir/DocumentReference/$project", json=bundle(*unnamed), headers=access)
    text = text_of_pdf(base64.b64decode(answer.json()["content"][0]["attachment"]["data"]))
    assert "Read with reservations, to be verified: course" in text


def test_the_languages_of_the_document_say_the_same_things() -> None:
    def shape(said: object) -> object:
        if isinstance(said, dict):
            return {key: shape(value) for key, value in said.items()}
        if isinstance(said, list):
            return [shape(value) for value in said]
        return sorted(re.findall(r"{(\w+)}", str(said)))

    assert shape(document_words("en")) == shape(document_words("fr"))
    assert set(document_words("en")["caveats"]) >= set(CAVEATS)


def test_the_reading_of_a_record_can_be_seen(client: TestClient, access: dict[str, str]) -> None:
    answer = client.post("/fhir/$patient-of-interest", json=bundle(*typical()), headers=access)
    parameters = valid(answer.json())["parameter"]
    document = json.loads(next(one["valueString"] for one in parameters if one["name"] == "patient"))
    assert document["edss"] == 2.5
    assert any(one["name"] == "finding" for one in parameters)


@pytest.mark.parametrize(
    ("record", "status"),
    [
        ({}, 400),
        ([], 400),
        ({"resourceType": "Patient"}, 400),
        (bundle(), 422),
        (bundle(patient(), medication(concept("L04AG03", ATC))), 422),
        (bundle(patient(), condition(concept("426373005"))), 422),
        (bundle(*typical()[1:], patient(deceasedDateTime="2026-06-01")), 422),
    ],
)
def test_a_record_that_cannot_be_projected_is_an_outcome(
    client: TestClient, access: dict[str, str], record: object, status: int
) -> None:
    answer = client.post("/fhir/RiskAssessment/$project", json=record, headers=access)
    assert answer.status_code == status
    assert valid(answer.json())["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("path", ["RiskAssessment/$project", "DocumentReference/$project", "$patient-of-interest"])
def test_operations_need_an_access_token(client: TestClient, signer: SigningClient, path: str) -> None:
    for headers in ({}, {"Authorization": "Bearer x.y.z"}, signer.authorization(f"{PUBLIC_URL}/fhir/{path}")):
        answer = client.post(f"/fhir/{path}", json=bundle(*typical()), headers=headers)
        assert (answer.status_code, answer.content) == (401, b"")


def test_an_access_token_is_worth_what_was_asked_for_only(client: TestClient, machine: SigningClient) -> None:
    granted = grant(client, machine, scope="system/RiskAssessment.c").json()
    assert (granted["token_type"], granted["expires_in"]) == ("bearer", 300)
    headers = {"Authorization": f"Bearer {granted['access_token']}"}
    assert client.post("/fhir/RiskAssessment/$project", json=bundle(*typical()), headers=headers).status_code == 200
    refused = client.post("/fhir/DocumentReference/$project", json=bundle(*typical()), headers=headers)
    assert refused.status_code == 401


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"client_assertion_type": "x"}, 400, "invalid_request"),
        ({"scope": "system/*.rs"}, 400, "invalid_scope"),
        ({"scope": " "}, 400, "invalid_scope"),
        ({"assertion": "a.b.c"}, 401, "invalid_client"),
        ({"audience": f"{PUBLIC_URL}/other"}, 401, "invalid_client"),
        ({"claims": {"sub": "another"}}, 401, "invalid_client"),
        ({"claims": {"exp": int(time.time()) - 60}}, 401, "invalid_client"),
        ({"claims": {"exp": int(time.time()) + 1800}}, 401, "invalid_client"),
        ({"claims": {"jti": None}}, 401, "invalid_client"),
    ],
)
def test_a_wrong_request_for_a_token_is_refused(
    client: TestClient, machine: SigningClient, change: dict[str, Any], status: int, error: str
) -> None:
    answer = grant(client, machine, **change)
    assert (answer.status_code, answer.json()) == (status, {"error": error})
    assert answer.headers["cache-control"] == "no-store"


def test_an_assertion_serves_once(client: TestClient, machine: SigningClient) -> None:
    assertion = machine.token(TOKEN_URL, sub=machine.issuer)
    assert [grant(client, machine, assertion=assertion).status_code for _ in range(2)] == [200, 401]
    forged = SigningClient(machine.issuer, kid=machine.kid)
    assert grant(client, forged).status_code == 401


def test_backend_services_are_discovered(client: TestClient) -> None:
    found = client.get("/fhir/.well-known/smart-configuration").json()
    assert found["token_endpoint"] == TOKEN_URL
    assert found["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]


def test_every_body_of_the_documented_interface_has_an_example_that_is_answered(
    sandbox: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    application = cast("FastAPI", sandbox.app)
    monkeypatch.setattr(application.state.doors, "today", lambda: datetime.datetime.now(datetime.UTC).date())
    document = sandbox.get("/openapi.json").json()
    sent = 0
    for path, operations in document["paths"].items():
        body = operations.get("post", {}).get("requestBody")
        if body is None or not path.startswith(("/fhir/", "/cds-services/")):
            continue
        (content,) = body["content"].values()
        answer = sandbox.post(path.replace("{service}", SERVICE.rsplit("/", 1)[1]), json=content["example"])
        assert answer.status_code == 200, f"{path}: {answer.text}"
        sent += 1
    assert sent == 5
