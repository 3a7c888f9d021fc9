"""Every requirement of CDS Hooks 2.0 on a service; each test names those that it covers."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from pydantic import ValidationError

from cdss.ehr.configuration import EhrConfiguration
from cdss.ehr.fhir_server import FhirServer
from cdss.ehr.keys import ALGORITHMS
from cdss.persistence import Database
from projection import Projector
from tests.client import TestClient
from tests.ehr.card_schema import ACTION, CARD, DISCOVERY, LINK, RESPONSE, breaks, check, holds_nothing_empty
from tests.ehr.conftest import PUBLIC_URL, make_application
from tests.ehr.fhir_stub import FhirStub
from tests.ehr.hooks import SERVICE, call, prefetch
from tests.ehr.requirements import covers
from tests.ehr.signing import SigningClient


def discovered(client: TestClient) -> list[dict[str, Any]]:
    services: list[dict[str, Any]] = client.get("/cds-services").json()["services"]
    return services


def answered(client: TestClient, signer: SigningClient, body: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    answer = client.post(SERVICE, json=body, headers=signer.authorization(PUBLIC_URL + SERVICE))
    assert answer.status_code == 200, answer.text
    check(answer.json(), RESPONSE)
    return answer.json()


def card(client: TestClient, signer: SigningClient, hook: str = "patient-view") -> dict[str, Any]:
    (only,) = answered(client, signer, call(hook))["cards"]
    assert isinstance(only, dict)
    return only


@covers(4, 5, 6, 13)
def test_discovery_is_an_object_with_an_array_of_services(client: TestClient) -> None:
    answer = client.get("/cds-services")
    assert answer.status_code == 200
    check(answer.json(), DISCOVERY)


@covers(7, 8, 9, 10, 12)
def test_each_service_is_described(client: TestClient) -> None:
    for service in discovered(client):
        assert service["hook"] in {"patient-view", "order-select", "order-sign"}
        assert all(service[name] for name in ("id", "title", "description", "usageRequirements"))


@covers(210, 211, 212, 78)
def test_one_id_serves_every_hook_so_that_newer_cards_replace_older_ones(client: TestClient) -> None:
    services = discovered(client)
    assert len({service["hook"] for service in services}) == 3
    assert len({service["id"] for service in services}) == 1


@covers(11, 29, 35, 36)
def test_what_is_used_is_declared_as_prefetch(client: TestClient) -> None:
    for service in discovered(client):
        assert {"patient", "conditions", "edss", "relapses", "mri", "statements"} <= service["prefetch"].keys()


@covers(55, 56, 57, 59)
def test_prefetch_tokens_name_primitive_fields_of_the_context(client: TestClient) -> None:
    for service in discovered(client):
        for template in service["prefetch"].values():
            assert re.findall(r"{{(.*?)}}", template) == ["context.patientId"]
            assert "{" not in template.replace("{{context.patientId}}", "")


@covers(58)
def test_prefetch_queries_read_by_id_or_search_by_patient_and_code(client: TestClient) -> None:
    plain = re.compile(r"Patient/{{context\.patientId}}|\w+\?patient={{context\.patientId}}(&code=[^&]+)?")
    for service in discovered(client):
        assert all(plain.fullmatch(template) for template in service["prefetch"].values())


@covers(1)
def test_everything_is_json(client: TestClient, signer: SigningClient) -> None:
    headers = signer.authorization(PUBLIC_URL + SERVICE)
    answers = [client.get("/cds-services"), client.post(SERVICE, json=call(), headers=headers)]
    assert [answer.headers["content-type"] for answer in answers] == ["application/json"] * 2
    headers = signer.authorization(PUBLIC_URL + SERVICE)
    assert client.post(SERVICE, content=b"<call/>", headers=headers).status_code == 400


@covers(3)
def test_no_element_is_null_or_empty(client: TestClient, signer: SigningClient) -> None:
    assert holds_nothing_empty(client.get("/cds-services").json())
    for hook in ("patient-view", "order-select", "order-sign"):
        assert holds_nothing_empty(answered(client, signer, call(hook)))


@covers(2, 168)
def test_an_open_line_is_refused(projector: Projector, client: TestClient, signer: SigningClient) -> None:
    with TestClient(client.app, base_url="http://cdss.test") as open_line:
        refused = open_line.post(SERVICE, json=call(), headers=signer.authorization(PUBLIC_URL + SERVICE))
    assert refused.status_code == 403
    with pytest.raises(ValidationError, match="https"):
        EhrConfiguration(public_url="http://cdss.example")


@covers(16, 74)
def test_the_service_answers_at_its_address_with_an_array_of_cards(client: TestClient, signer: SigningClient) -> None:
    (service,) = {one["id"] for one in discovered(client)}
    path = f"/cds-services/{service}"
    answer = client.post(path, json=call(), headers=signer.authorization(PUBLIC_URL + path))
    assert answer.status_code == 200
    assert len(answer.json()["cards"]) == 1


@covers(14, 76)
@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"hook": "appointment-book"}, "hook"),
        ({"hookInstance": "no uuid"}, "hookInstance"),
        ({"context": None}, "context"),
        ({"context": {"userId": "Practitioner/dr"}}, "context.patientId"),
        ({"context": {"userId": "Practitioner/dr", "patientId": "../x"}}, "context.patientId"),
        ({"context": {"userId": "Practitioner/dr", "patientId": ".."}}, "context.patientId"),
        ({"fhirAuthorization": {"token_type": "Bearer"}}, "fhirAuthorization.access_token"),
        ({"prefetch": []}, "prefetch"),
    ],
)
def test_a_call_that_cannot_be_read_is_a_400_that_names_the_element(
    client: TestClient, signer: SigningClient, change: dict[str, Any], names: str
) -> None:
    headers = signer.authorization(PUBLIC_URL + SERVICE)
    answer = client.post(SERVICE, json=call(**change), headers=headers)
    assert answer.status_code == 400
    assert names in {error["field"] for error in answer.json()["errors"]}


@covers(28)
def test_prefetched_data_are_enough(client: TestClient, signer: SigningClient) -> None:
    assert len(answered(client, signer, call())["cards"]) == 1


@covers(34, 60, 61)
def test_what_was_not_prefetched_is_fetched_with_the_token_of_the_call(
    projector: Projector, database: Database
) -> None:
    with FhirStub(token="a-secret-token") as server:  # noqa: S106 - of this test
        app = make_application(projector, EhrConfiguration(public_url="http://127.0.0.1:8000", dev=True), database)
        authorization = {"access_token": "a-secret-token", "token_type": "Bearer", "expires_in": 300, "scope": "x"}
        body = call(prefetch={}, fhirServer=server.base_url, fhirAuthorization=authorization)
        with TestClient(app, base_url="http://127.0.0.1:8000", client=("127.0.0.1", 50000)) as sandbox:
            answer = sandbox.post(SERVICE, json=body)
        assert len(answer.json()["cards"]) == 1
        assert len(server.authorizations) >= 8
        assert set(server.authorizations) == {"Bearer a-secret-token"}
    assert "a-secret-token" not in repr(FhirServer(server.base_url, "a-secret-token"))


@covers(52)
def test_an_operation_outcome_is_not_taken_for_data(client: TestClient, signer: SigningClient) -> None:
    outcome = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "processing"}]}
    optional = answered(client, signer, call(prefetch={**prefetch(), "mri": outcome}))
    assert "MRI counts" in optional["cards"][0]["detail"]
    headers = signer.authorization(PUBLIC_URL + SERVICE)
    refused = client.post(SERVICE, json=call(prefetch={**prefetch(), "edss": outcome}), headers=headers)
    assert refused.status_code == 412
    assert [one["key"] for one in refused.json()["missing"]] == ["edss"]


@covers(54)
@pytest.mark.parametrize("key", ["patient", "conditions", "edss"])
def test_without_required_data_the_answer_is_412_and_names_them(
    client: TestClient, signer: SigningClient, key: str
) -> None:
    given = {name: value for name, value in prefetch().items() if name != key}
    answer = client.post(SERVICE, json=call(prefetch=given), headers=signer.authorization(PUBLIC_URL + SERVICE))
    assert answer.status_code == 412
    assert [one["key"] for one in answer.json()["missing"]] == [key]


@covers(77)
@pytest.mark.parametrize(
    "change",
    [
        {"conditions": None},
        {"edss": None},
        {"patient": {"resourceType": "Patient", "id": "p1", "birthDate": "2020-01-01"}},
        {"patient": {"resourceType": "Patient", "id": "p1", "birthDate": "1990-01-01", "deceasedBoolean": True}},
    ],
)
def test_with_nothing_to_say_there_is_no_card(
    client: TestClient, signer: SigningClient, change: dict[str, Any]
) -> None:
    assert answered(client, signer, call(prefetch={**prefetch(), **change})) == {"cards": []}


@covers(80, 81, 82)
def test_each_card_has_an_identifier_of_its_own(client: TestClient, signer: SigningClient) -> None:
    assert len({card(client, signer)["uuid"] for _ in range(3)}) == 3


@covers(83)
@pytest.mark.parametrize("hook", ["patient-view", "order-select", "order-sign"])
def test_the_summary_is_shorter_than_140_characters(client: TestClient, signer: SigningClient, hook: str) -> None:
    summary = card(client, signer, hook)["summary"]
    assert 20 < len(summary) < 140
    expected = "Similar patients under 8 treatment classes and none" if hook == "patient-view" else "under anti-CD20"
    assert expected in summary


@covers(84, 85)
def test_the_detail_is_a_table_in_github_flavoured_markdown(client: TestClient, signer: SigningClient) -> None:
    lines = card(client, signer)["detail"].splitlines()
    header = next(i for i, line in enumerate(lines) if line.startswith("| Treatment"))
    assert lines[header - 1] == ""
    assert re.fullmatch(r"(\|:?-+:?)+\|", lines[header + 1])
    rows = [line for line in lines[header + 2 :] if line.startswith("|")]
    assert len(rows) >= 8
    assert all(line.count("|") == lines[header].count("|") for line in rows)
    assert all(re.search(r"\| \d+ \| \d+ % \(\d+ to \d+\) \|", line) for line in rows)
    assert "<" not in "".join(lines)


@covers(87, 88, 89)
def test_the_card_informs_and_never_alarms(client: TestClient, signer: SigningClient) -> None:
    assert card(client, signer)["indicator"] == "info"


@covers(90, 105, 106, 107, 108, 109)
def test_the_source_is_labelled_and_linked_in_general_terms(client: TestClient, signer: SigningClient) -> None:
    source = card(client, signer)["source"]
    assert source["label"]
    assert source["url"] == f"{PUBLIC_URL}/"


@covers(111, 112, 113)
def test_the_source_has_no_icon(client: TestClient, signer: SigningClient) -> None:
    assert "icon" not in card(client, signer)["source"]
    assert breaks({"summary": "x", "indicator": "info", "source": {"label": "x", "icon": "logo.png"}}, CARD)


@covers(115, 116, 216, 217, 218, 220)
def test_the_topic_of_the_source_is_a_coding(client: TestClient, signer: SigningClient) -> None:
    topic = card(client, signer)["source"]["topic"]
    assert all(isinstance(topic[part], str) and topic[part] for part in ("code", "system", "display"))


_FORM = {"summary": "x", "indicator": "info", "source": {"label": "x"}}


@covers(92, 93, 94, 95, 96, 117, 118, 119, 120, 121, 122, 123, 124, 125)
def test_no_suggestion_is_made_and_the_check_would_see_a_malformed_one(
    client: TestClient, signer: SigningClient
) -> None:
    assert {"suggestions", "selectionBehavior"}.isdisjoint(card(client, signer))
    assert not breaks({**_FORM, "suggestions": [{"label": "x"}], "selectionBehavior": "any"}, CARD)
    for wrong in (
        {"suggestions": [{"label": "x"}]},
        {"suggestions": {"label": "x"}, "selectionBehavior": "any"},
        {"suggestions": [{}], "selectionBehavior": "any"},
        {"suggestions": [{"label": "x"}], "selectionBehavior": "all"},
        {"suggestions": [{"label": "x", "uuid": 1}], "selectionBehavior": "any"},
        {"suggestions": [{"label": "x", "isRecommended": "yes"}], "selectionBehavior": "any"},
        {"suggestions": [{"label": "x", "actions": {}}], "selectionBehavior": "any"},
    ):
        assert breaks({**_FORM, **wrong}, CARD)


@covers(75, 127, 128, 129, 130, 131, 132, 133, 134, 135)
def test_no_action_is_asked_for_and_the_check_would_see_a_malformed_one(
    client: TestClient, signer: SigningClient
) -> None:
    assert "systemActions" not in answered(client, signer, call())
    resource = {"resourceType": "MedicationRequest"}
    assert not breaks({"type": "delete", "description": "x", "resourceId": "MedicationRequest/1"}, ACTION)
    for wrong in (
        {"type": "replace", "description": "x", "resource": resource},
        {"type": "create", "resource": resource},
        {"type": "create", "description": "x"},
        {"type": "update", "description": "x", "resource": "MedicationRequest/1"},
        {"type": "delete", "description": "x", "resource": resource},
        {"type": "delete", "description": "x", "resourceId": 1},
    ):
        assert breaks(wrong, ACTION)


@covers(98, 99, 100, 136, 219)
def test_override_reasons_are_codings_that_people_can_read(client: TestClient, signer: SigningClient) -> None:
    reasons = card(client, signer)["overrideReasons"]
    assert len({reason["code"] for reason in reasons}) == len(reasons) >= 3
    assert {reason["system"] for reason in reasons} == {
        "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
    }
    assert all(reason["display"] for reason in reasons)


@covers(103, 104, 110, 138, 139, 140, 141, 142, 144, 145, 146, 147)
def test_details_are_a_smart_link(client: TestClient, signer: SigningClient) -> None:
    (link,) = card(client, signer)["links"]
    assert link == {
        "label": "Open the viewer on this patient",
        "url": f"{PUBLIC_URL}/smart/launch",
        "type": "smart",
    }
    assert breaks({"label": "x", "url": "https://x.example", "type": "absolute", "appContext": "x"}, LINK)


@covers(148)
def test_feedback_is_taken_in_and_may_be_repeated(client: TestClient, signer: SigningClient) -> None:
    shown = card(client, signer)
    report = {"card": shown["uuid"], "outcome": "overridden", "outcomeTimestamp": "2026-06-15T10:00:00Z"}
    reason = {"reason": {"code": "cds-not-applicable", "system": "https://x.example"}, "userComment": "Mrs Private"}
    body = {"feedback": [{**report, "overrideReason": reason}]}
    path = f"{SERVICE}/feedback"
    tally = client.app.state.doors.feedback  # type: ignore[attr-defined]  # a FastAPI application
    before = Counter(tally.counts())
    for audience in (path, path, SERVICE):
        answer = client.post(path, json=body, headers=signer.authorization(PUBLIC_URL + audience))
        assert answer.status_code == 200
        assert holds_nothing_empty(answer.json())
    assert Counter(tally.counts()) - before == {("overridden", "cds-not-applicable"): 1}
    earlier = {**report, "outcomeTimestamp": "2026-06-15T09:00:00"}
    headers = signer.authorization(PUBLIC_URL + path)
    assert client.post(path, json={"feedback": [earlier]}, headers=headers).status_code == 200
    assert Counter(tally.counts()) - before == {("overridden", "cds-not-applicable"): 1}


@covers(175, 179)
def test_tokens_are_asked_for_whatever_the_channel(client: TestClient) -> None:
    assert client.post(SERVICE, json=call()).status_code == 401


@covers(176, 177)
def test_a_call_without_a_signed_token_is_refused_without_a_word(client: TestClient) -> None:
    answer = client.post(SERVICE, json=call())
    assert (answer.status_code, answer.content) == (401, b"")
    assert answer.headers["www-authenticate"] == "Bearer"


@covers(195, 199)
def test_only_listed_issuers_and_key_sets_are_trusted(client: TestClient, signer: SigningClient) -> None:
    audience = PUBLIC_URL + SERVICE
    stranger = SigningClient("https://stranger.test")
    assert client.post(SERVICE, json=call(), headers=stranger.authorization(audience)).status_code == 401
    elsewhere = signer.token(audience, header={"jku": "https://ehr.test/other.json"})
    refused = client.post(SERVICE, json=call(), headers={"Authorization": f"Bearer {elsewhere}"})
    assert refused.status_code == 401
    assert client.post(SERVICE, json=call(), headers=signer.authorization(audience)).status_code == 200


@covers(200, 205, 206, 207)
@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_the_recommended_algorithms_are_the_accepted_ones(
    projector: Projector, database: Database, algorithm: str
) -> None:
    assert set(ALGORITHMS) == {"ES384", "RS384"}
    signer = SigningClient("https://ehr.test", algorithm=algorithm)
    partners = {"cds_clients": [{"issuer": signer.issuer, "jwks": signer.key_set}]}
    configuration = EhrConfiguration.model_validate({"public_url": PUBLIC_URL, "partners": partners})
    with TestClient(make_application(projector, configuration, database), base_url=PUBLIC_URL) as client:
        headers = signer.authorization(PUBLIC_URL + SERVICE)
        assert client.post(SERVICE, json=call(), headers=headers).status_code == 200


@covers(201, 203)
@pytest.mark.parametrize("algorithm", ["none", "HS256", "HS384"])
def test_an_unsigned_or_symmetric_token_is_refused(client: TestClient, signer: SigningClient, algorithm: str) -> None:
    token = signer.unsafe_token(PUBLIC_URL + SERVICE, algorithm)
    answer = client.post(SERVICE, json=call(), headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.content) == (401, b"")


@covers(208)
def test_browsers_of_allowed_origins_are_answered_and_others_are_not(
    client: TestClient, signer: SigningClient
) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    allowed = client.options(SERVICE, headers={"Origin": "https://ehr.test", **asked})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://ehr.test"
    assert "authorization" in allowed.headers["access-control-allow-headers"].lower()
    refused = client.options(SERVICE, headers={"Origin": "https://evil.test", **asked})
    assert "access-control-allow-origin" not in refused.headers
    headers = {**signer.authorization(PUBLIC_URL + SERVICE), "Origin": "https://evil.test"}
    assert "access-control-allow-origin" not in client.post(SERVICE, json=call(), headers=headers).headers


@covers(213)
def test_no_hook_is_needed_for_safety(client: TestClient) -> None:
    for service in discovered(client):
        assert "not a medical device" in service["usageRequirements"]


@covers(214, 215)
def test_no_extension_is_sent_and_unknown_ones_are_let_pass(client: TestClient, signer: SigningClient) -> None:
    answer = answered(client, signer, call(extension={"com.example.theme": "dark"}))
    assert "extension" not in str(answer)
    assert len(answer["cards"]) == 1


@covers(27)
def test_an_answer_is_computed_from_prefetch_alone_without_any_request_elsewhere(
    client: TestClient, signer: SigningClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refused)
    assert len(answered(client, signer, call())["cards"]) == 1
