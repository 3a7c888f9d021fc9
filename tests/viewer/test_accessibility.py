"""Every view in both languages and themes, with everything open and every error: no fault, nothing cut, no mouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.viewer.conftest import accessibility_faults, drawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import BrowserContext, Page

pytestmark = pytest.mark.e2e

TABS = {"outcomes": "#lesions-new-t2 .trace", "compare": "#compare-relapse .trace", "who": "#figure-plane .trace"}
WIDTHS = (768, 1920, 1280)
FITS = "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"


def test_no_view_has_a_fault_and_nothing_is_cut(page: Page, address: str) -> None:
    """One walk through every view, from a link that cannot be opened and in a study, so that both are seen too.

    In each language, one in a page that began light and one in a page that began dark; in every view the other theme
    is looked at as well.
    """

    def sound() -> None:
        assert accessibility_faults(page) == []
        _change_theme(page)
        assert accessibility_faults(page) == []
        # Words and their places differ by language, colours by theme: places are looked at in one theme.
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            # Figures take their new width a moment later.
            page.wait_for_function(FITS, timeout=10_000)
            assert _cut(page) == [], width

    page.goto(f"{address}?participant=0123456789abcdef#patient=forged-token")
    expect(page.locator(".page-notice")).to_be_visible()
    sound()
    _consultation(page, sound)
    for name, sign in TABS.items():
        page.locator(f"#tabs input[value='{name}'] + label").click()
        drawn(page, sign)
        if name == "compare":
            page.locator("#compare-reference").click()
            expect(page.get_by_role("option").first).to_be_visible()
        sound()
        page.keyboard.press("Escape")
    page.locator("#nav-take-home").click()
    drawn(page, "#sheet .trace")
    sound()
    page.locator("#nav-about").click()
    expect(page.locator(".about table")).to_have_count(6)
    sound()
    page.locator("#nav-patient").click()
    page.locator("#patient-not-now").click()
    expect(page.locator("#patient-farewell")).not_to_be_empty()
    expect(page.locator("#patient-arrays")).to_be_hidden()
    sound()
    page.locator("#patient-show").click()
    drawn(page, ".icon-array")
    page.locator("#patient-certainty").press("Space")
    drawn(page, ".likely")
    sound()
    page.goto(f"{address}questionnaire")
    expect(page.get_by_role("radiogroup")).to_have_count(4)
    page.locator("main").get_by_role("radio").first.check()
    expect(page.locator("#questionnaire-progress")).to_contain_text("1")
    sound()


def _change_theme(page: Page) -> None:
    """Change the theme as its button does, without a click, which would close what is open."""
    before = page.locator("html").get_attribute("data-mantine-color-scheme")
    after = "light" if before == "dark" else "dark"
    page.evaluate("theme => window.dash_clientside.set_props('theme', {data: theme})", after)
    # Colours on their way from one theme to the other are those of neither.
    page.wait_for_function(
        """theme => document.documentElement.dataset.mantineColorScheme === theme
            && !document.getAnimations().some(one => one instanceof CSSTransition)""",
        arg=after,
    )


def _consultation(page: Page, sound: Callable[[], None]) -> None:
    _example(page, "recent_active")
    drawn(page)
    page.locator("#example-open").click()
    page.locator(".history summary").last.click()
    page.locator("#share-open").click()
    expect(page.locator("#share-link")).not_to_have_value("")
    sound()
    page.locator("#share-open").click()
    page.locator("#example-primary").click()
    page.locator("#refusals summary").click()
    page.locator("#record-text").fill("no record")
    page.locator("#record-read").click()
    expect(page.locator("#record-error")).not_to_be_empty()
    sound()
    page.locator("#poi-edss").fill("2.3")
    page.locator("#poi-age").fill("")
    expect(page.locator("#correct")).not_to_be_empty()
    expect(page.locator("#panel-disability")).to_be_hidden()
    sound()
    _example(page, "established")
    page.locator("#band input[value='single'] + label").click()
    expect(page.locator("#figures.apart")).to_be_visible()
    sound()


def _example(page: Page, name: str) -> None:
    page.locator("#example-open").click()
    page.locator(f"#example-{name}").click()


def _cut(page: Page) -> list[str]:
    """Return the words that do not fit their place."""
    cut: list[str] = page.evaluate(
        """() => {
            const words = [...document.querySelectorAll(
                "label, legend, button, h1, h2, h3, nav a, .hint, .class-name, [class*=innerLabel]")];
            const hidden = words.filter(one => one.offsetParent && one.scrollWidth > one.clientWidth + 1
                && getComputedStyle(one).overflow !== "visible");
            return hidden.map(one => one.textContent);
        }"""
    )
    return cut


def _tab_to(page: Page, element: str, *, most: int = 90, back: bool = False) -> None:
    """Press the tab key until an element has the focus, and see that the focus can be seen."""
    for _ in range(most):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        if page.evaluate("element => document.activeElement.matches(element)", element):
            assert _focus_is_seen(page), f"the focus on {element} cannot be seen"
            return
    pytest.fail(f"{element} cannot be reached with the tab key")


def _focus_is_seen(page: Page) -> bool:
    """Tell whether the element with the focus looks otherwise than without."""
    clip = page.evaluate(
        """() => {
            const focused = document.activeElement;
            const seen = focused.checkVisibility({opacityProperty: true}) && focused.getBoundingClientRect().width > 2
                ? focused : focused.labels[0];
            const box = seen.getBoundingClientRect();
            const [x, y] = [Math.max(0, box.x - 6), Math.max(0, box.y - 6)];
            return {x: x, y: y, width: box.width + 12, height: box.height + 12};
        }"""
    )

    def look() -> bytes:
        return page.screenshot(clip=clip, animations="disabled", caret="hide")

    with_focus = look()
    page.evaluate("() => { window.focused = document.activeElement; window.focused.blur(); }")
    without = look()
    # A field that the tab key reaches has its content selected.
    page.evaluate("() => { window.focused.focus({preventScroll: true}); window.focused.select?.(); }")
    return with_focus != without


def _has_focus(page: Page, element: str) -> None:
    """Wait until an element has the focus."""
    page.wait_for_function("element => document.activeElement.matches(element)", arg=element)


def test_a_whole_consultation_without_a_mouse(english: BrowserContext, address: str) -> None:
    page = english.new_page()
    page.add_init_script("window.print = () => { window.printed = true; }")
    page.goto(address)
    drawn(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    menu = page.locator("#example-menu")
    _tab_to(page, "#example-open")
    page.keyboard.press("Enter")
    _tab_to(page, "#example-recent_active", most=1)
    page.keyboard.press("Escape")
    _has_focus(page, "#example-open")
    expect(menu).not_to_have_attribute("open")
    page.keyboard.press("Enter")
    _tab_to(page, "#example-established", most=2)
    page.keyboard.press("Enter")
    _has_focus(page, "#example-open")
    page.keyboard.press("Enter")
    expect(menu).to_have_attribute("open", "")
    # It lies over the fields that follow: whoever goes on must see them.
    _tab_to(page, "#poi-age", most=6)
    expect(menu).not_to_have_attribute("open")
    page.keyboard.type("47")
    _tab_to(page, "#poi-sex input")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#poi-sex input[value='male']")).to_be_checked()
    _tab_to(page, "#poi-edss")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#poi-edss")).to_have_value("3")
    _tab_to(page, "#poi-relapses-12m-unknown")
    page.keyboard.press("Enter")
    expect(page.locator("#poi-relapses-12m")).to_have_value("")
    _tab_to(page, ".history ~ .history summary, .history:last-of-type summary")
    page.keyboard.press("Enter")
    _tab_to(page, "#record-choose", most=4)
    # One stop opens the choice of a file, and the next is elsewhere.
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.type") == "checkbox"
    page.keyboard.press("Shift+Tab")
    _tab_to(page, ".legend-chips input[value='natalizumab']")
    page.keyboard.press("Space")
    names = "() => document.querySelector('#figure-edss .js-plotly-plot').data.map(one => one.name)"
    page.wait_for_function(f"!({names})().includes('Natalizumab')")
    assert "Cladribine" in page.evaluate(names)
    _tab_to(page, "#tabs input")
    for sign in TABS.values():
        page.keyboard.press("ArrowRight")
        drawn(page, sign)
    _tab_to(page, ".slider [role='slider']")
    page.keyboard.press("Home")
    counts = page.locator("#patients-of-reference")
    expect(counts).to_contain_text("too few")  # nobody is within 0 years
    page.keyboard.press("End")
    expect(counts).not_to_contain_text("too few")
    _tab_to(page, "#nav-patient", back=True)
    page.keyboard.press("Enter")
    expect(page.locator("#patient-show")).to_be_visible()
    _has_focus(page, "main[aria-label='For the patient']")
    _tab_to(page, "#patient-show", most=1)
    page.keyboard.press("Enter")
    drawn(page, ".icon-array")
    _has_focus(page, "#patient-answer-title")
    assert page.locator(".array-card").count() == 8
    _tab_to(page, "#patient-certainty")
    page.keyboard.press("Space")
    drawn(page, ".likely")
    _tab_to(page, "#nav-take-home", back=True)
    page.keyboard.press("Enter")
    drawn(page, "#sheet .trace")
    expect(page.locator(".described")).to_contain_text("47 years old")
    _tab_to(page, "#print")
    page.keyboard.press("Enter")
    page.wait_for_function("window.printed")
    _tab_to(page, "#language-choice input", back=True)
    page.keyboard.press("ArrowRight")
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    _has_focus(page, "#language-choice input[value='fr']")
    _tab_to(page, "#theme-toggle", most=1)
    page.close()
