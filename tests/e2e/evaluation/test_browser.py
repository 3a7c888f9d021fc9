"""A trial consultation in a real Chromium: consent, questionnaires, allocation, the tool, the decision, and after."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from playwright.sync_api import expect
from sqlalchemy import func, select

from cdss.evaluation.allocation import allocation_list
from cdss.evaluation.examples import example_protocol, example_text
from cdss.evaluation.pages.frame import catalogues
from cdss.evaluation.protocol import Arm
from cdss.evaluation.records import AnswerRecord, EventRecord, IncidentRecord, OutcomeRecord, ParticipantRecord
from cdss.persistence import Database
from tests.e2e.installations import made_up_installation
from tests.e2e.processes import Server, start_server, stop_server
from tests.viewer.conftest import accessibility_faults

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.e2e

SEED = 12
ARMS = {code: arms[0] for code, arms in allocation_list(example_protocol(), seed=SEED).clusters.items()}
KEPT = (ParticipantRecord, AnswerRecord, EventRecord, OutcomeRecord, IncidentRecord)


def cluster(arm: Arm) -> str:
    return next(code for code, given in ARMS.items() if given is arm)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with a small release of made-up patients."""
    return made_up_installation(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def trial_server(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A served installation in which the example trial is open."""
    server = start_server(home, tmp_path_factory.mktemp("server") / "log")
    with httpx.Client(base_url=server.address) as trialist:
        token = trialist.post("/api/v1/session", json={"name": "a trialist", "role": "trialist"}).json()["token"]
        opening = {"protocol": example_protocol().document(), "seed": SEED}
        headers = {"Authorization": f"Bearer {token}"}
        assert trialist.post("/api/v1/evaluation/trials", json=opening, headers=headers).status_code == 201
    yield server
    stop_server(server)


@pytest.fixture
def page(browser: Browser, trial_server: Server) -> Iterator[Page]:
    """The page of the trial, before a neurologist who said who they are."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(f"{trial_server.address}/evaluation")
    page.locator("input[name=name]").fill("a neurologist")
    page.locator("select[name=role]").select_option("clinician")
    page.get_by_role("button", name="Enter").click()
    page.get_by_role("link", name=example_protocol().code).click()
    yield page
    context.close()
    assert faults == []


def consent(page: Page, arm: Arm, *, given: bool = True) -> None:
    page.locator("select[name=cluster]").first.select_option(cluster(arm))
    page.locator(f"input[name=consent][value={'yes' if given else 'no'}]").check()
    page.locator("input[name=age]").fill("34")
    page.locator("select[name=phenotype]").select_option("RRMS")
    page.locator("input[name=edss]").fill("2.5")
    page.get_by_role("button", name="Go on").click()


def fill_in(page: Page, instrument: str, response: int, *, button: str = "Record") -> None:
    """Fill in the form of an instrument with one response throughout."""
    form = page.locator(f"form:has(input[name=instrument][value='{instrument}'])")
    for option in form.locator(f"input[type=radio][value='{response}']").all():
        option.check()
    form.get_by_role("button", name=button).click()


def before(page: Page) -> None:
    page.locator("select[name=treatment]").select_option("dimethyl fumarate")
    page.get_by_role("button", name="Record").first.click()
    fill_in(page, "DCS", 3)
    page.get_by_role("button", name="Ask for the allocation").click()


def events(home: Path, identifier: str) -> list[tuple[str, str]]:
    """Wait for nothing: what the database holds now, in the order of arrival."""
    database = Database(f"sqlite:///{home / 'service.sqlite'}")
    try:
        with database.reading() as session:
            found = session.scalars(
                select(EventRecord).where(EventRecord.participant == identifier).order_by(EventRecord.number)
            ).all()
            return [(event.kind, event.detail) for event in found]
    finally:
        database.close()


def rows(home: Path) -> list[int]:
    database = Database(f"sqlite:///{home / 'service.sqlite'}")
    try:
        with database.reading() as session:
            return [session.scalar(select(func.count()).select_from(table)) or 0 for table in KEPT]
    finally:
        database.close()


def test_a_consultation_from_consent_to_decision_in_the_viewer(page: Page, home: Path) -> None:
    consent(page, Arm.USE)
    identifier = page.locator("main code").first.inner_text()
    assert re.fullmatch(r"[0-9a-f]{16}", identifier)
    before(page)
    expect(page.get_by_role("heading", name="Consultation with the tool")).to_be_visible()
    with page.context.expect_page() as opening:
        page.locator("#open-tool").click()
    tool = opening.value
    expect(tool.locator("#study")).to_be_visible(timeout=30_000)
    assert identifier not in tool.url
    expect(tool.locator("#figure-edss .js-plotly-plot")).to_be_visible(timeout=30_000)
    tool.locator("#tabs input[value='who'] + label").click()
    weight = tool.locator(".slider [role='slider']").last
    weight.press("ArrowRight")
    expect(weight).to_have_attribute("aria-valuenow", "1.25", timeout=30_000)
    told_of = "() => (JSON.parse(sessionStorage.getItem('viewer-study')) || {waiting: [1]}).waiting.length === 0"
    tool.wait_for_function(told_of, timeout=30_000)
    tool.locator("#study-decided").click()
    tool.get_by_role("option", name="Natalizumab").click()
    with tool.expect_response(lambda answer: answer.url.endswith(f"{identifier}/events")) as answered:
        tool.locator("#study-end").click()
    assert answered.value.status == 201
    told = events(home, identifier)
    kinds = [kind for kind, _ in told]
    assert told[0] == ("considered_before", "dimethyl fumarate")
    assert kinds[1] == "opened"
    assert "viewed" in kinds
    assert "reweighted" in kinds
    assert told[-2:] == [("decided", "natalizumab"), ("closed", "")]
    tool.close()
    page.reload()
    assert page.locator("select[name=treatment]").count() == 0  # the tool has told what was decided
    page.locator("input[name=minutes]").fill("21.5")
    page.get_by_role("button", name="Record").first.click()
    for instrument, response in (("DCS", 1), ("SDM-Q-9", 4), ("SUS", 4)):
        fill_in(page, instrument, response)
    expect(page.get_by_text("Everything of this consultation is in")).to_be_visible()
    assert events(home, identifier)[-1] == ("ended", "")


def test_without_consent_nothing_is_stored_and_the_tool_stays_closed(
    page: Page, home: Path, trial_server: Server
) -> None:
    stored = rows(home)
    consent(page, Arm.USE, given=False)
    assert page.locator("main code").count() == 0
    stranger = "0123456789abcdef"
    page.goto(f"{trial_server.address}/evaluation/participants/{stranger}/tool")
    expect(page.locator("body")).to_contain_text("no such participant")
    page.goto(f"{trial_server.address}/viewer/?participant={stranger}")
    with page.expect_response(lambda answer: answer.url.endswith(f"{stranger}/events"), timeout=30_000) as answered:
        pass
    assert answered.value.status == 404
    assert rows(home) == stored


def test_as_usual_the_tool_is_not_offered_and_not_opened(page: Page, home: Path, trial_server: Server) -> None:
    consent(page, Arm.USUAL)
    identifier = page.locator("main code").first.inner_text()
    before(page)
    expect(page.get_by_role("heading", name="Consultation as usual")).to_be_visible()
    assert page.locator("#open-tool").count() == 0
    page.goto(f"{trial_server.address}/evaluation/participants/{identifier}/tool")
    expect(page.get_by_role("alert")).to_contain_text("allocated to usual")
    page.locator("select[name=considered]").select_option("natalizumab")
    page.locator("select[name=treatment]").select_option("natalizumab")
    page.locator("input[name=minutes]").fill("18")
    page.get_by_role("button", name="Record").first.click()
    assert [kind for kind, _ in events(home, identifier)] == [
        "considered_before",
        "considered_after",
        "decided",
        "ended",
    ]


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_page_is_accessible_and_fits(page: Page, trial_server: Server, language: str) -> None:
    """From the list of trials to a withdrawal, axe finds nothing, and nothing is cut on a narrow screen."""
    say = catalogues()[language]
    page.set_viewport_size({"width": 768, "height": 900})
    trial = f"{trial_server.address}/evaluation/trials/{example_protocol().code}"

    def looked_at() -> None:
        assert accessibility_faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert page.locator("html").get_attribute("lang") == language

    page.goto(f"{trial_server.address}/evaluation?lang={language}")
    looked_at()
    page.goto(f"{trial}?lang={language}")
    looked_at()
    page.locator("select[name=cluster]").first.select_option(cluster(Arm.USUAL))
    page.locator("input[name=consent][value=yes]").check()
    for name, value in (("age", "34"), ("edss", "2.3")):
        page.locator(f"input[name={name}]").first.fill(value)
    page.get_by_role("button", name=say["keep"]).click()
    expect(page.get_by_role("alert")).to_contain_text(say["refused"])
    looked_at()
    page.goto(f"{trial}?lang={language}")
    page.locator("select[name=cluster]").first.select_option(cluster(Arm.USUAL))
    page.locator("input[name=consent][value=yes]").check()
    page.locator("select[name=phenotype]").select_option("RRMS")
    for name, value in (("age", "34"), ("edss", "2.5")):
        page.locator(f"input[name={name}]").first.fill(value)
    page.get_by_role("button", name=say["keep"]).click()
    looked_at()
    page.locator("select[name=treatment]").select_option("natalizumab")
    page.get_by_role("button", name=say["record"]).first.click()
    fill_in(page, "DCS", 2, button=say["record"])
    page.get_by_role("button", name=say["allocate"]).click()
    expect(page.get_by_role("heading", name=say["outcomes"])).to_be_visible()
    page.get_by_text(say["incident"], exact=True).click()
    looked_at()
    page.goto(f"{trial_server.address}/evaluation?lang={language}")
    page.locator("input[name=name]").fill("a trialist")
    page.locator("select[name=role]").select_option("trialist")
    page.get_by_role("button", name=say["enter"]).click()
    page.get_by_text(say["open_trial"], exact=True).click()
    looked_at()
    page.locator("textarea[name=protocol]").fill(example_text().replace("stratum: larger", "stratum: medium"))
    page.get_by_role("button", name=say["check"]).click()
    expect(page.get_by_role("heading", name=say["checked"])).to_be_visible()
    looked_at()
    page.goto(f"{trial}?lang={language}")
    page.get_by_text(say["close_trial"], exact=True).click()
    looked_at()
