"""How a trial is going: accrual, balance, completeness, deviations. While it is open, no outcome by arm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select

from cdss.evaluation.conduct import Conduct, TrialState, counts_by_reason
from cdss.evaluation.forms import TOOL_EVENTS
from cdss.evaluation.protocol import Arm, Protocol
from cdss.evaluation.records import AnswerRecord, EventRecord, IncidentRecord, OutcomeRecord, ParticipantRecord


@dataclass(frozen=True, slots=True)
class Completeness:
    """How much of something expected has come in."""

    expected: int
    received: int


@dataclass(frozen=True, slots=True)
class Monitoring:
    """The state of a trial.

    Attributes
    ----------
    trial : TrialState
    planned, consented, allocated, withdrawn, erased : int
        Patients.
    not_randomised : mapping of str to int
        By reason.
    by_cluster : mapping of str to int
        Patients allocated per neurologist.
    by_arm : mapping of str to int
        Patients allocated per arm over the whole trial; not per stratum, which could give the next allocation away.
    questionnaires, visits : mapping of str to Completeness
        Per instrument and moment, and per outcome month, over both arms.
    deviations : int
        Consultations as usual in which the tool was used.
    incomplete_consultations : int
        Patients allocated without a decision recorded.
    opened : int
        Consultations with the tool in which it was opened.
    incidents : mapping of str to int
        Reports of incidents by kind, over both arms, and how many of them are serious.
    visits_overdue : int
        Outcome visits whose day has come and that are not reported.
    """

    trial: TrialState
    planned: int
    consented: int
    allocated: int
    withdrawn: int
    erased: int
    not_randomised: Mapping[str, int]
    by_cluster: Mapping[str, int]
    by_arm: Mapping[str, int]
    questionnaires: Mapping[str, Completeness]
    visits: Mapping[str, Completeness]
    deviations: int
    incomplete_consultations: int
    opened: int
    incidents: Mapping[str, int]
    visits_overdue: int


def monitor(conduct: Conduct, code: str) -> Monitoring:
    """Return how a trial is going.

    Parameters
    ----------
    conduct : Conduct
    code : str

    Raises
    ------
    NotFound
        If there is no trial of that code.
    """
    state, protocol = conduct.trial(code)
    with conduct.database.reading() as session:
        patients = session.scalars(select(ParticipantRecord).where(ParticipantRecord.trial == code)).all()
        of_trial = ParticipantRecord.trial == code
        answers = session.execute(
            select(AnswerRecord.instrument, AnswerRecord.respondent, AnswerRecord.moment)
            .join(ParticipantRecord, ParticipantRecord.identifier == AnswerRecord.participant)
            .where(of_trial)
        ).all()
        events = session.execute(
            select(EventRecord.participant, EventRecord.kind, ParticipantRecord.arm)
            .join(ParticipantRecord, ParticipantRecord.identifier == EventRecord.participant)
            .where(of_trial)
        ).all()
        visits = session.execute(
            select(OutcomeRecord.month)
            .join(ParticipantRecord, ParticipantRecord.identifier == OutcomeRecord.participant)
            .where(of_trial)
        ).all()
        incidents = session.execute(
            select(IncidentRecord.kind, IncidentRecord.serious).where(IncidentRecord.trial == code)
        ).all()
        screened = counts_by_reason(session, code)
    allocated = [patient for patient in patients if patient.arm is not None]
    decided = {participant for participant, kind, _ in events if kind == "decided"}
    misused = {p for p, kind, arm in events if arm == Arm.USUAL.value and kind in TOOL_EVENTS}
    present = [patient for patient in allocated if not patient.erased]
    return Monitoring(
        trial=state,
        planned=protocol.sample_size,
        consented=len(patients),
        allocated=len(allocated),
        withdrawn=sum(patient.withdrawn_at is not None for patient in patients),
        erased=sum(patient.erased for patient in patients),
        not_randomised=screened,
        by_cluster=_counted([cluster.code for cluster in protocol.clusters], [p.cluster for p in allocated]),
        by_arm=_counted([arm.value for arm in Arm], [patient.arm or "" for patient in allocated]),
        questionnaires=_questionnaires(protocol, present, Counter(tuple(answer) for answer in answers)),
        visits={
            str(month): Completeness(len(present), sum(found == month for (found,) in visits))
            for month in protocol.follow_up_months
        },
        deviations=len(misused),
        incomplete_consultations=sum(patient.identifier not in decided for patient in present),
        opened=len({p for p, kind, arm in events if arm == Arm.USE.value and kind == "opened"}),
        incidents={
            **_counted(["adverse event", "device deficiency"], [kind for kind, _ in incidents]),
            "serious": sum(serious for _, serious in incidents),
        },
        visits_overdue=len(conduct.visits_due(code)),
    )


def _counted(names: list[str], found: list[str]) -> dict[str, int]:
    number = Counter(found)
    return {name: number[name] for name in names}


def _questionnaires(
    protocol: Protocol, present: list[ParticipantRecord], answered: Counter[tuple[str, ...]]
) -> dict[str, Completeness]:
    completeness = {}
    for scheduled in protocol.instruments:
        arms = {arm.value for arm in scheduled.arms}
        expected = sum(patient.arm in arms for patient in present)
        for moment in scheduled.moments:
            received = answered[scheduled.code, scheduled.respondent, moment]
            completeness[f"{scheduled.code}, {scheduled.respondent}, {moment}"] = Completeness(expected, received)
    return completeness
