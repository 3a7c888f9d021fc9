"""The viewer behind the guard and its door, in Chromium: what its pages send is let through, and nothing fails."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.governance.conftest import Start, records

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.e2e


def test_the_pages_of_the_viewer_are_answered(start: Start, installation: Path, browser: Browser) -> None:
    server = start()
    page = browser.new_context(locale="en-GB").new_page()
    wrong: list[str] = []
    page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
    page.goto(f"{server.address}/viewer/")
    page.wait_for_selector("#poi-edss", timeout=60_000)
    page.locator("#example-open").click()
    page.locator("#example-established").click()
    page.wait_for_selector("#figure-edss .js-plotly-plot", timeout=60_000)
    for tab in ("outcomes", "compare", "who"):
        page.locator(f"#tabs input[value='{tab}'] + label").click()
        page.locator(f"#panel-{tab} > *").first.wait_for(timeout=60_000)
    page.goto(f"{server.address}/viewer/take-home")
    page.wait_for_load_state("networkidle")
    page.context.close()
    assert wrong == []
    calls = [record.status for record in records(installation) if record.action == "viewer.write"]
    assert len(calls) > 5
    assert max(calls) < 300
    assert "viewer_failed" not in server.log.read_text()
