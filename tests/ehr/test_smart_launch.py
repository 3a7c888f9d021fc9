"""Launches of the viewer from a record, with an authorisation server that checks its part."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from cdss.ehr.configuration import EhrConfiguration
from cdss.ehr.launch_refusals import LaunchFailed, Why, refusal_page
from cdss.ehr.smart_launch import challenge
from cdss.ehr.smart_scopes import NEEDED, asked_scopes, lacking
from cdss.persistence import Database
from cdss.security.guard import COOKIE
from cdss.security.roles import Role
from cdss.settings import Settings
from projection import Projector
from tests.client import TestClient
from tests.ehr.conftest import make_application
from tests.ehr.fhir_stub import FhirStub

OUTSIDE = httpx.Client()
SECRET = "the-access-token"  # noqa: S105 - of this test
BASE = "http://127.0.0.1:8000"


@pytest.fixture
def launcher(projector: Projector, database: Database) -> Iterator[Callable[[FhirStub], TestClient]]:
    """A browser in front of a service that trusts one FHIR server."""
    opened: list[TestClient] = []

    def open_for(server: FhirStub) -> TestClient:
        partners = {"smart_issuers": [{"issuer": server.base_url, "client_id": "our-client"}]}
        configuration = EhrConfiguration.model_validate({"public_url": BASE, "partners": partners})
        client = TestClient(
            make_application(projector, configuration, database), base_url=BASE, follow_redirects=False
        )
        opened.append(client)
        return client

    yield open_for
    for client in opened:
        client.close()


def authorised(browser: TestClient, server: FhirStub, path: str = "/smart/launch", **more: str) -> str:
    """Follow a launch to where the authorisation server sends the browser back."""
    given = {"iss": server.base_url, **({"launch": "xyz"} if path == "/smart/launch" else {}), **more}
    begun = browser.get(path, params=given)
    assert begun.status_code == 303, begun.text
    back = OUTSIDE.get(begun.headers["location"])
    assert back.status_code == 302
    return str(back.headers["location"])


Launcher = Callable[[FhirStub], TestClient]


def test_an_ehr_launch_opens_the_viewer_on_the_patient(launcher: Launcher) -> None:
    with FhirStub(token=SECRET) as server:
        browser = launcher(server)
        opened = browser.get(authorised(browser, server))
        assert opened.status_code == 303, opened.text
        where = urlsplit(opened.headers["location"])
        assert where.path == "/viewer/"
        assert not where.query
        name, _, token = where.fragment.partition("=")
        assert name == "patient"
        opened_on = browser.app.state.doors.handover.open(token)  # type: ignore[attr-defined]  # a FastAPI application
        assert (opened_on["edss"], opened_on["age"]) == (2.5, 34)
        asked = server.asked_to_authorise
        assert asked["aud"] == server.base_url
        assert asked["launch"] == "xyz"
        assert asked["client_id"] == "our-client"
        assert asked["code_challenge_method"] == "S256"
        assert asked["redirect_uri"] == f"{BASE}/smart/callback"
        assert set(NEEDED) < set(asked["scope"].split())
        (exchange,) = server.token_requests
        assert challenge(exchange["code_verifier"]) == asked["code_challenge"]
        assert set(server.authorizations) == {f"Bearer {SECRET}"}


def test_a_standalone_launch_asks_for_a_patient(launcher: Launcher) -> None:
    with FhirStub(token=SECRET) as server:
        browser = launcher(server)
        assert browser.get(authorised(browser, server, "/smart/standalone")).status_code == 303
        assert "launch/patient" in server.asked_to_authorise["scope"].split()
        assert "launch" not in server.asked_to_authorise


def test_neither_token_nor_clinical_value_is_logged_or_kept(launcher: Launcher) -> None:
    with FhirStub(token=SECRET) as server, structlog.testing.capture_logs() as logs:
        browser = launcher(server)
        opened = browser.get(authorised(browser, server))
        assert "cdss_launch" not in browser.cookies
        assert SECRET not in f"{opened.headers} {opened.text} {logs}"
        assert "the-code" not in f"{logs}"


@pytest.mark.parametrize("issuer", ["https://evil.test/fhir", "", "http://127.0.0.1:1/fhir"])
def test_an_issuer_that_is_not_listed_is_refused_without_asking_it(launcher: Launcher, issuer: str) -> None:
    with FhirStub() as server:
        refused = launcher(server).get("/smart/launch", params={"iss": issuer, "launch": "x"})
        assert refused.status_code == 400
        assert server.asked == []


@pytest.mark.parametrize(
    ("asked", "accept", "language"),
    [({}, "fr-CH, en;q=0.5", "fr"), ({}, "de, en", "en"), ({"ui_locales": "de fr"}, "en", "fr")],
)
def test_a_refused_launch_says_why_in_the_language_of_the_reader_and_to_the_log(
    launcher: Launcher, asked: dict[str, str], accept: str, language: str
) -> None:
    with FhirStub() as server, structlog.testing.capture_logs() as logs:
        given = {"iss": server.base_url, **asked}
        refused = launcher(server).get("/smart/launch", params=given, headers={"Accept-Language": accept})
    assert refused.status_code == 400
    assert f'lang="{language}"' in refused.text
    assert ("le paramètre launch manque" in refused.text) == (language == "fr")
    line = {"event": "smart_launch_failed", "why": "no_launch_parameter", "log_level": "warning"}
    assert [entry for entry in logs if entry["event"] == line["event"]] == [line]


def test_every_refusal_of_a_launch_is_worded_in_both_languages() -> None:
    for why in Why:
        english, french = (refusal_page(LaunchFailed(why, ("patient/Patient.r",)), name) for name in ("en", "fr"))
        assert english != french
        assert ("patient/Patient.r" in english) == ("patient/Patient.r" in french)
        assert "{names}" not in english + french


@pytest.mark.parametrize(
    "configuration",
    [
        {"code_challenge_methods_supported": ["plain"]},
        {"code_challenge_methods_supported": None},
        {"token_endpoint": "http://evil.test/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": None},
    ],
)
def test_an_authorisation_server_that_is_not_safe_is_refused(
    launcher: Launcher, configuration: dict[str, Any]
) -> None:
    with FhirStub(configuration=configuration) as server:
        refused = launcher(server).get("/smart/launch", params={"iss": server.base_url, "launch": "x"})
        assert refused.status_code == 400
        assert "cdss_launch" not in refused.cookies


def test_an_answer_with_another_state_or_in_another_browser_is_refused(launcher: Launcher) -> None:
    with FhirStub(token=SECRET) as server:
        browser, other = launcher(server), launcher(server)
        back = authorised(browser, server)
        assert other.get(back).status_code == 400
        state = dict(parse_qsl(urlsplit(back).query))["state"]
        forged = back.replace(state, "x" * len(state))
        assert browser.get(forged).status_code == 400
        assert server.token_requests == []


def test_a_launch_serves_once(launcher: Launcher) -> None:
    with FhirStub(token=SECRET) as server:
        browser = launcher(server)
        back = authorised(browser, server)
        assert [browser.get(back).status_code for _ in range(2)] == [303, 400]


def test_where_a_login_is_required_the_launch_is_one_of_a_clinician(launcher: Launcher) -> None:
    with FhirStub(token=SECRET) as server:
        browser = launcher(server)
        state = browser.app.state  # type: ignore[attr-defined]  # a FastAPI application
        assert COOKIE not in browser.get(authorised(browser, server)).cookies
        state.settings = Settings(oidc_issuer="https://login.test", oidc_audience="x")
        session = browser.get(authorised(browser, server)).cookies[COOKIE]
        caller = state.sessions.caller(session, by_cookie=True)
        assert (caller.role, caller.proven) == (Role.CLINICIAN, True)


def test_a_refused_authorisation_is_said_in_words(launcher: Launcher) -> None:
    with FhirStub(token=SECRET) as server:
        browser = launcher(server)
        back = authorised(browser, server).replace("code=the-code", "error=access_denied&error_description=<script>")
        refused = browser.get(back)
        assert refused.status_code == 400
        assert "<script>" not in refused.text


@pytest.mark.parametrize(
    "granted",
    [
        {"scope": "patient/Patient.r"},
        {"scope": None},
        {"patient": None},
        {"patient": "p2"},
        {"access_token": None},
        {"token_type": "mac"},
        {"access_token": "not-the-one-that-the-server-takes"},
    ],
)
def test_what_was_granted_is_checked(launcher: Launcher, granted: dict[str, Any]) -> None:
    with FhirStub(token=SECRET, granted=granted) as server:
        browser = launcher(server)
        refused = browser.get(authorised(browser, server))
        assert refused.status_code == 400
        assert SECRET not in refused.text


def test_the_example_of_the_standard_gives_its_challenge() -> None:
    # RFC 7636, appendix B.
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.parametrize(
    ("granted", "missing"),
    [
        (asked_scopes(launched=True), ()),
        ("patient/*.rs", ()),
        ("patient/*.cruds launch", ()),
        ("user/*.read", ()),
        ("patient/Patient.read patient/Condition.read patient/Observation.read", ()),
        ("patient/*.write", NEEDED),
        ("patient/*.r", NEEDED[1:]),
        ("patient/*.rs?_tag=x", NEEDED),
        ("system/*.rs", NEEDED),
        ("patient/*.sr", NEEDED),
        ("", NEEDED),
    ],
)
def test_granted_scopes_cover_what_is_needed_or_not(granted: str, missing: tuple[str, ...]) -> None:
    assert lacking(granted) == missing


@given(st.text(max_size=60))
def test_no_text_passes_for_scopes_by_chance(granted: str) -> None:
    assert lacking(granted) == NEEDED or "patient/" in granted or "user/" in granted
