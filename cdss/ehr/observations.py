"""From observations to EDSS, lesion counts and relapse counts.

An observation is recognised by a standard code, by a code of ours under whatever system, or by its words; a panel is
read through its components.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from cdss.ehr.codes import EDSS_LOINC_PART, EDSS_SNOMED, LOCAL_CODES, system_named
from cdss.ehr.conditions import course_of
from cdss.ehr.elements import Json, Moment, codings, first, folded, is_missing, moment, number, text, words
from cdss.ehr.mapping_report import MappingReport
from reference_db.schema import EDSS_SCALE
from reference_db.vocabulary import Phenotype, T2Load

CURRENT: Mapping[str, int] = {
    "edss": 24, "gd_lesions": 12, "t2_lesions": 60, "relapses_12m": 3, "relapses_24m": 3, "phenotype": 240,
}  # fmt: skip
"""Months after which a value no longer describes the patient of today."""

_REJECTED = frozenset({"entered-in-error", "cancelled", "registered", "unknown"})
_UNITS = re.compile(
    r"|1|#|n|/10|\{[^}]*\}|(?!.*\b(?!0\b|10?\b)\d).*\b(score|edss|points?|pts|lesions?|counts?|relapses?|number)\b.*"
)
"""Units of scores and counts: none, one, a UCUM annotation, or words for it; anything else is another quantity,
and so are points out of another number than ten."""

MOST = 10_000
"""Larger counts are mistakes, whatever they count."""

_EDSS_WORDS = re.compile(r"\b(edss|expanded disability status|kurtzke)\b")
_NOT_EDSS_WORDS = re.compile(
    r"\b(functional|pyramidal|cerebell\w*|brain ?stem|sensory|bowel|bladder|visual|cerebral|mental|ambulation index"
    r"|self|patient reported|pdds|date|version|severity score|arr?mss|msss|change|goal|target)\b"
)
_GD_WORDS = re.compile(r"\b(gd|gad\w*|gadolinium|enhancing|enhanced)\b")
_T2_WORDS = re.compile(r"\bt2\b")
_LESION_WORDS = re.compile(r"\blesions?\b")
_NOT_COUNT_WORDS = re.compile(r"\b(volume|size|diameter|location|new|enlarging|nouvelles?|burden change|protocol)\b")
_NUMBER = re.compile(r"(?<![\d.,])(\d{1,4}(?:[.,]\d+)?)(?![\d.,]*\d)")
_RANGE = re.compile(r"(?<![\d.,])(\d{1,4}(?:[.,]\d+)?)\s*(?:to|a)\s*(\d{1,4}(?:[.,]\d+)?)")
_EDSS_NUMBER = re.compile(r"\bedss\b\D{0,20}?(\d{1,2}(?:[.,]\d{1,2})?)(?![\d.,]*\d)")
_MORE_THAN = re.compile(r"(>=?|≥|more than|over|plus de)\s*(\d{1,4})")
_NONE = frozenset({"none", "no", "nil", "zero", "negative", "absent", "aucune", "aucun"})


@dataclass(frozen=True, slots=True)
class _Unusable:
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A value of one feature on one day.

    Attributes
    ----------
    feature : str
    day : date
    value : float, T2Load or Phenotype
    resource : mapping
        Where it was read.
    """

    feature: str
    day: date
    value: float | T2Load | Phenotype
    resource: Json


def read_observations(observations: Sequence[Json], *, today: date, report: MappingReport) -> tuple[Reading, ...]:
    """Return every usable reading of a feature, oldest first.

    Parameters
    ----------
    observations : sequence of mapping
        Observation resources, of whatever quality.
    today : date
        Day of the consultation.
    report : MappingReport
        Receives what was done with each observation that bears on a feature.
    """
    readings: list[Reading] = []
    for observation in observations:
        bears = False
        for part in _parts(observation):
            feature = feature_of(part, report)
            if feature is None:
                continue
            bears = True
            reading = _reading(feature, part, observation, today, report)
            if reading is not None:
                readings.append(reading)
        if not bears:
            report.passed_over(observation)
    return tuple(sorted(readings, key=lambda reading: reading.day))


def _parts(observation: Json) -> Iterator[Json]:
    yield observation
    components = observation.get("component")
    if isinstance(components, list):
        yield from (component for component in components if isinstance(component, dict))


def feature_of(part: Json, report: MappingReport) -> str | None:
    """Return the feature that an observation or a component is about; None when it is about none."""
    code = part.get("code")
    found = codings(code)
    for coding in found:
        if coding.code == EDSS_SNOMED and system_named(coding.system) in ("snomed", ""):
            return "edss"
        if coding.code.casefold() in LOCAL_CODES and not system_named(coding.system):
            return LOCAL_CODES[coding.code.casefold()].feature
    described = words(code, without=frozenset({EDSS_LOINC_PART}))
    if any((coding.system, coding.code) == EDSS_LOINC_PART for coding in found) and "edss" not in described:
        report.ignored("edss", part, "LOINC LP241977-0 is a Part, not the code of an observation")
        return None
    if _EDSS_WORDS.search(described) and not _NOT_EDSS_WORDS.search(described):
        return "edss"
    if not any(system_named(coding.system) for coding in found) and _EDSS_NUMBER.search(
        folded(text(part.get("valueString")))
    ):
        return "edss"
    if _LESION_WORDS.search(described) and not _NOT_COUNT_WORDS.search(described):
        if _GD_WORDS.search(described):
            return "gd_lesions"
        if _T2_WORDS.search(described):
            return "t2_lesions"
    return None


def _reading(feature: str, part: Json, whole: Json, today: date, report: MappingReport) -> Reading | None:
    status = text(whole.get("status"))
    if status in _REJECTED:
        report.ignored(feature, whole, f"its status is {status}")
        return None
    when = _day(whole)
    if when is None:
        report.ignored(feature, whole, "without a date")
        return None
    day = when.by(today)
    if day > today:
        report.ignored(feature, whole, "dated after today")
        return None
    if is_missing(part):
        report.ignored(feature, whole, "its value is recorded as missing")
        return None
    value = _value(feature, part)
    if isinstance(value, _Unusable):
        report.ignored(feature, whole, value.reason)
        return None
    if not when.exact:
        report.ambiguous(feature, whole, f"dated to the month or year only; taken as {day}")
    return Reading(feature, day, value, whole)


def _day(observation: Json) -> Moment | None:
    period = first(observation.get("effectivePeriod"))
    candidates = (
        observation.get("effectiveDateTime"),
        observation.get("effectiveInstant"),
        period.get("end"),
        period.get("start"),
        observation.get("issued"),
    )
    return next(filter(None, map(moment, candidates)), None)


def _value(feature: str, part: Json) -> float | T2Load | Phenotype | _Unusable:
    """Return the value, or why there is none."""
    if feature == "phenotype":
        concept = part.get("valueCodeableConcept")
        named = [text(part.get("valueString")), *(c.code for c in codings(concept)), *words(concept).split(" | ")]
        courses = {course for course in map(course_of, filter(None, named)) if course is not None}
        return courses.pop() if len(courses) == 1 else _Unusable("names no course, or several")
    given = _given(part)
    if given is None:
        return _Unusable("without a value that can be read")
    value, comparator, unit = given
    if not _UNITS.fullmatch(unit.casefold()):
        return _Unusable(f"its unit, {unit[:20]}, is not a count or a score")
    if feature == "t2_lesions":
        return _t2(value, comparator)
    if comparator:
        return _Unusable(f"{comparator} {value} is not one number")
    if isinstance(value, tuple):
        return _Unusable(f"{value[0]:g} to {value[1]:g} is not one number")
    if feature == "edss":
        return value if value in EDSS_SCALE else _Unusable(f"{value:g} is not on the scale (0, 1.0 to 10.0 by 0.5)")
    return value if _is_count(value) else _Unusable(f"{value:g} is not a count")


_Given = tuple[float | tuple[float, float], str, str]


def _given(part: Json) -> _Given | None:
    """Return a number or range, its comparator and its unit, whichever way the value is written."""
    quantity = first(part.get("valueQuantity"))
    value = number(quantity.get("value"))
    if value is not None:
        return value, text(quantity.get("comparator")), text(quantity.get("code")) or text(quantity.get("unit"))
    for name in ("valueInteger", "valueDecimal"):
        value = number(part.get(name))
        if value is not None:
            return value, "", ""
    bounds = first(part.get("valueRange"))
    low, high = first(bounds.get("low")), first(bounds.get("high"))
    lowest, highest = number(low.get("value")), number(high.get("value"))
    if lowest is not None and highest is not None:
        return (lowest, highest), "", text(low.get("code")) or text(low.get("unit"))
    if lowest is not None:
        return lowest, ">=", text(low.get("code")) or text(low.get("unit"))
    concept: Any = part.get("valueCodeableConcept")
    written = [text(part.get("valueString")), text(first(concept).get("text"))]
    written += [label for coding in codings(concept) for label in (coding.display, coding.code)]
    return next(filter(None, map(_written, filter(None, written))), None)


def _written(words_of_value: str) -> _Given | None:
    """Read a value from text: the number after "EDSS", one number only, a range, "more than n", a word for none."""
    plain = folded(re.sub(r"(?<=\d)\s*[-–]\s*(?=\d)", " to ", words_of_value))
    named = _EDSS_NUMBER.search(plain)
    if named:
        return float(named.group(1).replace(",", ".")), "", ""
    more = _MORE_THAN.search(plain)
    if more:
        return float(more.group(2)), ">=" if more.group(1) in (">=", "≥") else ">", ""
    bounds = _RANGE.search(plain)
    if bounds:
        low, high = (float(bound.replace(",", ".")) for bound in bounds.groups())
        return (low, high), "", ""
    if plain in _NONE:
        return 0.0, "", ""
    # A denominator of the scale ("3.5/10") and the names of sequences ("T2") are not values.
    numbers = _NUMBER.findall(re.sub(r"/\s*10\b|\bt[12]\b|\b\d+ ?t\b", " ", plain))
    return (float(numbers[0].replace(",", ".")), "", "") if len(numbers) == 1 else None


def _is_count(value: float) -> bool:
    return 0 <= value <= MOST and value.is_integer()


def _t2(value: float | tuple[float, float], comparator: str) -> float | T2Load | _Unusable:
    several = _Unusable("spans several of the bins of the reference")
    if isinstance(value, tuple):
        low, high = (T2Load.of_count(int(bound)) for bound in value)
        return low if low is high else several
    if not _is_count(value):
        return _Unusable(f"{value:g} is not a count")
    if comparator in (">", ">="):
        least = int(value) + (comparator == ">")
        return T2Load.MORE_THAN_20 if least > 20 else several
    if comparator:
        most = int(value) - (comparator == "<")
        return T2Load.UP_TO_2 if 0 <= most <= 2 else several
    return value


def latest(readings: Sequence[Reading], feature: str, *, today: date, report: MappingReport) -> Reading | None:
    """Return the reading that describes the patient of today, noting what was used and what was passed over.

    Two readings of one day that differ are settled by the one issued last, then by the higher value.
    """
    own = [reading for reading in readings if reading.feature == feature]
    if not own:
        return None
    newest_day = own[-1].day
    if newest_day < today - timedelta(days=round(CURRENT[feature] * 365.25 / 12)):
        report.ignored(feature, own[-1].resource, f"of {newest_day}, too long ago to describe the patient of today")
        return None
    same_day = [reading for reading in own if reading.day == newest_day]
    chosen = max(same_day, key=lambda reading: (_issued(reading.resource), _rank(reading.value)))
    if len({str(reading.value) for reading in same_day}) > 1:
        report.ambiguous(feature, chosen.resource, f"several values on {newest_day}; {_shown(chosen.value)} is used")
    else:
        report.used(feature, chosen.resource, f"{_shown(chosen.value)} of {newest_day}")
    return chosen


def _rank(value: float | T2Load | Phenotype) -> float:
    return value if isinstance(value, float) else [*T2Load, *Phenotype].index(value)


def _issued(observation: Json) -> str:
    return text(observation.get("issued")) or text(first(observation.get("meta")).get("lastUpdated"))


def _shown(value: float | T2Load | Phenotype) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
