"""The life of a trial: opened with its protocol and allocation fixed, moved through its periods, closed."""

from __future__ import annotations

import datetime
import secrets
from dataclasses import dataclass
from functools import lru_cache

import orjson
from sqlalchemy.orm import Session

from cdss.evaluation.allocation import AllocationList, allocation_list
from cdss.evaluation.protocol import Protocol, parse_protocol
from cdss.evaluation.reasons import Refusal, Unknown
from cdss.evaluation.records import ParticipantRecord, TrialRecord

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


def now() -> datetime.datetime:
    """Return the time, in UTC."""
    return datetime.datetime.now(datetime.UTC)


@lru_cache(maxsize=32)
def _parsed(document: str) -> Protocol:
    return parse_protocol(orjson.loads(document))


@lru_cache(maxsize=8)
def _made_again(document: str, seed: str) -> AllocationList:
    return allocation_list(_parsed(document), seed=int(seed))


def protocol_of(trial: TrialRecord) -> Protocol:
    """Return the protocol that a trial was opened with."""
    return _parsed(trial.protocol)


def list_of(trial: TrialRecord) -> AllocationList:
    """Return the allocation list of a trial, made again from its secret seed."""
    return _made_again(trial.protocol, trial.seed)


def state_of(trial: TrialRecord) -> TrialState:
    """Return what anybody may know of a trial."""
    closed = trial.status == CLOSED
    return TrialState(
        code=trial.code,
        status=trial.status,
        digest=trial.digest,
        commitment=trial.commitment,
        period=trial.period,
        opened_at=trial.opened_at,
        closed_at=trial.closed_at,
        seed=trial.seed if closed else None,
        salt=trial.salt if closed else None,
    )


def find_trial(session: Session, code: str, *, lock: bool = False) -> TrialRecord:
    """Return a trial.

    Raises
    ------
    NotFound
        If there is none of that code.
    """
    record = session.get(TrialRecord, code, with_for_update=lock or None)
    if record is None:
        raise Unknown("no_trial", code=code)
    return record


def find_open_trial(session: Session, code: str, *, lock: bool = False) -> TrialRecord:
    """Return a trial that takes patients; `NotAllowed` when it is closed."""
    record = find_trial(session, code, lock=lock)
    if record.status != OPEN:
        raise Refusal("trial_closed", code=code)
    return record


def find_participant(session: Session, identifier: str) -> ParticipantRecord:
    """Return a participant.

    Raises
    ------
    NotFound
        If there is none of that identifier, as when nobody consented.
    """
    record = session.get(ParticipantRecord, identifier)
    if record is None:
        raise Unknown("no_participant")
    return record


def find_active(session: Session, identifier: str) -> ParticipantRecord:
    """Return a participant who still takes part; `NotAllowed` after withdrawal."""
    record = find_participant(session, identifier)
    if record.withdrawn_at is not None:
        raise Refusal("withdrawn")
    return record


def open_trial(session: Session, protocol: Protocol, *, seed: int | None) -> TrialRecord:
    """Fix protocol and allocation of a trial; see `Conduct.open`."""
    secret, salt = str(secrets.randbits(63) if seed is None else seed), secrets.token_hex(32)
    record = TrialRecord(
        code=protocol.code,
        protocol=orjson.dumps(protocol.document(), option=orjson.OPT_SORT_KEYS).decode(),
        digest=protocol.digest,
        commitment=allocation_list(protocol, seed=int(secret)).commitment(salt),
        seed=secret,
        salt=salt,
        status=OPEN,
        period=0,
        opened_at=now(),
        closed_at=None,
    )
    if session.get(TrialRecord, protocol.code) is not None:
        raise Refusal("open_already", code=protocol.code)
    session.add(record)
    return record


def begin_next_period(session: Session, code: str) -> TrialRecord:
    """Begin the next period of a stepped wedge; `NotAllowed` when there is none."""
    record = find_open_trial(session, code, lock=True)
    periods = protocol_of(record).allocation.periods
    if record.period + 1 >= periods:
        raise Refusal("last_period", code=code, periods=periods)
    record.period += 1
    return record


def close_trial(session: Session, code: str) -> TrialRecord:
    """Close a trial to new patients; seed and salt are known from now on."""
    record = find_open_trial(session, code, lock=True)
    record.status, record.closed_at = CLOSED, now()
    return record
