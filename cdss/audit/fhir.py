"""The audit trail as FHIR R4 AuditEvent resources, with the agents of the IHE Basic Audit Log Patterns (BALP).

BALP (https://profiles.ihe.net/ITI/BALP/) names three agents of a REST transaction: the user, the client (DICOM source
role) and the server (destination role). Its profiles also ask for the query or the data as an entity; these would be
clinical values, which the trail does not hold, so no conformance to a BALP profile is claimed in ``meta``.
"""

from __future__ import annotations

from typing import Any

from cdss.audit.record import AuditRecord
from cdss.audit.trail import Outcome

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
_OURS = "urn:ms-cdss"

_CODES: dict[Outcome, tuple[str, str]] = {
    Outcome.SUCCESS: ("0", "Success"),
    Outcome.REFUSED: ("4", "Refused"),
    Outcome.FAILED: ("8", "Failed"),
}

_CHANGES = frozenset({"request", "approve", "reject", "cancel", "release", "activate"})


def audit_event(record: AuditRecord) -> dict[str, Any]:
    """Return the AuditEvent of a record, checked against the FHIR R4 definition.

    Parameters
    ----------
    record : AuditRecord

    Returns
    -------
    dict
        JSON of the resource; its identifier is the number of the record, its chain digests are entity details.
    """
    from fhir.resources.R4B.auditevent import AuditEvent

    verb = record.action.rpartition(".")[2]
    code, words = _CODES[Outcome(record.outcome)]
    event = {
        "resourceType": "AuditEvent",
        "id": f"audit-{record.sequence}",
        "type": {"system": f"{_TERMINOLOGY}/audit-event-type", "code": "rest", "display": "Restful Operation"},
        "subtype": [
            {"system": "http://hl7.org/fhir/restful-interaction", "code": "operation"},
            {"system": f"{_OURS}:action", "code": record.action},
        ],
        "action": "U" if verb in _CHANGES else "E",
        "recorded": record.at.isoformat(timespec="milliseconds"),
        "outcome": code,
        "outcomeDesc": f"{words} ({record.status})" if record.status else words,
        "agent": [
            {
                "type": _concept(f"{_TERMINOLOGY}/v3-ParticipationType", "IRCP", "information recipient"),
                "role": [_concept(f"{_OURS}:role", record.role, record.role)],
                "who": {"identifier": {"system": f"{_OURS}:actor", "value": record.actor or "anonymous"}},
                "requestor": True,
            },
            {
                "type": _concept(_DICOM, "110153", "Source Role ID"),
                "who": {"identifier": {"system": f"{_OURS}:session", "value": record.session or "none"}},
                "requestor": False,
            },
            {
                "type": _concept(_DICOM, "110152", "Destination Role ID"),
                "who": {"display": "ms-cdss"},
                "requestor": False,
            },
        ],
        "source": {
            "observer": {"display": "ms-cdss"},
            "type": [
                {"system": f"{_TERMINOLOGY}/security-source-type", "code": "4", "display": "Application Server"}
            ],
        },
        "entity": [
            {
                "what": {"identifier": {"system": f"{_OURS}:{kind}", "value": value}},
                "type": {"system": f"{_TERMINOLOGY}/audit-entity-type", "code": "2", "display": "System Object"},
                "detail": [{"type": "chain digest", "valueString": record.digest}],
            }
            for kind, value in (
                ("release", record.release),
                ("export", record.subject),
                ("record", str(record.sequence)),
            )
            if value
        ],
    }
    AuditEvent.model_validate(event)
    return event


def _concept(system: str, code: str, display: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code, "display": display}]}
