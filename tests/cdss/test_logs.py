"""What the process writes down of a fault."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from cdss.logs import configure_logs


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
