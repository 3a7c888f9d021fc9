"""Pages, outcomes and gaps among prefetched data."""

from __future__ import annotations

from typing import Any

import pytest

from tests.client import TestClient
from tests.ehr.fhir_stub import FhirStub
from tests.ehr.hooks import SERVICE, bundle, call, prefetch
from tests.ehr.records import ATC, ago, concept, edss, medication, observation, patient, relapse


def detail(client: TestClient, body: dict[str, Any]) -> str:
    answer = client.post(SERVICE, json=body)
    assert answer.status_code == 200, answer.text
    (card,) = answer.json()["cards"]
    return str(card["detail"])


def first_page(server: FhirStub | None = None) -> dict[str, Any]:
    """One old EDSS; the others of the record are on the next page."""
    address = f"{server.base_url}/Observation?start=0" if server else "https://fhir.test/Observation?page=2"
    old = edss(4.0, id="old", effectiveDateTime=ago(400))
    return {**prefetch(), "edss": bundle(old, link=[{"relation": "next", "url": address}])}


def authorisation(server: FhirStub) -> dict[str, Any]:
    granted = {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "patient/*.rs"}
    return {"fhirServer": server.base_url, "fhirAuthorization": granted}


def test_the_rest_of_a_paged_bundle_is_fetched(sandbox: TestClient) -> None:
    with FhirStub(token="t") as server:  # noqa: S106 - of this test
        told = detail(sandbox, call(prefetch=first_page(server), **authorisation(server)))
    assert "EDSS 2.5" in told
    assert "Not had in full" not in told


def test_without_access_the_first_page_is_read_and_the_card_says_so(sandbox: TestClient) -> None:
    told = detail(sandbox, call(prefetch=first_page()))
    assert "EDSS 4.0" in told
    assert "Not had in full: EDSS." in told


def test_a_next_page_on_another_server_is_not_followed(sandbox: TestClient) -> None:
    with FhirStub(token="t") as own, FhirStub() as other:  # noqa: S106 - of this test
        told = detail(sandbox, call(prefetch=first_page(other), **authorisation(own)))
        assert other.asked == []
    assert "Not had in full: EDSS." in told


def test_a_server_that_fails_for_what_is_optional_leaves_a_card_with_a_note(sandbox: TestClient) -> None:
    with FhirStub(token="t", broken="MedicationStatement") as server:  # noqa: S106 - of this test
        told = detail(sandbox, call(prefetch={}, **authorisation(server)))
    assert "Not had in full: medication statements." in told


def test_a_server_that_fails_for_what_is_required_is_a_412_that_names_it(sandbox: TestClient) -> None:
    with FhirStub(token="t", broken="Observation") as server:  # noqa: S106 - of this test
        answer = sandbox.post(SERVICE, json=call(prefetch={}, **authorisation(server)))
    assert answer.status_code == 412
    assert [one["key"] for one in answer.json()["missing"]] == ["edss"]


def test_a_server_that_does_not_come_to_an_end_is_not_waited_for(
    sandbox: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cdss.ehr.fhir_server.SECONDS_ALTOGETHER", 0)
    with FhirStub(token="t") as server:  # noqa: S106 - of this test
        answer = sandbox.post(SERVICE, json=call(prefetch={}, **authorisation(server)))
    assert answer.status_code == 412
    assert "does not come to an end" in answer.json()["missing"][0]["reason"]


OCRELIZUMAB = {"resourceType": "Medication", "id": "m9", "code": concept("L04AG08", ATC)}


@pytest.mark.parametrize(
    "reference", ["Medication/m9", "Medication/m9/_history/2", "https://x.test/r4/Medication/m9"]
)
def test_a_medication_that_is_only_referred_to_is_read(sandbox: TestClient, reference: str) -> None:
    untold = medication(
        {}, "MedicationRequest", id="mr", intent="order", medicationReference={"reference": reference}
    )
    with FhirStub(token="t", more=(OCRELIZUMAB,)) as server:  # noqa: S106 - of this test
        sent = call(prefetch={**prefetch(), "requests": bundle(untold, untold)}, **authorisation(server))
        assert "prior treatment high efficacy" in detail(sandbox, sent)
        assert server.asked == ["/fhir/Medication/m9"]
    assert "prior treatment moderate efficacy" in detail(sandbox, call(prefetch=sent["prefetch"]))


def test_an_order_that_only_refers_to_its_medication_is_understood(sandbox: TestClient) -> None:
    sent = call("order-sign")
    (draft,) = sent["context"]["draftOrders"]["entry"]
    draft["resource"] |= {"medicationCodeableConcept": None, "medicationReference": {"reference": "Medication/m9"}}
    with FhirStub(token="t", more=(OCRELIZUMAB,)) as server:  # noqa: S106 - of this test
        assert "anti-CD20** (being ordered)" in detail(sandbox, {**sent, **authorisation(server)})
    assert sandbox.post(SERVICE, json=sent).json() == {"cards": []}


@pytest.mark.parametrize(
    ("selection", "cards"),
    [
        ("MedicationRequest/draft", 1),
        ("https://x.test/r4/MedicationRequest/draft", 1),
        ("draft", 1),
        ("ServiceRequest/draft", 0),
        ("MedicationRequest/other", 0),
    ],
)
def test_a_card_is_for_what_was_selected(sandbox: TestClient, selection: str, cards: int) -> None:
    sent = call("order-select")
    sent["context"]["selections"] = [selection]
    assert len(sandbox.post(SERVICE, json=sent).json()["cards"]) == cards


def test_a_server_that_is_not_listed_is_not_asked(sandbox: TestClient) -> None:
    granted = {"access_token": "t", "token_type": "Bearer", "expires_in": 300, "scope": "x"}
    body = call(prefetch={}, fhirServer="http://169.254.169.254/fhir", fhirAuthorization=granted)
    assert sandbox.post(SERVICE, json=body).status_code == 412


def test_resources_under_keys_of_the_clients_own_are_read(sandbox: TestClient) -> None:
    everything = [one for value in prefetch().values() if value for one in _resources(value)]
    assert "EDSS 2.5" in detail(sandbox, call(prefetch={"record": bundle(*everything)}))


def _resources(value: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in value["entry"]] if value["resourceType"] == "Bundle" else [value]


def test_another_patient_than_that_of_the_context_is_never_shown(sandbox: TestClient) -> None:
    other = {**prefetch(), "patient": patient(id="p9")}
    assert sandbox.post(SERVICE, json=call(prefetch=other)).status_code == 412


@pytest.mark.parametrize("stranger", [edss(9.0, id="x", effectiveDateTime=ago(1)), relapse(3)])
def test_resources_of_another_patient_are_left_out(sandbox: TestClient, stranger: dict[str, Any]) -> None:
    mixed = prefetch()
    foreign = {**stranger, "subject": {"reference": "Patient/p9"}}
    mixed["edss"]["entry"].append({"resource": foreign})
    assert detail(sandbox, call(prefetch=mixed)) == detail(sandbox, call())


def test_an_outcome_within_a_bundle_is_no_data(sandbox: TestClient) -> None:
    mixed = prefetch()
    outcome = {"resourceType": "OperationOutcome", "issue": []}
    mixed["edss"]["entry"] += [{"resource": outcome}, {"search": {"mode": "outcome"}}, None]
    assert detail(sandbox, call(prefetch=mixed)) == detail(sandbox, call())


def test_what_a_search_includes_beside_is_not_counted(sandbox: TestClient) -> None:
    mixed = prefetch()
    mixed["edss"]["entry"].append({"resource": observation({"text": "Weight"}, id="w", valueQuantity={"value": 60})})
    assert detail(sandbox, call(prefetch=mixed)) == detail(sandbox, call())
