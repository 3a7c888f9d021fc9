"""Releases: frozen under the name of their content, verified at opening, refused in quarantine."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reference_db.errors import InvalidTable, ReleaseCorrupted, ReleaseNotFound, ReleaseQuarantined
from reference_db.harmonise import episodes as harmonised_episodes
from reference_db.release import (
    Manifest,
    ReleaseContent,
    Status,
    activate,
    active_release,
    freeze,
    list_releases,
    open_release,
    verify_release,
)
from reference_db.schema import Source
from reference_db.sources.simulated import simulate
from tests.privacy_records import passing_record

Made = tuple[pd.DataFrame, tuple[Source, ...]]


@pytest.fixture(scope="module")
def episodes_and_sources() -> Made:
    """A small table that keeps to the schema; for these tests it plays the part of a synthetic one."""
    simulated = simulate(seed=3, scale=0.02)
    return harmonised_episodes(simulated.tables, simulated.sources), simulated.sources


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    return tmp_path / "releases"


def _frozen(
    releases: Path,
    episodes_and_sources: Made,
    *,
    seed: int = 1,
    reasons: tuple[str, ...] = (),
    privacy: dict[str, Any] | None = None,
) -> Manifest:
    episodes, sources = episodes_and_sources
    content = ReleaseContent(
        seed=seed, parameters={"k": 20}, sources=sources, privacy=privacy or passing_record(), reasons=reasons
    )
    return freeze(releases, episodes, content, attachments={"feature_weights.json": b"{}"})


def test_a_release_opens_with_what_was_frozen(releases: Path, episodes_and_sources: Made) -> None:
    manifest = _frozen(releases, episodes_and_sources)
    release = open_release(releases / manifest.version)
    pd.testing.assert_frame_equal(release.episodes.table, episodes_and_sources[0])
    assert release.manifest == manifest
    assert release.attachment("feature_weights.json") == b"{}"
    assert release.attachment("../../secret") is None
    assert list_releases(releases) == [release.path]


def test_a_release_opens_by_its_version(
    releases: Path, episodes_and_sources: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = _frozen(releases, episodes_and_sources).version
    monkeypatch.setenv("CDSS_HOME", str(releases.parent))
    assert open_release(version).path == releases / version


def test_the_same_content_is_the_same_release(releases: Path, episodes_and_sources: Made) -> None:
    first = _frozen(releases, episodes_and_sources)
    assert _frozen(releases, episodes_and_sources).version == first.version
    assert len(list_releases(releases)) == 1
    assert _frozen(releases, episodes_and_sources, seed=2).version != first.version


def test_a_missed_target_puts_it_in_quarantine_and_nothing_opens_it(
    releases: Path, episodes_and_sources: Made
) -> None:
    manifest = _frozen(releases, episodes_and_sources, reasons=("hidden rate 85 %, below 90 %",))
    assert manifest.status is Status.QUARANTINED
    with pytest.raises(ReleaseQuarantined, match="hidden rate 85 %"):
        open_release(releases / manifest.version)
    with pytest.raises(ReleaseQuarantined):
        activate(releases, manifest.version)
    assert active_release(releases) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"targets_version": "0"}, "build it again"),
        ({"strata": []}, "no privacy assessment"),
        ({"attacks": []}, "was not tried"),
    ],
)
def test_an_assessment_that_the_present_gate_does_not_accept_is_refused(
    releases: Path, episodes_and_sources: Made, change: dict[str, Any], reason: str
) -> None:
    manifest = _frozen(releases, episodes_and_sources, privacy=passing_record() | change)
    assert manifest.status is Status.USABLE
    with pytest.raises(ReleaseQuarantined, match=reason):
        open_release(releases / manifest.version)
    with pytest.raises(ReleaseQuarantined, match=reason):
        activate(releases, manifest.version)


@pytest.mark.parametrize("file", ["episodes.parquet", "feature_weights.json", "card.md"])
def test_an_altered_file_is_named(releases: Path, episodes_and_sources: Made, file: str) -> None:
    path = releases / _frozen(releases, episodes_and_sources).version
    (path / file).chmod(0o644)
    with (path / file).open("ab") as opened:
        opened.write(b"x")
    with pytest.raises(ReleaseCorrupted, match=file):
        verify_release(path)


def test_a_verdict_turned_from_failed_to_passed_is_found(releases: Path, episodes_and_sources: Made) -> None:
    path = releases / _frozen(releases, episodes_and_sources, reasons=("hidden rate 85 %",)).version
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["reasons"] = []
    (path / "manifest.json").chmod(0o644)
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ReleaseCorrupted, match="altered"):
        open_release(path)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[]", None])
def test_a_damaged_manifest_is_refused(releases: Path, episodes_and_sources: Made, content: bytes | None) -> None:
    path = releases / _frozen(releases, episodes_and_sources).version
    (path / "manifest.json").unlink()
    if content is not None:
        (path / "manifest.json").write_bytes(content)
    with pytest.raises(ReleaseCorrupted):
        open_release(path)


def test_a_renamed_release_is_refused(releases: Path, episodes_and_sources: Made) -> None:
    path = releases / _frozen(releases, episodes_and_sources).version
    renamed = path.rename(releases / "r1-000000000000")
    with pytest.raises(ReleaseCorrupted):
        open_release(renamed)


def test_an_unknown_release_is_not_found(releases: Path) -> None:
    with pytest.raises(ReleaseNotFound, match="r1-unknown"):
        open_release(releases / "r1-unknown")


def test_activation_is_remembered(releases: Path, episodes_and_sources: Made) -> None:
    version = _frozen(releases, episodes_and_sources).version
    activate(releases, version)
    assert active_release(releases) == releases / version


def test_episodes_that_break_the_schema_are_never_released(releases: Path, episodes_and_sources: Made) -> None:
    episodes, sources = episodes_and_sources
    damaged = episodes.assign(edss_0=0.5)
    with pytest.raises(InvalidTable, match="edss_0"):
        _frozen(releases, (damaged, sources))
    assert list_releases(releases) == []


def test_the_card_withholds_small_cells(releases: Path, episodes_and_sources: Made) -> None:
    episodes, sources = episodes_and_sources
    few = pd.concat([episodes[episodes["source"] == "CLARITY"], episodes[episodes["source"] == "AFFIRM"].head(4)])
    path = releases / _frozen(releases, (few.reset_index(drop=True), sources)).version
    card = (path / "card.md").read_text()
    assert "| AFFIRM |" in card
    assert "<10" in card
    assert "| 4 |" not in card
