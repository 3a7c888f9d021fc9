"""What a neurologist sees: one card with a row per treatment class, or no card when there is nothing to say."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import numpy as np

from cdss.ehr.mapping_report import Use
from cdss.ehr.patient_record import RecordReading
from projection.result import ClassProjection, Curve, Projection
from reference_db.vocabulary import Treatment

MONTHS = 24
LONGEST_SUMMARY = 139
TOPIC_CODE = "treatment-projection"
OVERRIDE_REASONS = "http://terminology.hl7.org/CodeSystem/non-adherence-reason-codes"
"""HL7's reasons why decision support is not followed, published with CDS Hooks 3.0 (ballot); 2.0 prescribes none."""

_REASONS = (
    ("cds-not-applicable", "PC CDS does not apply to patient"),
    ("cds-suboptimal-context", "PC CDS delivered in suboptimal context"),
    ("recipient-disagrees-evidence", "Recipient disagrees with recommendation because of issues with the evidence"),
    ("indication-order-exists", "Patient has indication/order for intended action"),
)
_CAVEAT = "Research prototype: descriptive, not causal; not a medical device. It does not recommend a treatment."
_NAMES = {"gd_lesions": "gadolinium-enhancing lesions", "t2_lesions": "T2 lesions", "relapses_12m": "relapses",
          "edss": "EDSS", "phenotype": "course"}  # fmt: skip
_LEFT_OUT = {
    "relapses": "relapses", "mri": "MRI counts", "statements": "medication statements", "requests": "prescriptions",
    "administrations": "administrations", "conditions": "conditions", "edss": "EDSS",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CardContext:
    """What a card is made from beside the projection.

    Attributes
    ----------
    public_url : str
        Base URL of the service, without a final slash.
    reading : RecordReading
    incomplete : tuple of str
        Prefetch keys whose data were not had in full.
    ordered : tuple of Treatment
        Classes of the orders that are being written; they come first in the table, marked.
    """

    public_url: str
    reading: RecordReading
    incomplete: tuple[str, ...] = ()
    ordered: tuple[Treatment, ...] = ()


def make_card(projection: Projection, context: CardContext) -> dict[str, Any] | None:
    """Return the card; None when no class can be shown.

    Every class has its row or is named among those not shown, in the fixed order of the vocabulary: never ranked.
    """
    shown = [one for one in projection.classes if one.refusal is None and one.edss is not None]
    if not shown:
        return None
    return {
        "uuid": str(uuid4()),
        "summary": _summary(shown, context),
        "detail": _detail(projection, shown, context),
        "indicator": "info",
        "source": {
            "label": "Patients of reference in multiple sclerosis",
            "url": f"{context.public_url}/",
            "topic": {
                "system": f"{context.public_url}/fhir/CodeSystem/card-topics",
                "code": TOPIC_CODE,
                "display": "What became of similar patients under each treatment",
            },
        },
        "overrideReasons": [
            {"code": code, "system": OVERRIDE_REASONS, "display": display} for code, display in _REASONS
        ],
        "links": [
            {
                "label": "Open the viewer on this patient",
                "url": f"{context.public_url}/smart/launch",
                "type": "smart",
            }
        ],
    }


def _summary(shown: Sequence[ClassProjection], context: CardContext) -> str:
    names = {treatment.value for treatment in context.ordered}
    ordered = [one for one in shown if one.treatment in names]
    if len(ordered) == 1:
        worsening = at_month(ordered[0].probabilities.get("worsening_24w"), MONTHS)
        text = f"{ordered[0].n} similar patients under {ordered[0].treatment}"
        if worsening is not None:
            text += f": confirmed worsening by {MONTHS} months in {_percent(worsening)}"
    else:
        values = [at_month(one.probabilities.get("worsening_24w"), MONTHS) for one in shown]
        risks = [value.value for value in values if value is not None]
        treated = sum(one.treatment != Treatment.UNTREATED for one in shown)
        text = f"Similar patients under {treated} treatment classes{' and none' * (treated < len(shown))}"
        if risks:
            low, high = round(100 * min(risks)), round(100 * max(risks))
            spread = f"{low} %" if low == high else f"{low} to {high} %"
            text += f": confirmed worsening by {MONTHS} months in {spread}"
    return text[:LONGEST_SUMMARY]


@dataclass(frozen=True, slots=True)
class Point:
    """A curve at one month."""

    value: float
    lower: float
    upper: float


def at_month(curve: Curve | None, month: int) -> Point | None:
    """Return a curve at a month of its grid; None where it has no value there."""
    if curve is None:
        return None
    where = np.flatnonzero(np.asarray(curve.months) == month)
    if not len(where):
        return None
    value, lower, upper = (float(array[where[0]]) for array in (curve.value, curve.lower, curve.upper))
    return Point(value, lower, upper) if all(map(math.isfinite, (value, lower, upper))) else None


def _percent(point: Point) -> str:
    return f"{100 * point.value:.0f} % ({100 * point.lower:.0f} to {100 * point.upper:.0f})"


def _cell(point: Point | None, *, percent: bool) -> str:
    if point is None:
        return "not known"
    return _percent(point) if percent else f"{point.value:.1f} ({point.lower:.1f} to {point.upper:.1f})"


def _detail(projection: Projection, shown: Sequence[ClassProjection], context: CardContext) -> str:
    names = [treatment.value for treatment in context.ordered]
    rows = sorted(shown, key=lambda one: one.treatment not in names)
    lines = [
        f"What became of the most similar patients of reference over {MONTHS} months. Values with their 95 % "
        "interval; classes are not ranked.",
        "",
        "| Treatment class | Patients | Confirmed worsening | Relapse | Expected EDSS |",
        "|---|---:|---:|---:|---:|",
    ]
    for one in rows:
        name = f"**{one.treatment}** (being ordered)" if one.treatment in names else one.treatment
        worsening = _cell(at_month(one.probabilities.get("worsening_24w"), MONTHS), percent=True)
        relapse = _cell(at_month(one.probabilities.get("relapse"), MONTHS), percent=True)
        edss = _cell(at_month(one.edss.expected if one.edss else None, MONTHS), percent=False)
        lines.append(f"| {name} | {one.n} | {worsening} | {relapse} | {edss} |")
    lines.append("")
    refused = [one.treatment for one in projection.classes if one.refusal is not None]
    if refused:
        lines += [f"Not shown, too few similar patients: {', '.join(refused)}.", ""]
    lines += [f"Read from the record: {record_in_words(context.reading)}.", ""]
    lines += [*_reservations(context), f"*{_CAVEAT}* Release {projection.release}."]
    return "\n".join(lines)


def record_in_words(reading: RecordReading) -> str:
    """Return what was read from a record, in one line, and which features are not known."""
    document = reading.document
    words: dict[str, Callable[[Any], str]] = {
        "age": lambda value: f"age {value:.0f}",
        "sex": str,
        "phenotype": str,
        "edss": lambda value: f"EDSS {value:.1f}",
        "years_since_onset": lambda value: f"{value:.1f} years since onset",
        "relapses_12m": lambda value: f"{value} relapse{'s' * (value != 1)} in 12 months",
        "gd_lesions": lambda value: f"{value} gadolinium-enhancing lesion{'s' * (value != 1)}",
        "t2_lesions": lambda value: f"{value} T2 lesions",
        "prior_treatment": lambda value: f"prior treatment {value}",
    }
    unknown = [_NAMES.get(name, name.replace("_", " ")) for name in words if name not in document]
    known = ", ".join(shown(document[name]) for name, shown in words.items() if name in document)
    return f"{known}; not known: {', '.join(unknown)}" if unknown else known


def _reservations(context: CardContext) -> list[str]:
    lines = []
    ambiguous = [one for one in context.reading.report.findings if one.use is Use.AMBIGUOUS]
    if any("taken as RRMS" in one.reason for one in ambiguous):
        lines.append("The course is not named in the record; as relapses are recorded, RRMS was assumed.")
        ambiguous = [one for one in ambiguous if "taken as RRMS" not in one.reason]
    if ambiguous:
        features = sorted({_NAMES.get(one.feature, one.feature.replace("_", " ")) for one in ambiguous})
        lines.append(f"Read with reservations: {', '.join(features)}.")
    if context.incomplete:
        names = sorted({_LEFT_OUT.get(key, "other data") for key in context.incomplete})
        lines.append(f"Not had in full: {', '.join(names)}.")
    return [line for one in lines for line in (one, "")]
