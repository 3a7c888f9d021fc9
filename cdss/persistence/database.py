"""The database of the service: opened lazily, migrated by itself, and back without hands after a fault."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DatabaseError, IntegrityError, InterfaceError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from cdss.errors import DatabaseUnavailable
from cdss.persistence.migrations.upgrade import upgrade
from reference_db.errors import InvalidInput

if TYPE_CHECKING:
    from cdss.settings import Settings

BUSY_SECONDS = 10
"""How long a writer waits for another one before it gives up."""

CONNECT_SECONDS = 5

_FILE = "service.sqlite"
_READING = "cdss_reading"


class Database:
    """Sessions on one database.

    The tables are brought up to date before the first session. Nothing is opened by the constructor, and a failed
    attempt is repeated by the next one.

    Parameters
    ----------
    url : str
        ``sqlite:///path`` or ``postgresql://user:password@host/name``.

    Raises
    ------
    InvalidInput
        If the URL is neither.
    """

    def __init__(self, url: str) -> None:
        self._url = _parsed(url)
        self._engine = _sqlite(self._url) if self._is_sqlite else _postgresql(self._url)
        self._upgraded = False
        self._opened: tuple[int, int] | None = None
        self._lock = Lock()

    @property
    def _is_sqlite(self) -> bool:
        return self._url.get_backend_name() == "sqlite"

    @property
    def name(self) -> str:
        """What a person may be told about it: the kind, without address, user or password."""
        return "SQLite" if self._is_sqlite else "PostgreSQL"

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Give a session that writes; committed at the end of the block, rolled back when it raises.

        Raises
        ------
        DatabaseUnavailable
            If the database cannot be reached or written to.
        IntegrityError
            If what was written breaks a constraint.
        """
        with self._available(), Session(self._ready_engine(), expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Give a connection that writes, as `session` does, without the object mapping: for what every request does.

        Raises
        ------
        DatabaseUnavailable
            If the database cannot be reached or written to.
        IntegrityError
            If what was written breaks a constraint.
        """
        with self._available(), self._ready_engine().begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Give a session that only reads, and does not wait for writers.

        Raises
        ------
        DatabaseUnavailable
            If the database cannot be reached.
        """
        with self._available():
            engine = self._ready_engine().execution_options(**{_READING: True})
            with Session(engine, expire_on_commit=False) as session:
                yield session

    def check(self) -> None:
        """Verify that the database can be reached and written to, as `session` would.

        Raises
        ------
        DatabaseUnavailable
            With what is wrong, without any address.
        """
        with self.session() as session:
            # A write that changes nothing: a full disk or a read-only folder shows only when something is written.
            session.execute(text("UPDATE alembic_version SET version_num = version_num"))

    def forget_connections(self) -> None:
        """Leave connections to the parent process that opened them, after a fork."""
        self._engine.dispose(close=False)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _ready_engine(self) -> Engine:
        with self._lock:
            path = Path(self._url.database or "")
            if self._upgraded and self._is_sqlite and _file(path) != self._opened:
                # What is open still is the file that was taken away: whatever were written there would be lost.
                self._engine.dispose()
                self._upgraded = False
            if not self._upgraded:
                if self._is_sqlite:
                    _make_private_file(path)
                with self._engine.begin() as connection:
                    upgrade(connection)
                if self._is_sqlite:
                    self._opened = _file(path)
                self._upgraded = True
        return self._engine

    @contextmanager
    def _available(self) -> Iterator[None]:
        try:
            yield
        except (IntegrityError, ProgrammingError):
            raise
        except (DatabaseError, InterfaceError, PoolTimeout) as error:
            raise DatabaseUnavailable(f"the database ({self.name}) cannot be used: {_reason(error)}") from error
        except OSError as error:
            raise DatabaseUnavailable(f"the database ({self.name}) cannot be used: {error.strerror}") from error


def open_database(settings: Settings) -> Database:
    """Return the database that the settings name: ``CDSS_DATABASE_URL``, or SQLite below ``CDSS_HOME``."""
    if settings.database_url is not None:
        return Database(settings.database_url.get_secret_value())
    return Database(f"sqlite:///{settings.home / _FILE}")


def _parsed(url: str) -> URL:
    allowed = "sqlite:///path, or postgresql://user:password@host/name"
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidInput.of("CDSS_DATABASE_URL", "is not the address of a database", allowed) from error
    backend = "postgresql" if parsed.drivername == "postgres" else parsed.get_backend_name()
    if backend not in {"sqlite", "postgresql"} or (backend == "sqlite" and not parsed.database):
        raise InvalidInput.of("CDSS_DATABASE_URL", "is of a kind that cannot be used", allowed)
    return parsed.set(drivername="sqlite" if backend == "sqlite" else "postgresql+psycopg")


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def _(connection: sqlite3.Connection, _record: object) -> None:
        # The driver would begin transactions by itself, too late to keep two writers apart.
        connection.isolation_level = None
        # Readers do not wait for the writer; what was committed survives a power failure.
        _journal(connection)
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        reading = connection.get_execution_options().get(_READING, False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _journal(connection: sqlite3.Connection) -> None:
    """Keep a write-ahead journal; SQLite itself does not wait for other processes that begin one at the same time."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.02)
        else:
            return


def _postgresql(url: URL) -> Engine:
    engine = create_engine(
        url, pool_pre_ping=True, pool_timeout=BUSY_SECONDS, connect_args={"connect_timeout": CONNECT_SECONDS}
    )

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")
        if connection.get_execution_options().get(_READING, False):
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")

    return engine


def _file(path: Path) -> tuple[int, int]:
    """Return what tells a file from another one of the same name.

    Raises
    ------
    FileNotFoundError
        If there is none: it is not made anew, since it may come back, and its records with it.
    """
    found = path.stat()
    return found.st_dev, found.st_ino


def _make_private_file(path: Path) -> None:
    """Create the file readable by its owner only; SQLite gives its journals the same mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _reason(error: DatabaseError | InterfaceError | PoolTimeout) -> str:
    """Say what is wrong in the driver's words where they are known to hold no address, user or statement."""
    if isinstance(error, PoolTimeout):
        return "every connection is in use"
    said = str(error.orig).splitlines()[0] if error.orig and isinstance(error.orig, sqlite3.Error) else ""
    return said or "there is no connection"
