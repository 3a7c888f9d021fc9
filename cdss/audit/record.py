"""One record of the audit trail: who did what kind of thing, when, on which session and release, how it ended."""

from __future__ import annotations

import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from cdss.persistence.base import Base, UtcDateTime


class AuditRecord(Base):
    """A link of the chain.

    Attributes
    ----------
    sequence : int
        1, 2, 3... without a gap.
    at : datetime
        When it was recorded.
    actor : str
        Keyed pseudonym of the person or programme; never a name.
    role : str
        The role under which it was done.
    action : str
        The kind of thing, such as ``projection.create``; never what was asked.
    session : str
        Keyed pseudonym of the session.
    release : str
        Version of the release involved; empty when none was.
    subject : str
        Identifier of the export request involved; empty when none was.
    outcome : str
        ``success``, ``refused`` or ``failed``.
    status : int
        HTTP status of the answer, or exit code of the command.
    previous, digest : str
        Keyed digest of the record before, and of this one with it; 64 hexadecimal digits.
    """

    __tablename__ = "audit_record"

    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str] = mapped_column(String(40))
    role: Mapped[str] = mapped_column(String(20))
    action: Mapped[str] = mapped_column(String(60))
    session: Mapped[str] = mapped_column(String(40))
    release: Mapped[str] = mapped_column(String(80))
    subject: Mapped[str] = mapped_column(String(40))
    outcome: Mapped[str] = mapped_column(String(10))
    status: Mapped[int]
    previous: Mapped[str] = mapped_column(String(64))
    digest: Mapped[str] = mapped_column(String(64))
