"""The verbs of a trial on a database. Each is one transaction: done whole, or not at all."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from cdss.evaluation.allocation import AllocationList
from cdss.evaluation.conduct import consultation, enrolment, follow_up, trials
from cdss.evaluation.conduct.consultation import EventsKept
from cdss.evaluation.conduct.follow_up import VisitDue
from cdss.evaluation.conduct.trials import CLOSED, TrialState, state_of
from cdss.evaluation.forms import Answer, Enrolment, Event, Incident, NotRandomised, Outcome
from cdss.evaluation.instruments import Score
from cdss.evaluation.protocol import Arm, Protocol
from cdss.evaluation.reasons import Refusal
from cdss.evaluation.records import ParticipantRecord, TrialRecord
from cdss.persistence import Database


@dataclass(frozen=True)
class Conduct:
    """The conduct of trials.

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
        with self.database.session() as session:
            record = trials.open_trial(session, protocol, seed=seed)
        return state_of(record)

    def trials(self) -> tuple[TrialState, ...]:
        """Return every trial, in the order of their codes."""
        with self.database.reading() as session:
            records = session.scalars(select(TrialRecord).order_by(TrialRecord.code)).all()
        return tuple(state_of(record) for record in records)

    def trial(self, code: str) -> tuple[TrialState, Protocol]:
        """Return what anybody may know of a trial, and its protocol.

        Raises
        ------
        NotFound
            If there is no trial of that code.
        """
        with self.database.reading() as session:
            record = trials.find_trial(session, code)
        return state_of(record), trials.protocol_of(record)

    def participant(self, identifier: str) -> tuple[ParticipantRecord, Protocol]:
        """Return a participant and the protocol of the trial.

        Raises
        ------
        NotFound
            If there is no such participant.
        """
        with self.database.reading() as session:
            record = trials.find_participant(session, identifier)
            return record, trials.protocol_of(trials.find_trial(session, record.trial))

    def next_period(self, code: str) -> TrialState:
        """Begin the next period of a stepped wedge.

        Raises
        ------
        NotAllowed
            If the trial has no further period.
        """
        with self.database.session() as session:
            record = trials.begin_next_period(session, code)
        return state_of(record)

    def close(self, code: str) -> TrialState:
        """Close a trial to new patients, and make seed and salt known. Outcome visits go on."""
        with self.database.session() as session:
            record = trials.close_trial(session, code)
        return state_of(record)

    def allocation_list(self, code: str) -> AllocationList:
        """Return the whole list of a closed trial.

        Raises
        ------
        NotAllowed
            If the trial is open: the list is secret until then.
        """
        with self.database.reading() as session:
            record = trials.find_trial(session, code)
        if record.status != CLOSED:
            raise Refusal("list_secret", code=code)
        return trials.list_of(record)

    def count_not_randomised(self, code: str, form: NotRandomised) -> None:
        """Count a patient who is not randomised; nothing else of them is stored."""
        with self.database.session() as session:
            enrolment.count_not_randomised(session, code, form)

    def enrol(self, code: str, form: Enrolment) -> str:
        """Keep a patient who consented, and return the random identifier.

        Raises
        ------
        NotAllowed
            Without consent, or with another version of the form: nothing is stored.
        InvalidInput
            If the neurologist or a factor is unknown.
        """
        with self.database.session() as session:
            return enrolment.enrol(session, code, form)

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
            return enrolment.allocate(session, identifier, release=release)

    def withdraw(self, identifier: str, *, keep_data: bool) -> None:
        """End a patient's participation; erase everything collected when the patient wants so.

        What remains of an erased patient is the allocation, without which the list could not be checked, and reports
        of incidents, which no longer say whose they were.
        """
        with self.database.session() as session:
            enrolment.withdraw(session, identifier, keep_data=keep_data)

    def require_tool(self, identifier: str) -> None:
        """Verify that the tool may be opened for a participant.

        Raises
        ------
        NotFound
            If there is no such participant: nobody consented.
        NotAllowed
            After withdrawal, before the allocation, or when the consultation is allocated to usual.
        """
        with self.database.reading() as session:
            consultation.require_tool(session, identifier)

    def answer(self, identifier: str, sitting: Sequence[Answer]) -> tuple[Score, ...]:
        """Keep and score the instruments filled in at one sitting: all of them, or none.

        Raises
        ------
        NotAllowed
            If the protocol does not schedule one for that respondent, moment and arm, or it is in already.
        InvalidInput
            If a response is not on the scale.
        """
        with self.database.session() as session:
            return consultation.answer(session, identifier, sitting)

    def record_events(self, identifier: str, events: Sequence[Event]) -> EventsKept:
        """Keep consultation events: all of those that can be kept, or none.

        The use of the tool in a consultation as usual is a deviation: kept, counted, and shown in the report, because
        a trial that hides them would be analysed as if they had not happened. Events sent once more, because the
        answer got lost, and what the tool is used for after the end, are ignored.

        Raises
        ------
        InvalidInput
            If the events go back in time.
        NotAllowed
            If one cannot follow those before it: see `docs/evaluation.md`.
        """
        with self.database.session() as session:
            return consultation.record_events(session, identifier, events)

    def record_outcomes(self, identifier: str, visits: Sequence[Outcome]) -> None:
        """Keep what outcome visits found; a second report of the same month replaces the first.

        Raises
        ------
        InvalidInput
            If the protocol has no visit at a month.
        """
        with self.database.session() as session:
            follow_up.record_outcomes(session, identifier, visits)

    def visits_due(self, code: str, *, today: datetime.date | None = None) -> tuple[VisitDue, ...]:
        """Return the outcome visits of a trial that are due and not reported, the longest due first."""
        with self.database.reading() as session:
            return follow_up.visits_due(session, code, today=today or trials.now().date())

    def report_incident(self, code: str, form: Incident) -> int:
        """Keep the report of an adverse event or a deficiency of the tool, open trial or closed; return its number.

        A serious one raises an alert in the log, which names the trial and the number and nothing of the patient.

        Raises
        ------
        NotAllowed
            If its participant has withdrawn.
        InvalidInput
            If the neurologist is unknown, or the participant takes part in another trial.
        """
        with self.database.session() as session:
            return follow_up.report_incident(session, code, form)
