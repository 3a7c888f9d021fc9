"""Projections to draw, made here, so that figures are tested without a database; and a viewer in a real Chromium."""

from __future__ import annotations

import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import uvicorn
from fastapi import Request, Response
from pydantic import ValidationError

from cdss.evaluation import forms
from cdss.questionnaire.page import questionnaire_page
from cdss.questionnaire.sitting import Sitting
from projection.disclosure import DisclosedProjector
from projection.result import ClassProjection, Curve, EdssCourse, Estimate, Projection
from reference_db.release import Release
from reference_db.vocabulary import Treatment
from selection.patient import PatientOfInterest, parse_patient
from tests.viewer.evidence import evidence, small_release
from tests.withheld import observed_until
from validation.questionnaire import ORIGINAL, SYNTHETIC, Card
from viewer import AddedPage, create_viewer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

Scheme = Literal["light", "dark"]

MONTHS = np.array([0.0, 3, 6, 9, 12, 15, 18, 21, 24, 30, 36])
OUTCOMES = (
    "worsening_24w",
    "worsening_12w",
    "pira",
    "raw",
    "improvement",
    "relapse",
    "new_lesions",
    "loss_of_neda3",
)


def _events(final: float) -> Curve:
    value = final * (1 - np.exp(-MONTHS / 12))
    margin = 0.3 * value
    return Curve(MONTHS, value, value - margin, np.minimum(1.0, value + margin), 200.0 - MONTHS)


def _answered(treatment: Treatment, position: int) -> ClassProjection:
    value = 2.5 + 0.01 * position * MONTHS
    margin = 0.05 + 0.01 * MONTHS
    expected = Curve(MONTHS, value, value - margin, value + margin, 200.0 - MONTHS)
    return ClassProjection(
        treatment=treatment.value,
        n_eligible=1500,
        n=200,
        refusal=None,
        edss=EdssCourse(expected, value - 1, value - 0.5, value, value + 0.5, value + 1),
        probabilities={outcome: _events(0.04 * (rank + 1)) for rank, outcome in enumerate(OUTCOMES)},
        annualised_relapse_rate=Estimate(0.21, 0.16, 0.27, 200),
        sources={"OPERA I": 60, "registry": 140},
    )


def _refused(treatment: Treatment) -> ClassProjection:
    return ClassProjection(treatment.value, 7, 0, "only 7 patients are comparable", None, {}, None, {})


@pytest.fixture
def make_projection() -> Callable[..., Projection]:
    """Return a maker of projections on all classes, some of them refused."""

    def make(*, refused: frozenset[Treatment] = frozenset()) -> Projection:
        return Projection(
            release="test-1",
            k=200,
            weights={"age": 1.0},
            classes=tuple(
                _refused(treatment) if treatment in refused else _answered(treatment, position)
                for position, treatment in enumerate(Treatment)
            ),
            caveats=("research prototype",),
        )

    return make


ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
TIMEOUT = 60_000
"""Milliseconds that a page may take on a machine that is busy with other tests; nothing waits for it to pass."""
SEALED = parse_patient({"age": 61, "phenotype": "RRMS", "edss": 5.5, "sex": "male"})


class Withholding(DisclosedProjector):
    """A projector whose patients of reference are seen for less long than two years, from when it is told so."""

    until: float | None = None
    slow: float = 0.0
    """Seconds that an answer takes longer."""

    def project(self, *given: Any, **asked: Any) -> Projection:  # noqa: ANN401 - passed on
        time.sleep(self.slow)
        projection = super().project(*given, **asked)
        if self.until is None:
            return projection
        for one in projection.classes:
            for outcome in one.probabilities:
                projection = observed_until(projection, Treatment(one.treatment), outcome, self.until)
        return projection


class Served:
    """A viewer that is served, and the events that were reported to it."""

    def __init__(self, release: Release) -> None:
        self.address = ""
        self.projector = Withholding(release)
        self.events: list[dict[str, object]] = []
        self.failing = False
        self.sealed: dict[str, Mapping[str, Any]] = {}

    def opened(self, token: str) -> PatientOfInterest | Mapping[str, Any] | None:
        """Return the patient behind the one token that is good, or what was sealed, once."""
        return SEALED if token == "a-good-token" else self.sealed.pop(token, None)  # noqa: S105 - of this test

    def seal(self, content: Mapping[str, Any]) -> str | None:
        """Keep a content under a token; nothing can be sealed while the service fails."""
        if self.failing:
            return None
        token = f"token-{len(self.sealed)}-{secrets.token_hex(8)}"
        self.sealed[token] = content
        return token


def _questionnaire() -> AddedPage:
    """The page of a sitting with three records, for whoever knows its address."""
    baseline = {"phenotype": "RRMS", "sex": "female", "age": 41.25, "prior_treatment": "moderate efficacy"}
    course = ({"month": 0.0, "edss": 2.0}, {"month": 3.0, "edss": None})
    key = {1: ORIGINAL, 2: SYNTHETIC, 3: SYNTHETIC}
    sitting = Sitting(tuple(Card(number, baseline, course) for number in key), key, lambda _: None)
    return replace(questionnaire_page(sitting), listed=False)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The viewer, served on a free port of this machine with somewhere to report events to."""
    served = Served(small_release(tmp_path_factory.mktemp("frozen")))
    viewer = create_viewer(
        served.projector,
        prefix="/viewer/",
        open_patient=served.opened,
        seal=served.seal,
        events="/events/{participant}",
        pages=[_questionnaire()],
        evidence=evidence,
    )

    @viewer.server.post("/events/{participant}")
    async def keep(request: Request, participant: str) -> Response:
        if served.failing:
            return Response(status_code=503)
        try:
            # As the service does: one event that it does not know, and none of them is kept.
            sent = forms.Events.model_validate_json(await request.body())
        except ValidationError:
            return Response(status_code=422)
        served.events += [{"participant": participant, **event.model_dump()} for event in sent.events]
        return Response(status_code=201)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(viewer.server, port=port, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    served.address = f"http://127.0.0.1:{port}/viewer/"
    yield served
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="session")
def address(served: Served) -> str:
    return served.address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=TIMEOUT)
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


def _context(browser: Browser, locale: str, scheme: Scheme) -> BrowserContext:
    context = browser.new_context(locale=locale, color_scheme=scheme, viewport={"width": 1280, "height": 800})
    context.set_default_timeout(TIMEOUT)
    return context


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
    faults = _faults(page, address)
    yield page
    page.close()
    assert faults == []


def _faults(page: Page, address: str) -> list[str]:
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    host = address.removesuffix("viewer/")
    page.on("request", lambda one: None if one.url.startswith((host, "data:", "blob:")) else faults.append(one.url))
    return faults


@pytest.fixture(scope="module")
def lasting(english: BrowserContext, address: str) -> Iterator[tuple[Page, list[str]]]:
    """One page for several tests, since opening one takes longer than most of them, and its faults."""
    page = english.new_page()
    page.goto(address)
    yield page, _faults(page, address)
    page.close()


@pytest.fixture
def consultation(request: pytest.FixtureRequest, lasting: tuple[Page, list[str]], address: str) -> Iterator[Page]:
    """The consultation of the first example as a fresh page has it, drawn."""
    page, faults = lasting
    failed = request.session.testsfailed
    page.locator("#nav-consultation").click()
    page.locator("#example-open").click()
    page.locator("#example-established").click()
    page.locator("#tabs input[value='disability'] + label").click()
    page.locator("#band input[value='expected'] + label").click()
    expect_example(page)
    drawn(page)
    yield page
    found, faults[:] = list(faults), []
    if request.session.testsfailed > failed or found:
        page.goto("about:blank")
        page.goto(address)
    assert found == []


def expect_example(page: Page) -> None:
    """Wait until the session is that of the first example."""
    from playwright.sync_api import expect

    expect(page.locator("#example-note")).to_contain_text("Established")


def drawn(page: Page, sign: str = "#figure-edss .scatterlayer .trace") -> None:
    """Wait until something is drawn."""
    from playwright.sync_api import expect

    expect(page.locator(sign).first).to_be_visible(timeout=TIMEOUT)


def accessibility_faults(page: Page) -> list[str]:
    """Return what axe finds against WCAG 2.2 AA and its own good practice."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    # What is right need not be described: that takes longer than finding it.
    options = {"runOnly": RULES, "resultTypes": ["violations"]}
    violations = page.evaluate("options => axe.run(document, options).then(found => found.violations)", options)
    return [f"{one['id']}: {node['target']}" for one in violations for node in one["nodes"]]
