"""The trail as AuditEvents: valid FHIR R4, and each meeting what the BALP profile that it claims requires.

What is required is written down here as the profiles publish it (https://profiles.ihe.net/ITI/BALP/).
"""

from __future__ import annotations

import base64
import datetime
from dataclasses import dataclass
from typing import Any

import pytest
from fhir.resources.R4B.auditevent import AuditEvent

from cdss.audit import AuditRecord
from cdss.audit.fhir import BALP, audit_event, pattern_of

DCM = "http://dicom.nema.org/resources/ontology/DCM"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
REST = "http://hl7.org/fhir/restful-interaction"


@dataclass(frozen=True)
class Profile:
    """What a profile fixes."""

    action: str
    interactions: frozenset[str]
    client: str
    server: str
    users: frozenset[str]
    query: bool = False


AUTHORS = frozenset({"AUT", "INF", "CST"})
PROFILES = {
    "Read": Profile("R", frozenset({"read", "vread"}), "110152", "110153", frozenset({"IRCP"})),
    "Query": Profile(
        "E",
        frozenset({"search", "search-type", "search-system"}),
        "110153",
        "110152",
        frozenset({"IRCP"}),
        query=True,
    ),
    "Create": Profile("C", frozenset({"create"}), "110153", "110152", AUTHORS),
    "Update": Profile("U", frozenset({"update", "patch"}), "110153", "110152", AUTHORS),
}

ACTIONS = {
    "releases.read": "Read",
    "exports.list": "Read",
    "exports.show": "Read",
    "exports.deliver": "Read",
    "viewer.read": "Read",
    "projections.write": "Query",
    "patients-of-reference.write": "Query",
    "viewer.write": "Query",
    "cds-hooks.write": "Query",
    "fhir.write": "Query",
    "exports.request": "Create",
    "evaluation.enrol": "Create",
    "exports.approve": "Update",
    "exports.reject": "Update",
    "exports.cancel": "Update",
    "evaluation.write": "Update",
    "session.open": "",
    "session.close": "",
    "audit.witness-begun": "",
    "unknown.write": "",
}


def record(action: str, **change: Any) -> AuditRecord:  # noqa: ANN401 - as for the columns
    given = {
        "sequence": 7,
        "at": datetime.datetime(2026, 1, 2, 3, 4, 5, 678_000, datetime.UTC),
        "actor": "a" * 24,
        "role": "steward",
        "action": action,
        "session": "b" * 24,
        "release": "r1-0123456789ab",
        "subject": "x0123456789" if action.startswith("exports") else "",
        "outcome": "success",
        "status": 200,
        "previous": "0" * 64,
        "digest": "c" * 64,
    }
    return AuditRecord(**(given | change))


def coded(element: dict[str, Any], system: str) -> str:
    codes = [coding["code"] for coding in element["type"]["coding"] if coding["system"] == system]
    return codes[0] if codes else ""


def check(event: dict[str, Any], profile: Profile) -> None:
    """Verify what a profile requires of an event."""
    assert event["type"] == {
        "system": f"{TERMINOLOGY}/audit-event-type",
        "code": "rest",
        "display": "Restful Operation",
    }
    assert {one["code"] for one in event["subtype"] if one["system"] == REST} & profile.interactions
    assert (event["action"], event["outcome"]) == (profile.action, "0")
    assert event["recorded"]
    assert event["source"]["observer"]
    agents = event["agent"]
    for code in (profile.client, profile.server):
        (agent,) = [one for one in agents if coded(one, DCM) == code]
        assert agent["who"]["identifier"]["value"]
        assert agent["network"]["address"]
        assert agent["network"]["type"] in {"1", "2", "3", "4", "5"}
        assert "media" not in agent
    users = [one for one in agents if coded(one, f"{TERMINOLOGY}/v3-ParticipationType") in profile.users]
    (user,) = users
    assert user["requestor"] is True
    assert user["who"]["identifier"]["value"]
    assert not {"media", "network"} & set(user)
    assert len(agents) == 3
    (entity,) = [one for one in event["entity"] if one["type"]["code"] == "2"]
    role = entity["role"]
    assert role["system"] == f"{TERMINOLOGY}/object-role"
    if profile.query:
        assert role["code"] == "24"
        assert base64.b64decode(entity["query"], validate=True)
        assert not {"what", "lifecycle", "detail"} & set(entity)
    else:
        assert role["code"] in {"4", "3", "20"}
        assert entity["what"]["identifier"]["value"]
    # A patient is named in none of them.
    assert all(one["type"]["code"] != "1" for one in event["entity"])


@pytest.mark.parametrize(("action", "name"), ACTIONS.items())
def test_an_event_meets_the_profile_that_it_claims(action: str, name: str) -> None:
    event = audit_event(record(action), server="https://cdss.test")
    AuditEvent.model_validate(event)
    assert event.get("meta", {}).get("profile", []) == ([f"{BALP}.{name}"] if name else [])
    if name:
        check(event, PROFILES[name])
        named = [one["what"]["identifier"]["value"] for one in event["entity"] if "what" in one]
        assert {"r1-0123456789ab", "7"} <= set(named)


@pytest.mark.parametrize("action", [action for action, name in ACTIONS.items() if name])
@pytest.mark.parametrize("lacking", ["release", "subject", "actor", "session"])
def test_what_is_not_known_does_not_break_the_profile(action: str, lacking: str) -> None:
    change = {"release": "", "subject": ""} if lacking == "release" else {lacking: ""}
    event = audit_event(record(action, **change))
    AuditEvent.model_validate(event)
    check(event, PROFILES[ACTIONS[action]])


@pytest.mark.parametrize(("outcome", "code"), [("refused", "4"), ("failed", "8")])
def test_what_did_not_succeed_claims_no_profile(outcome: str, code: str) -> None:
    event = audit_event(record("exports.approve", outcome=outcome, status=403))
    assert event["outcome"] == code
    assert "meta" not in event


def test_a_login_is_one() -> None:
    opened, closed = (audit_event(record(f"session.{verb}")) for verb in ("open", "close"))
    assert opened["type"]["code"] == closed["type"]["code"] == "110114"
    assert [opened["subtype"][0]["code"], closed["subtype"][0]["code"]] == ["110122", "110123"]


def test_every_pattern_is_a_known_profile() -> None:
    found = {pattern.profile for action in ACTIONS if (pattern := pattern_of(action))}
    assert found == set(PROFILES)
