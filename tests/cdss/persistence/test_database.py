"""The same behaviour on SQLite and on PostgreSQL."""

from __future__ import annotations

import datetime
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from cdss.audit import AuditRecord
from cdss.errors import DatabaseUnavailable
from cdss.persistence import Database, open_database, tables
from cdss.persistence.base import Base
from cdss.settings import Settings
from reference_db.errors import InvalidInput
from tests.postgresql import PostgresServer

NOW = datetime.datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=datetime.UTC)


def _record(sequence: int) -> AuditRecord:
    texts = dict.fromkeys(("actor", "role", "action", "session", "release", "subject", "outcome"), "x")
    return AuditRecord(sequence=sequence, at=NOW, status=200, previous="0" * 64, digest="1" * 64, **texts)


def test_migrations_make_exactly_the_declared_tables(database: Database, database_url: str) -> None:
    assert tables.__all__
    database.check()
    engine = create_engine(database_url)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    engine.dispose()
    assert differences == []


def test_an_instant_comes_back_in_utc_to_the_microsecond(database: Database) -> None:
    elsewhere = NOW.astimezone(datetime.timezone(datetime.timedelta(hours=2)))
    with database.session() as session:
        record = _record(1)
        record.at = elsewhere
        session.add(record)
    with database.reading() as session:
        (read,) = session.query(AuditRecord).all()
    assert read.at == NOW
    assert read.at.tzinfo is datetime.UTC or read.at.utcoffset() == datetime.timedelta(0)


def test_a_block_that_raises_leaves_nothing(database: Database) -> None:
    class Interrupted(Exception):
        pass

    def interrupted() -> None:
        with database.session() as session:
            session.add(_record(1))
            session.flush()
            raise Interrupted

    with pytest.raises(Interrupted):
        interrupted()
    with database.reading() as session:
        assert session.query(AuditRecord).count() == 0


def test_a_broken_constraint_is_the_callers_to_handle(database: Database) -> None:
    with database.session() as session:
        session.add(_record(1))
    with pytest.raises(IntegrityError), database.session() as session:
        session.add(_record(1))


@pytest.mark.parametrize("statement", ["UPDATE audit_record SET actor = 'y'", "DELETE FROM audit_record"])
def test_the_database_itself_keeps_the_audit_trail(database: Database, statement: str) -> None:
    with database.session() as session:
        session.add(_record(1))
    with pytest.raises((DatabaseUnavailable, DBAPIError)), database.session() as session:
        session.execute(text(statement))
    with database.reading() as session:
        assert [record.actor for record in session.query(AuditRecord)] == ["x"]


def test_writers_wait_for_each_other(database: Database) -> None:
    def append(_: int) -> None:
        with database.session() as session:
            if session.get_bind().dialect.name == "postgresql":
                session.execute(text("LOCK TABLE audit_record IN EXCLUSIVE MODE"))
            session.add(_record(session.query(AuditRecord).count() + 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(append, range(40)))
    with database.reading() as session:
        assert [record.sequence for record in session.query(AuditRecord)] == list(range(1, 41))


def test_processes_that_start_together_migrate_once(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(Database.check, databases))
    for database in databases:
        database.close()


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://user:pw0rd@host/name", "sqlite://"])
def test_an_address_that_cannot_be_used_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Database(url)
    assert "CDSS_DATABASE_URL" in str(refused.value)
    assert "pw0rd" not in str(refused.value)


def test_by_default_a_private_file_below_home(tmp_path: Path) -> None:
    database = open_database(Settings(home=tmp_path / "home"))
    database.check()
    database.close()
    (file,) = (tmp_path / "home").glob("service.sqlite")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_that_is_no_database_is_unavailable_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "service.sqlite"
    path.write_bytes(b"not a database, whatever its name says" * 100)
    database = Database(f"sqlite:///{path}")
    with pytest.raises(DatabaseUnavailable, match="not a database"):
        database.check()
    path.unlink()
    database.check()
    database.close()


def test_a_server_that_goes_and_comes_back_is_used_again(postgresql: PostgresServer) -> None:
    database = Database(postgresql.create_database())
    database.check()
    postgresql.stop()
    try:
        with pytest.raises(DatabaseUnavailable) as gone:
            database.check()
        assert postgresql.password not in str(gone.value)
        assert "127.0.0.1" not in str(gone.value)
    finally:
        postgresql.start()
    database.check()
    database.close()


def test_nothing_is_written_to_a_file_that_was_taken_away(tmp_path: Path) -> None:
    """SQLite goes on with a file that has no name any more: what were recorded there would be lost."""
    path = tmp_path / "service.sqlite"
    database = Database(f"sqlite:///{path}")
    with database.session() as session:
        session.add(_record(1))
    aside = path.rename(tmp_path / "aside.sqlite")
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable, match="No such file"):
            database.check()
    assert not path.exists()
    aside.rename(path)
    database.check()
    copy = tmp_path / "copy.sqlite"
    with sqlite3.connect(path) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    for part in tmp_path.glob("service.sqlite*"):
        part.unlink()
    copy.rename(path)
    with database.session() as session:
        session.add(_record(2))
    database.close()
    with sqlite3.connect(path) as found:
        assert found.execute("SELECT count(*) FROM audit_record").fetchone() == (2,)
