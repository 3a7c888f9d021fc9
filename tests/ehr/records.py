"""Building FHIR records for tests, as a clinic's export would hold them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

TODAY = date(2026, 6, 15)
SNOMED = "http://snomed.info/sct"
ATC = "http://www.whocc.no/atc"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


def ago(days: float) -> str:
    """Return the FHIR date so many days before the consultation."""
    return (TODAY - timedelta(days=round(days))).isoformat()


def months_ago(months: float) -> str:
    return ago(months * 365.25 / 12)


def concept(code: str = "", system: str = SNOMED, display: str = "", text: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {}
    if code or display:
        made["coding"] = [{"system": system, "code": code, "display": display}]
    if text:
        made["text"] = text
    return made


def patient(**more: object) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1992-06-15", **more}


def condition(code: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"resourceType": "Condition", "id": "c1", "code": code, "subject": {"reference": "Patient/p1"}, **more}


def relapse(days: float, **more: object) -> dict[str, Any]:
    return condition(concept("192929006"), **{"id": f"r{days:g}", "onsetDateTime": ago(days), **more})


def observation(code: dict[str, Any], **more: object) -> dict[str, Any]:
    base = {"resourceType": "Observation", "id": "o1", "status": "final", "code": code, "effectiveDateTime": ago(10)}
    return {**base, "subject": {"reference": "Patient/p1"}, **more}


def edss(value: object, **more: object) -> dict[str, Any]:
    quantity = {"value": value, "code": "{score}", "system": "http://unitsofmeasure.org"}
    return observation(concept("273554001"), **{"valueQuantity": quantity, **more})


def local(code: str, **more: object) -> dict[str, Any]:
    return observation(concept(code, system="http://cdss.test/fhir/CodeSystem/ms-observations"), **more)


def medication(code: dict[str, Any], kind: str = "MedicationStatement", **more: object) -> dict[str, Any]:
    status = {"MedicationAdministration": "completed"}.get(kind, "active")
    base = {"resourceType": kind, "id": "m1", "status": status, "medicationCodeableConcept": code}
    return {**base, "subject": {"reference": "Patient/p1"}, **more}


def typical() -> list[dict[str, Any]]:
    """A woman of 34 with relapsing-remitting disease for five years."""
    return [
        patient(),
        condition(concept("426373005"), onsetDateTime=ago(5 * 365.25)),
        edss(2.5),
        edss(2.0, id="o0", effectiveDateTime=months_ago(12)),
        relapse(100),
        local("mri-gd-lesion-count", id="o2", valueInteger=0, effectiveDateTime=ago(30)),
        local("mri-t2-lesion-count", id="o3", valueString="10-20", effectiveDateTime=ago(30)),
        medication(concept("L03AX13", ATC), status="stopped"),
    ]
