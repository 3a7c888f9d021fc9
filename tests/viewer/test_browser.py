"""The viewer in a real Chromium on a small database: every page, in both languages and themes."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
import uvicorn
from playwright.sync_api import expect, sync_playwright

from projection.disclosure import DisclosedProjector
from tests.episodes import MemoryRelease, random_episodes
from viewer import create_viewer
from viewer.session import EXAMPLES, Session

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.e2e

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
TIMEOUT = 15_000


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The viewer, served on a free port of this machine."""
    viewer = create_viewer(DisclosedProjector(MemoryRelease(random_episodes(2400))), prefix="/viewer/")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(viewer.server, port=port, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}/viewer/"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


def _context(browser: Browser, locale: str, scheme: Literal["light", "dark"]) -> BrowserContext:
    return browser.new_context(locale=locale, color_scheme=scheme, viewport={"width": 1280, "height": 800})


@pytest.fixture(scope="module")
def english(browser: Browser) -> BrowserContext:
    return _context(browser, "en-GB", "light")


@pytest.fixture(scope="module")
def french(browser: Browser) -> BrowserContext:
    return _context(browser, "fr-FR", "dark")


@pytest.fixture(params=["english", "french"])
def page(request: pytest.FixtureRequest, address: str) -> Iterator[Page]:
    """A page whose script faults, and requests to anywhere else, fail the test."""
    page = request.getfixturevalue(request.param).new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    host = address.removesuffix("viewer/")
    page.on("request", lambda one: None if one.url.startswith((host, "data:", "blob:")) else faults.append(one.url))
    yield page
    page.close()
    assert faults == []


@pytest.fixture
def consultation(page: Page, address: str) -> Page:
    page.goto(address)
    expect(page.locator("#figure-edss .scatterlayer .trace").first).to_be_visible(timeout=TIMEOUT)
    return page


def accessibility_faults(page: Page) -> list[str]:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    violations = page.evaluate("rules => axe.run(document, {runOnly: rules}).then(found => found.violations)", RULES)
    return [f"{one['id']}: {node['target']}" for one in violations for node in one["nodes"]]


def give_age(page: Page, age: str) -> None:
    """Type an age and wait until the session has it."""
    link = page.locator("#second-screen")
    before = str(link.get_attribute("href"))
    page.locator("#poi-age").fill(age)
    expect(link).not_to_have_attribute("href", before, timeout=TIMEOUT)


only_english = pytest.mark.parametrize("page", ["english"], indirect=True)


def test_no_page_has_an_accessibility_fault(consultation: Page) -> None:
    assert accessibility_faults(consultation) == []
    for tab, sign in (("outcomes", "#outcome-relapse .trace"), ("who", "#who table")):
        consultation.locator(f"#tabs input[value='{tab}'] + label").click()
        expect(consultation.locator(sign).first).to_be_visible(timeout=TIMEOUT)
        assert accessibility_faults(consultation) == []
    consultation.locator("#nav-about").click()
    expect(consultation.locator(".about")).to_be_visible(timeout=TIMEOUT)
    assert accessibility_faults(consultation) == []


def test_the_page_to_take_home_prints_on_one_sheet(page: Page, address: str) -> None:
    page.goto(f"{address}take-home")
    expect(page.locator("#sheet .js-plotly-plot")).to_be_visible(timeout=TIMEOUT)
    assert accessibility_faults(page) == []
    printed = page.pdf(prefer_css_page_size=True, print_background=True)
    assert printed.count(b"/Type /Page\n") == 1


def test_the_patient_is_asked_before_anything_is_shown(page: Page, address: str) -> None:
    page.goto(f"{address}patient{Session(form=EXAMPLES['quiet']).as_fragment()}")
    expect(page.locator("#patient-show")).to_be_visible(timeout=TIMEOUT)
    expect(page.locator("#patient-arrays")).to_be_hidden()
    assert accessibility_faults(page) == []
    page.locator("#patient-show").press("Enter")
    expect(page.locator("#patient-arrays img.icon-array").first).to_be_visible(timeout=TIMEOUT)
    assert accessibility_faults(page) == []
    page.locator("#nav-consultation").click()
    expect(page.locator("#poi-age")).to_have_value("49", timeout=TIMEOUT)


@only_english
def test_the_form_leads_to_the_answer(consultation: Page) -> None:
    give_age(consultation, "51")
    consultation.locator("#poi-relapses-12m-unknown").press("Enter")
    expect(consultation.locator("#poi-relapses-12m")).to_have_value("")
    expect(consultation.locator("#correct")).to_be_empty()
    consultation.locator("#poi-phenotype input[value='PPMS'] + label").click()
    expect(consultation.locator("#refusals")).to_contain_text("at least 30 are needed", timeout=TIMEOUT)
    consultation.locator("#poi-edss").fill("2.3")
    expect(consultation.locator("#correct")).not_to_be_empty(timeout=TIMEOUT)
    expect(consultation.locator("#poi-edss")).to_have_attribute("aria-invalid", "true")
    consultation.locator("#example-open").press("Enter")
    consultation.locator("#example-quiet").press("Enter")
    expect(consultation.locator("#poi-age")).to_have_value("49", timeout=TIMEOUT)
    expect(consultation.locator("#correct")).to_be_empty(timeout=TIMEOUT)


@only_english
def test_language_and_theme_change_in_place_and_the_form_stays(consultation: Page) -> None:
    give_age(consultation, "51")
    consultation.locator("#language-choice input[value='fr'] + label").click()
    expect(consultation.locator("html")).to_have_attribute("lang", "fr")
    expect(consultation.locator("#poi-age")).to_have_value("51")
    consultation.locator("#language-choice input[value='en'] + label").click()
    consultation.locator("#theme-toggle").click()
    expect(consultation.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    consultation.locator("#theme-toggle").click()


@only_english
def test_re_weighing_by_keyboard_reaches_the_answer_and_can_be_undone(consultation: Page) -> None:
    counts = consultation.locator("#patients-of-reference")
    as_learned = counts.inner_text()
    consultation.locator("#tabs input[value='who'] + label").click()
    consultation.locator("#similarity-k input[value='50'] + label").click()
    expect(counts).to_contain_text("n = 50", timeout=TIMEOUT)
    slider = consultation.locator(".slider [role='slider']").last
    slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuenow", "1.25")
    consultation.locator("#similarity-reset").click()
    expect(slider).to_have_attribute("aria-valuenow", "1", timeout=TIMEOUT)
    expect(counts).to_have_text(as_learned, use_inner_text=True, timeout=TIMEOUT)


@only_english
def test_the_legend_chooses_the_curves_everywhere(consultation: Page) -> None:
    curves = "() => document.querySelector('#figure-edss .js-plotly-plot').data.filter(one => one.name).length"
    assert consultation.evaluate(curves) == 10
    consultation.locator("#legend-n-natalizumab").click()
    consultation.wait_for_function(f"({curves})() === 9", timeout=TIMEOUT)
    consultation.locator("#nav-take-home").click()
    expect(consultation.locator("#sheet tbody tr")).to_have_count(8, timeout=TIMEOUT)
