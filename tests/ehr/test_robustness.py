"""Whatever is sent, the answer is one that the standards know, and never a fault of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.client import TestClient
from tests.ehr.card_schema import RESPONSE, check
from tests.ehr.hooks import SERVICE, bundle, call
from tests.ehr.records import typical
from tests.ehr.spoiled import JSON, spoiled

shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)


@given(spoiled(call()))
@shared
def test_a_spoiled_call_gets_cards_or_a_reason(sandbox: TestClient, body: dict[str, Any]) -> None:
    answer = sandbox.post(SERVICE, content=json.dumps(body))
    assert answer.status_code in (200, 400, 412)
    if answer.status_code == 200:
        check(answer.json(), RESPONSE)


@pytest.mark.parametrize("hook", ["order-select", "order-sign"])
@given(body=spoiled(call("order-select")))
@shared
def test_a_spoiled_order_gets_cards_or_a_reason(sandbox: TestClient, hook: str, body: dict[str, Any]) -> None:
    answer = sandbox.post(SERVICE, content=json.dumps({**body, "hook": hook}))
    assert answer.status_code in (200, 400, 412)


@given(spoiled(bundle(*typical())))
@shared
def test_a_spoiled_record_gets_a_resource_or_an_outcome(sandbox: TestClient, body: dict[str, Any]) -> None:
    for operation in ("RiskAssessment/$project", "DocumentReference/$project", "$patient-of-interest"):
        answer = sandbox.post(f"/fhir/{operation}", content=json.dumps(body))
        assert answer.status_code in (200, 400, 422)
        expected = {200: {"RiskAssessment", "DocumentReference", "Parameters"}}.get(
            answer.status_code, {"OperationOutcome"}
        )
        assert answer.json()["resourceType"] in expected


@given(JSON)
@shared
def test_anything_at_all_is_refused_politely(sandbox: TestClient, body: object) -> None:
    sent = json.dumps(body)
    for path in (SERVICE, f"{SERVICE}/feedback", "/fhir/RiskAssessment/$project"):
        assert sandbox.post(path, content=sent).status_code == 400
    assert sandbox.post("/smart/token", content=sent).status_code == 400


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"{", b"[" * 100_000, b"null", b'{"hook": NaN}'])
def test_bytes_that_are_no_json_are_a_400(sandbox: TestClient, body: bytes) -> None:
    for path in (SERVICE, f"{SERVICE}/feedback", "/fhir/RiskAssessment/$project"):
        assert sandbox.post(path, content=body).status_code == 400
