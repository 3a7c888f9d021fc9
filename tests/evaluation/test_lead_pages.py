"""A trialist opens, moves on and closes a trial on the pages, in both languages; nobody else does; it is recorded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import unescape

import pytest
import yaml

from cdss.app import Service
from cdss.audit import open_trail
from cdss.evaluation.examples import example_protocol, example_text
from cdss.evaluation.pages.frame import catalogues
from cdss.evaluation.reasons import reasons
from cdss.persistence import open_database
from cdss.security.roles import Role
from cdss.settings import Settings
from tests.client import TestClient
from tests.evaluation.conftest import protocol_with

CODE = example_protocol().code
TRIAL = f"/evaluation/trials/{CODE}"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("lead"))


@pytest.fixture(scope="module")
def browse(settings: Settings) -> Iterator[Callable[[str], TestClient]]:
    """Give the browser of a role, all on one service."""
    service = Service(settings)
    with TestClient(service, base_url="http://localhost:8000", raise_server_exceptions=False) as client:

        def browser(role: str) -> TestClient:
            client.cookies.clear()
            client.post("/evaluation/session", data={"name": f"a {role}", "role": role})
            return client

        yield browser
    service.close()


def text_of(page: str) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", page))


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_a_trial_is_checked_opened_and_closed(browse: Callable[[str], TestClient], lang: str) -> None:
    say, why = catalogues()[lang], reasons()[lang]
    browser = browse("trialist")
    code = f"{CODE}-{lang}"
    written = example_text().replace(f"code: {CODE}", f"code: {code}")
    home = browser.get("/evaluation", params={"lang": lang}).text
    assert say["open_trial"] in unescape(home)
    assert browser.get("/evaluation/example.yaml").text == example_text()
    checked = browser.post("/evaluation/protocol", data={"lang": lang, "protocol": written})
    assert say["term cluster"] in unescape(checked.text)
    assert browser.get("/evaluation", params={"lang": lang}).text.count(code) == 0  # checking opens nothing
    kept = unescape(re.findall(r'name="protocol" value="([^"]*)"', checked.text)[0])
    assert yaml.safe_load(kept) == yaml.safe_load(written)
    opened = browser.post("/evaluation/trials", data={"lang": lang, "protocol": kept, "seed": "4"})
    assert opened.url.path == f"/evaluation/trials/{code}"
    assert say["close_trial"] in unescape(opened.text)
    again = browser.post("/evaluation/trials", data={"lang": lang, "protocol": kept})
    assert again.status_code == 422
    assert why["open_already"].format(code=code) in unescape(again.text)
    url = f"/evaluation/trials/{code}"
    untyped = browser.post(f"{url}/closure", data={"lang": lang, "code": "another"})
    assert why["code_unconfirmed"].format(code=code) in unescape(untyped.text)
    assert not re.search(rf"{say['seed']}\s+4\s", text_of(untyped.text))
    closed = browser.post(f"{url}/closure", data={"lang": lang, "code": code})
    assert say["as_committed"] in unescape(closed.text)
    assert re.search(rf"{say['seed']}\s+4\s", text_of(closed.text))
    assert f"/api/v1/evaluation/trials/{code}/report?language={lang}" in closed.text
    refused = browser.post(f"{url}/closure", data={"lang": lang, "code": code})
    assert why["trial_closed"].format(code=code) in unescape(refused.text)


def test_a_stepped_wedge_is_moved_on(browse: Callable[[str], TestClient]) -> None:
    browser = browse("trialist")
    wedge = {"randomisation": "stepped_wedge", "periods": 3}
    protocol = protocol_with(code="wedge", allocation=wedge)
    written = yaml.safe_dump(protocol.document())
    page = browser.post("/evaluation/trials", data={"protocol": written})
    assert "1 / 3" in text_of(page.text)
    for period in ("2 / 3", "3 / 3"):
        page = browser.post("/evaluation/trials/wedge/period", data={})
        assert period in text_of(page.text)
    assert "/period" not in page.text  # the last one
    assert "last period" in browser.post("/evaluation/trials/wedge/period", data={}).text


@pytest.mark.parametrize("role", [role.value for role in Role if role is not Role.TRIALIST])
def test_nobody_else_opens_or_closes(browse: Callable[[str], TestClient], role: str) -> None:
    browse("trialist").post("/evaluation/trials", data={"protocol": example_text()})
    browser = browse(role)
    assert "/evaluation/protocol" not in browser.get("/evaluation").text
    assert "/closure" not in browser.get(TRIAL).text
    for path, fields in (
        ("/evaluation/protocol", {"protocol": example_text()}),
        ("/evaluation/trials", {"protocol": example_text().replace(CODE, "mine")}),
        (f"{TRIAL}/closure", {"code": CODE}),
        (f"{TRIAL}/period", {}),
    ):
        refused = browser.post(path, data={"lang": "fr", **fields})
        assert refused.status_code == 403, path
        assert '<html lang="fr">' in refused.text
        assert "rôle" in refused.text
    states = browse("trialist").get("/api/v1/evaluation/trials").json()
    assert {state["code"]: state["status"] for state in states}[CODE] == "open"
    assert "mine" not in {state["code"] for state in states}


def test_a_stranger_is_asked_who_they_are_in_their_language(browse: Callable[[str], TestClient]) -> None:
    client = browse("trialist")
    client.cookies.clear()
    refused = client.get(TRIAL, params={"lang": "fr"})
    assert refused.status_code == 401
    assert reasons()["fr"]["no_session"] in unescape(refused.text)


@pytest.mark.parametrize(
    ("change", "english", "french"),
    [
        ("sample_size: 400", "sample_size: Input should be greater", "sample_size\u00a0: doit être au moins 4"),
        ("randomisation: cluster", "at least 3 periods", "au moins 3 périodes"),
        ("protocol: 1", "YAML", "YAML"),
    ],
)
def test_faults_of_a_protocol_are_said_in_both_languages(
    browse: Callable[[str], TestClient], change: str, english: str, french: str
) -> None:
    other = {
        "sample_size: 400": "sample_size: 1",
        "randomisation: cluster": "randomisation: stepped_wedge",
        "protocol: 1": "protocol: [",
    }[change]
    written = example_text().replace(change, other)
    browser = browse("trialist")
    for lang, words in (("en", english), ("fr", french)):
        page = browser.post("/evaluation/protocol", data={"lang": lang, "protocol": written})
        assert page.status_code == 422
        alert = text_of(re.findall(r'role="alert">(.*?)</p>', page.text, re.DOTALL)[0])
        assert words in alert, alert
        assert other in unescape(page.text)  # what was written is not lost


def test_opening_and_closing_are_recorded_with_the_trial(
    browse: Callable[[str], TestClient], settings: Settings
) -> None:
    written = example_text().replace(f"code: {CODE}", "code: recorded")
    browser = browse("trialist")
    browser.post("/evaluation/protocol", data={"protocol": written})
    browser.post("/evaluation/trials", data={"protocol": written})
    browser.post("/evaluation/trials/recorded/closure", data={"code": "recorded"})
    database = open_database(settings)
    records = list(open_trail(settings, database).records())
    database.close()
    done = [(record.action, record.role) for record in records if record.subject == "recorded"]
    assert [action for action, _ in done if action != "evaluation.monitor"] == [
        "evaluation.check_protocol",
        "evaluation.open",
        "evaluation.close",
    ]
    assert {role for _, role in done} == {"trialist"}
