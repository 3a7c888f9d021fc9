"""A sitting before the blinded questionnaire: the key stays where it is, and calls are scored once."""

from __future__ import annotations

import shutil
import socket
import string
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from cdss.questionnaire.page import PATH, words
from cdss.questionnaire.server import questionnaire_app
from cdss.questionnaire.sitting import Sitting
from tests.episodes import MemoryRelease, random_episodes
from tests.viewer.conftest import ARGUMENTS, accessibility_faults
from validation.questionnaire import ORIGINAL, SYNTHETIC, Card, Score
from viewer.text import Language

KEY = {1: ORIGINAL, 2: SYNTHETIC, 3: SYNTHETIC}


def _card(number: int) -> Card:
    baseline = {"phenotype": "RRMS", "sex": "female", "age": 41.25, "prior_treatment": "moderate efficacy"}
    course = ({"month": 0.0, "edss": 2.0}, {"month": 3.0, "edss": None})
    return Card(number, baseline, course)


def _sitting(told: list[Score]) -> Sitting:
    return Sitting(tuple(_card(number) for number in KEY), KEY, told.append)


def test_calls_are_scored_once() -> None:
    """Whoever could change one call and score again would read the key from the scores."""
    told: list[Score] = []
    sitting = _sitting(told)
    assert sitting.finish() is None
    sitting.call({1: ORIGINAL, 2: ORIGINAL, 3: None, 7: ORIGINAL})
    first = sitting.finish()
    assert first is not None
    assert (first.called, first.right) == (2, 1)
    sitting.call({1: ORIGINAL, 2: SYNTHETIC, 3: SYNTHETIC})
    assert sitting.finish() == first
    assert sitting.calls == {1: ORIGINAL, 2: ORIGINAL}
    assert told == [first]


def test_both_languages_say_the_same_things() -> None:
    english, french = (words(language).words for language in (Language.ENGLISH, Language.FRENCH))
    own = {key for key in english if key.startswith(PATH)}
    assert own == {key for key in french if key.startswith(PATH)}
    for key in own:
        fields = [
            {name for _, name, _, _ in string.Formatter().parse(sentence[key]) if name}
            for sentence in (english, french)
        ]
        assert fields[0] == fields[1], key
        assert english[key] != french[key] or key.removeprefix(f"{PATH}.") in {"edss", "original"}


@pytest.fixture
def served() -> Iterator[tuple[str, Sitting, list[Score]]]:
    """Address of the page, its sitting, and the scores that were told."""
    import uvicorn

    told: list[Score] = []
    sitting = _sitting(told)
    app, path = questionnaire_app(MemoryRelease(random_episodes(1200)), sitting)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}{path}", sitting, told
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def page() -> Iterator[Page]:
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        page = browser.new_page(locale="en-GB")
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        yield page
        browser.close()
        assert faults == []


@pytest.mark.e2e
def test_the_page_is_found_by_its_secret_only_and_kept_nowhere(served: tuple[str, Sitting, list[Score]]) -> None:
    address, _, _ = served
    answer = httpx.get(address)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    origin, _, secret = address.removesuffix(f"/{PATH}").rpartition("/")
    assert len(secret) >= 32
    for path in (PATH, f"viewer/{PATH}", "", f"{secret[:-1]}_/{PATH}", "_dash-update-component"):
        assert httpx.get(f"{origin}/{path}").status_code == 404


@pytest.mark.e2e
def test_an_expert_calls_by_keyboard_changes_the_language_and_is_scored(
    served: tuple[str, Sitting, list[Score]], page: Page
) -> None:
    address, sitting, told = served
    page.goto(address)
    groups = page.locator("main").get_by_role("radiogroup")
    expect(groups).to_have_count(3)
    assert accessibility_faults(page) == []
    for number, call in enumerate(("original", "synthetic"), start=1):
        group = page.get_by_role("radiogroup", name=f"Record {number} is")
        group.get_by_role("radio", name="original").focus()
        page.keyboard.press("Space")
        if call == "synthetic":
            page.keyboard.press("ArrowRight")
        expect(group.get_by_role("radio", name=call)).to_be_checked()
    expect(page.locator(f"#{PATH}-progress")).to_have_text("2 of 3 records called.")
    page.locator("#language-choice").get_by_text("FR").click()
    expect(page.locator(f"#{PATH}-progress")).to_have_text("2 dossiers désignés sur 3.")
    assert sitting.calls == {1: ORIGINAL, 2: SYNTHETIC}
    # Nothing that is on the page tells which table a record is of.
    assert (
        page.evaluate("JSON.stringify(window.localStorage) + JSON.stringify(window.sessionStorage)").count("RRMS")
        == 0
    )
    page.locator(f"#{PATH}-finish").focus()
    page.keyboard.press("Enter")
    expect(page.locator(f"#{PATH}-score")).to_contain_text("2 réponses justes sur 2")
    expect(page.locator(f"#{PATH}-finish")).to_be_disabled()
    assert [(one.right, one.called) for one in told] == [(2, 2)]
    assert accessibility_faults(page) == []
