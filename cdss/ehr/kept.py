"""The only two things that the doors for clinical systems keep: marks of used tokens, and what became of cards."""

from __future__ import annotations

import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from cdss.persistence.base import Base, UtcDateTime


class UsedToken(Base):
    """A token that must not be used again.

    Attributes
    ----------
    mark : str
        SHA-256 of its issuer and identifier, hexadecimal: the token cannot be made from it.
    until : datetime
        When the token has expired and the mark may be forgotten.
    """

    __tablename__ = "ehr_used_token"

    mark: Mapped[str] = mapped_column(String(64), primary_key=True)
    until: Mapped[datetime.datetime] = mapped_column(UtcDateTime, index=True)


class CardOutcome(Base):
    """What became of a card, in the words of the code list; never a comment, a user or a patient.

    Attributes
    ----------
    card : str
        Its ``uuid``, which nothing else refers to.
    outcome : str
        ``accepted`` or ``overridden``.
    reason : str
        Code of the override reason; empty when none was chosen.
    at : datetime
        When, by the clock of the client.
    """

    __tablename__ = "ehr_card_outcome"

    card: Mapped[str] = mapped_column(String(36), primary_key=True)
    outcome: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
