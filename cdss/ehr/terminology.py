"""Our code systems, value sets, concept maps and extensions, as FHIR R4 resources served under ``/fhir/``.

Their canonical addresses begin with the public address of the installation, where they can be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cdss import __version__
from cdss.ehr.cards import TOPIC_CODE
from cdss.ehr.codes import ATC, EDSS_SNOMED, LOCAL_CODES, RELAPSE_SNOMED, RXNORM, SNOMED
from reference_db.vocabulary import Treatment, drugs

Resource = dict[str, Any]

OUTCOMES: Mapping[str, str] = {
    "worsening_24w": "Disability worsening confirmed after 24 weeks",
    "worsening_12w": "Disability worsening confirmed after 12 weeks",
    "pira": "Worsening independent of relapse activity",
    "raw": "Worsening associated with a relapse",
    "improvement": "Confirmed improvement of disability",
    "relapse": "First relapse",
    "new_lesions": "New lesions on magnetic resonance imaging",
    "loss_of_neda3": "Loss of no evidence of disease activity",
}


def code_of(treatment: str) -> str:
    """Return the code of a treatment class.

    >>> code_of("beta interferon")
    'beta-interferon'
    """
    return treatment.lower().replace(" ", "-")


def _described(kind: str, identifier: str, title: str, description: str, base: str) -> Resource:
    return {
        "resourceType": kind,
        "id": identifier,
        "url": f"{base}/fhir/{kind}/{identifier}",
        "version": __version__,
        "name": "".join(part.capitalize() for part in identifier.split("-")),
        "title": title,
        "status": "active",
        "experimental": False,
        "description": description,
    }


def _code_system(identifier: str, title: str, concepts: list[Resource], base: str) -> Resource:
    described = _described("CodeSystem", identifier, title, f"{title}, where no standard code is known to us.", base)
    return {
        **described,
        "caseSensitive": True,
        "content": "complete",
        "count": len(concepts),
        "concept": concepts,
    }


def _value_set(identifier: str, title: str, include: list[Resource], base: str) -> Resource:
    described = _described("ValueSet", identifier, title, f"{title}: every code that the service reads.", base)
    return {**described, "compose": {"include": include}}


def _listed(system: str, codes: list[str]) -> Resource:
    return {"system": system, "concept": [{"code": code} for code in codes]}


def _code_systems(base: str) -> list[Resource]:
    observations = [
        {"code": one.code, "display": one.display, "definition": one.definition} for one in LOCAL_CODES.values()
    ]
    treatments = [{"code": code_of(treatment), "display": treatment.value} for treatment in Treatment]
    outcomes = [{"code": code.replace("_", "-"), "display": display} for code, display in OUTCOMES.items()]
    topics = [{"code": TOPIC_CODE, "display": "What became of similar patients under each treatment"}]
    return [
        _code_system("ms-observations", "Observations in multiple sclerosis", observations, base),
        _code_system("treatment-classes", "Classes of disease-modifying treatment", treatments, base),
        _code_system("projection-outcomes", "Outcomes that are projected", outcomes, base),
        _code_system("card-topics", "Topics of decision support cards", topics, base),
    ]


def _value_sets(base: str) -> list[Resource]:
    local = f"{base}/fhir/CodeSystem/ms-observations"
    mri = [code for code in LOCAL_CODES if code.startswith("mri-")]
    relapses = [code for code in LOCAL_CODES if code.startswith("relapse-")]
    return [
        _value_set("edss", "EDSS", [_listed(SNOMED, [EDSS_SNOMED]), _listed(local, ["edss"])], base),
        _value_set("mri-counts", "Lesion counts", [_listed(local, mri)], base),
        _value_set(
            "relapses",
            "Relapses and their counts",
            [_listed(SNOMED, [RELAPSE_SNOMED]), _listed(local, relapses)],
            base,
        ),
        _value_set(
            "treatment-classes", "Treatment classes", [{"system": f"{base}/fhir/CodeSystem/treatment-classes"}], base
        ),
    ]


def _concept_map(
    identifier: str, title: str, source: str, target: str, elements: list[Resource], base: str
) -> Resource:
    described = _described("ConceptMap", identifier, title, f"{title}.", base)
    return {**described, "group": [{"source": source, "target": target, "element": elements}]}


def _element(code: str, target: str | None, equivalence: str, comment: str = "") -> Resource:
    mapped: Resource = {"equivalence": equivalence}
    if target is not None:
        mapped["code"] = target
    if comment:
        mapped["comment"] = comment
    return {"code": code, "target": [mapped]}


def _concept_maps(base: str) -> list[Resource]:
    local = f"{base}/fhir/CodeSystem/ms-observations"
    classes = f"{base}/fhir/CodeSystem/treatment-classes"
    none = "No standard code was found."
    to_snomed = [
        _element("edss", EDSS_SNOMED, "equal"),
        *(
            _element(code, RELAPSE_SNOMED, "relatedto", "The number of such conditions in the period.")
            for code in LOCAL_CODES
            if code.startswith("relapse-")
        ),
        *(_element(code, None, "unmatched", none) for code in LOCAL_CODES if code.startswith("mri-")),
        _element("ms-course", None, "unmatched", "The course is a property of the diagnosis."),
    ]
    atc = [_element(code, code_of(drug.treatment), "wider") for drug in drugs() for code in drug.atc]
    unverified = "Not verified: check against RxNorm before relying on it."
    rxnorm = [_element(code, code_of(drug.treatment), "wider") for drug in drugs() for code in drug.rxnorm]
    rxnorm += [
        _element(code, code_of(drug.treatment), "wider", unverified)
        for drug in drugs()
        for code in drug.rxnorm_unverified
    ]
    return [
        _concept_map(
            "ms-observations-to-snomed", "Our observation codes in SNOMED CT", local, SNOMED, to_snomed, base
        ),
        _concept_map(
            "atc-to-treatment-classes", "ATC codes, present and former, to treatment classes", ATC, classes, atc, base
        ),
        _concept_map(
            "rxnorm-to-treatment-classes", "RxNorm ingredients to treatment classes", RXNORM, classes, rxnorm, base
        ),
    ]


def _extensions(base: str) -> list[Resource]:
    kinds = (("treatment-class", "Treatment class of a prediction", "CodeableConcept"),
             ("interval-95", "95 % interval of a probability, in per cent", "Range"))  # fmt: skip
    made = []
    for identifier, title, kind in kinds:
        described = _described("StructureDefinition", identifier, title, f"{title}.", base)
        elements: list[Resource] = [
            {"id": "Extension", "path": "Extension", "min": 0, "max": "1"},
            {"id": "Extension.url", "path": "Extension.url", "fixedUri": described["url"]},
            {"id": "Extension.value[x]", "path": "Extension.value[x]", "min": 1, "type": [{"code": kind}]},
        ]
        made.append(
            {
                **described,
                "fhirVersion": "4.0.1",
                "kind": "complex-type",
                "abstract": False,
                "context": [{"type": "element", "expression": "RiskAssessment.prediction"}],
                "type": "Extension",
                "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Extension",
                "derivation": "constraint",
                "differential": {"element": elements},
            }
        )
    return made


def _operations(base: str) -> list[Resource]:
    kinds = (
        ("project-risk-assessment", "project", "RiskAssessment", "RiskAssessment"),
        ("project-document", "project", "DocumentReference", "DocumentReference"),
        ("patient-of-interest", "patient-of-interest", None, "Parameters"),
    )
    made = []
    for identifier, code, resource, returned in kinds:
        title = f"Read a record and answer a {returned}"
        described = _described("OperationDefinition", identifier, title, f"{title}. Nothing is stored.", base)
        record = {"name": "record", "use": "in", "min": 1, "max": "1", "type": "Bundle"}
        made.append(
            {
                **described,
                "kind": "operation",
                "affectsState": False,
                "code": code,
                **({"resource": [resource]} if resource else {}),
                "system": resource is None,
                "type": resource is not None,
                "instance": False,
                "parameter": [record, {"name": "return", "use": "out", "min": 1, "max": "1", "type": returned}],
            }
        )
    return made


def terminology(base: str) -> Mapping[tuple[str, str], Resource]:
    """Return every conformance resource by type and id.

    Parameters
    ----------
    base : str
        Public base URL, without a final slash.
    """
    made = [*_code_systems(base), *_value_sets(base), *_concept_maps(base), *_extensions(base), *_operations(base)]
    return {(one["resourceType"], one["id"]): one for one in made}
