"""What a clinic sends, as examples of the interface: one patient, as a record and in a call of a hook.

Nobody's record: a woman of 34 with relapsing-remitting disease as the documentation makes her up. Dates count back
from the day on which the service was started, since an EDSS of long ago is not used.
"""

from __future__ import annotations

import datetime
from typing import Any

from cdss.ehr.codes import EDSS_SNOMED, RELAPSE_SNOMED, SNOMED

Json = dict[str, Any]


def _ago(days: int) -> str:
    return (datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=days)).isoformat()


_SUBJECT = {"reference": "Patient/p1"}

PATIENT: Json = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": _ago(12420)}
DISEASE: Json = {
    "resourceType": "Condition",
    "id": "ms",
    "subject": _SUBJECT,
    "code": {"coding": [{"system": SNOMED, "code": "426373005"}]},
    "onsetDateTime": _ago(1826),
}
RELAPSE: Json = {
    "resourceType": "Condition",
    "id": "relapse",
    "subject": _SUBJECT,
    "code": {"coding": [{"system": SNOMED, "code": RELAPSE_SNOMED}]},
    "onsetDateTime": _ago(182),
}
EDSS: Json = {
    "resourceType": "Observation",
    "id": "edss",
    "status": "final",
    "subject": _SUBJECT,
    "code": {"coding": [{"system": SNOMED, "code": EDSS_SNOMED}]},
    "effectiveDateTime": _ago(30),
    "valueQuantity": {"value": 2.5},
}


def _bundle(kind: str, *resources: Json) -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": [{"resource": resource} for resource in resources]}


RECORD: Json = _bundle("collection", PATIENT, DISEASE, RELAPSE, EDSS)
"""A record, as the operations under ``/fhir/`` take it."""

HOOK_CALL: Json = {
    "hook": "patient-view",
    "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
    "context": {"userId": "Practitioner/example", "patientId": "p1"},
    "prefetch": {
        "patient": PATIENT,
        "conditions": _bundle("searchset", DISEASE),
        "relapses": _bundle("searchset", RELAPSE),
        "edss": _bundle("searchset", EDSS),
        "mri": None,
        "statements": None,
        "requests": None,
        "administrations": None,
    },
}
"""A call of the hook ``patient-view``; a key with null is a query without a match."""

FEEDBACK: Json = {
    "feedback": [
        {
            "card": "4e0a3a1e-3065-4633-8c2d-b14e3bdd5d2b",
            "outcome": "overridden",
            "outcomeTimestamp": f"{_ago(1)}T09:30:00Z",
        }
    ]
}
"""Feedback on a card."""
