"""The ground of every table: one metadata, constraint names that migrations can refer to, times in UTC.

A package that keeps something declares its classes on `Base`, is named in `cdss.persistence.tables`, and adds a
migration to ``cdss/persistence/migrations/versions`` on a branch of its own (``audit_0001``, ``exports_0001``), so
that packages evolve without touching each other's revisions. A test compares migrations with declarations on both
databases.
"""

from __future__ import annotations

import datetime

from sqlalchemy import DateTime, Dialect, MetaData
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

NAMING_CONVENTION = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Base of every table of the service."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class UtcDateTime(TypeDecorator[datetime.datetime]):
    """An instant, always aware and in UTC, to the microsecond; SQLite, which knows no time zone, keeps it naive."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime.datetime | None, dialect: Dialect) -> datetime.datetime | None:
        """Give the database an instant in UTC.

        Raises
        ------
        ValueError
            If the instant has no time zone.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone: use datetime.now(datetime.UTC)")
        in_utc = value.astimezone(datetime.UTC)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: datetime.datetime | None, dialect: Dialect) -> datetime.datetime | None:
        """Return the instant in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=datetime.UTC) if dialect.name == "sqlite" else value.astimezone(datetime.UTC)
