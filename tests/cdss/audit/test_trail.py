"""The audit trail: kept by every process in one chain, and any tampering found at its first record."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cdss.audit import AuditEntry, AuditKey, AuditTrail, AuditWriter, Head, Outcome, Witness, open_trail
from cdss.audit.fhir import audit_event
from cdss.audit.trail import WITNESS_BEGUN
from cdss.errors import DatabaseUnavailable, TrailBroken
from cdss.persistence import Database
from cdss.settings import Settings

RECORDS = 12
KEY = AuditKey(b"k" * 32)


def _entry(number: int = 0, **changes: str) -> AuditEntry:
    given = {"actor": "dr-x", "role": "clinician", "action": "projection.create", "release": f"r1-{number}"} | changes
    return AuditEntry(outcome=Outcome.SUCCESS, session="token-1", status=200, **given)


def _trail(database: Database, folder: Path, key: AuditKey = KEY) -> AuditTrail:
    return AuditTrail(database, key, Witness(folder / "audit.witness", key))


@pytest.fixture
def trail(database: Database, tmp_path: Path) -> AuditTrail:
    trail = _trail(database, tmp_path)
    for number in range(RECORDS):
        trail.append([_entry(number)])
    return trail


def test_an_untouched_trail_is_intact(trail: AuditTrail) -> None:
    found = trail.verify()
    assert found.intact, found
    assert found.records == RECORDS
    assert found.head is not None
    assert trail.verify(expected=[found.head]).intact


def test_an_empty_trail_is_intact(database: Database, tmp_path: Path) -> None:
    assert _trail(database, tmp_path).verify().intact


def test_no_identifier_or_token_reaches_the_database(trail: AuditTrail) -> None:
    for record in trail.records():
        kept = " ".join(str(value) for value in vars(record).values())
        assert "dr-x" not in kept
        assert "token-1" not in kept
        assert record.actor == KEY.pseudonym("actor", "dr-x")


def test_many_processes_make_one_chain(database: Database, database_url: str, tmp_path: Path) -> None:
    databases = [Database(database_url) for _ in range(4)]

    def append(number: int) -> None:
        _trail(databases[number % 4], tmp_path).append([_entry(number), _entry(number)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(append, range(24)))
    for other in databases:
        other.close()
    found = _trail(database, tmp_path).verify()
    assert found.intact, found
    assert found.records == 48


def test_what_waits_together_is_kept_before_anyone_is_answered(database: Database, tmp_path: Path) -> None:
    trail = _trail(database, tmp_path)
    writer = AuditWriter(trail)

    async def record_all() -> None:
        await asyncio.gather(*(writer.record(_entry(number)) for number in range(100)))

    asyncio.run(record_all())
    assert trail.verify().records == 100
    asyncio.run(record_all())
    writer.close()
    found = trail.verify()
    assert found.intact
    assert found.records == 200


def test_nobody_is_answered_when_the_record_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "in the way").write_text("")
    database = Database(f"sqlite:///{tmp_path / 'in the way' / 'service.sqlite'}")
    writer = AuditWriter(_trail(database, tmp_path))
    with pytest.raises(DatabaseUnavailable):
        writer.submit(_entry()).result(timeout=20)
    (tmp_path / "in the way").unlink()
    writer.submit(_entry()).result(timeout=20)
    writer.close()
    database.close()


FORGED = (
    "INSERT INTO audit_record "
    "SELECT 13, at, actor, role, action, session, release, subject, outcome, status, digest, "
    "substr(digest, 2) || '0' FROM audit_record WHERE sequence = 12"
)
TAMPERINGS: dict[str, tuple[list[str], int]] = {
    "a record altered": (["UPDATE audit_record SET outcome = 'refused' WHERE sequence = 5"], 5),
    "another person put in": (["UPDATE audit_record SET actor = 'somebody' WHERE sequence = 7"], 7),
    "a time moved": (["UPDATE audit_record SET at = '2020-01-01 00:00:00.000000' WHERE sequence = 3"], 3),
    "a digest altered": (["UPDATE audit_record SET digest = previous WHERE sequence = 9"], 9),
    "a record removed": (["DELETE FROM audit_record WHERE sequence = 6"], 6),
    "the first record removed": (["DELETE FROM audit_record WHERE sequence = 1"], 1),
    "the last records cut off": (["DELETE FROM audit_record WHERE sequence > 10"], 11),
    "everything removed": (["DELETE FROM audit_record"], 1),
    "a record forged at the end": ([FORGED], 13),
    "two records exchanged": (
        [
            "UPDATE audit_record SET sequence = 100 WHERE sequence = 4",
            "UPDATE audit_record SET sequence = 4 WHERE sequence = 8",
            "UPDATE audit_record SET sequence = 8 WHERE sequence = 100",
        ],
        4,
    ),
    "a record removed and the rest renumbered": (
        [
            "DELETE FROM audit_record WHERE sequence = 6",
            "UPDATE audit_record SET sequence = sequence - 1 WHERE sequence > 6",
        ],
        6,
    ),
    "a removal spliced over": (
        [
            "DELETE FROM audit_record WHERE sequence = 6",
            "UPDATE audit_record SET sequence = sequence - 1 WHERE sequence > 6",
            "UPDATE audit_record SET previous = (SELECT digest FROM audit_record WHERE sequence = 5) "
            "WHERE sequence = 6",
        ],
        6,
    ),
    "a time made unreadable": (["UPDATE audit_record SET at = 'never' WHERE sequence = 4"], 4),
    "a time put in as bytes": (["UPDATE audit_record SET at = x'00ff' WHERE sequence = 4"], 4),
    "a role put in as bytes": (["UPDATE audit_record SET role = x'ff' WHERE sequence = 8"], 8),
    "a text of broken bytes": (["UPDATE audit_record SET actor = CAST(x'ff' AS TEXT) WHERE sequence = 8"], 8),
    "a status that is no number": (["UPDATE audit_record SET status = 'fine' WHERE sequence = 5"], 5),
    "a number below the first": (["UPDATE audit_record SET sequence = -3 WHERE sequence = 5"], -3),
    "a view in the place of the table": (
        [
            "ALTER TABLE audit_record RENAME TO elsewhere",
            "CREATE VIEW audit_record AS SELECT * FROM elsewhere WHERE sequence <> 5",
        ],
        5,
    ),
    "a release put in": (["UPDATE audit_record SET release = 'r1-other' WHERE sequence = 2"], 2),
}


@pytest.fixture
def file_trail(tmp_path: Path) -> tuple[AuditTrail, Callable[..., None]]:
    path = tmp_path / "service.sqlite"
    database = Database(f"sqlite:///{path}")
    trail = _trail(database, tmp_path)
    for number in range(RECORDS):
        trail.append([_entry(number)])
    database.close()

    def tamper(*statements: str) -> None:
        with sqlite3.connect(path) as connection:
            for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                connection.execute(f"DROP TRIGGER {trigger}")
            for statement in statements:
                connection.execute(statement)
        connection.close()

    return trail, tamper


@pytest.mark.parametrize("kind", TAMPERINGS)
def test_tampering_is_found_at_the_first_broken_record(
    file_trail: tuple[AuditTrail, Callable[..., None]], kind: str
) -> None:
    trail, tamper = file_trail
    statements, broken = TAMPERINGS[kind]
    tamper(*statements)
    found = trail.verify()
    assert not found.intact
    assert found.broken == broken, found


def test_a_record_that_cannot_be_read_is_not_exported_in_silence(
    file_trail: tuple[AuditTrail, Callable[..., None]],
) -> None:
    trail, tamper = file_trail
    tamper("UPDATE audit_record SET at = 'never' WHERE sequence = 4")
    given = trail.records()
    assert [next(given).sequence for _ in range(3)] == [1, 2, 3]
    with pytest.raises(TrailBroken, match="record 4"):
        next(given)


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(b"junk" * 999), lambda path: path.unlink()])
def test_a_spoiled_or_missing_file_is_found(
    file_trail: tuple[AuditTrail, Callable[..., None]], tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    trail, tamper = file_trail
    tamper()
    spoil(tmp_path / "service.sqlite")
    try:
        found = trail.verify()
    except DatabaseUnavailable:
        return
    assert found.broken == 1


def test_a_chain_written_anew_with_another_key_is_found(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'service.sqlite'}")
    forged = _trail(database, tmp_path, AuditKey(b"f" * 32))
    forged.append([_entry(number) for number in range(5)])
    found = _trail(database, tmp_path).verify()
    assert not found.intact
    (tmp_path / "audit.witness").unlink()
    assert _trail(database, tmp_path).verify().broken == 1
    database.close()


def test_an_older_copy_of_the_database_is_found(
    file_trail: tuple[AuditTrail, Callable[..., None]], tmp_path: Path
) -> None:
    trail, tamper = file_trail
    tamper()
    shutil.copy(tmp_path / "service.sqlite", tmp_path / "copy")
    trail.append([_entry(99)])
    for name in ("service.sqlite", "service.sqlite-wal", "service.sqlite-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "copy", tmp_path / "service.sqlite")
    database = Database(f"sqlite:///{tmp_path / 'service.sqlite'}")
    again = _trail(database, tmp_path)
    assert again.verify().broken == RECORDS + 1
    # Writing on does not hide it: the witness stays where it is.
    for number in range(3):
        again.append([_entry(number)])
    assert again.verify().broken == RECORDS + 1
    database.close()


def test_an_altered_or_missing_witness_is_found(
    file_trail: tuple[AuditTrail, Callable[..., None]], tmp_path: Path
) -> None:
    trail, _ = file_trail
    witness = tmp_path / "audit.witness"
    kept = witness.read_bytes()
    witness.write_bytes(kept.replace(b"12", b"11", 1))
    assert "altered" in trail.verify().problem
    witness.unlink()
    assert "missing" in trail.verify().problem
    trail.append([_entry(1)])
    found = trail.verify()
    assert found.broken == RECORDS + 1
    assert [record.action for record in trail.records()][RECORDS] == WITNESS_BEGUN
    assert trail.verify(new_witness_allowed=True).intact


def test_an_emptied_witness_leaves_the_trace_of_a_missing_one(
    file_trail: tuple[AuditTrail, Callable[..., None]], tmp_path: Path
) -> None:
    trail, _ = file_trail
    (tmp_path / "audit.witness").write_bytes(b"")
    assert "altered" in trail.verify().problem
    trail.append([_entry(1)])
    assert trail.verify().broken == RECORDS + 1


def test_the_first_record_of_another_process_is_no_sign_of_a_lost_witness(tmp_path: Path) -> None:
    """Between the commit of the first record and the witness of it, another worker writes the second."""
    database = Database(f"sqlite:///{tmp_path / 'service.sqlite'}")
    other = _trail(database, tmp_path)

    class Slow(Witness):
        def advance(self, head: Head, holds: Callable[[Head], bool]) -> bool:
            other.append([_entry(2)])
            return super().advance(head, holds)

    AuditTrail(database, KEY, Slow(tmp_path / "audit.witness", KEY)).append([_entry(1)])
    assert other.verify().intact
    assert [record.action for record in other.records()] == ["projection.create"] * 2
    database.close()


def test_a_whole_forgery_with_the_key_is_found_by_a_head_noted_elsewhere(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'service.sqlite'}")
    trail = _trail(database, tmp_path)
    noted = trail.append([_entry(number) for number in range(5)])
    database.close()
    for path in tmp_path.iterdir():
        path.unlink()
    database = Database(f"sqlite:///{tmp_path / 'service.sqlite'}")
    forged = _trail(database, tmp_path)
    forged.append([_entry(number) for number in range(6)])
    assert forged.verify().intact
    assert forged.verify(expected=[noted]).broken == 5
    assert forged.verify(expected=[Head(50, "0" * 64)]).broken == 7
    database.close()


def test_the_key_is_drawn_once_and_private(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    database = Database(f"sqlite:///{tmp_path / 'service.sqlite'}")
    open_trail(settings, database).append([_entry()])
    open_trail(settings, database).append([_entry()])
    assert open_trail(settings, database).verify().records == 2
    assert (tmp_path / "home" / "audit.key").stat().st_mode & 0o077 == 0
    assert "value" not in repr(KEY)
    database.close()


def test_records_leave_as_valid_fhir_without_identifiers(trail: AuditTrail) -> None:
    events = [audit_event(record) for record in trail.records()]
    assert [event["id"] for event in events] == [f"audit-{number}" for number in range(1, RECORDS + 1)]
    assert {agent["requestor"] for agent in events[0]["agent"]} == {True, False}
    assert "dr-x" not in str(events)
    assert events[0]["outcome"] == "0"
