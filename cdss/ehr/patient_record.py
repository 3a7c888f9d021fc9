"""From the FHIR R4 resources of one patient to the patient of interest, with a report of how each part was read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from cdss.ehr.conditions import Disease, read_conditions
from cdss.ehr.elements import Json, first, moment, text
from cdss.ehr.fhir_server import bundled
from cdss.ehr.mapping_report import MappingReport
from cdss.ehr.medications import MEDICATION_TYPES, library_of, read_medications
from cdss.ehr.observations import Reading, latest, read_observations
from reference_db.schema import GD_RANGE
from reference_db.vocabulary import Phenotype, T2Load
from selection import InvalidPatient, PatientOfInterest, parse_patient
from selection.patient import HISTORY_MONTHS, MOST_T2_LESIONS

REQUIRED = ("age", "phenotype", "edss")
MOST_HISTORY = 100
FEW = 4
"""Versions of one resource that are told apart; more are read as they come."""

DAYS_PER_MONTH = 365.25 / 12

_PAST = {"edss": 10.0, "gd_lesions": GD_RANGE[1], "new_t2_lesions": MOST_T2_LESIONS}
"""What earlier visits may tell, and the largest value of each."""


@dataclass(frozen=True, slots=True)
class RecordReading:
    """What a record gave.

    Attributes
    ----------
    patient : PatientOfInterest or None
        None when a required feature is missing or outside the range of the reference.
    document : mapping
        The features that could be read, as the exchange form of a patient of interest spells them.
    has_ms : bool
        Whether the record holds a diagnosis of multiple sclerosis.
    missing : tuple of str
        Required features that the record does not give, or not within the range of the reference.
    subject : str
        ``Patient/id``, or empty.
    deceased : bool
    report : MappingReport
    """

    patient: PatientOfInterest | None
    document: Mapping[str, Any]
    has_ms: bool
    missing: tuple[str, ...]
    subject: str
    deceased: bool
    report: MappingReport


def read_record(resources: Iterable[Json], *, today: date) -> RecordReading:
    """Read the resources of one patient; the birth date gives the age and is not kept.

    Parameters
    ----------
    resources : iterable of mapping
        Patient, Condition, Observation, Medication and medication resources, in any order and of whatever quality;
        other types are passed over.
    today : date
        Day of the consultation: the baseline of the patient of interest.
    """
    report = MappingReport()
    by_type: dict[str, list[Json]] = {}
    for resource in _once(resources):
        by_type.setdefault(text(resource.get("resourceType")), []).append(resource)
    subject = _subject(by_type.pop("Patient", []), report)
    by_type = {kind: _of_subject(found, subject, report) for kind, found in by_type.items()}
    birth = moment(subject.get("birthDate"))
    document: dict[str, Any] = {}
    if birth is not None:
        document["age"] = round((today - birth.day).days / 365.25, 2)
        if birth.exact:
            report.used("age", subject, "from the birth date, which is not kept")
        else:
            report.ambiguous("age", subject, "the birth date is given to the month or year; the middle is taken")
    sex = text(subject.get("gender"))
    if sex in ("female", "male"):
        document["sex"] = sex
        report.used("sex", subject, sex)
    elif sex:
        report.ignored("sex", subject, f"{sex[:20]} has no counterpart in the reference")
    disease = read_conditions(
        by_type.pop("Condition", []), birth=birth.day if birth else None, today=today, report=report
    )
    readings = read_observations(by_type.pop("Observation", []), today=today, report=report)
    _add_disease(document, disease, readings, today=today, report=report)
    _add_observations(document, readings, today=today, report=report)
    history = _history(readings, disease.relapses, today=today, report=report)
    if history:
        document["history"] = history
    library = library_of(by_type.pop("Medication", []))
    medications = [medication for kind in MEDICATION_TYPES for medication in by_type.pop(kind, [])]
    prior = read_medications(medications, library, today=today, report=report)
    if prior is not None:
        document["prior_treatment"] = prior.value
    for others in by_type.values():
        for resource in others:
            report.passed_over(resource)
    deceased = subject.get("deceasedBoolean") is True or moment(subject.get("deceasedDateTime")) is not None
    if deceased:
        report.ignored("patient", subject, "is recorded as deceased: nothing is projected")
    patient, missing = _patient(document, subject, report)
    identifier = text(subject.get("id"))
    return RecordReading(
        patient,
        document,
        disease.has_ms or "phenotype" in document,
        missing,
        f"Patient/{identifier}" if identifier else "",
        deceased,
        report,
    )


def _once(resources: Iterable[Json]) -> Iterator[Json]:
    """Pass over what was sent before: one resource may answer several queries."""
    seen: dict[tuple[str, str], list[Json]] = {}
    for resource in resources:
        identifier = text(resource.get("id"))
        before = seen.setdefault((text(resource.get("resourceType")), identifier), [])
        if identifier and any(_same(resource, one) for one in before[:FEW]):
            continue
        before.append(resource)
        yield resource


def _same(one: Json, other: Json) -> bool:
    try:
        return one is other or one == other
    except RecursionError:
        # Nested deeper than can be compared: both are read.
        return False


def _subject(patients: Sequence[Json], report: MappingReport) -> Json:
    if not patients:
        return {}
    if len({text(patient.get("id")) for patient in patients}) > 1:
        for patient in patients[1:]:
            report.ignored("patient", patient, "a second patient; the first is read")
    return patients[0]


def _of_subject(resources: Sequence[Json], subject: Json, report: MappingReport) -> list[Json]:
    """Keep what is about this patient, or does not say about whom it is."""
    identifier = text(subject.get("id"))
    kept: list[Json] = []
    for resource in resources:
        about = text(first(resource.get("subject")).get("reference")).split("/_history/")[0]
        kind, _, other = "/".join(about.split("/")[-2:]).partition("/")
        if about.startswith("urn:"):
            kind, other = "Patient", about.rpartition(":")[2]
        if identifier and kind == "Patient" and other != identifier:
            report.ignored("patient", resource, "it is about another patient")
        else:
            kept.append(resource)
    return kept


def _add_disease(
    document: dict[str, Any], disease: Disease, readings: Sequence[Reading], *, today: date, report: MappingReport
) -> None:
    course = disease.course
    stated = latest(readings, "phenotype", today=today, report=report)
    if stated is not None and isinstance(stated.value, Phenotype):
        if course is not None and course is not stated.value:
            report.ambiguous(
                "phenotype", stated.resource, f"{stated.value} here, {course} in the conditions; this is used"
            )
        course = stated.value
    if course is not None:
        document["phenotype"] = course.value
    if disease.onset is not None:
        document["years_since_onset"] = round((today - disease.onset).days / 365.25, 2)
    for feature, months in (("relapses_12m", 12), ("relapses_24m", 24)):
        counted = disease.relapses_within(months, today)
        reading = latest(readings, feature, today=today, report=report)
        if reading is not None and isinstance(reading.value, float):
            document[feature] = int(reading.value)
            if counted is not None and counted != document[feature]:
                report.ambiguous(
                    feature,
                    reading.resource,
                    f"{reading.value:g} here, {counted} in the conditions; the conditions are used",
                )
        if counted is not None:
            document[feature] = counted


def _add_observations(
    document: dict[str, Any], readings: Sequence[Reading], *, today: date, report: MappingReport
) -> None:
    edss = latest(readings, "edss", today=today, report=report)
    if edss is not None:
        document["edss"] = edss.value
    gd = latest(readings, "gd_lesions", today=today, report=report)
    if gd is not None and isinstance(gd.value, float):
        document["gd_lesions"] = int(gd.value)
    t2 = latest(readings, "t2_lesions", today=today, report=report)
    if t2 is not None:
        document["t2_lesions"] = (
            t2.value.value if isinstance(t2.value, T2Load) else T2Load.of_count(int(t2.value)).value
        )


def _history(
    readings: Sequence[Reading], relapses: Sequence[date], *, today: date, report: MappingReport
) -> list[dict[str, Any]]:
    """Return what is known of earlier months, the last value of a month, the most recent months first."""
    by_month: dict[int, dict[str, Any]] = {}
    for feature, most in _PAST.items():
        own = [reading for reading in readings if reading.feature == feature]
        # The current value describes today and has its own field, but new lesions are always of the past.
        for reading in own if feature == "new_t2_lesions" else [one for one in own if one.day < own[-1].day]:
            months, value = -round((today - reading.day).days / DAYS_PER_MONTH), reading.value
            within = HISTORY_MONTHS[0] <= months <= HISTORY_MONTHS[1]
            if not within or not isinstance(value, float) or value > most:
                continue
            by_month.setdefault(months, {})[feature] = value if feature == "edss" else int(value)
            if feature == "new_t2_lesions":
                report.used(feature, reading.resource, f"{value:g} of {reading.day}, in the patient's own course")
    for day in relapses:
        months = -round((today - day).days / DAYS_PER_MONTH)
        # On the side of the year on which it is counted, and at least a month ago.
        within = day > today - timedelta(days=round(12 * DAYS_PER_MONTH))
        months = min(max(months, -12), HISTORY_MONTHS[1]) if within else min(months, -13)
        if months >= HISTORY_MONTHS[0]:
            by_month.setdefault(months, {})["relapse"] = True
    recent = sorted(by_month, reverse=True)[:MOST_HISTORY]
    return [{"months": months, **by_month[months]} for months in recent]


def _patient(
    document: dict[str, Any], subject: Json, report: MappingReport
) -> tuple[PatientOfInterest | None, tuple[str, ...]]:
    """Parse the features; one that is outside its range is taken out when it is not required."""
    missing = tuple(name for name in REQUIRED if name not in document)
    if missing:
        return None, missing
    while True:
        try:
            return parse_patient(document), ()
        except InvalidPatient as error:
            faulty = {problem.field.partition("[")[0].partition(".")[0] for problem in error.problems}
            for problem in error.problems:
                report.ignored(problem.field, subject, f"{problem.message} (allowed: {problem.allowed})")
            outside = tuple(name for name in REQUIRED if name in faulty)
            removed = [document.pop(name, None) for name in faulty]
            if outside or not any(value is not None for value in removed):
                return None, outside or REQUIRED


def read_bundle(bundle: Json) -> Mapping[str, Any]:
    """Return what a FHIR bundle says of its patient today, spelled like a patient of interest, complete or not."""
    return read_record(bundled(bundle), today=datetime.now(UTC).date()).document
