"""What is kept of an export request, and of everything that happened to it."""

from __future__ import annotations

import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from cdss.persistence.base import Base, UtcDateTime


class ExportRequest(Base):
    """A request.

    Attributes
    ----------
    identifier : str
    requester : str
        Subject of the identity provider, or the name declared on a laptop.
    purpose, release, state : str
    size : int or None
        Patients, or avatars per original, as the shape of the purpose wants it.
    recipient, reason : str
        To whom it goes and what for.
    checks : list
        What the automatic checks found.
    sha256 : str
        Of the data that may leave; empty before the checks.
    """

    __tablename__ = "export_request"

    identifier: Mapped[str] = mapped_column(String(20), primary_key=True)
    created: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    requester: Mapped[str] = mapped_column(String(200))
    purpose: Mapped[str] = mapped_column(String(20))
    release: Mapped[str] = mapped_column(String(80))
    size: Mapped[int | None]
    recipient: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(String(1000))
    state: Mapped[str] = mapped_column(String(20), index=True)
    checks: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    sha256: Mapped[str] = mapped_column(String(64))


class ExportEvent(Base):
    """One thing that happened to a request."""

    __tablename__ = "export_event"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    request: Mapped[str] = mapped_column(ForeignKey("export_request.identifier"), index=True)
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    verb: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20))
    by: Mapped[str] = mapped_column(String(200))
    role: Mapped[str] = mapped_column(String(20))
    comment: Mapped[str] = mapped_column(String(1000))
