"""Conduct a trial: open, consent, allocate, collect, withdraw, close. Each verb is one transaction.

Concealment: the list is not kept but made again from the secret seed at each allocation; an allocation is given only
to a consenting patient whose baseline questionnaires are in, one at a time, and cannot be asked for twice.
"""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import orjson
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from cdss.errors import NotAllowed, NotFound
from cdss.evaluation.allocation import AllocationList, allocation_list, stratum_of
from cdss.evaluation.forms import TOOL_EVENTS, Answer, Enrolment, Event, NotRandomised, Outcome
from cdss.evaluation.instruments import Score, instrument
from cdss.evaluation.protocol import Arm, Protocol, Randomisation, parse_protocol
from cdss.evaluation.records import (
    AnswerRecord,
    EventRecord,
    NotRandomisedRecord,
    OutcomeRecord,
    ParticipantRecord,
    TrialRecord,
)
from cdss.persistence import Database
from reference_db.errors import FieldProblem, InvalidInput

OPEN, CLOSED = "open", "closed"


@dataclass(frozen=True, slots=True)
class TrialState:
    """What anybody may know of a trial.

    Attributes
    ----------
    code, status, digest, commitment : str
    period : int
    opened_at : datetime
    closed_at : datetime or None
    seed, salt : str or None
        Known once the trial is closed: with them anybody can check the commitment.
    """

    code: str
    status: str
    digest: str
    commitment: str
    period: int
    opened_at: datetime.datetime
    closed_at: datetime.datetime | None
    seed: str | None
    salt: str | None


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@lru_cache(maxsize=32)
def _protocol(document: str) -> Protocol:
    return parse_protocol(orjson.loads(document))


@lru_cache(maxsize=8)
def _list(document: str, seed: str) -> AllocationList:
    return allocation_list(_protocol(document), seed=int(seed))


@dataclass(frozen=True)
class Conduct:
    """The verbs of a trial on a database.

    Parameters
    ----------
    database : Database
    """

    database: Database

    def open(self, protocol: Protocol, *, seed: int | None = None) -> TrialState:
        """Open a trial: fix its protocol and its allocation, and publish the commitment to it.

        Parameters
        ----------
        protocol : Protocol
        seed : int, optional
            Seed of the allocation, not negative; drawn from the system's entropy by default, which is what a real
            trial should do.

        Raises
        ------
        NotAllowed
            If there is a trial of that code already.
        """
        document = orjson.dumps(protocol.document(), option=orjson.OPT_SORT_KEYS).decode()
        secret, salt = str(secrets.randbits(63) if seed is None else seed), secrets.token_hex(32)
        commitment = allocation_list(protocol, seed=int(secret)).commitment(salt)
        record = TrialRecord(
            code=protocol.code,
            protocol=document,
            digest=protocol.digest,
            commitment=commitment,
            seed=secret,
            salt=salt,
            status=OPEN,
            period=0,
            opened_at=_now(),
            closed_at=None,
        )
        with self.database.session() as session:
            if session.get(TrialRecord, protocol.code) is not None:
                raise NotAllowed(f"trial {protocol.code} is open already: a changed protocol needs another code")
            session.add(record)
        return _state(record)

    def trials(self) -> tuple[TrialState, ...]:
        """Return every trial, in the order of their codes."""
        with self.database.reading() as session:
            records = session.scalars(select(TrialRecord).order_by(TrialRecord.code)).all()
        return tuple(_state(record) for record in records)

    def trial(self, code: str) -> tuple[TrialState, Protocol]:
        """Return what anybody may know of a trial, and its protocol.

        Raises
        ------
        NotFound
            If there is no trial of that code.
        """
        with self.database.reading() as session:
            record = _trial(session, code)
        return _state(record), _protocol(record.protocol)

    def participant(self, identifier: str) -> tuple[ParticipantRecord, Protocol]:
        """Return a participant and the protocol of the trial.

        Raises
        ------
        NotFound
            If there is no such participant.
        """
        with self.database.reading() as session:
            record = _participant(session, identifier)
            return record, _protocol(_trial(session, record.trial).protocol)

    def next_period(self, code: str) -> TrialState:
        """Begin the next period of a stepped wedge.

        Raises
        ------
        NotAllowed
            If the trial has no further period.
        """
        with self.database.session() as session:
            record = _open_trial(session, code)
            periods = _protocol(record.protocol).allocation.periods
            if record.period + 1 >= periods:
                raise NotAllowed(f"trial {code} is in its last period, of {periods}")
            record.period += 1
        return _state(record)

    def close(self, code: str) -> TrialState:
        """Close a trial to new patients, and make seed and salt known. Outcome visits go on."""
        with self.database.session() as session:
            record = _open_trial(session, code)
            record.status, record.closed_at = CLOSED, _now()
        return _state(record)

    def allocation_list(self, code: str) -> AllocationList:
        """Return the whole list of a closed trial.

        Raises
        ------
        NotAllowed
            If the trial is open: the list is secret until then.
        """
        with self.database.reading() as session:
            record = _trial(session, code)
        if record.status != CLOSED:
            raise NotAllowed(f"the allocation of trial {code} is secret until it is closed")
        return _list(record.protocol, record.seed)

    def count_not_randomised(self, code: str, form: NotRandomised) -> None:
        """Count a patient who is not randomised."""
        with self.database.session() as session:
            protocol = _protocol(_open_trial(session, code).protocol)
            key = (code, protocol.cluster(form.cluster).code, form.reason)
            record = session.get(NotRandomisedRecord, key, with_for_update=True)
            if record is None:
                session.add(NotRandomisedRecord(trial=code, cluster=key[1], reason=key[2], number=1))
            else:
                record.number += 1

    def enrol(self, code: str, form: Enrolment) -> str:
        """Keep a patient who consented, and return the random identifier.

        Raises
        ------
        NotAllowed
            Without consent, or with another version of the form: nothing is stored.
        InvalidInput
            If the neurologist or a factor is unknown.
        """
        if not form.consent.given:
            raise NotAllowed("without consent nothing is stored: count the patient under screening instead")
        with self.database.session() as session:
            record = _open_trial(session, code, lock=True)
            protocol = _protocol(record.protocol)
            if form.consent.version != protocol.consent.version:
                raise NotAllowed(f"consent must be to version {protocol.consent.version} of the form")
            if form.consent.language not in protocol.consent.languages:
                raise NotAllowed(f"the form exists in {', '.join(protocol.consent.languages)}")
            stratum = stratum_of(protocol, form.cluster, form.factors)
            enrolled = session.scalar(
                select(func.count()).select_from(ParticipantRecord).where(ParticipantRecord.trial == code)
            )
            if (enrolled or 0) >= protocol.sample_size:
                raise NotAllowed(f"trial {code} has its {protocol.sample_size} patients")
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
                    consented_at=_now(),
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

    def allocate(self, identifier: str, *, release: str = "") -> Arm:
        """Give the next allocation of the patient's stratum.

        Parameters
        ----------
        identifier : str
        release : str
            Version of the reference database that is served.

        Raises
        ------
        NotAllowed
            If a questionnaire of before the consultation is not in yet, or there is an allocation already.
        """
        with self.database.session() as session:
            participant = _active(session, identifier)
            trial = _open_trial(session, participant.trial, lock=True)
            protocol = _protocol(trial.protocol)
            if participant.arm is not None:
                raise NotAllowed(f"participant {identifier} has an allocation: {participant.arm}")
            missing = _unanswered_before(session, protocol, identifier)
            if missing:
                raise NotAllowed(f"before the allocation, {' and '.join(missing)} must be filled in")
            secret = _list(trial.protocol, trial.seed)
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
            participant.arm, participant.release, participant.allocated_at = arm.value, release, _now()
        return arm

    def answer(self, identifier: str, sitting: Sequence[Answer]) -> tuple[Score, ...]:
        """Keep and score the instruments filled in at one sitting: all of them, or none.

        Raises
        ------
        NotAllowed
            If the protocol does not schedule one for that respondent, moment and arm, or it is in already.
        InvalidInput
            If a response is not on the scale.
        """
        scores = [instrument(form.instrument).score(form.responses) for form in sitting]
        with self.database.session() as session:
            participant = _active(session, identifier)
            protocol = _protocol(_trial(session, participant.trial).protocol)
            now = _now()
            for form, score in zip(sitting, scores, strict=True):
                _require_scheduled(protocol, participant, form)
                key = (identifier, form.instrument, form.respondent, form.moment)
                if session.get(AnswerRecord, key) is not None:
                    raise NotAllowed(f"{form.instrument} {form.moment} the consultation is in already")
                session.add(
                    AnswerRecord(
                        participant=identifier,
                        instrument=form.instrument,
                        respondent=form.respondent,
                        moment=form.moment,
                        language=form.language,
                        responses=list(form.responses),
                        total=score.total,
                        subscales=dict(score.subscales),
                        answered_at=now,
                    )
                )
                session.flush()
        return tuple(scores)

    def record_events(self, identifier: str, events: Sequence[Event]) -> int:
        """Keep consultation events and return how many of them deviate from the allocation.

        The use of the tool in a consultation as usual is a deviation: kept, counted, and shown in the report.
        """
        with self.database.session() as session:
            participant = _active(session, identifier)
            if participant.arm is None and any(event.kind != "considered_before" for event in events):
                raise NotAllowed("before the allocation, only considered_before can be recorded")
            now = _now()
            session.add_all(
                EventRecord(
                    participant=identifier,
                    kind=event.kind,
                    seconds=event.seconds,
                    detail=event.detail,
                    received_at=now,
                )
                for event in events
            )
            usual = participant.arm == Arm.USUAL.value
        return sum(usual and event.kind in TOOL_EVENTS for event in events)

    def record_outcomes(self, identifier: str, visits: Sequence[Outcome]) -> None:
        """Keep what outcome visits found; a second report of the same month replaces the first.

        Raises
        ------
        InvalidInput
            If the protocol has no visit at a month.
        """
        with self.database.session() as session:
            participant = _active(session, identifier)
            months = _protocol(_trial(session, participant.trial).protocol).follow_up_months
            if participant.arm is None:
                raise NotAllowed("outcomes follow the allocation")
            unscheduled = [
                FieldProblem(f"visits[{i}].month", "is no visit of the protocol", ", ".join(map(str, months)))
                for i, visit in enumerate(visits)
                if visit.month not in months
            ]
            if unscheduled:
                raise InvalidInput(unscheduled)
            now = _now()
            for visit in visits:
                session.merge(OutcomeRecord(participant=identifier, received_at=now, **visit.model_dump()))

    def withdraw(self, identifier: str, *, keep_data: bool) -> None:
        """End a patient's participation; erase everything collected when the patient wants so.

        What remains of an erased patient is the allocation, without which the list could not be checked.
        """
        with self.database.session() as session:
            participant = _active(session, identifier)
            participant.withdrawn_at, participant.erased = _now(), not keep_data
            if not keep_data:
                participant.baseline = {}
                for record in (AnswerRecord, EventRecord, OutcomeRecord):
                    session.execute(delete(record).where(record.participant == identifier))


def _state(record: TrialRecord) -> TrialState:
    closed = record.status == CLOSED
    return TrialState(
        code=record.code,
        status=record.status,
        digest=record.digest,
        commitment=record.commitment,
        period=record.period,
        opened_at=record.opened_at,
        closed_at=record.closed_at,
        seed=record.seed if closed else None,
        salt=record.salt if closed else None,
    )


def _trial(session: Session, code: str, *, lock: bool = False) -> TrialRecord:
    record = session.get(TrialRecord, code, with_for_update=lock or None)
    if record is None:
        raise NotFound(f"there is no trial {code}")
    return record


def _open_trial(session: Session, code: str, *, lock: bool = False) -> TrialRecord:
    record = _trial(session, code, lock=lock)
    if record.status != OPEN:
        raise NotAllowed(f"trial {code} is closed")
    return record


def _participant(session: Session, identifier: str) -> ParticipantRecord:
    record = session.get(ParticipantRecord, identifier)
    if record is None:
        raise NotFound("there is no such participant")
    return record


def _active(session: Session, identifier: str) -> ParticipantRecord:
    record = _participant(session, identifier)
    if record.withdrawn_at is not None:
        raise NotAllowed("the participant has withdrawn: nothing more is stored")
    return record


def _unanswered_before(session: Session, protocol: Protocol, identifier: str) -> list[str]:
    """Return the instruments of before the consultation that are not in yet."""
    scheduled = [(i.code, i.respondent) for i in protocol.instruments if "before" in i.moments]
    return [
        f"{code} by the {respondent}"
        for code, respondent in scheduled
        if session.get(AnswerRecord, (identifier, code, respondent, "before")) is None
    ]


def _require_scheduled(protocol: Protocol, participant: ParticipantRecord, form: Answer) -> None:
    for scheduled in protocol.instruments:
        if (scheduled.code, scheduled.respondent) == (form.instrument, form.respondent):
            if form.moment not in scheduled.moments:
                break
            if form.moment == "before":
                if participant.arm is not None:
                    raise NotAllowed("questionnaires of before the consultation end with the allocation")
                return
            if participant.arm is None:
                raise NotAllowed("questionnaires of after the consultation follow the allocation")
            if participant.arm in {arm.value for arm in scheduled.arms}:
                return
            break
    raise NotAllowed(
        f"the protocol does not schedule {form.instrument} for the {form.respondent} {form.moment} this consultation"
    )


def counts_by_reason(session: Session, code: str) -> Mapping[str, int]:
    """Return how many patients were not randomised, per reason."""
    rows = session.execute(
        select(NotRandomisedRecord.reason, func.sum(NotRandomisedRecord.number))
        .where(NotRandomisedRecord.trial == code)
        .group_by(NotRandomisedRecord.reason)
    )
    return {reason: int(number) for reason, number in rows}
