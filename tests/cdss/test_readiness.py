"""A release that is damaged, and measures of the service, over HTTP."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cdss.api.health import LONGEST_REASON
from reference_db.release import ReleaseContent, freeze
from tests.cdss.conftest import Serve
from tests.e2e.processes import POI
from tests.episodes import random_episodes
from tests.privacy_records import passing_record


def _restore(folder: Path, copy: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)


@pytest.mark.parametrize("fault", ["altered", "verdict turned", "gone"])
def test_a_damaged_release_is_refused_and_taken_up_again_once_restored(
    serve: Serve, home: Path, tmp_path: Path, fault: str
) -> None:
    releases = home / "releases"
    shutil.copytree(releases, tmp_path / "copy")
    (release,) = releases.glob("r*")
    release.chmod(0o755)
    for path in release.iterdir():
        path.chmod(0o644)
    if fault == "altered":
        data = release / "episodes.parquet"
        data.write_bytes(data.read_bytes()[:-1] + b"x")
    elif fault == "verdict turned":
        manifest = release / "manifest.json"
        manifest.write_text(manifest.read_text().replace('"reasons": []', '"reasons": ["hidden rate"]'))
    else:
        shutil.rmtree(release)
    client = serve()
    assert client.get("/readyz").status_code == 503
    assert str(home) not in client.get("/readyz").text
    assert client.post("/api/v1/projections", json=dict(POI)).status_code == 503
    assert client.get("/viewer/").status_code == 503
    _restore(releases, tmp_path / "copy")
    assert client.get("/readyz").status_code == 200
    assert client.post("/api/v1/projections", json=dict(POI)).status_code == 200


def test_a_release_damaged_while_served_is_told_once_in_the_log_too(serve: Serve, home: Path, tmp_path: Path) -> None:
    releases = home / "releases"
    shutil.copytree(releases, tmp_path / "copy")
    client = serve()
    assert client.get("/readyz").status_code == 200
    (release,) = releases.glob("r*")
    data = release / "episodes.parquet"
    release.chmod(0o755)
    data.chmod(0o644)
    data.write_bytes(b"damaged")
    with capture_logs() as lines:
        assert [client.get("/readyz").status_code for _ in range(2)] == [503, 503]
        _restore(releases, tmp_path / "copy")
        assert client.get("/readyz").status_code == 200
    assert [line["event"] for line in lines] == ["not_ready", "ready_again"]
    assert "altered" in lines[0]["reason"]


def test_a_release_that_misses_hundreds_of_targets_is_told_in_a_line(serve: Serve, home: Path) -> None:
    episodes = random_episodes(600)
    reasons = tuple(f"TRIAL / arm {number}: the risk is too high" for number in range(300))
    content = ReleaseContent(
        seed=1, parameters={}, sources=tuple(episodes.sources.values()), privacy=passing_record(), reasons=reasons
    )
    version = freeze(home / "releases", episodes.table, content, attachments={}).version
    answer = serve(release=version).get("/readyz")
    assert answer.status_code == 503
    assert "arm 0" in answer.json()["reason"]
    assert len(answer.text) < LONGEST_REASON + 200


def test_measures_are_told(serve: Serve) -> None:
    client = serve()
    client.post("/api/v1/projections", json=dict(POI))
    client.post("/api/v1/projections", json={"age": 300})
    text = client.get("/metrics").text
    assert 'cdss_requests_total{kind="projections.write",status="200"} 1.0' in text
    assert 'cdss_requests_total{kind="projections.write",status="422"} 1.0' in text
    assert 'cdss_releases{status="usable"} 1.0' in text
    assert "cdss_request_seconds_bucket" in text
    assert "cdss_patients_of_reference_count" in text or "cdss_refusals_total" in text


def test_a_sandbox_says_so_wherever_one_looks_and_nobody_else_does(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordinary = serve()
    assert "trusts_unproven" not in ordinary.get("/readyz").json()
    assert "Sandbox" not in ordinary.get("/").text
    monkeypatch.setenv("CDSS_EHR_PROFILE", "dev")
    sandbox = serve()
    trusted = sandbox.get("/readyz").json()["trusts_unproven"]
    assert "CDS Hooks calls without a token" in trusted
    page = sandbox.get("/").text
    assert all(each in page for each in ["Sandbox", *trusted])
