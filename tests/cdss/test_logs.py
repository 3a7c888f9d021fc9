"""What the process writes down of a fault."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdss import cli
from cdss.logs import configure_logs
from cdss.settings import settings


@pytest.fixture
def handlers() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before, level


def test_a_fault_is_logged_by_kind_and_place_and_never_by_what_it_says(
    handlers: None, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs()
    try:
        float("born 1985-12-06")
    except ValueError:
        logging.getLogger("some.library").exception("it failed")
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert (said["event"], said["kind"], said["level"]) == ("it failed", "ValueError", "error")
    assert said["at"][-1].startswith("test_logs.py:")
    assert "1985" not in line


def test_a_folder_that_cannot_be_written_to_is_said_in_one_line(
    handlers: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("scale: 0.01")
    monkeypatch.setenv("CDSS_HOME", str(tmp_path / "file" / "home"))
    monkeypatch.setattr(sys, "argv", ["cdss", "build", "--config", str(tmp_path / "file")])
    settings.cache_clear()
    with pytest.raises(SystemExit) as ended:
        cli.main()
    settings.cache_clear()
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith(": Not a directory")
