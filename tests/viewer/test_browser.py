"""The viewer in a real Chromium on a small database: what a consultation does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.viewer.conftest import accessibility_faults, drawn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext, Page

    from tests.viewer.conftest import Served

pytestmark = pytest.mark.e2e


def give_age(page: Page, age: str) -> None:
    """Type an age and wait until the session has it."""
    page.locator("#poi-age").fill(age)
    expect(page.locator("#example-note")).to_be_empty()


only_english = pytest.mark.parametrize("page", ["english"], indirect=True)


def test_the_page_to_take_home_prints_on_one_light_sheet_and_is_a_file_too(page: Page, address: str) -> None:
    page.goto(f"{address}take-home")
    drawn(page, "#sheet .js-plotly-plot")
    printed = page.pdf(prefer_css_page_size=True, print_background=True)
    assert printed.count(b"/Type /Page\n") == 1
    page.emulate_media(media="print")
    looks = """() => ["html", "body", ".sheet"].map(part => {
        const style = getComputedStyle(document.querySelector(part));
        return [style.backgroundColor, style.colorScheme];
    })"""
    assert {ground for ground, _ in page.evaluate(looks)} == {"rgb(255, 255, 255)"}
    # Browsers paint the margins of the sheet in the colour scheme of the whole document.
    assert "dark" not in page.evaluate(looks)[0][1]
    page.emulate_media(media="screen")
    with page.expect_download() as download:
        page.locator("#pdf").press("Enter")
    assert download.value.suggested_filename.endswith(".pdf")
    assert download.value.path().read_bytes().startswith(b"%PDF")


@pytest.fixture
def earlier(served: Served) -> Iterator[None]:
    """Nobody is seen for longer than 18 months."""
    served.projector.until = 18
    yield
    served.projector.until = None


@pytest.mark.usefixtures("earlier")
def test_values_of_an_earlier_month_are_marked_on_every_page_and_the_sheet_stays_one(
    page: Page, address: str
) -> None:
    page.goto(address)
    # The answer to a patient nobody asked about before: others are remembered.
    page.locator("#poi-age").fill("58")
    marks = page.locator("#outcome-table .other-month")
    expect(marks).to_have_count(4 * 9)
    assert {mark.strip() for mark in marks.all_inner_texts()} <= {"at 18 months", "à 18 mois"}
    assert accessibility_faults(page) == []
    page.locator("#nav-patient").click()
    page.locator("#patient-show").click()
    expect(page.locator("#patient-arrays .until")).to_have_count(9)
    assert accessibility_faults(page) == []
    page.locator("#nav-take-home").click()
    drawn(page, "#sheet .trace")
    expect(page.locator("#sheet .other-month")).to_have_count(3 * 9)
    assert accessibility_faults(page) == []
    printed = page.pdf(prefer_css_page_size=True, print_background=True)
    assert printed.count(b"/Type /Page\n") == 1


def test_the_form_leads_to_the_answer(consultation: Page) -> None:
    give_age(consultation, "51")
    consultation.locator("#poi-relapses-12m-unknown").press("Enter")
    expect(consultation.locator("#poi-relapses-12m")).to_have_value("")
    expect(consultation.locator("#correct")).to_be_empty()
    consultation.locator("#poi-phenotype input[value='PPMS'] + label").click()
    expect(consultation.locator("#refusals")).to_contain_text("at least 35 are needed")
    consultation.locator("#poi-edss").fill("2.3")
    expect(consultation.locator("#correct")).not_to_be_empty()
    expect(consultation.locator("#poi-edss")).to_have_attribute("aria-invalid", "true")
    consultation.locator("#example-open").press("Enter")
    consultation.locator("#example-quiet").press("Enter")
    expect(consultation.locator("#poi-age")).to_have_value("49")
    expect(consultation.locator("#correct")).to_be_empty()


def test_language_and_theme_change_in_place_and_the_form_stays(consultation: Page) -> None:
    give_age(consultation, "51")
    consultation.locator("#language-choice input[value='fr'] + label").click()
    expect(consultation.locator("html")).to_have_attribute("lang", "fr")
    expect(consultation.locator("#poi-age")).to_have_value("51")
    # A number that comes whole, as from dictation, keeps its decimals whatever its mark.
    consultation.locator("#poi-edss").fill("3.5")
    expect(consultation.locator("#poi-edss")).to_have_value("3,5")
    consultation.locator("#language-choice input[value='en'] + label").click()
    consultation.locator("#theme-toggle").click()
    expect(consultation.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    consultation.locator("#theme-toggle").click()


def test_re_weighing_by_keyboard_reaches_the_answer_and_can_be_undone(consultation: Page) -> None:
    counts = consultation.locator("#patients-of-reference")
    as_learned = counts.inner_text()
    consultation.locator("#tabs input[value='who'] + label").click()
    consultation.locator("#similarity-k input[value='50'] + label").click()
    expect(counts).to_contain_text("n = 50")
    slider = consultation.locator(".slider [role='slider']").last
    slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuenow", "1.25")
    consultation.locator("#similarity-reset").click()
    expect(slider).to_have_attribute("aria-valuenow", "1")
    expect(counts).to_have_text(as_learned, use_inner_text=True)


@pytest.fixture
def slow(served: Served) -> Iterator[None]:
    """Answers take two seconds longer, until told otherwise."""
    served.projector.slow = 2.0
    yield
    served.projector.slow = 0.0


def test_a_search_that_takes_long_says_so_at_its_choice_and_moves_nothing(
    consultation: Page, served: Served, slow: None
) -> None:
    consultation.locator("#tabs input[value='who'] + label").click()
    drawn(consultation, "#figure-plane .trace")
    said, found = consultation.locator("#similarity-wait"), consultation.locator("#panel-who .who")
    expect(said).to_have_role("status")
    place = "() => document.getElementById('similarity-sources').getBoundingClientRect().top"
    before = consultation.evaluate(place)
    consultation.locator("#similarity-baselines input[value='every_visit'] + label").click()
    expect(said).to_have_text("Searching for a few seconds…")
    expect(found).to_have_attribute("aria-busy", "true")
    assert consultation.evaluate(place) == before
    assert accessibility_faults(consultation) == []
    expect(said).to_be_empty()
    expect(found).to_have_attribute("aria-busy", "false")
    assert consultation.evaluate(place) == before
    # What is answered at once is not announced. The clock of the page goes slowly: a busy machine takes its time.
    served.projector.slow = 0.0
    consultation.evaluate(
        """() => {
            const now = Date.now, began = now();
            Date.now = () => began + (now() - began) / 20;
            window.announced = 0;
            const count = () => { window.announced += 1; };
            new MutationObserver(count).observe(document.getElementById("similarity-wait"), {childList: true});
        }"""
    )
    with consultation.expect_response(lambda one: "_dash-update" in one.url):
        consultation.locator("#similarity-reset").click()
    drawn(consultation, "#figure-plane .trace")
    consultation.wait_for_timeout(1500)
    assert consultation.evaluate("window.announced") == 0


def test_the_legend_chooses_the_curves_everywhere(consultation: Page) -> None:
    curves = "() => document.querySelector('#figure-edss .js-plotly-plot').data.filter(one => one.name).length"
    assert consultation.evaluate(curves) == 10
    consultation.locator("#legend-n-natalizumab").click()
    consultation.wait_for_function(f"({curves})() === 9")
    consultation.locator("#nav-take-home").click()
    expect(consultation.locator("#sheet tbody tr")).to_have_count(8)
    consultation.locator("#nav-consultation").click()
    consultation.locator("#legend-n-natalizumab").click()
    consultation.wait_for_function(f"({curves})() === 10")


def test_a_changed_field_is_one_journey_and_moves_nothing(consultation: Page) -> None:
    """The answer comes with the first request after a change; a refusal takes a place that was kept for it."""
    asked: list[str] = []
    consultation.on("request", lambda one: asked.append(one.url) if "_dash-update" in one.url else None)
    places = "() => ['tabs', 'figures', 'outcome-table'].map(id => document.getElementById(id).offsetTop)"
    before = consultation.evaluate(places)
    with consultation.expect_response(lambda one: "_dash-update" in one.url):
        consultation.locator("#poi-sex input[value='male'] + label").click()
    consultation.wait_for_timeout(1000)  # in which a further journey would begin
    assert len(asked) == 2  # the state of the form and legend, and the open tab: side by side
    consultation.locator("#poi-phenotype input[value='SPMS'] + label").click()
    expect(consultation.locator("#refusals li").first).to_be_attached()
    assert consultation.evaluate(places) == before
    consultation.locator("#poi-edss").fill("2.3")
    expect(consultation.locator("#correct")).not_to_be_empty()
    assert consultation.evaluate(places) == before


def test_single_patients_are_drawn_on_demand(consultation: Page) -> None:
    consultation.locator("#band input[value='single'] + label").click()
    expect(consultation.locator("#figures.apart")).to_be_visible()
    gaps = """() => document.querySelector('#figure-edss .js-plotly-plot').data
        .map(one => one.x.filter(month => month === null).length).filter(gaps => gaps > 0)"""
    consultation.wait_for_function(f"({gaps})().length === 9")
    assert set(consultation.evaluate(gaps)) == {30}


@only_english
def test_a_sealed_link_opens_its_patient_and_leaves_the_address_bar(page: Page, address: str) -> None:
    page.goto(f"{address}#patient=a-good-token")
    drawn(page)
    expect(page.locator("#poi-age")).to_have_value("61")
    assert page.url == address
    page.goto("about:blank")
    page.goto(f"{address}#patient=an-old-token")
    expect(page.locator(".page-notice")).to_contain_text("too old")
    expect(page.locator("#poi-age")).to_have_value("")
    expect(page.locator("#panel-disability")).to_be_hidden()


def heard(page: Page, served: Served, kind: str, detail: str = "") -> None:
    """Wait until the study has heard of something; what waited for it to answer again follows one by one."""
    for _ in range(150):
        if any((event["kind"], event["detail"]) == (kind, detail) for event in served.events):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"the study has not heard of {kind} {detail}")


def test_a_study_hears_what_was_looked_at_and_nothing_of_the_patient(served: Served, english: BrowserContext) -> None:
    page = english.new_page()
    served.events.clear()
    page.goto(f"{served.address}?participant=0123456789abcdef")
    drawn(page)
    assert "participant" not in page.url
    page.locator("#tabs input[value='who'] + label").click()
    drawn(page, "#who table")
    served.failing = True
    page.locator(".slider [role='slider']").last.press("ArrowRight")
    expect(page.locator("#study-state")).to_contain_text("Not recorded yet")
    served.failing = False
    for choice, value, detail in (
        ("baselines", "every_visit", "baselines"),
        ("sources", "trial", "source_kind"),
        ("k", "100", "k"),
    ):
        page.locator(f"#similarity-{choice} input[value='{value}'] + label").click()
        heard(page, served, "reweighted", detail)
    page.locator("#nav-patient").click()
    expect(page.locator("#patient-show")).to_be_visible()
    for element, typed, whole in (("considered", "Nata", "Natalizumab"), ("decided", "Anti", "Anti-CD20")):
        page.locator(f"#study-{element}").fill(typed)
        option = page.locator("#study [role='option']").filter(visible=True)
        expect(option).to_have_text([whole])
        option.click()
        chosen = page.locator("#study .mantine-Pill-label, #study input[value='Anti-CD20']")
        expect(chosen.last).to_be_visible()
    expect(page.locator("#study-decided")).to_have_value("Anti-CD20")
    page.locator("#study-end").press("Enter")
    expect(page.locator("#study-state")).to_contain_text("The consultation has ended")
    heard(page, served, "closed")
    assert [(event["kind"], event["detail"]) for event in served.events] == [
        ("opened", ""),
        ("viewed", "disability"),
        ("viewed", "who"),
        ("reweighted", "prior_treatment"),
        ("reweighted", "baselines"),
        ("reweighted", "source_kind"),
        ("reweighted", "k"),
        ("viewed", "patient"),
        ("considered_after", "natalizumab"),
        ("decided", "anti-CD20"),
        ("closed", ""),
    ]
    assert {frozenset(event) for event in served.events} == {frozenset(("participant", "kind", "seconds", "detail"))}
    page.close()


def test_without_a_study_nothing_is_reported(served: Served, consultation: Page) -> None:
    served.events.clear()
    consultation.locator("#tabs input[value='compare'] + label").click()
    drawn(consultation, "#compare-relapse .trace")
    assert consultation.locator("#study").count() == 0
    assert served.events == []


def test_a_second_screen_follows_the_consultation(consultation: Page) -> None:
    with consultation.expect_popup() as opened:
        consultation.locator("#second-screen").click()
    second = opened.value
    second.locator("#patient-show").press("Enter")
    example = second.locator("#patient-example")
    expect(example).to_contain_text("Established relapsing")
    assert second.url.endswith("/patient#follow")
    consultation.locator("#example-open").click()
    consultation.locator("#example-recent_active").click()
    expect(example).to_contain_text("Recent and active")
    second.reload()
    expect(example).to_contain_text("Recent and active")
    second.close()


def test_a_link_for_another_device_is_sealed_and_opens_once(consultation: Page, served: Served) -> None:
    give_age(consultation, "51")
    consultation.locator("#share-open").press("Enter")
    link = consultation.locator("#share-link")
    expect(link).to_have_value(re.compile(r"/patient#patient=token-"))
    assert accessibility_faults(consultation) == []
    consultation.locator("#share-copy").press("Enter")
    expect(consultation.locator("#share-state")).to_have_text("Copied.")
    token = link.input_value().partition("=")[2]
    assert served.sealed[token]["session"]["values"]["age"] == 51
    other = consultation.context.new_page()
    other.goto(link.input_value())
    other.locator("#nav-consultation").click()
    expect(other.locator("#poi-age")).to_have_value("51")
    assert "#" not in other.url
    other.close()
    assert token not in served.sealed
    consultation.locator("#share-open").press("Enter")
    expect(link).to_have_value("")
    served.failing = True
    consultation.locator("#share-open").press("Enter")
    expect(consultation.locator("#share-state")).to_contain_text("No link can be made")
    served.failing = False
