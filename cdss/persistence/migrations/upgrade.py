"""Bring the tables up to date: at most one process at a time, all or nothing."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

_LOCK = 4_702_111_935
"""Number that names this lock among those of a PostgreSQL server."""


def upgrade(connection: Connection) -> None:
    """Apply every revision that the database does not have yet.

    Parameters
    ----------
    connection : Connection
        In a transaction that holds the write lock (SQLite); on PostgreSQL the lock is taken here.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    applied = set(MigrationContext.configure(connection).get_current_heads())
    if applied != set(ScriptDirectory.from_config(config).get_heads()):
        command.upgrade(config, "heads")
