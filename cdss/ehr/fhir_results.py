"""The projection as FHIR: a RiskAssessment with one prediction per class and outcome, or a document."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from cdss.ehr.cards import MONTHS, TOPIC_CODE, WORSENING, reading_of
from cdss.ehr.codes import UCUM
from cdss.ehr.document import document_words
from cdss.ehr.mapping_report import Use
from cdss.ehr.patient_record import RecordReading
from cdss.ehr.terminology import OUTCOMES, code_of
from projection.reading import Reading
from projection.result import ClassProjection, Projection
from reference_db.small_cells import SMALL_CELL

LARGEST_BASIS = 100


def risk_assessment(projection: Projection, reading: RecordReading, *, base: str, now: datetime) -> dict[str, Any]:
    """Return a RiskAssessment (FHIR R4).

    Probabilities are percentages, as FHIR has them, by 24 months, or by the latest month before that is shown, which
    ``whenRange`` tells; each carries its 95 % interval and its treatment class as extensions, and the number of
    patients in words.

    Parameters
    ----------
    projection : Projection
    reading : RecordReading
    base : str
        Public base URL, without a final slash.
    now : datetime
    """
    assessment = {
        "resourceType": "RiskAssessment",
        "id": str(uuid4()),
        "text": _narrative(projection),
        "status": "final",
        "method": _method(base),
        "subject": _subject(reading),
        "occurrenceDateTime": now.isoformat(timespec="seconds"),
        "prediction": [one for part in projection.classes for one in _predictions(part, base)],
        "note": [{"text": caveat} for caveat in (*projection.caveats, *_refusals(projection))],
    }
    basis = _basis(reading)
    return {**assessment, "basis": basis} if basis else assessment


def document_reference(
    pdf: bytes, projection: Projection, reading: RecordReading, *, base: str, now: datetime, language: str = "en"
) -> dict[str, Any]:
    """Return a DocumentReference (FHIR R4) that holds a document.

    Parameters
    ----------
    pdf : bytes
    projection : Projection
    reading : RecordReading
    base : str
    now : datetime
    language : str
        Of the document.
    """
    said = document_words(language)
    return {
        "resourceType": "DocumentReference",
        "id": str(uuid4()),
        "status": "current",
        "docStatus": "final",
        "type": _method(base),
        "subject": _subject(reading),
        "date": now.isoformat(timespec="seconds"),
        "description": f"{said['title']}. {projection.release}. {' '.join(said['caveats'])}",
        "content": [
            {
                "attachment": {
                    "contentType": "application/pdf",
                    "language": language,
                    "data": base64.b64encode(pdf).decode(),
                    "size": len(pdf),
                    "hash": base64.b64encode(hashlib.sha1(pdf, usedforsecurity=False).digest()).decode(),
                    "title": said["title"],
                    "creation": now.isoformat(timespec="seconds"),
                }
            }
        ],
    }


def _method(base: str) -> dict[str, Any]:
    words = "What became of similar patients under each treatment"
    coding = {"system": f"{base}/fhir/CodeSystem/card-topics", "code": TOPIC_CODE, "display": words}
    return {"coding": [coding], "text": words}


def _subject(reading: RecordReading) -> dict[str, str]:
    return (
        {"reference": reading.subject} if reading.subject else {"display": "The patient of the record that was sent"}
    )


def _basis(reading: RecordReading) -> list[dict[str, str]]:
    used = (one.resource for one in reading.report.findings if one.use is not Use.IGNORED and "/" in one.resource)
    return [{"reference": name} for name in list(dict.fromkeys(used))[:LARGEST_BASIS]]


def _refusals(projection: Projection) -> Iterator[str]:
    for part in projection.classes:
        if part.refusal is not None:
            yield f"{part.treatment}: {part.refusal}"


def _predictions(part: ClassProjection, base: str) -> Iterator[dict[str, Any]]:
    for outcome, words in OUTCOMES.items():
        reading = reading_of(part, outcome)
        if part.refusal is not None or reading is None:
            continue
        point = reading.estimate
        yield {
            "extension": [
                {
                    "url": f"{base}/fhir/StructureDefinition/treatment-class",
                    "valueCodeableConcept": {
                        "coding": [
                            {
                                "system": f"{base}/fhir/CodeSystem/treatment-classes",
                                "code": code_of(part.treatment),
                                "display": part.treatment,
                            }
                        ]
                    },
                },
                {
                    "url": f"{base}/fhir/StructureDefinition/interval-95",
                    "valueRange": {"low": _percentage(point.lower), "high": _percentage(point.upper)},
                },
            ],
            "outcome": {
                "coding": [
                    {
                        "system": f"{base}/fhir/CodeSystem/projection-outcomes",
                        "code": outcome.replace("_", "-"),
                        "display": words,
                    }
                ],
                "text": f"{words}, under {part.treatment}",
            },
            "probabilityDecimal": round(100 * point.value, 1),
            "whenRange": {"low": _months(0), "high": _months(reading.month)},
            "rationale": _rationale(part, reading),
        }


def _rationale(part: ClassProjection, reading: Reading) -> str:
    low, high = 100 * reading.estimate.lower, 100 * reading.estimate.upper
    said = f"From the {part.n} most similar patients under {part.treatment}; 95 % interval {low:.1f} to {high:.1f} %."
    if reading.month == MONTHS:
        return said
    return (
        f"{said} By {reading.month} months, the latest with at least {SMALL_CELL} patients observed; "
        f"not known by {MONTHS} months."
    )


def _percentage(share: float) -> dict[str, Any]:
    return {"value": round(100 * share, 1), "unit": "%", "system": UCUM, "code": "%"}


def _months(value: int) -> dict[str, Any]:
    return {"value": value, "unit": "months", "system": UCUM, "code": "mo"}


def _narrative(projection: Projection) -> dict[str, str]:
    """Return what a reader without our extensions sees: the caveats, and confirmed worsening under each class."""
    caveats = "".join(f"<li>{html.escape(caveat)}</li>" for caveat in projection.caveats)
    rows = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in _table(projection)
    )
    head = f"<tr><th>Treatment class</th><th>Patients</th><th>Confirmed worsening by {MONTHS} months</th></tr>"
    shown = f"<ul>{caveats}</ul><table><thead>{head}</thead><tbody>{rows}</tbody></table>"
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{shown}</div>'}


def _table(projection: Projection) -> Iterator[tuple[str, str, str]]:
    for part in projection.classes:
        if part.refusal is not None:
            yield part.treatment, "", "not shown: too few similar patients"
            continue
        reading = reading_of(part, WORSENING)
        if reading is None:
            yield part.treatment, str(part.n), f"not known: fewer than {SMALL_CELL} patients observed at any month"
            continue
        point, month = reading.estimate, f" by {reading.month} months" if reading.month != MONTHS else ""
        low, high = 100 * point.lower, 100 * point.upper
        yield part.treatment, str(part.n), f"{100 * point.value:.0f} % (95 % interval {low:.0f} to {high:.0f}){month}"


def outcome_of_error(diagnostics: Mapping[str, str], code: str) -> dict[str, Any]:
    """Return an OperationOutcome with one issue per problem.

    Parameters
    ----------
    diagnostics : mapping of str to str
        What is wrong, by element; the element may be empty.
    code : str
        Of the value set of issue types.
    """
    issues = []
    for element, words in diagnostics.items():
        issue: dict[str, Any] = {"severity": "error", "code": code, "diagnostics": words}
        issues.append({**issue, "expression": [element]} if element else issue)
    return {"resourceType": "OperationOutcome", "issue": issues}
