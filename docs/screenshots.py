"""Take the pictures of the viewer that the documentation shows.

Start the service first (``make demo``), then run::

    .venv/bin/python docs/screenshots.py [ADDRESS]

with the address of the viewer, ``http://127.0.0.1:8000/viewer/`` by default. Needs Playwright and a Chromium; writes
PNG files to ``docs/images/``.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

IMAGES = Path(__file__).parent / "images"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT = 30_000


def _example(page: Page, name: str) -> None:
    page.locator("#example-open").click()
    page.locator(f"#example-{name}").click()


def _drawn(page: Page, sign: str = "#figure-edss .scatterlayer .trace") -> None:
    expect(page.locator(sign).first).to_be_visible(timeout=TIMEOUT)


def _tab(page: Page, name: str, sign: str) -> None:
    page.locator(f"#tabs input[value='{name}'] + label").click()
    _drawn(page, sign)


def consultation(page: Page) -> None:
    """A patient with past visits, all treatments together."""
    _drawn(page)
    _example(page, "quiet")
    expect(page.locator("#poi-age")).to_have_value("49", timeout=TIMEOUT)


def side_by_side(page: Page) -> None:
    """One panel per treatment, with the spread of individuals."""
    consultation(page)
    page.locator("#arrangement input[value='apart'] + label").click()
    page.locator("#band input[value='individual'] + label").click()
    expect(page.locator("#figures.apart")).to_be_visible(timeout=TIMEOUT)


def single_patients(page: Page) -> None:
    """Single synthetic patients of reference behind the expected course."""
    consultation(page)
    page.locator("#band input[value='single'] + label").click()
    expect(page.locator("#figures.apart")).to_be_visible(timeout=TIMEOUT)


def refusal(page: Page) -> None:
    """A rare patient: most treatments are refused, and it is said why."""
    _drawn(page)
    _example(page, "primary")
    page.locator("#refusals summary").click(timeout=TIMEOUT)
    expect(page.locator("#refusals li").first).to_be_visible(timeout=TIMEOUT)


def correction(page: Page) -> None:
    """Values that are not possible are said at their fields, and the results of before are taken away."""
    _drawn(page)
    page.locator("#poi-edss").fill("2.3")
    page.locator("#poi-age").fill("300")
    expect(page.locator("#panel-disability")).to_be_hidden(timeout=TIMEOUT)


def outcomes(page: Page) -> None:
    """Every outcome."""
    _drawn(page)
    _tab(page, "outcomes", "#lesions-new-t2 .scatterlayer .trace")


def compare(page: Page) -> None:
    """Treatments against one of them."""
    _drawn(page)
    _tab(page, "compare", "#compare-relapse .scatterlayer .trace")


def who(page: Page) -> None:
    """Who the patients of reference are."""
    _drawn(page)
    _tab(page, "who", "#figure-plane .scatterlayer .trace")


def patient(page: Page) -> None:
    """The patient's page, after the question whether to look."""
    page.locator("#patient-show").click(timeout=TIMEOUT)
    expect(page.locator(".icon-array").first).to_be_visible(timeout=TIMEOUT)
    page.locator("label[for='patient-certainty']").last.click()


def before(page: Page) -> None:
    """The question whether to look."""
    expect(page.locator("#patient-show")).to_be_visible(timeout=TIMEOUT)


def take_home(page: Page) -> None:
    """The sheet to take home."""
    _drawn(page, "#sheet .scatterlayer .trace")


def about(page: Page) -> None:
    """What the evidence is."""
    expect(page.locator(".about table").first).to_be_visible(timeout=TIMEOUT)


PICTURES: dict[str, tuple[str, Callable[[Page], None], int, str, str]] = {
    "viewer": ("", consultation, 1440, "light", "en-GB"),
    "viewer-dark-french": ("", consultation, 1440, "dark", "fr-FR"),
    "viewer-side-by-side": ("", side_by_side, 1440, "light", "en-GB"),
    "viewer-single-patients": ("", single_patients, 1440, "light", "en-GB"),
    "viewer-refusal": ("", refusal, 1440, "light", "en-GB"),
    "viewer-correction": ("", correction, 1440, "light", "en-GB"),
    "viewer-outcomes": ("", outcomes, 1440, "light", "en-GB"),
    "viewer-compare": ("", compare, 1440, "light", "en-GB"),
    "viewer-who": ("", who, 1440, "light", "en-GB"),
    "viewer-who-dark-french": ("", who, 1280, "dark", "fr-FR"),
    "viewer-narrow": ("", consultation, 768, "light", "en-GB"),
    "patient-before": ("patient", before, 1280, "light", "en-GB"),
    "patient": ("patient", patient, 1280, "light", "en-GB"),
    "patient-dark-french": ("patient", patient, 1280, "dark", "fr-FR"),
    "take-home": ("take-home", take_home, 1280, "light", "en-GB"),
    "about": ("about", about, 1280, "light", "en-GB"),
}
"""File name: page, what to do there, width in pixels, theme, language."""


def take(browser: Browser, address: str, name: str) -> None:
    """Take one picture."""
    path, act, width, theme, locale = PICTURES[name]
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme="dark" if theme == "dark" else "light", locale=locale
    )
    page = context.new_page()
    page.goto(f"{address}{path}")
    act(page)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(500)
    page.screenshot(path=IMAGES / f"{name}.png", full_page=True)
    context.close()
    print(IMAGES / f"{name}.png")


def main() -> None:
    """Take every picture."""
    address = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8000/viewer/"
    IMAGES.mkdir(exist_ok=True)
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        for name in PICTURES:
            take(browser, address, name)
        browser.close()


if __name__ == "__main__":
    main()
