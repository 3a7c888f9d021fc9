"""The viewer in a real Chromium on the real server: the form is filled, the curves are read."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.e2e.processes import POI, Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.e2e

CURVES = """id => {
    const plot = document.querySelector(`#${id} .js-plotly-plot`);
    return plot ? plot.data.map(trace => ({name: trace.name ?? "", y: Array.from(trace.y ?? [])})) : [];
}"""


@pytest.fixture(scope="module")
def lasting(browser: Browser, server: Server) -> Iterator[tuple[Page, list[str]]]:
    """One page for all tests, since opening one takes longer than most of them, and its faults."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    faults: list[str] = []
    ours = (server.address, "data:", "blob:")
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(ours) else faults.append(request.url))
    page.goto(f"{server.address}/viewer/")
    expect(page.locator("#figure-worsening .js-plotly-plot")).to_be_visible(timeout=20_000)
    yield page, faults
    page.close()


@pytest.fixture
def page(lasting: tuple[Page, list[str]]) -> Iterator[Page]:
    page, faults = lasting
    yield page
    found, faults[:] = list(faults), []
    assert found == []


def _fill(page: Page, patient: dict[str, Any]) -> None:
    for field in ("age", "years_since_onset", "edss", "relapses_12m", "gd_lesions"):
        box = page.locator(f"#poi-{field.replace('_', '-')}")
        box.fill(str(patient[field]))
        box.press("Tab")
    for field in ("sex", "phenotype", "t2_lesions", "prior_treatment"):
        group = page.locator(f"#poi-{field.replace('_', '-')}")
        group.locator(f"input[value='{patient[field]}'] + label").click()


def _curves(page: Page, figure: str) -> list[dict[str, Any]]:
    curves: list[dict[str, Any]] = page.evaluate(CURVES, figure)
    return curves


def test_the_form_is_filled_and_the_curves_follow(page: Page, server: Server) -> None:
    before = _curves(page, "figure-worsening")
    _fill(page, {**POI, "age": 61, "edss": 5.5, "phenotype": "SPMS"})
    page.wait_for_function(
        f"before => JSON.stringify(({CURVES})('figure-worsening')) !== before",
        arg=page.evaluate("curves => JSON.stringify(curves)", before),
        timeout=10_000,
    )
    _fill(page, dict(POI))
    patient = {name: value for name, value in POI.items() if name != "history"}
    answer = httpx.post(f"{server.address}/api/v1/projections", json=patient).json()
    shown = {treatment["treatment"]: treatment for treatment in answer["classes"] if treatment["refusal"] is None}
    natalizumab = shown["natalizumab"]["probabilities"]["worsening_24w"]["value"][:5]
    page.wait_for_function(
        f"""wanted => ({CURVES})('figure-worsening').some(
            curve => [1, 100].some(unit => wanted.every((v, i) => Math.abs(curve.y[i] / unit - v) < .001)))""",
        arg=natalizumab,
        timeout=10_000,
    )
    counts = page.locator("#patients-of-reference").inner_text()
    for treatment in shown.values():
        assert re.search(rf"\b{treatment['n']}\b", counts)


def test_it_says_what_it_is_not_and_what_an_age_may_be(page: Page) -> None:
    expect(page.locator("#research-line")).to_contain_text("not a medical device")
    expect(page.locator("#release-line")).to_contain_text(re.compile(r"r1-[0-9a-f]{12}"))
    box = page.locator("#poi-age")
    box.fill("300")
    box.press("Tab")
    expect(page.get_by_text(re.compile(r"15.*90")).first).to_be_visible()


PASTE = """(field, text) => {
    const data = new DataTransfer();
    data.setData("text", text);
    field.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}));
}"""


def test_a_pasted_number_keeps_its_decimals(page: Page) -> None:
    for language, pasted, shown in (("fr", "3.5", "3,5"), ("en", "3,5", "3.5")):
        page.locator(f"#language-choice input[value='{language}'] + label").click()
        page.wait_for_function("language => document.documentElement.lang === language", arg=language)
        box = page.locator("#poi-edss")
        box.fill("2")
        box.press("Control+a")
        box.evaluate(PASTE, pasted)
        expect(box).to_have_value(shown)


def test_a_link_for_another_device_is_sealed_and_opens_once(page: Page, browser: Browser) -> None:
    page.locator("#poi-age").fill("57")
    expect(page.locator("#example-note")).to_be_empty()
    page.locator("#share-open").click()
    expect(page.locator("#share-link")).to_have_value(re.compile("#patient="))
    link = page.locator("#share-link").input_value()
    sealed = link.partition("=")[2]
    assert b"age" not in base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
    other = browser.new_page()
    other.goto(link)
    other.locator("#nav-consultation").click()
    expect(other.locator("#poi-age")).to_have_value("57")
    assert "#" not in other.url
    other.goto("about:blank")
    other.goto(link)
    expect(other.locator(".page-notice")).to_be_visible()
    other.close()


def test_an_unknown_path_below_the_viewer_is_a_404(server: Server) -> None:
    assert httpx.get(f"{server.address}/viewer/nothing").status_code == 404
