"""The audit trail: records appended in one chain by all processes, and checked from the first to the last."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import structlog
from sqlalchemy import Connection, insert, select, text

from cdss.audit.key import AuditKey, audit_key
from cdss.audit.record import AuditRecord
from cdss.audit.witness import WITNESS_FILE, Head, Witness, WitnessAltered
from cdss.errors import DatabaseUnavailable, TrailBroken
from cdss.persistence import Database
from cdss.settings import Settings

WITNESS_BEGUN = "audit.witness-begun"
"""Action of the record that tells that the witness was missing when records were already there."""

_START = Head(0, "0" * 64)
_LOCK = 4_702_111_936
_BATCH = 500
_TABLE = AuditRecord.metadata.tables[AuditRecord.__tablename__]
_INSERT = insert(_TABLE)
_NEWEST = select(_TABLE.c.sequence, _TABLE.c.digest).order_by(_TABLE.c.sequence.desc()).limit(1)
_TAKE_LOCK = text("SELECT pg_advisory_xact_lock(:lock)")
_UNREADABLE = (ValueError, TypeError, OverflowError)
"""What reading a value raises that its column could never have been given."""

_log = structlog.get_logger()


class Outcome(StrEnum):
    """How what was done ended."""

    SUCCESS = "success"
    REFUSED = "refused"
    FAILED = "failed"

    @classmethod
    def of_status(cls, status: int) -> Outcome:
        """Return the outcome of an HTTP status."""
        if status < 400:
            return cls.SUCCESS
        return cls.REFUSED if status < 500 else cls.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """What is to be recorded; identifiers are replaced by pseudonyms before they reach the database.

    Attributes
    ----------
    actor, session : str
        Identifiers or tokens, never kept.
    role, action, release, subject : str
        As in `AuditRecord`.
    outcome : Outcome
    status : int
    """

    actor: str
    role: str
    action: str
    outcome: Outcome
    session: str = ""
    release: str = ""
    subject: str = ""
    status: int = 0


@dataclass(frozen=True, slots=True)
class Verification:
    """What checking the whole trail found.

    Attributes
    ----------
    records : int
        Records read.
    head : Head or None
        The last one that is intact.
    broken : int or None
        Number of the first record that is altered, missing or out of place.
    problem : str
        What is wrong with it; empty when nothing is.
    """

    records: int
    head: Head | None
    broken: int | None = None
    problem: str = ""

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problem


@dataclass(kw_only=True)
class _Link:
    """A record about to be written: the columns of `AuditRecord` without its mapping, which takes time."""

    sequence: int
    at: datetime.datetime
    actor: str
    role: str
    action: str
    session: str
    release: str
    subject: str
    outcome: str
    status: int
    previous: str
    digest: str = ""


class AuditTrail:
    """The trail of one installation.

    Parameters
    ----------
    database : Database
    key : AuditKey
    witness : Witness
    """

    def __init__(self, database: Database, key: AuditKey, witness: Witness) -> None:
        self._database = database
        self._key = key
        self._witness = witness

    def append(self, entries: Sequence[AuditEntry]) -> Head:
        """Record entries, in one transaction and in their order, and return the new head.

        Raises
        ------
        DatabaseUnavailable
            If they cannot be kept; then none is.
        """
        with self._database.connection() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(_TAKE_LOCK, {"lock": _LOCK})
            head = last = _last(connection)
            if self._begin_witness() and head != _START:
                begun = AuditEntry(actor="", role="service", action=WITNESS_BEGUN, outcome=Outcome.SUCCESS)
                entries = [begun, *entries]
            rows = []
            for entry in entries:
                link = self._link(entry, head)
                rows.append(vars(link))
                head = Head(link.sequence, link.digest)
            if rows:
                connection.execute(_INSERT, rows)
        self._advance(head, last)
        return head

    def _begin_witness(self) -> bool:
        """Begin the witness where there is none; True when that was so.

        Before the first record is committed: another process that finds the record and no witness would take it for
        one that disappeared.
        """
        try:
            return self._witness.begin(_START)
        except OSError as error:
            _log.error("audit_witness_not_written", reason=error.strerror)
            return False

    def records(self) -> Iterator[AuditRecord]:
        """Give every record in the order of the chain.

        Raises
        ------
        TrailBroken
            At a record that cannot be read.
        """
        for number, record in self._found():
            if record is None:
                raise TrailBroken(f"record {number} of the audit trail cannot be read: run `cdss audit verify`")
            yield record

    def _found(self) -> Iterator[tuple[int, AuditRecord | None]]:
        """Give the number of every record, and the record unless it was altered into something unreadable."""
        last = None
        while True:
            numbers = select(AuditRecord.sequence).order_by(AuditRecord.sequence).limit(_BATCH)
            with self._database.reading() as session:
                found = session.scalars(numbers if last is None else numbers.where(AuditRecord.sequence > last)).all()
            yield from self._batch(found)
            if len(found) < _BATCH:
                return
            last = found[-1]

    def _batch(self, numbers: Sequence[int]) -> Iterator[tuple[int, AuditRecord | None]]:
        if not numbers:
            return
        query = select(AuditRecord).order_by(AuditRecord.sequence)
        try:
            with self._database.reading() as session:
                found = session.scalars(query.where(AuditRecord.sequence.in_(numbers))).all()
        except (*_UNREADABLE, DatabaseUnavailable):
            # One of them holds what its column cannot; which one, each tells by itself.
            found = []
        by_number = {record.sequence: record for record in found}
        for number in numbers:
            yield number, by_number.get(number) or self._alone(number)

    def _alone(self, number: int) -> AuditRecord | None:
        try:
            with self._database.reading() as session:
                return session.get(AuditRecord, number)
        except _UNREADABLE:
            return None
        except DatabaseUnavailable:
            # The record, or the whole database? In the latter case this raises.
            with self._database.reading() as session:
                session.scalar(select(AuditRecord.sequence).where(AuditRecord.sequence == number))
            return None

    def verify(self, *, expected: Sequence[Head] = (), new_witness_allowed: bool = False) -> Verification:
        """Check every record, the chain, and its end against the witness.

        Parameters
        ----------
        expected : sequence of Head
            Heads that were noted down elsewhere; the chain must still hold them.
        new_witness_allowed : bool
            A record that says that the witness was begun anew is no fault (a machine was added).

        Raises
        ------
        DatabaseUnavailable
            If the records cannot be read.
        """
        # Read before the records: those that are appended meanwhile are later than what it saw.
        try:
            witnessed = self._witness.head()
        except WitnessAltered:
            return Verification(0, None, None, "the witness file was altered")
        remembered = {head.sequence: head.digest for head in expected}
        if witnessed is not None:
            remembered.setdefault(witnessed.sequence, witnessed.digest)
        head, count = _START, 0
        for number, record in self._found():
            if record is None:
                problem = "cannot be read: it was altered"
            else:
                problem = self._problem(record, head, remembered, new_witness_allowed=new_witness_allowed)
            if problem or record is None:
                missing = number > head.sequence + 1
                return Verification(count, head, head.sequence + 1 if missing else number, problem)
            head = Head(record.sequence, record.digest)
            count += 1
        lost = [sequence for sequence in remembered if sequence > head.sequence]
        if lost:
            cut = f"the records up to {max(lost)} were cut off the end"
            return Verification(count, head, head.sequence + 1, cut)
        return Verification(count, head, None, "the witness file is missing" if count and witnessed is None else "")

    def _problem(
        self, record: AuditRecord, head: Head, remembered: dict[int, str], *, new_witness_allowed: bool
    ) -> str:
        if record.sequence != head.sequence + 1:
            missing = record.sequence > head.sequence + 1
            return "is missing" if missing else "has a number that no record may have"
        if record.previous != head.digest:
            return "does not follow the record before it: removed, inserted or moved"
        if not _has_its_types(record) or record.digest != self._digest(record):
            return "was altered, or was written with another key"
        if remembered.get(record.sequence, record.digest) != record.digest:
            return "is not the one that was witnessed: the chain was written anew"
        if record.action == WITNESS_BEGUN and not new_witness_allowed:
            return "says that the witness file had disappeared: records before it may have been cut off"
        return ""

    def _link(self, entry: AuditEntry, head: Head) -> _Link:
        link = _Link(
            sequence=head.sequence + 1,
            at=datetime.datetime.now(datetime.UTC),
            actor=self._key.pseudonym("actor", entry.actor),
            role=entry.role,
            action=entry.action,
            session=self._key.pseudonym("session", entry.session),
            release=entry.release,
            subject=entry.subject,
            outcome=entry.outcome.value,
            status=entry.status,
            previous=head.digest,
        )
        link.digest = self._digest(link)
        return link

    def _digest(self, record: AuditRecord | _Link) -> str:
        return self._key.digest(
            str(record.sequence),
            record.at.isoformat(timespec="microseconds"),
            record.actor,
            record.role,
            record.action,
            record.session,
            record.release,
            record.subject,
            record.outcome,
            str(record.status),
            record.previous,
        )

    def _advance(self, head: Head, last: Head) -> None:
        def holds(seen: Head) -> bool:
            if seen in (last, _START):
                return True  # Read in the transaction that the new records follow it in.
            with self._database.reading() as session:
                record = session.get(AuditRecord, seen.sequence)
            return record is not None and record.digest == seen.digest

        try:
            if not self._witness.advance(head, holds):
                _log.error("audit_trail_broken", mend="run `cdss audit verify`")
        except OSError as error:
            # The record is kept; only the witness lags, and the next record moves it.
            _log.error("audit_witness_not_written", reason=error.strerror)


def open_trail(settings: Settings, database: Database) -> AuditTrail:
    """Return the trail of an installation."""
    key = audit_key(settings)
    return AuditTrail(database, key, Witness(settings.home / WITNESS_FILE, key))


def _has_its_types(record: AuditRecord) -> bool:
    """Tell whether every value is of its column's kind: SQLite keeps whatever it is given."""
    texts = (record.actor, record.role, record.action, record.session, record.release, record.subject, record.outcome)
    return all(isinstance(value, str) for value in texts)


def _last(connection: Connection) -> Head:
    row = connection.execute(_NEWEST).one_or_none()
    return Head(row.sequence, row.digest) if row else _START
