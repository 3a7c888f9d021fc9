"""What a neurologist sees: one card with a row per treatment class, or no card when there is nothing to say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from cdss.ehr.mapping_report import Use
from cdss.ehr.patient_record import RecordReading
from projection.reading import Reading, latest_shown
from projection.result import ClassProjection, Estimate, Projection
from reference_db.small_cells import SMALL_CELL
from reference_db.vocabulary import Treatment

MONTHS = 24
WORSENING, EDSS = "worsening_24w", "edss"
COLUMNS = (WORSENING, "relapse", EDSS)
"""What the table of a card shows, in its order: outcomes, and the expected EDSS."""

NOT_KNOWN = "not known"
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
        worsening = reading_of(ordered[0], WORSENING)
        text = f"{ordered[0].n} similar patients under {ordered[0].treatment}"
        if worsening is not None:
            text += f": confirmed worsening by {worsening.month} months in {_percent(worsening.estimate)}"
    else:
        readings = [reading_of(one, WORSENING) for one in shown]
        # One range is of one month: classes that are known until an earlier one only are in the table.
        risks = [one.estimate.value for one in readings if one is not None and one.month == MONTHS]
        treated = sum(one.treatment != Treatment.UNTREATED for one in shown)
        text = f"Similar patients under {treated} treatment classes{' and none' * (treated < len(shown))}"
        if risks:
            low, high = round(100 * min(risks)), round(100 * max(risks))
            spread = f"{low} %" if low == high else f"{low} to {high} %"
            known = f" (known of {len(risks)})" if len(risks) < len(shown) else ""
            text += f": confirmed worsening by {MONTHS} months in {spread}{known}"
    return text[:LONGEST_SUMMARY]


def reading_of(part: ClassProjection, outcome: str) -> Reading | None:
    """Return an outcome, or `EDSS`, by `MONTHS` or by the latest month before that is shown; None without any."""
    if outcome == EDSS:
        return latest_shown(None if part.edss is None else part.edss.expected, MONTHS)
    return latest_shown(part.probabilities.get(outcome), MONTHS)


def _percent(point: Estimate) -> str:
    return f"{100 * point.value:.0f} % ({100 * point.lower:.0f} to {100 * point.upper:.0f})"


def _cell(reading: Reading | None, *, percent: bool) -> str:
    if reading is None:
        return NOT_KNOWN
    point = reading.estimate
    said = _percent(point) if percent else f"{point.value:.1f} ({point.lower:.1f} to {point.upper:.1f})"
    return said if reading.month == MONTHS else f"{said} at {reading.month} months"


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
        cells = [_cell(reading_of(one, column), percent=column != EDSS) for column in COLUMNS]
        lines.append(f"| {name} | {one.n} | {' | '.join(cells)} |")
    lines.append("")
    lines += [line for said in _shorter(rows) for line in (said, "")]
    refused = [one.treatment for one in projection.classes if one.refusal is not None]
    if refused:
        lines += [f"Not shown, too few similar patients: {', '.join(refused)}.", ""]
    lines += [f"Read from the record: {record_in_words(context.reading)}.", ""]
    lines += [*_reservations(context), f"*{_CAVEAT}* Release {projection.release}."]
    return "\n".join(lines)


def _shorter(rows: Sequence[ClassProjection]) -> list[str]:
    """Say why some values of the table are of an earlier month or missing, where that is so."""
    readings = [reading_of(one, column) for one in rows for column in COLUMNS]
    says = []
    if any(one is not None and one.month < MONTHS for one in readings):
        says.append(
            f"“At … months”: fewer than {SMALL_CELL} patients were observed for {MONTHS} months; the value is of the "
            f"latest month with at least {SMALL_CELL}."
        )
    if None in readings:
        says.append(f"“{NOT_KNOWN.capitalize()}”: fewer than {SMALL_CELL} patients were observed at any month.")
    return says


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
