"""What the FHIR door can do, as FHIR and SMART clients discover it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from cdss import __version__

TOKEN_PATH = "/smart/token"  # noqa: S105 - the path of an endpoint
SCOPES = ("system/RiskAssessment.c", "system/DocumentReference.c")
READABLE = ("CodeSystem", "ValueSet", "ConceptMap", "StructureDefinition", "OperationDefinition")


def capability_statement(base: str, started: datetime) -> dict[str, Any]:
    """Return the CapabilityStatement.

    Parameters
    ----------
    base : str
        Public base URL, without a final slash.
    started : datetime
        When this process began to serve it.
    """
    url = [{"name": "url", "type": "uri"}, {"name": "_id", "type": "token"}]
    reading = [
        {"type": kind, "interaction": [{"code": "read"}, {"code": "search-type"}], "searchParam": url}
        for kind in READABLE
    ]
    operations = f"{base}/fhir/OperationDefinition"
    projecting = [
        {"type": kind, "operation": [{"name": "project", "definition": f"{operations}/{definition}"}]}
        for kind, definition in (
            ("RiskAssessment", "project-risk-assessment"),
            ("DocumentReference", "project-document"),
        )
    ]
    return {
        "resourceType": "CapabilityStatement",
        "id": "ms-cdss",
        "url": f"{base}/fhir/metadata",
        "version": __version__,
        "name": "MsCdss",
        "title": "Patients of reference in multiple sclerosis",
        "status": "active",
        "experimental": True,
        "date": started.isoformat(timespec="seconds"),
        "kind": "instance",
        "description": "Terminology, and projections as RiskAssessment and DocumentReference. Nothing sent is "
        "stored. Research prototype: descriptive, not causal; not a medical device.",
        "software": {"name": "ms-cdss", "version": __version__},
        "implementation": {"description": "Patients of reference in multiple sclerosis", "url": f"{base}/fhir"},
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [
            {
                "mode": "server",
                "security": {
                    "service": [
                        {
                            "coding": [
                                {
                                    "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                                    "code": "SMART-on-FHIR",
                                }
                            ]
                        }
                    ],
                    "description": "Terminology is open; operations need a token of SMART backend services.",
                },
                "resource": [*reading, *projecting],
                "operation": [{"name": "patient-of-interest", "definition": f"{operations}/patient-of-interest"}],
            }
        ],
    }


def smart_configuration(base: str) -> dict[str, Any]:
    """Return what SMART backend services need to know."""
    return {
        "token_endpoint": f"{base}{TOKEN_PATH}",
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES384", "RS384"],
        "scopes_supported": list(SCOPES),
        "capabilities": ["client-confidential-asymmetric", "permission-v2"],
        "code_challenge_methods_supported": ["S256"],
    }
