"""Steward and manager at the page of exports, in Chromium: the whole way, in both languages, without an axe fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.governance.conftest import Start, records
from tests.e2e.installations import made_up_installation
from tests.e2e.processes import Server, start_server, stop_server
from tests.viewer.conftest import accessibility_faults

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.e2e

PARTS = {
    "en-GB": ("Exports of anonymous data", "approve", "receive"),
    "fr-FR": ("Exports de données anonymes", "approuver", "recevoir"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for tests that ask for no export."""
    folder = tmp_path_factory.mktemp("served")
    server = start_server(made_up_installation(folder / "home"), folder / "log")
    yield server
    stop_server(server)


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Callable[[str], Page]]:
    opened = []

    def visit(locale: str) -> Page:
        context = browser.new_context(locale=locale, accept_downloads=True)
        opened.append(context)
        return context.new_page()

    yield visit
    for context in opened:
        context.close()


def introduce(page: Page, name: str, role: str) -> None:
    page.fill("input[name=name]", name)
    page.select_option("select[name=role]", role)
    page.click("form[action='/exports/session'] button")
    page.wait_for_selector(f"strong:text-is('{name}'), p:has-text('{name}')")


@pytest.mark.parametrize("locale", PARTS)
def test_an_export_is_requested_refused_approved_and_received(
    start: Start, installation: Path, visitor: Callable[[str], Page], locale: str
) -> None:
    server = start()
    title, approve, receive = PARTS[locale]
    page = visitor(locale)
    page.goto(f"{server.address}/exports")
    assert page.inner_text("h1") == title
    assert accessibility_faults(page) == []
    introduce(page, "alice", "steward")
    page.fill("input[name=recipient]", "a university")
    page.fill("input[name=reason]", "a course")
    page.click("form[action='/exports/request'] button")
    page.wait_for_selector("tr.requested, tr.checked")
    while not page.locator("tr.checked").count():
        page.wait_for_timeout(200)  # in which the check has the processor
        page.reload()
    page.fill("input[name=recipient]", "a university")
    page.fill("input[name=reason]", "a course")
    page.fill("input[name=size]", "3")
    page.click("form[action='/exports/request'] button")
    page.wait_for_selector("[role=alert]")
    page.locator("summary").click()
    assert accessibility_faults(page) == []
    assert page.locator("form[action='/exports/approve']").count() == 0
    introduce(page, "alice", "manager")
    assert page.locator("form[action='/exports/approve']").count() == 0
    introduce(page, "bob", "manager")
    assert accessibility_faults(page) == []
    page.get_by_role("button", name=approve).click()
    page.wait_for_selector("tr.approved")
    introduce(page, "alice", "steward")
    with page.expect_download() as download:
        page.get_by_role("button", name=receive).click()
    assert download.value.suggested_filename.startswith("export-x")
    actions = [record.action for record in records(installation)]
    assert [one for one in actions if one in {"exports.request", "exports.approve", "exports.deliver"}] == [
        *("exports.request", "exports.request", "exports.approve", "exports.deliver")
    ]


def test_the_other_language_is_one_click_away(server: Server, visitor: Callable[[str], Page]) -> None:
    page = visitor("en-GB")
    page.goto(f"{server.address}/exports")
    page.click("a[hreflang=fr]")
    assert page.inner_text("h1") == PARTS["fr-FR"][0]
    introduce(page, "alice", "steward")
    assert page.inner_text("h1") == PARTS["fr-FR"][0]


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_is_cut_on_a_narrow_screen(server: Server, visitor: Callable[[str], Page], width: int) -> None:
    page = visitor("fr-FR")
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"{server.address}/exports")
    introduce(page, "alice", "steward")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
