"""Exports refused, quarantined, approved by the wrong person, approved by the right one."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from threading import Barrier

import numpy as np
import pandas as pd
import pytest

from cdss.errors import NotAllowed, NotAuthenticated, NotFound
from cdss.exports import TRANSITIONS, ExportDesk, ExportRequest, State
from cdss.exports.states import By, table
from cdss.persistence import Database
from cdss.security.roles import NOBODY, Caller, Role
from cdss.settings import Settings
from reference_db.episodes import Episodes
from reference_db.errors import InvalidInput, ReleaseQuarantined
from reference_db.release import ReleaseContent, freeze, list_releases, open_release
from reference_db.release.export import (
    SHAPES,
    EarlierExport,
    Purpose,
    Shape,
    check_size,
    compared_avatars,
    exported_rows,
    prepare_export,
)
from reference_db.small_cells import SMALL_CELL
from reference_db.vocabulary import Treatment
from tests.episodes import random_episodes

STEWARD = Caller("steward-1", Role.STEWARD)
MANAGER = Caller("manager-1", Role.MANAGER)
OTHERS = [NOBODY, *(Caller("other", role) for role in Role if role not in {Role.STEWARD, Role.MANAGER})]


@pytest.fixture
def desk(home: Path, database: Database) -> ExportDesk:
    return ExportDesk(Settings(home=home), database)


@pytest.fixture
def version(home: Path) -> str:
    return list_releases(home / "releases")[0].name


def _filed(desk: ExportDesk, version: str, purpose: Purpose = Purpose.SHARING, **given: object) -> ExportRequest:
    wanted = {"recipient": "a university", "reason": "a course", "size": None, **given}
    return desk.request(STEWARD, purpose=purpose, release=version, **wanted)  # type: ignore[arg-type]  # as given


def test_the_whole_way(desk: ExportDesk, version: str) -> None:
    filed = _filed(desk, version)
    assert filed.state == State.REQUESTED
    checked = desk.check(filed.identifier)
    assert checked.state == State.CHECKED, checked.checks
    assert {check["name"] for check in checked.checks} == {
        *("release assessment", "small cells", "differencing", "acro")
    }
    with pytest.raises(NotAllowed):
        desk.deliver(STEWARD, filed.identifier)
    desk.decide(MANAGER, filed.identifier, "approve")
    folder = desk.deliver(STEWARD, filed.identifier)
    assert len(pd.read_parquet(folder / "episodes.parquet")) == 1800
    assert json.loads((folder / "export.json").read_text())["purpose"] == "sharing"
    assert folder.stat().st_mode & 0o077 == 0
    assert [(event.verb, event.by) for event in desk.history(filed.identifier)] == [
        ("request", "steward-1"),
        ("pass", ""),
        ("approve", "manager-1"),
        ("deliver", "steward-1"),
    ]


def test_only_a_steward_requests_and_only_a_manager_decides(desk: ExportDesk, version: str) -> None:
    filed = _filed(desk, version)
    desk.check(filed.identifier)
    for caller in OTHERS:
        with pytest.raises(NotAllowed):
            desk.request(caller, purpose=Purpose.SHARING, release=version, recipient="x", reason="x")
        for verb in ("approve", "reject", "recheck", "cancel", "deliver"):
            with pytest.raises(NotAllowed):
                desk.decide(caller, filed.identifier, verb, comment="because")
        with pytest.raises(NotAllowed):
            desk.list_for(caller)
    assert desk.find(filed.identifier).state == State.CHECKED


def test_nobody_approves_their_own_request_whatever_role_they_take(desk: ExportDesk, version: str) -> None:
    filed = _filed(desk, version)
    desk.check(filed.identifier)
    for role in Role:
        with pytest.raises(NotAllowed):
            desk.decide(Caller("steward-1", role), filed.identifier, "approve")
    with pytest.raises(NotAuthenticated):
        desk.decide(NOBODY, filed.identifier, "approve")
    assert desk.find(filed.identifier).state == State.CHECKED


def test_only_the_requester_receives(desk: ExportDesk, version: str) -> None:
    filed = _filed(desk, version)
    desk.check(filed.identifier)
    desk.decide(MANAGER, filed.identifier, "approve")
    for caller in (MANAGER, Caller("steward-2", Role.STEWARD)):
        with pytest.raises(NotAllowed):
            desk.deliver(caller, filed.identifier)
    with pytest.raises(NotFound):
        desk.visible(Caller("steward-2", Role.STEWARD), filed.identifier)
    assert desk.list_for(Caller("steward-2", Role.STEWARD)) == []
    assert [each.identifier for each in desk.list_for(MANAGER)] == [filed.identifier]


def test_what_fails_a_check_goes_to_quarantine_with_an_alert_and_cannot_be_approved(
    desk: ExportDesk, version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = _filed(desk, version)
    desk.check(first.identifier)
    size = 1750
    second = _filed(desk, version, Purpose.TEACHING, size=size)
    found = desk.check(second.identifier)
    assert found.state == State.QUARANTINED
    assert [check["name"] for check in found.checks if not check["passed"]] == ["differencing"]
    assert "export_quarantined" in "".join(capsys.readouterr())
    for verb in ("approve", "deliver"):
        for caller in (MANAGER, STEWARD):
            with pytest.raises(NotAllowed):
                desk.decide(caller, second.identifier, verb)
    with pytest.raises(InvalidInput, match="say why"):
        desk.decide(MANAGER, second.identifier, "reject")
    desk.decide(MANAGER, second.identifier, "reject", comment="too close to the first one")
    assert desk.find(second.identifier).state == State.REJECTED


def test_a_quarantined_request_may_be_checked_again_once_the_cause_is_gone(desk: ExportDesk, version: str) -> None:
    first = _filed(desk, version)
    desk.check(first.identifier)
    second = _filed(desk, version, Purpose.TEACHING, size=1750)
    desk.check(second.identifier)
    desk.decide(STEWARD, first.identifier, "cancel")
    desk.decide(MANAGER, second.identifier, "recheck")
    assert desk.check(second.identifier).state == State.CHECKED


def test_a_quarantined_release_is_never_exported(desk: ExportDesk, home: Path) -> None:
    episodes = random_episodes(400, seed=5)
    content = ReleaseContent(
        seed=5, parameters={}, sources=tuple(episodes.sources.values()), privacy={}, reasons=("hidden rate is 3 %",)
    )
    manifest = freeze(home / "releases", episodes.table, content, attachments={})
    with pytest.raises(ReleaseQuarantined):
        _filed(desk, manifest.version)


def test_a_release_damaged_after_the_request_is_quarantined(desk: ExportDesk, home: Path, version: str) -> None:
    filed = _filed(desk, version)
    data = home / "releases" / version / "episodes.parquet"
    data.chmod(0o600)
    data.write_bytes(data.read_bytes() + b"x")
    found = desk.check(filed.identifier)
    assert found.state == State.QUARANTINED
    assert str(home) not in str(found.checks)


def test_data_exchanged_after_the_checks_are_not_delivered(desk: ExportDesk, home: Path, version: str) -> None:
    filed = _filed(desk, version)
    desk.check(filed.identifier)
    data = home / "exports" / filed.identifier / "episodes.parquet"
    data.chmod(0o600)
    data.write_bytes(b"other data")
    with pytest.raises(NotAllowed, match="not those that were checked"):
        desk.decide(MANAGER, filed.identifier, "approve")
    assert desk.find(filed.identifier).state == State.CHECKED


def test_checks_interrupted_by_a_stop_are_finished_later(desk: ExportDesk, version: str) -> None:
    filed = _filed(desk, version)
    desk.check_waiting()
    assert desk.find(filed.identifier).state == State.CHECKED


@pytest.mark.parametrize(
    ("purpose", "size"),
    [
        (Purpose.SHARING, 10),
        (Purpose.ARCHIVE, 1),
        (Purpose.TEACHING, None),
        (Purpose.TEACHING, 9),
        (Purpose.TEACHING, 1800),
        (Purpose.SOFTWARE_TESTING, -1),
        (Purpose.AUGMENTATION, 1),
        (Purpose.AUGMENTATION, 11),
        (Purpose.AUGMENTATION, None),
    ],
)
def test_a_purpose_has_one_shape(purpose: Purpose, size: int | None) -> None:
    with pytest.raises(InvalidInput, match="size"):
        check_size(purpose, size, 1800)


def test_every_purpose_has_a_shape() -> None:
    assert set(SHAPES) == set(Purpose)
    assert set(SHAPES.values()) == set(Shape)


@pytest.mark.parametrize("field", ["recipient", "reason"])
@pytest.mark.parametrize("text", ["", "   ", "x" * 1001, "a\x00b"])
def test_recipient_and_reason_must_be_said(desk: ExportDesk, version: str, field: str, text: str) -> None:
    with pytest.raises(InvalidInput, match=field):
        _filed(desk, version, **{field: text})


@pytest.mark.parametrize("release", ["r1-nothing", "../../etc", "", "."])
def test_a_release_is_named_and_not_a_path(desk: ExportDesk, release: str) -> None:
    with pytest.raises(InvalidInput, match="release"):
        _filed(desk, release)


def test_smaller_sets_are_parts_of_larger_ones_and_no_group_is_small(home: Path, version: str) -> None:
    release = open_release(home / "releases" / version)
    sizes = (600, 900, 1500)
    sets = [exported_rows(release, size) for size in sizes]
    for smaller, larger in pairwise(sets):
        assert set(smaller) <= set(larger)
    np.testing.assert_array_equal(sets[0], exported_rows(release, sizes[0]))
    for rows in sets:
        groups = release.episodes.table.iloc[rows].groupby(["source", "arm"]).size()
        assert (groups >= SMALL_CELL).all()


def test_other_avatars_of_the_same_originals_are_not_let_out_twice(home: Path, version: str) -> None:
    release = open_release(home / "releases" / version)
    earlier = EarlierExport("x1", "r1-another", Purpose.SHARING, None)
    prepared = prepare_export(home, release, purpose=Purpose.SHARING, size=None, earlier=[earlier])
    assert not prepared.passed
    again = EarlierExport("x1", version, Purpose.SHARING, None)
    assert prepare_export(home, release, purpose=Purpose.SHARING, size=None, earlier=[again]).passed


def test_more_avatars_do_not_leave_after_others_of_the_same_originals(home: Path, version: str) -> None:
    release = open_release(home / "releases" / version)
    for other in (
        EarlierExport("x1", version, Purpose.SHARING, None),
        EarlierExport("x1", version, Purpose.TEACHING, 500),
        EarlierExport("x1", version, Purpose.AUGMENTATION, 3),
        EarlierExport("x1", "r1-another", Purpose.AUGMENTATION, 2),
    ):
        found = compared_avatars(home, release, 2, [other])
        assert not found.passed
        assert "other avatars of the same originals" in found.detail
    again = EarlierExport("x1", version, Purpose.AUGMENTATION, 2)
    assert compared_avatars(home, release, 2, [again]).passed


def test_exports_that_are_checked_together_are_compared_with_each_other(desk: ExportDesk, version: str) -> None:
    filed = [_filed(desk, version, Purpose.TEACHING, size=size) for size in (1000, 1003, 1006)]
    ready = Barrier(len(filed))

    def check(one: ExportRequest) -> str:
        ready.wait()
        return desk.check(one.identifier).state

    with ThreadPoolExecutor(len(filed)) as pool:
        states = sorted(pool.map(check, filed))
    assert states == [State.CHECKED, State.QUARANTINED, State.QUARANTINED]
    for one in filed:
        kept = json.loads((desk._folder / one.identifier / "export.json").read_text())
        assert all(check["passed"] for check in kept["checks"]) == (desk.find(one.identifier).state == State.CHECKED)


def test_augmentation_without_the_originals_is_quarantined(desk: ExportDesk, version: str) -> None:
    filed = _filed(desk, version, Purpose.AUGMENTATION, size=2)
    found = desk.check(filed.identifier)
    assert found.state == State.QUARANTINED
    assert "originals are not here" in str(found.checks)


def test_a_treatment_that_a_source_never_had_is_no_small_cell(home: Path, version: str) -> None:
    release = open_release(home / "releases" / version)
    table = release.episodes.table
    never = (table["source"] == "TRIAL") & ~table["treatment"].isin([Treatment.CLADRIBINE, Treatment.ANTI_CD20])
    trials = Episodes(table[~never].reset_index(drop=True), release.episodes.sources)
    kept = replace(release, episodes=trials)
    prepared = prepare_export(home, kept, purpose=Purpose.SHARING, size=None, earlier=[])
    assert prepared.passed, prepared.checks
    rare = trials.table.drop(trials.table.index[trials.table["treatment"] == Treatment.CLADRIBINE][5:])
    few = replace(release, episodes=Episodes(rare.reset_index(drop=True), release.episodes.sources))
    failed = prepare_export(home, few, purpose=Purpose.SHARING, size=None, earlier=[])
    assert {check.name for check in failed.checks if not check.passed} == {"small cells", "acro"}


def test_the_table_of_transitions_is_what_happens() -> None:
    assert all(State.QUARANTINED not in move.before for move in TRANSITIONS if move.verb in {"approve", "deliver"})
    assert {move.verb for move in TRANSITIONS if move.by is By.ANOTHER} == {"approve", "reject", "recheck"}
    assert table().count("\n") == len(TRANSITIONS) + 2
    reachable = {move.after for move in TRANSITIONS} | {State.REQUESTED}
    assert reachable == set(State)
