"""The data a card needs: what the client sent along, and the rest from its FHIR server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

from cdss.ehr.codes import (
    EDSS_SNOMED,
    ICD_10,
    ICD_10_CM,
    RELAPSE_SNOMED,
    SNOMED,
    SNOMED_DIAGNOSES,
)
from cdss.ehr.elements import Json
from cdss.ehr.fhir_server import FhirServer, NotHad, bundled, next_page
from cdss.ehr.medications import library_of, reference_to_follow

_PATIENT = "{{context.patientId}}"
_ICD_10_CM_CODES = ("G35", "G35.A", "G35.B0", "G35.B1", "G35.B2", "G35.C0", "G35.C1", "G35.C2", "G35.D")
_DIAGNOSES = ",".join(
    [f"{SNOMED}|{code}" for code in SNOMED_DIAGNOSES]
    + [f"{ICD_10}|G35"]
    + [f"{ICD_10_CM}|{code}" for code in _ICD_10_CM_CODES]
)

_COUNTS = ("mri-gd-lesion-count", "mri-t2-lesion-count", "relapse-count-12m", "relapse-count-24m", "ms-course")

REQUIRED = ("patient", "conditions", "edss")
"""Prefetch keys without which there can be no card."""

TYPES: Mapping[str, str] = {
    "patient": "Patient", "conditions": "Condition", "edss": "Observation", "relapses": "Condition",
    "mri": "Observation", "statements": "MedicationStatement", "requests": "MedicationRequest",
    "administrations": "MedicationAdministration",
}  # fmt: skip


PAGE = 200
"""Resources asked for at once; a server may send fewer and say where the rest is."""

MOST_MEDICATIONS = 50
"""Medication resources that are read because prescriptions name their substance by nothing but a reference."""


class DataMissing(Exception):
    """Required data cannot be had.

    Parameters
    ----------
    missing : mapping of str to str
        By prefetch key, why.
    """

    def __init__(self, missing: Mapping[str, str]) -> None:
        self.missing = dict(missing)
        super().__init__(HTTPStatus.PRECONDITION_FAILED.phrase)


@dataclass(frozen=True, slots=True)
class Gathered:
    """The resources of the patient, and what could not be had of them.

    Attributes
    ----------
    resources : list of mapping
    incomplete : tuple of str
        Prefetch keys whose data are missing or only in part there; none of them is required.
    """

    resources: list[Json]
    incomplete: tuple[str, ...]


def templates() -> dict[str, str]:
    """Return the prefetch templates: only what is used, by code wherever there is one.

    Our own codes are searched for without their system, since its address differs between installations.
    """
    return {
        "patient": f"Patient/{_PATIENT}",
        "conditions": f"Condition?patient={_PATIENT}&code={_DIAGNOSES}",
        "edss": f"Observation?patient={_PATIENT}&code={SNOMED}|{EDSS_SNOMED},edss",
        "relapses": f"Condition?patient={_PATIENT}&code={SNOMED}|{RELAPSE_SNOMED}",
        "mri": f"Observation?patient={_PATIENT}&code={','.join(_COUNTS)}",
        "statements": f"MedicationStatement?patient={_PATIENT}",
        "requests": f"MedicationRequest?patient={_PATIENT}",
        "administrations": f"MedicationAdministration?patient={_PATIENT}",
    }


def launch_templates() -> dict[str, str]:
    """Return the templates of a launch: the viewer also draws new lesions of the past, which a card does not need."""
    counts = ",".join([*_COUNTS, "mri-new-t2-lesion-count"])
    return {**templates(), "mri": f"Observation?patient={_PATIENT}&code={counts}"}


def queries(templates: Mapping[str, str], patient: str) -> dict[str, str]:
    """Fill in the templates for one patient."""
    filled = {key: template.replace(_PATIENT, quote(patient, safe="")) for key, template in templates.items()}
    paged = {key: f"{query}&_count={PAGE}" if "?" in query else query for key, query in filled.items()}
    return {key: query.replace("|", "%7C") for key, query in paged.items()}


async def gather(
    prefetch: Mapping[str, object], *, patient: str, templates: Mapping[str, str], server: FhirServer | None
) -> Gathered:
    """Return the resources that a card is made from.

    A key with null is a query without a match; one with an OperationOutcome was not answered, and is fetched like one
    that is absent. Resources under keys that were never asked for are read too.

    Parameters
    ----------
    prefetch : mapping of str to object
        What the client sent.
    patient : str
        Id of the patient.
    templates : mapping of str to str
    server : FhirServer or None
        None when the client did not let us read its server.

    Raises
    ------
    DataMissing
        If required data cannot be had.
    """
    resources: list[Json] = []
    incomplete: list[str] = []
    open_keys = {key: "was not sent along" for key in templates if key not in prefetch}
    unasked: set[object] = set()
    for key, value in prefetch.items():
        if value is None:
            continue
        if not isinstance(value, dict) or value.get("resourceType") in ("OperationOutcome", None):
            if key in templates:
                open_keys[key] = "could not be read by the client"
            continue
        found = bundled(value) if value.get("resourceType") == "Bundle" else [value]
        if value.get("resourceType") == "Bundle" and next_page(value):
            following = await _rest(value, server)
            if following is None:
                incomplete.append(key)
            found += following or []
        resources += found
        if key not in templates:
            unasked |= {resource.get("resourceType") for resource in found}
    if server is not None and open_keys:
        wanted = queries({key: templates[key] for key in open_keys}, patient)
        for key, answer in (await server.read(wanted)).items():
            if isinstance(answer, NotHad):
                open_keys[key] = str(answer)
            else:
                resources += answer
                del open_keys[key]
    if server is not None:
        resources += await medications_referred_to(resources, server)
    missing = {key: why for key, why in open_keys.items() if key in REQUIRED and TYPES[key] not in unasked}
    if missing:
        raise DataMissing(missing)
    return Gathered(resources, (*incomplete, *(key for key in open_keys if key not in REQUIRED)))


async def medications_referred_to(resources: Sequence[Json], server: FhirServer) -> list[Json]:
    """Return the Medication resources without which others do not say their substance, as far as they can be had."""
    library = library_of(resources)
    wanted = dict.fromkeys(filter(None, (reference_to_follow(one, library) for one in resources)))
    answers = await server.read({reference: reference for reference in list(wanted)[:MOST_MEDICATIONS]})
    return [one for answer in answers.values() if not isinstance(answer, NotHad) for one in answer]


async def _rest(bundle: Json, server: FhirServer | None) -> list[Json] | None:
    if server is None:
        return None
    try:
        return await server.rest_of(bundle)
    except NotHad:
        return None
