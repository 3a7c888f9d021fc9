"""A build is whole or nothing, and repeatable."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.processes import CDSS, POI, environment, run_cdss, run_here

pytestmark = pytest.mark.e2e


def _releases(home: Path) -> list[dict[str, object]]:
    listed = run_here(home, "release", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    rows: list[dict[str, object]] = json.loads(listed.stdout)
    return rows


def test_the_default_release_is_complete_usable_and_active(home: Path) -> None:
    (row,) = _releases(home)
    assert row["status"] == "usable"
    assert row["patients"] == 25_726
    assert row["active"] is True
    verified = run_here(home, "release", "verify")
    assert verified.returncode == 0
    assert "intact, usable" in verified.stdout


def test_the_default_release_says_how_well_it_keeps_the_originals_figures(home: Path) -> None:
    (path,) = (home / "releases").glob("r*/manifest.json")
    utility = json.loads(path.read_text())["utility"]
    assert list(utility["sections"]) == ["structure", "univariate", "multivariate", "efficacy"]
    assert utility["sections"]["univariate"]["figures"]["hellinger_median"]["value"] < 0.058
    assert utility["sections"]["efficacy"]["verdict"] == "passed"


def test_originals_are_readable_by_their_owner_only(home: Path) -> None:
    (bkp,) = (home / "bkp").iterdir()
    assert bkp.stat().st_mode & 0o077 == 0


def test_same_seed_same_hashes_and_another_seed_another_release(
    small_home: Path, two_studies: Path, tmp_path: Path
) -> None:
    home = Path(shutil.copytree(small_home, tmp_path / "home"))
    for seed in ("1", "2"):
        built = run_here(home, "build", "--config", str(two_studies), "--seed", seed)
        assert built.returncode == 0, built.stderr
    assert len(_releases(home)) == 2


def test_a_release_of_two_studies_answers_for_their_treatments_and_refuses_the_others(
    small_home: Path, tmp_path: Path
) -> None:
    (tmp_path / "POI.json").write_text(json.dumps(POI))
    answer = run_here(small_home, "project", str(tmp_path / "POI.json"), "--json")
    assert answer.returncode == 0, answer.stderr
    refused = {part["treatment"]: part["refusal"] is not None for part in json.loads(answer.stdout)["classes"]}
    assert {name for name, no in refused.items() if not no} == {"natalizumab", "cladribine", "placebo or untreated"}
    assert len(refused) == 9


def test_a_killed_build_leaves_no_half_release_and_the_next_one_works(two_studies: Path, tmp_path: Path) -> None:
    build = ("build", "--config", str(two_studies))
    for delay in (1.5, 3.0, 4.5):
        process = subprocess.Popen(
            [CDSS, *build],
            env=environment(tmp_path),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for row in _releases(tmp_path):
            assert row["status"] != "corrupted"
    built = run_cdss(tmp_path, *build)
    assert built.returncode in (0, 1), built.stderr
    assert run_here(tmp_path, "release", "verify").returncode == 0
    leftovers = list(tmp_path.rglob(".unfinished-*"))
    assert leftovers == []
