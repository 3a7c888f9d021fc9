"""A patient in an address: unreadable, opened once, within minutes, and kept nowhere."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdss.audit import AuditKey
from cdss.ehr.handover import HANDOVER_SECONDS, LARGEST_TOKEN, Handover, handover_key
from cdss.ehr.kept import UsedToken
from cdss.ehr.trust import UsedTokens
from cdss.persistence import Database, open_database
from cdss.settings import Settings

PATIENT = {"values": {"age": 34.5, "edss": 2.5, "phenotype": "RRMS"}, "history": [[12, 2.0]]}
KEY = secrets.token_bytes(32)


class Clock:
    def __init__(self) -> None:
        self.now = 1_900_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = open_database(Settings(home=tmp_path_factory.mktemp("home")))
    yield database
    database.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def handover(kept: Database, clock: Clock) -> Handover:
    return Handover(lambda: KEY, UsedTokens(kept), clock)


def test_a_patient_is_opened_once(handover: Handover) -> None:
    token = handover.seal(PATIENT)
    assert [handover.open(token) for _ in range(2)] == [PATIENT, None]


def test_another_process_of_the_service_opens_it_too_and_not_twice(handover: Handover, kept: Database) -> None:
    other = Handover(lambda: KEY, UsedTokens(kept), handover.clock)
    token = handover.seal(PATIENT)
    assert other.open(token) == PATIENT
    assert handover.open(token) is None


def test_it_opens_for_minutes_only(handover: Handover, clock: Clock) -> None:
    first, second = handover.seal(PATIENT), handover.seal(PATIENT)
    clock.now += HANDOVER_SECONDS - 1
    assert handover.open(first) == PATIENT
    clock.now += 2
    assert handover.open(second) is None


def test_nothing_of_the_patient_can_be_read_in_it(handover: Handover) -> None:
    token = handover.seal(PATIENT)
    packed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    assert not any(word in packed for word in (b"RRMS", b"34.5", b"edss", b"phenotype"))
    assert handover.seal(PATIENT) != token


def test_another_key_does_not_open_it(handover: Handover, kept: Database) -> None:
    stranger = Handover(lambda: secrets.token_bytes(32), UsedTokens(kept), handover.clock)
    assert stranger.open(handover.seal(PATIENT)) is None


def test_an_altered_one_does_not_open_and_does_not_use_up_the_true_one(handover: Handover) -> None:
    token = handover.seal(PATIENT)
    for place in (0, 5, 20, len(token) // 2, len(token) - 2):
        other = "A" if token[place] != "A" else "B"
        assert handover.open(token[:place] + other + token[place + 1 :]) is None
    assert handover.open(token) == PATIENT


def test_another_spelling_of_the_same_token_is_the_same_token(handover: Handover) -> None:
    token = handover.seal(PATIENT)
    assert handover.open(token) == PATIENT
    assert handover.open(token + "=" * (-len(token) % 4)) is None
    assert handover.open(token.replace("_", "/").replace("-", "+")) is None


@given(st.text(max_size=80) | st.binary(max_size=80).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
def test_nothing_else_opens(handover: Handover, token: str) -> None:
    assert handover.open(token) is None


def test_an_endless_one_is_not_looked_at(handover: Handover) -> None:
    assert handover.open("A" * (LARGEST_TOKEN + 1)) is None


def test_only_a_digest_of_it_is_kept(tmp_path: Path, clock: Clock) -> None:
    database = open_database(Settings(home=tmp_path))
    handover = Handover(lambda: KEY, UsedTokens(database), clock)
    token = handover.seal(PATIENT)
    assert handover.open(token) == PATIENT
    with database.reading() as session:
        (mark,) = session.query(UsedToken).all()
    database.close()
    assert len(mark.mark) == 64
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not any(
        word in content for content in files for word in (token.encode(), b"RRMS", KEY, KEY.hex().encode())
    )


def test_without_the_database_nothing_opens(tmp_path: Path, clock: Clock) -> None:
    gone = open_database(Settings(home=tmp_path / "file"))
    (tmp_path / "file").write_text("in the place of a folder")
    handover = Handover(lambda: KEY, UsedTokens(gone), clock)
    assert handover.open(handover.seal(PATIENT)) is None


def test_keys_are_drawn_at_start_unless_machines_share_a_secret() -> None:
    alone, shared = Settings(), Settings(audit_key="s" * 32)
    key = AuditKey(b"s" * 32)
    drawn = handover_key(alone, key)
    assert drawn() == drawn() != handover_key(alone, key)()
    assert handover_key(shared, key)() == handover_key(shared, key)()
    assert len(drawn()) == len(handover_key(shared, key)()) == 32
