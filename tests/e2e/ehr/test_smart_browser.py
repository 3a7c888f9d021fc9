"""The viewer opened on a patient through a SMART launch, in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from tests.e2e.ehr.conftest import Clinic
from tests.e2e.processes import Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.e2e


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="en-GB")
    yield context.new_page()
    context.close()


def launched(page: Page, server: Server, path: str, **query: str) -> None:
    page.goto(f"{server.address}{path}?{urlencode(query)}")
    page.click("#allow")


def shown_edss(page: Page) -> str:
    page.wait_for_selector("#poi-edss", timeout=60_000)
    return page.input_value("#poi-edss")


def test_an_ehr_launch_opens_the_viewer_on_the_patient(page: Page, trusting: Server, clinic: Clinic) -> None:
    launched(page, trusting, "/smart/launch", iss=clinic.fhir, launch=clinic.launch("p1"))
    assert float(shown_edss(page)) == 2.5
    assert float(page.input_value("#poi-age")) == pytest.approx(34, abs=0.1)
    assert page.url.startswith(f"{trusting.address}/viewer/")
    page.wait_for_selector("#figure-edss .js-plotly-plot", timeout=60_000)


def test_what_carried_the_patient_leaves_the_address_and_opens_nothing_again(
    page: Page, trusting: Server, clinic: Clinic
) -> None:
    carried: list[str] = []
    page.on("response", lambda response: carried.append(response.headers.get("location", "")))
    launched(page, trusting, "/smart/launch", iss=clinic.fhir, launch=clinic.launch("p1"))
    assert float(shown_edss(page)) == 2.5
    page.wait_for_url(lambda url: "#" not in url)
    (address,) = [location for location in carried if "#patient=" in location]
    page.goto("about:blank")
    page.goto(f"{trusting.address}{address}")
    assert shown_edss(page) == ""
    page.wait_for_selector("[role=alert]:has-text('link')")


def test_a_standalone_launch_opens_the_viewer_on_the_patient_that_is_chosen(
    page: Page, trusting: Server, clinic: Clinic
) -> None:
    launched(page, trusting, "/smart/standalone", iss=clinic.fhir)
    assert float(shown_edss(page)) == 2.5


def test_a_launch_writes_nothing(page: Page, trusting: Server, clinic: Clinic, home: Path) -> None:
    def files() -> dict[Path, int]:
        found = (path for path in home.rglob("*") if path.is_file() and ".sqlite" not in path.name)
        return {path: path.stat().st_size for path in found}

    before, log = files(), trusting.log.read_bytes()
    launched(page, trusting, "/smart/launch", iss=clinic.fhir, launch=clinic.launch("p1"))
    shown_edss(page)
    assert files() == before
    assert trusting.log.read_bytes() == log


def test_a_patient_without_the_disease_is_said_to_have_none(page: Page, trusting: Server, clinic: Clinic) -> None:
    launched(page, trusting, "/smart/launch", iss=clinic.fhir, launch=clinic.launch("p2"))
    assert "no diagnosis of multiple sclerosis" in page.inner_text("main")


def test_a_stranger_cannot_launch(page: Page, trusting: Server) -> None:
    page.goto(f"{trusting.address}/smart/launch?iss=https://evil.example/fhir&launch=x")
    assert "not on the list" in page.inner_text("main")
