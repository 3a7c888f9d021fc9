"""What comes after a consultation: outcome visits, and incidents whenever they happen."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from cdss.evaluation.conduct.trials import find_active, find_trial, now, protocol_of
from cdss.evaluation.forms import Incident, Outcome
from cdss.evaluation.reasons import Refusal, fault, invalid
from cdss.evaluation.records import IncidentRecord, OutcomeRecord, ParticipantRecord
from reference_db.errors import InvalidInput

_DAYS_PER_MONTH = 30.4375

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class VisitDue:
    """An outcome visit whose day has come and that has not been reported.

    Attributes
    ----------
    participant, cluster : str
    month : int
    due : date
    """

    participant: str
    cluster: str
    month: int
    due: datetime.date


def record_outcomes(session: Session, identifier: str, visits: Sequence[Outcome]) -> None:
    """Keep what outcome visits found; see `Conduct.record_outcomes`."""
    participant = find_active(session, identifier)
    months = protocol_of(find_trial(session, participant.trial)).follow_up_months
    if participant.arm is None:
        raise Refusal("outcomes_follow")
    unscheduled = [
        fault(f"visits[{i}].month", "no_visit", ", ".join(map(str, months)))
        for i, visit in enumerate(visits)
        if visit.month not in months
    ]
    if unscheduled:
        raise InvalidInput(unscheduled)
    at = now()
    for visit in visits:
        session.merge(OutcomeRecord(participant=identifier, received_at=at, **visit.model_dump()))


def visits_due(session: Session, code: str, *, today: datetime.date) -> tuple[VisitDue, ...]:
    """Return the outcome visits of a trial that are due and not reported, the longest due first."""
    months = protocol_of(find_trial(session, code)).follow_up_months
    participants = session.scalars(
        select(ParticipantRecord).where(
            ParticipantRecord.trial == code,
            ParticipantRecord.allocated_at.is_not(None),
            ParticipantRecord.withdrawn_at.is_(None),
        )
    ).all()
    of_trial = select(ParticipantRecord.identifier).where(ParticipantRecord.trial == code)
    reported = {
        (visit.participant, visit.month)
        for visit in session.scalars(select(OutcomeRecord).where(OutcomeRecord.participant.in_(of_trial)))
    }
    waiting = [
        VisitDue(participant.identifier, participant.cluster, month, due)
        for participant in participants
        if participant.allocated_at is not None
        for month in months
        for due in [participant.allocated_at.date() + datetime.timedelta(days=round(month * _DAYS_PER_MONTH))]
        if due <= today and (participant.identifier, month) not in reported
    ]
    return tuple(sorted(waiting, key=lambda visit: (visit.due, visit.participant, visit.month)))


def report_incident(session: Session, code: str, form: Incident) -> int:
    """Keep the report of an incident and return its number; see `Conduct.report_incident`."""
    trial = find_trial(session, code)
    if form.participant is not None:
        participant = find_active(session, form.participant)
        if participant.trial != code:
            raise invalid("participant", "other_trial", code=code)
        cluster = participant.cluster
    else:
        cluster = protocol_of(trial).cluster(form.cluster or "").code
    record = IncidentRecord(
        trial=code, received_at=now(), **(form.model_dump(exclude={"cluster"}) | {"cluster": cluster})
    )
    session.add(record)
    session.flush()
    if form.serious:
        _log.error("evaluation_serious_incident", trial=code, number=record.number)
    return record.number
