"""From conditions to the diagnosis, its course, its onset and the relapses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from cdss.ehr.codes import (
    COURSE_WORDS,
    DISEASE_WORDS,
    NOT_THE_PATIENTS,
    RELAPSE_SNOMED,
    RELAPSE_WORDS,
    Diagnosis,
    diagnosis_coded,
    system_named,
)
from cdss.ehr.elements import Json, Moment, codings, first, folded, moment, number, text, words
from cdss.ehr.mapping_report import MappingReport
from reference_db.vocabulary import Phenotype

ONE_RELAPSE = timedelta(days=30)
"""Two records of a relapse that begin within 30 days are one relapse (the usual definition)."""

_REJECTED = frozenset({"refuted", "entered-in-error", "unconfirmed", "provisional", "differential"})
_YEARS_PER_UNIT = {"a": 1.0, "year": 1.0, "years": 1.0, "yr": 1.0, "mo": 1 / 12, "month": 1 / 12, "months": 1 / 12,
                   "wk": 7 / 365.25, "d": 1 / 365.25}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Disease:
    """What the conditions say.

    Attributes
    ----------
    has_ms : bool
        Whether any condition is a diagnosis of multiple sclerosis, or of the syndrome that may precede it.
    course : Phenotype or None
        None when no condition names one.
    onset : date or None
        Earliest onset recorded.
    relapses : tuple of date
        Onset of each relapse, in order.
    """

    has_ms: bool
    course: Phenotype | None
    onset: date | None
    relapses: tuple[date, ...]

    def relapses_within(self, months: int, today: date) -> int | None:
        """Return the relapses of the last months; None when the record holds no relapse at all.

        A record without a single relapse more often keeps them elsewhere than tells that there were none.
        """
        if not self.relapses:
            return None
        since = today - timedelta(days=round(months * 365.25 / 12))
        return sum(since < day <= today for day in self.relapses)


@dataclass(frozen=True, slots=True)
class _Named:
    condition: Json
    diagnosis: Diagnosis
    day: date


def read_conditions(conditions: Sequence[Json], *, birth: date | None, today: date, report: MappingReport) -> Disease:
    """Read every condition of a record.

    Parameters
    ----------
    conditions : sequence of mapping
        Condition resources, of whatever quality.
    birth : date or None
        Day of birth, for onsets given as an age.
    today : date
        Day of the consultation; later dates are mistakes.
    report : MappingReport
        Receives what was done with each condition.
    """
    named: list[_Named] = []
    relapses: list[date] = []
    onsets: list[date] = []
    refuted = False
    for condition in conditions:
        if _is_relapse(condition):
            if _is_rejected(condition, "relapses_12m", report):
                continue
            day = _relapse_day(condition, today, report)
            if day is not None:
                relapses.append(day)
            continue
        diagnosis = _diagnosis(condition, report)
        if diagnosis is None:
            report.passed_over(condition)
            continue
        if _is_rejected(condition, "phenotype", report):
            refuted |= "refuted" in _verification(condition)
            continue
        recorded = moment(condition.get("recordedDate"))
        onset = _onset(condition, birth, today, report)
        if onset is not None and onset <= today and (birth is None or onset >= birth):
            onsets.append(onset)
        elif onset is not None:
            report.ignored("years_since_onset", condition, "its onset lies after today or before birth")
        named.append(_Named(condition, diagnosis, recorded.day if recorded else onset or date.min))
    if refuted and not named:
        # Relapses alone would tell of the disease; a diagnosis that was withdrawn takes them with it.
        return Disease(False, None, None, ())
    course = _course(named, report)
    if course is None and relapses:
        evidence = named[0].condition if named else {}
        report.ambiguous("phenotype", evidence, "the course is not named; relapses are recorded, so taken as RRMS")
        course = Phenotype.RRMS
    onset = min(onsets) if onsets else None
    return Disease(bool(named or relapses), course, onset, _distinct(relapses))


def _is_rejected(condition: Json, feature: str, report: MappingReport) -> bool:
    rejected = _verification(condition) & _REJECTED
    if rejected:
        report.ignored(feature, condition, f"its verification status is {', '.join(sorted(rejected))}")
    return bool(rejected)


def _verification(condition: Json) -> set[str]:
    return {coding.code for coding in codings(condition.get("verificationStatus"))}


def _is_relapse(condition: Json) -> bool:
    code = condition.get("code")
    if any(
        coding.code == RELAPSE_SNOMED and system_named(coding.system) in ("snomed", "") for coding in codings(code)
    ):
        return True
    return RELAPSE_WORDS.search(words(code)) is not None


def _relapse_day(condition: Json, today: date, report: MappingReport) -> date | None:
    candidates = (
        condition.get("onsetDateTime"),
        first(condition.get("onsetPeriod")).get("start"),
        condition.get("recordedDate"),
    )
    when = next(filter(None, map(moment, candidates)), None)
    if when is None:
        report.ignored("relapses_12m", condition, "a relapse without a date")
        return None
    day = when.by(today)
    if day > today:
        report.ignored("relapses_12m", condition, "a relapse dated after today")
        return None
    if not when.exact:
        report.ambiguous("relapses_12m", condition, f"dated to the month or year only; taken as {day}")
    else:
        report.used("relapses_12m", condition, f"a relapse of {day}")
    return day


def _diagnosis(condition: Json, report: MappingReport) -> Diagnosis | None:
    code = condition.get("code")
    found: list[Diagnosis] = []
    for coding in codings(code):
        diagnosis = diagnosis_coded(coding.system, coding.code)
        if diagnosis is not None:
            found.append(diagnosis)
    described = words(code)
    if not found:
        if NOT_THE_PATIENTS.search(described):
            if DISEASE_WORDS.search(described):
                report.ignored("phenotype", condition, "names the disease, but not as a diagnosis of this patient")
            return None
        course = _course_named(described)
        if course is None and not DISEASE_WORDS.search(described):
            return None
        found.append(Diagnosis(course))
    courses = {diagnosis.course for diagnosis in found if diagnosis.course is not None}
    if not courses:
        stages = " | ".join(words(stage.get("summary")) for stage in _stages(condition))
        from_words = _course_named(f"{described} | {stages}")
        return Diagnosis(from_words) if from_words else found[0]
    if len(courses) > 1:
        report.ambiguous("phenotype", condition, f"its codings name several courses: {', '.join(sorted(courses))}")
        return Diagnosis(None)
    specific = next(diagnosis for diagnosis in found if diagnosis.course is not None)
    if not any(diagnosis.verified for diagnosis in found if diagnosis.course is not None):
        report.ambiguous("phenotype", condition, "the code of the course is used, but has not been verified")
    return specific


def _stages(condition: Json) -> list[Json]:
    stages = condition.get("stage")
    return [stage for stage in stages if isinstance(stage, dict)] if isinstance(stages, list) else []


def _course_named(described: str) -> Phenotype | None:
    courses = {course for pattern, course in COURSE_WORDS if pattern.search(described)}
    return courses.pop() if len(courses) == 1 else None


def course_of(value: str) -> Phenotype | None:
    """Return the course that a text names, when it names exactly one.

    >>> course_of("Relapsing-Remitting MS")
    <Phenotype.RRMS: 'RRMS'>
    """
    described = folded(value)
    return Phenotype.CIS if described == "cis" else _course_named(described)


def _onset(condition: Json, birth: date | None, today: date, report: MappingReport) -> date | None:
    starts = (condition.get("onsetDateTime"), first(condition.get("onsetPeriod")).get("start"))
    when: Moment | None = next(filter(None, map(moment, starts)), None)
    if when is not None:
        day = when.by(today)
        if when.exact:
            report.used("years_since_onset", condition, f"onset {day}")
        else:
            report.ambiguous("years_since_onset", condition, f"dated to the month or year only; taken as {day}")
        return day
    if text(condition.get("onsetString")):
        report.ignored("years_since_onset", condition, "its onset is given in words only")
    age = first(condition.get("onsetAge"))
    value = number(age.get("value"))
    if value is None or birth is None:
        return None
    unit = text(age.get("code")) or text(age.get("unit")).casefold() or "a"
    years = _YEARS_PER_UNIT.get(unit)
    if years is None or not 0 <= value * years <= 120:
        report.ignored("years_since_onset", condition, f"an age at onset of {value:g} {unit} cannot be read")
        return None
    note = report.used if years == 1 else report.converted
    note("years_since_onset", condition, f"age at onset {value:g} {unit}, {value * years:.1f} years")
    return birth + timedelta(days=round(value * years * 365.25))


def _course(named: Sequence[_Named], report: MappingReport) -> Phenotype | None:
    """Settle the course: secondary progression supersedes relapses, a definite disease supersedes the syndrome."""
    holders: dict[Phenotype, _Named] = {}
    for one in named:
        course = one.diagnosis.course
        if course is not None and (course not in holders or holders[course].day < one.day):
            holders[course] = one
    if not holders:
        for one in named:
            report.ambiguous("phenotype", one.condition, "multiple sclerosis, its course not named")
        return None
    if Phenotype.PPMS in holders and {Phenotype.RRMS, Phenotype.SPMS} & holders.keys():
        chosen = max(holders, key=lambda course: holders[course].day)
        report.ambiguous(
            "phenotype", holders[chosen].condition, f"primary and relapsing courses; the latest, {chosen}, is used"
        )
    else:
        order = (Phenotype.SPMS, Phenotype.PPMS, Phenotype.RRMS, Phenotype.CIS)
        chosen = next(course for course in order if course in holders)
    if chosen is Phenotype.CIS and any(one.diagnosis.course is None for one in named):
        # The syndrome, and multiple sclerosis since: what it has become is not named.
        report.ambiguous(
            "phenotype", holders[chosen].condition, "followed by multiple sclerosis, its course not named"
        )
        return None
    report.used("phenotype", holders[chosen].condition, f"course {chosen}")
    for course, holder in holders.items():
        if course is not chosen:
            report.ignored("phenotype", holder.condition, f"course {course}, superseded by {chosen}")
    return chosen


def _distinct(days: Sequence[date]) -> tuple[date, ...]:
    distinct: list[date] = []
    for day in sorted(days):
        if not distinct or day - distinct[-1] >= ONE_RELAPSE:
            distinct.append(day)
    return tuple(distinct)
