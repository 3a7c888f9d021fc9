"""`cdss validate` as it is typed: whole, interrupted, gone on with, and asked for what is not there."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.processes import CDSS, environment, run_cdss, run_here

pytestmark = pytest.mark.e2e


def _killed(home: Path, folder: Path) -> dict[str, float]:
    """Start the short suite, kill it after its fourth section, and return the seconds of the sections it kept."""
    process = subprocess.Popen(
        [CDSS, "validate", "--quick", "--to", str(folder)],
        env=environment(home),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    kept = folder / "unfinished-quick"
    deadline = time.monotonic() + 240
    while len(list(kept.glob("*.json"))) < 4:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return {path.stem: json.loads(path.read_text())["content"]["seconds"] for path in kept.glob("*.json")}


def test_a_killed_validation_goes_on_where_it_stopped(small_home: Path, tmp_path: Path) -> None:
    """Of a small release: size changes nothing here, and the figures of the default one are asked of its build."""
    before = _killed(small_home, tmp_path)
    assert not (tmp_path / "quick").exists()
    ended = run_cdss(small_home, "validate", "--quick", "--to", str(tmp_path), "--json")
    assert ended.returncode in (0, 1), ended.stderr
    summary = json.loads(ended.stdout)
    assert ended.returncode == (0 if summary["passed"] else 1)
    assert summary["sections"]["efficacy"]["verdict"] == "passed"
    assert not (tmp_path / "unfinished-quick").exists()
    report = json.loads((tmp_path / "quick" / "validation.json").read_text())
    seconds = {section["name"]: section["seconds"] for section in report["sections"]}
    # Measured to the hundredth: a section that had been computed again would have taken another time.
    assert {name: seconds[name] for name in before} == before
    assert len(seconds) > len(before)
    page = (tmp_path / "quick" / "report.html").read_text()
    # Nothing is fetched: no address stands where a browser would load from, pictures are in the page.
    assert re.findall(r'(?:src|href)="(?!#|data:)[^"]*"|url\((?!#)[^)]*\)|@import', page) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--release", "r1-ffffffffffff"), "r1-ffffffffffff"),
        (("--originals", "/nonexistent"), "/nonexistent"),
        (("--questionnaire", "--port", "1"), "port"),
    ],
)
def test_what_cannot_be_validated_is_said_in_one_line(
    small_home: Path, arguments: tuple[str, ...], message: str
) -> None:
    if message == "port" and os.geteuid() == 0:
        pytest.skip("root may listen on any port")
    ended = run_here(small_home, "validate", "--quick", *arguments)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
