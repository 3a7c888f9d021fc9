"""Into a trial and out of it: consent, allocation, withdrawal; and the count of those who never came in.

Concealment: the list is not kept but made again from the secret seed at each allocation; an allocation is given only
to a consenting patient whose baseline questionnaires are in, one at a time, and cannot be asked for twice.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from cdss.evaluation.allocation import stratum_of
from cdss.evaluation.conduct.trials import find_active, find_open_trial, list_of, now, protocol_of
from cdss.evaluation.forms import Enrolment, NotRandomised
from cdss.evaluation.protocol import Arm, Protocol, Randomisation
from cdss.evaluation.reasons import Reason, Refusal
from cdss.evaluation.records import (
    AnswerRecord,
    EventRecord,
    IncidentRecord,
    NotRandomisedRecord,
    OutcomeRecord,
    ParticipantRecord,
)


def count_not_randomised(session: Session, code: str, form: NotRandomised) -> None:
    """Count a patient who is not randomised."""
    protocol = protocol_of(find_open_trial(session, code))
    key = (code, protocol.cluster(form.cluster).code, form.reason)
    record = session.get(NotRandomisedRecord, key, with_for_update=True)
    if record is None:
        session.add(NotRandomisedRecord(trial=code, cluster=key[1], reason=key[2], number=1))
    else:
        record.number += 1


def counts_by_reason(session: Session, code: str) -> Mapping[str, int]:
    """Return how many patients were not randomised, per reason."""
    rows = session.execute(
        select(NotRandomisedRecord.reason, func.sum(NotRandomisedRecord.number))
        .where(NotRandomisedRecord.trial == code)
        .group_by(NotRandomisedRecord.reason)
    )
    return {reason: int(number) for reason, number in rows}


def enrol(session: Session, code: str, form: Enrolment) -> str:
    """Keep a patient who consented; see `Conduct.enrol`."""
    if not form.consent.given:
        raise Refusal("no_consent")
    record = find_open_trial(session, code, lock=True)
    protocol = protocol_of(record)
    if form.consent.version != protocol.consent.version:
        raise Refusal("consent_version", version=protocol.consent.version)
    if form.consent.language not in protocol.consent.languages:
        raise Refusal("consent_language", languages=protocol.consent.languages)
    stratum = stratum_of(protocol, form.cluster, form.factors)
    enrolled = session.scalar(
        select(func.count()).select_from(ParticipantRecord).where(ParticipantRecord.trial == code)
    )
    if (enrolled or 0) >= protocol.sample_size:
        raise Refusal("full", code=code, size=protocol.sample_size)
    identifier = secrets.token_hex(8)
    session.add(
        ParticipantRecord(
            identifier=identifier,
            trial=code,
            cluster=form.cluster,
            stratum=stratum,
            period=record.period,
            consent_version=form.consent.version,
            consent_language=form.consent.language,
            consented_at=now(),
            baseline=form.baseline.model_dump(mode="json"),
            position=None,
            arm=None,
            release="",
            allocated_at=None,
            withdrawn_at=None,
            erased=False,
        )
    )
    return identifier


def allocate(session: Session, identifier: str, *, release: str) -> Arm:
    """Give the next allocation of the patient's stratum; see `Conduct.allocate`."""
    participant = find_active(session, identifier)
    trial = find_open_trial(session, participant.trial, lock=True)
    protocol = protocol_of(trial)
    if participant.arm is not None:
        raise Refusal("allocated", identifier=identifier, arm=participant.arm)
    missing = _unanswered_before(session, protocol, identifier)
    if missing:
        raise Refusal("instruments_missing", instruments=missing)
    secret = list_of(trial)
    if protocol.allocation.randomisation is Randomisation.INDIVIDUAL:
        last = session.scalar(
            select(func.max(ParticipantRecord.position)).where(
                ParticipantRecord.trial == trial.code, ParticipantRecord.stratum == participant.stratum
            )
        )
        participant.position = 0 if last is None else last + 1
        arm = secret.strata[participant.stratum][participant.position]
    else:
        arm = secret.clusters[participant.cluster][participant.period]
    participant.arm, participant.release, participant.allocated_at = arm.value, release, now()
    return arm


def _unanswered_before(session: Session, protocol: Protocol, identifier: str) -> list[Reason]:
    """Return the instruments of before the consultation that are not in yet."""
    scheduled = [(i.code, i.respondent) for i in protocol.instruments if "before" in i.moments]
    return [
        Reason("by", {"instrument": code, "respondent": respondent})
        for code, respondent in scheduled
        if session.get(AnswerRecord, (identifier, code, respondent, "before")) is None
    ]


def withdraw(session: Session, identifier: str, *, keep_data: bool) -> None:
    """End a participation; see `Conduct.withdraw`."""
    participant = find_active(session, identifier)
    participant.withdrawn_at, participant.erased = now(), not keep_data
    if keep_data:
        return
    participant.baseline = {}
    for record in (AnswerRecord, EventRecord, OutcomeRecord):
        session.execute(delete(record).where(record.participant == identifier))
    # The law wants reports of incidents kept; nothing in them leads to the patient any more.
    session.execute(
        update(IncidentRecord).where(IncidentRecord.participant == identifier).values(participant=None, day=None)
    )
