"""Calls of hooks, as a clinical system would send them."""

from __future__ import annotations

import uuid
from typing import Any

from tests.ehr.records import ATC, concept, typical

SERVICE = "/cds-services/ms-treatment-projection"


def bundle(*resources: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": r} for r in resources], **more}


def prefetch(*, extra: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """The prefetch of the typical patient, sorted under its keys."""
    found: dict[str, list[dict[str, Any]]] = {}
    for resource in [*typical(), *extra]:
        kind = resource["resourceType"]
        found.setdefault(kind, []).append(resource)
    return {
        "patient": found["Patient"][0],
        "conditions": bundle(*found["Condition"]),
        "edss": bundle(*found["Observation"]),
        "relapses": None,
        "mri": None,
        "statements": bundle(*found["MedicationStatement"]),
        "requests": None,
        "administrations": None,
    }


def call(hook: str = "patient-view", **more: object) -> dict[str, Any]:
    context: dict[str, Any] = {"userId": "Practitioner/dr", "patientId": "p1"}
    if hook != "patient-view":
        order = {
            "resourceType": "MedicationRequest",
            "id": "draft",
            "status": "draft",
            "intent": "order",
            "subject": {"reference": "Patient/p1"},
            "medicationCodeableConcept": concept("L04AG08", ATC, text="Ocrevus"),
        }
        context["draftOrders"] = bundle(order, type="collection")
    if hook == "order-select":
        context["selections"] = ["MedicationRequest/draft"]
    body = {"hook": hook, "hookInstance": str(uuid.uuid4()), "context": context, "prefetch": prefetch()}
    return {**body, **more}
