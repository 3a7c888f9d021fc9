"""What a trial keeps: tables of the service's database.

Nothing names a person. A participant is a random identifier made at consent; the list that ties it to a person stays
at the site. A patient who does not consent leaves a count, never a row.
"""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cdss.persistence.base import Base, UtcDateTime


class TrialRecord(Base):
    """A trial: its protocol as opened, its secret seed, and the commitment published for it.

    Attributes
    ----------
    code : str
    protocol : str
        The protocol as JSON, never changed.
    digest, commitment : str
        SHA-256 of the protocol, and of the allocation list with the salt.
    seed, salt : str
        Secret until the trial is closed.
    status : str
        ``open`` or ``closed``.
    period : int
        Of a stepped wedge, from 0.
    opened_at, closed_at : datetime
    """

    __tablename__ = "evaluation_trial"

    code: Mapped[str] = mapped_column(String(40), primary_key=True)
    protocol: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(String(64))
    commitment: Mapped[str] = mapped_column(String(64))
    seed: Mapped[str] = mapped_column(String(40))
    salt: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(10))
    period: Mapped[int]
    opened_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)


class NotRandomisedRecord(Base):
    """How many patients of a neurologist were not randomised, per reason."""

    __tablename__ = "evaluation_not_randomised"

    trial: Mapped[str] = mapped_column(ForeignKey("evaluation_trial.code"), primary_key=True)
    cluster: Mapped[str] = mapped_column(String(40), primary_key=True)
    reason: Mapped[str] = mapped_column(String(20), primary_key=True)
    number: Mapped[int]


class ParticipantRecord(Base):
    """A patient who consented.

    Attributes
    ----------
    identifier : str
        Random.
    trial, cluster, stratum : str
    period : int
        At enrolment.
    consent_version, consent_language : str
    consented_at : datetime
    baseline : dict
        Features of the patient, and nothing else.
    position : int or None
        In the list of the stratum, given at the allocation.
    arm : str or None
        Known from the allocation on.
    release : str
        Version of the reference database served at the allocation.
    allocated_at, withdrawn_at : datetime or None
    erased : bool
        Whether everything collected was erased at withdrawal.
    """

    __tablename__ = "evaluation_participant"
    __table_args__ = (UniqueConstraint("trial", "stratum", "position"),)

    identifier: Mapped[str] = mapped_column(String(20), primary_key=True)
    trial: Mapped[str] = mapped_column(ForeignKey("evaluation_trial.code"), index=True)
    cluster: Mapped[str] = mapped_column(String(40))
    stratum: Mapped[str] = mapped_column(String(250))
    period: Mapped[int]
    consent_version: Mapped[str] = mapped_column(String(40))
    consent_language: Mapped[str] = mapped_column(String(5))
    consented_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    baseline: Mapped[dict[str, Any]] = mapped_column(JSON)
    position: Mapped[int | None]
    arm: Mapped[str | None] = mapped_column(String(10))
    release: Mapped[str] = mapped_column(String(80))
    allocated_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    erased: Mapped[bool]


class AnswerRecord(Base):
    """One filled-in instrument: responses as given, score by the published rule."""

    __tablename__ = "evaluation_answer"

    participant: Mapped[str] = mapped_column(ForeignKey("evaluation_participant.identifier"), primary_key=True)
    instrument: Mapped[str] = mapped_column(String(20), primary_key=True)
    respondent: Mapped[str] = mapped_column(String(20), primary_key=True)
    moment: Mapped[str] = mapped_column(String(10), primary_key=True)
    language: Mapped[str] = mapped_column(String(5))
    responses: Mapped[list[int | None]] = mapped_column(JSON)
    total: Mapped[float | None]
    subscales: Mapped[dict[str, float | None]] = mapped_column(JSON)
    answered_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


class EventRecord(Base):
    """Something that happened in the consultation."""

    __tablename__ = "evaluation_event"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    participant: Mapped[str] = mapped_column(ForeignKey("evaluation_participant.identifier"), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    seconds: Mapped[int]
    detail: Mapped[str] = mapped_column(String(80))
    received_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


class IncidentRecord(Base):
    """An adverse event, or a deficiency of the tool, coded; the narrative stays at the site under its number.

    Attributes
    ----------
    number : int
    trial, cluster : str
    participant : str or None
        None for a deficiency without a patient, and once the patient's data were erased.
    kind, relation : str
    serious : bool
    severity, course, deficiency : str or None
    day : int or None
        After the consultation.
    """

    __tablename__ = "evaluation_incident"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    trial: Mapped[str] = mapped_column(ForeignKey("evaluation_trial.code"), index=True)
    cluster: Mapped[str] = mapped_column(String(40))
    participant: Mapped[str | None] = mapped_column(ForeignKey("evaluation_participant.identifier"))
    kind: Mapped[str] = mapped_column(String(20))
    serious: Mapped[bool]
    severity: Mapped[str | None] = mapped_column(String(20))
    relation: Mapped[str] = mapped_column(String(20))
    course: Mapped[str | None] = mapped_column(String(20))
    deficiency: Mapped[str | None] = mapped_column(String(30))
    day: Mapped[int | None]
    received_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)


class OutcomeRecord(Base):
    """What an outcome visit found."""

    __tablename__ = "evaluation_outcome"
    __table_args__ = (CheckConstraint("month > 0", name="month_is_positive"),)

    participant: Mapped[str] = mapped_column(ForeignKey("evaluation_participant.identifier"), primary_key=True)
    month: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    relapses: Mapped[int]
    edss: Mapped[float | None]
    worsening_month: Mapped[float | None]
    received_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
