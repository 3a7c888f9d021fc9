"""The audit trail as FHIR R4 AuditEvent resources that follow the IHE Basic Audit Log Patterns (BALP 1.1).

BALP (https://profiles.ihe.net/ITI/BALP/) has a profile per kind of successful transaction. A record claims the one
that fits in ``meta.profile``; refusals, failures and logins have none there and claim none. The profiles with a
patient (``PatientRead``, ``PatientQuery``...) are not used: whoever is asked about is not recorded, and whoever the
answer rests on never lived. Two required elements are filled without what would be personal or clinical:

- the query (``entity.query``) names the kind of question, never its parameters;
- the network address of the client is the URI of its pseudonymous session.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from cdss.audit.record import AuditRecord
from cdss.audit.trail import Outcome

BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit"
SERVER = "urn:ms-cdss:service"

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
_OURS = "urn:ms-cdss"
_SOURCE, _DESTINATION = ("110153", "Source Role ID"), ("110152", "Destination Role ID")
_RECIPIENT, _AUTHOR = ("IRCP", "information recipient"), ("AUT", "Author")
_URI = "5"
"""Kind of a network address (``http://hl7.org/fhir/network-type``)."""

_CODES: dict[Outcome, tuple[str, str]] = {
    Outcome.SUCCESS: ("0", "Success"),
    Outcome.REFUSED: ("4", "Refused"),
    Outcome.FAILED: ("8", "Failed"),
}


@dataclass(frozen=True, slots=True)
class Pattern:
    """How one kind of transaction is told.

    Attributes
    ----------
    profile : str
        Name of the BALP profile.
    action : str
        ``AuditEvent.action``.
    interaction : str
        RESTful interaction, as subtype.
    client, server, user : (code, display)
        Roles of the agents.
    """

    profile: str
    action: str
    interaction: str
    client: tuple[str, str] = _SOURCE
    server: tuple[str, str] = _DESTINATION
    user: tuple[str, str] = _AUTHOR


READ = Pattern("Read", "R", "read", client=_DESTINATION, server=_SOURCE, user=_RECIPIENT)
QUERY = Pattern("Query", "E", "search", user=_RECIPIENT)
CREATE = Pattern("Create", "C", "create")
UPDATE = Pattern("Update", "U", "update")

_READING = frozenset({"read", "list", "show", "page", "monitor", "deliver", "tool"})
_CREATING = frozenset({"request", "enrol", "incident"})
_ASKING = frozenset({"projections", "patients-of-reference", "features", "cds-hooks", "fhir", "smart", "viewer"})
"""Resources whose every call is a question about a patient of interest: it changes nothing."""


def pattern_of(action: str) -> Pattern | None:
    """Return the pattern of an action of the trail, such as ``exports.approve``; None for what BALP has none for."""
    resource, _, verb = action.rpartition(".")
    if resource in {"session", "audit", "unknown"}:
        return None
    if verb in _READING:
        return READ
    if resource in _ASKING:
        return QUERY
    return CREATE if verb in _CREATING else UPDATE


def audit_event(record: AuditRecord, *, server: str = SERVER) -> dict[str, Any]:
    """Return the AuditEvent of a record, checked against the FHIR R4 definition.

    Parameters
    ----------
    record : AuditRecord
    server : str
        URI by which the service is reached.

    Returns
    -------
    dict
        JSON of the resource; its identifier is the number of the record.
    """
    from fhir.resources.R4B.auditevent import AuditEvent

    outcome = Outcome(record.outcome)
    code, words = _CODES[outcome]
    pattern = pattern_of(record.action)
    told = pattern or Pattern("", "E", "operation")
    event: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": f"audit-{record.sequence}",
        **_kind(record.action, told),
        "action": told.action,
        "recorded": record.at.isoformat(timespec="milliseconds"),
        "outcome": code,
        "outcomeDesc": f"{words} ({record.status})" if record.status else words,
        "agent": _agents(record, told, server),
        "source": {
            "observer": {"identifier": {"system": f"{_OURS}:service", "value": server}, "display": "ms-cdss"},
            "type": [_coding(f"{_TERMINOLOGY}/security-source-type", "4", "Application Server")],
        },
        "entity": _entities(record, told),
    }
    if pattern is not None and outcome is Outcome.SUCCESS:
        event["meta"] = {"profile": [f"{BALP}.{pattern.profile}"]}
    AuditEvent.model_validate(event)
    return event


def _kind(action: str, told: Pattern) -> dict[str, Any]:
    ours = {"system": f"{_OURS}:action", "code": action}
    if action.startswith("session."):
        closing = action.endswith(".close")
        login = ("110123", "Logout") if closing else ("110122", "Login")
        return {"type": _coding(_DICOM, "110114", "User Authentication"), "subtype": [_coding(_DICOM, *login), ours]}
    interaction = _coding("http://hl7.org/fhir/restful-interaction", told.interaction, told.interaction)
    rest = _coding(f"{_TERMINOLOGY}/audit-event-type", "rest", "Restful Operation")
    return {"type": rest, "subtype": [interaction, ours]}


def _agents(record: AuditRecord, told: Pattern, server: str) -> list[dict[str, Any]]:
    session = record.session or "none"
    return [
        {
            "type": _concept(f"{_TERMINOLOGY}/v3-ParticipationType", *told.user),
            "role": [_concept(f"{_OURS}:role", record.role, record.role)],
            "who": {"identifier": {"system": f"{_OURS}:actor", "value": record.actor or "anonymous"}},
            "requestor": True,
        },
        {
            "type": _concept(_DICOM, *told.client),
            "who": {"identifier": {"system": f"{_OURS}:session", "value": session}},
            "requestor": False,
            "network": {"address": f"{_OURS}:session:{session}", "type": _URI},
        },
        {
            "type": _concept(_DICOM, *told.server),
            "who": {"identifier": {"system": f"{_OURS}:service", "value": server}, "display": "ms-cdss"},
            "requestor": False,
            "network": {"address": server, "type": _URI},
        },
    ]


def _entities(record: AuditRecord, told: Pattern) -> list[dict[str, Any]]:
    """Return what it was about: exactly one system object, as the profiles have it, and what else is known."""
    resource = record.action.rpartition(".")[0] or record.action
    about = [(kind, value) for kind, value in (("export", record.subject), ("release", record.release)) if value]
    system_object = _coding(f"{_TERMINOLOGY}/audit-entity-type", "2", "System Object")
    if told is QUERY:
        entity = {
            "type": system_object,
            "role": _coding(f"{_TERMINOLOGY}/object-role", "24", "Query"),
            "description": f"{record.action}; its parameters are not recorded",
            "query": base64.b64encode(record.action.encode()).decode(),
        }
    else:
        kind, value = about.pop(0) if about else ("resource", resource)
        entity = {
            "what": {"identifier": {"system": f"{_OURS}:{kind}", "value": value}},
            "type": system_object,
            "role": _coding(f"{_TERMINOLOGY}/object-role", "4", "Domain Resource"),
        }
    other = _coding(f"{_TERMINOLOGY}/audit-entity-type", "4", "Other")
    others = [
        {"what": {"identifier": {"system": f"{_OURS}:{kind}", "value": value}}, "type": other}
        for kind, value in about
    ]
    chain = {
        "what": {"identifier": {"system": f"{_OURS}:record", "value": str(record.sequence)}},
        "type": other,
        "detail": [{"type": "chain digest", "valueString": record.digest}],
    }
    return [entity, *others, chain]


def _coding(system: str, code: str, display: str) -> dict[str, str]:
    return {"system": system, "code": code, "display": display}


def _concept(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [_coding(system, code, display)]}
