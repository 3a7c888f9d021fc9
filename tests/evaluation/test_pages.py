"""A consultation filled in through the pages, in both languages, as a browser without script would."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

import pytest

from cdss.app import Service
from cdss.evaluation.conduct import Conduct
from cdss.evaluation.examples import example_protocol
from cdss.evaluation.instruments import instrument
from cdss.evaluation.pages import ParticipantPage, participant_page
from cdss.evaluation.pages import words as say_words
from cdss.evaluation.pages.frame import catalogues
from cdss.persistence import open_database
from cdss.settings import Settings
from tests.client import TestClient
from tests.evaluation.conftest import protocol_with

SAME_IN_BOTH = {
    *("participant", "arm", "edss", "incidents"),
    *(
        f"term {word}"
        for word in ("patient", "possible", "probable", "fatal", "natalizumab", "cladribine", "anti-CD20")
    ),
}
"""Words that English and French share."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A browser on a service with an open trial."""
    settings = Settings(home=tmp_path_factory.mktemp("pages"))
    database = open_database(settings)
    Conduct(database).open(example_protocol(), seed=1)
    database.close()
    service = Service(settings)
    with TestClient(service, base_url="http://localhost:8000", raise_server_exceptions=False) as client:
        assert "decision-support-ms" not in client.get("/evaluation").text
        client.post("/evaluation/session", data={"name": "a clinician", "role": "clinician"})
        yield client
    service.close()


def test_both_languages_have_the_same_words_and_places() -> None:
    english, french = catalogues()["en"], catalogues()["fr"]
    assert english.keys() == french.keys()
    for key, text in english.items():
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", french[key])), key
        assert text != french[key] or key in SAME_IN_BOTH, key


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_a_consultation_from_consent_to_decision(browser: TestClient, lang: str) -> None:
    say = catalogues()[lang]
    code = example_protocol().code
    trial = browser.get(f"/evaluation/trials/{code}", params={"lang": lang})
    assert say["new_patient"] in trial.text
    assert f'<html lang="{lang}">' in trial.text
    given = {"lang": lang, "cluster": "n03", "consent": "yes", "age": "34", "phenotype": "RRMS", "edss": "2.5"}
    page = browser.post(f"/evaluation/trials/{code}", data=given)
    assert page.status_code == 200
    url = str(page.url.copy_with(query=None))
    assert say["allocate"] not in page.text
    conflict = {"lang": lang, "instrument": "DCS", "respondent": "patient"}
    items = {f"item{i}": "2" for i in range(1, 17)}
    page = browser.post(f"{url}/answers", data={**conflict, "moment": "before", **items})
    assert say["score"].format(total=50) in page.text
    page = browser.post(f"{url}/considered_before", data={"lang": lang, "treatment": "natalizumab"})
    assert say["allocate"] in page.text.replace("&#x27;", "'")
    page = browser.post(f"{url}/allocation", data={"lang": lang})
    with_tool = say["use"].replace("'", "&#x27;") in page.text
    assert with_tool != (say["usual"] in page.text)
    assert (say["open_viewer"].replace("'", "&#x27;") in page.text) == with_tool
    tool = browser.get(f"{url}/tool", params={"lang": lang}, follow_redirects=False)
    if with_tool:
        assert tool.headers["location"] == f"/viewer/?participant={url.rpartition('/')[2]}&lang={lang}"
    else:
        assert tool.status_code == 403
        assert "allocated to usual" in tool.text
    browser.post(f"{url}/answers", data={**conflict, "moment": "after", **items, "item4": ""})
    shared = {"lang": lang, "instrument": "SDM-Q-9", "respondent": "patient", "moment": "after"}
    page = browser.post(f"{url}/answers", data={**shared, **{f"item{i}": "4" for i in range(1, 10)}})
    assert say["no_score"] in page.text
    if with_tool:
        usability = {"lang": lang, "instrument": "SUS", "respondent": "neurologist", "moment": "after"}
        browser.post(f"{url}/answers", data={**usability, **{f"item{i}": "3" for i in range(1, 11)}})
    decision = {"lang": lang, "considered": "natalizumab", "treatment": "anti-CD20", "minutes": "22,5"}
    page = browser.post(f"{url}/decided", data=decision)
    assert say["done"].replace("'", "&#x27;") in page.text
    assert not re.search(r"<option[^>]*>(?:clinician|declined|with the tool)</option>", page.text) or lang == "en"


@pytest.fixture
def participant(browser: TestClient) -> str:
    """The page of a patient who is allocated."""
    given = {"cluster": "n05", "consent": "yes", "age": "41", "phenotype": "RRMS", "edss": "3"}
    url = str(browser.post(f"/evaluation/trials/{example_protocol().code}", data=given).url.copy_with(query=None))
    items = {f"item{i}": "1" for i in range(1, 17)}
    browser.post(f"{url}/answers", data={"instrument": "DCS", "respondent": "patient", "moment": "before", **items})
    browser.post(f"{url}/allocation", data={})
    return url


def test_an_outcome_visit_is_reported_and_shown(browser: TestClient, participant: str) -> None:
    page = browser.post(f"{participant}/outcomes", data={"month": "6", "relapses": "1", "edss": "3,5"})
    assert "Reported so far, months: 6" in page.text
    page = browser.post(f"{participant}/outcomes", data={"month": "12", "relapses": "0", "edss": "3.3"})
    assert page.status_code == 422
    assert "not on the scale" in page.text
    assert "Reported so far, months: 6<" in page.text


def test_an_incident_gets_a_number_and_is_counted(browser: TestClient, participant: str) -> None:
    trial = f"/evaluation/trials/{example_protocol().code}"
    before = browser.get(f"/api/v1{trial}/monitoring").json()["incidents"]
    adverse = {"kind": "adverse event", "severity": "mild", "course": "resolved", "relation": "not related"}
    page = browser.post(f"{participant}/incident", data={**adverse, "serious": "no", "day": "3"})
    assert re.search(r"The report has number \d+\.", page.text)
    page = browser.post(f"{participant}/incident", data={"kind": "adverse event", "serious": "yes"})
    assert page.status_code == 422
    tool = {"kind": "device deficiency", "cluster": "n05", "relation": "causal", "deficiency": "wrong figure"}
    page = browser.post(f"{trial}/incident", data={**tool, "serious": "yes", "lang": "fr"})
    assert re.search(r"Le rapport a le numéro \d+\.", page.text)
    after = browser.get(f"/api/v1{trial}/monitoring").json()["incidents"]
    assert {name: after[name] - before[name] for name in after} == {
        "adverse event": 1,
        "device deficiency": 1,
        "serious": 1,
    }


@pytest.mark.parametrize(("keep", "words"), [("yes", "has withdrawn"), ("no", "has withdrawn")])
def test_a_withdrawal_ends_the_page(browser: TestClient, participant: str, keep: str, words: str) -> None:
    page = browser.post(f"{participant}/withdrawal", data={"keep_data": keep})
    assert words in page.text
    assert "<form" not in page.text
    assert browser.post(f"{participant}/outcomes", data={"month": "6", "relapses": "0"}).status_code == 422


def test_nothing_is_chosen_beforehand(browser: TestClient, participant: str) -> None:
    pages = (browser.get(f"/evaluation/trials/{example_protocol().code}").text, browser.get(participant).text)
    for text in pages:
        for first in re.findall(r"<select[^>]*>(<option[^>]*>)", text):
            assert first == '<option value="">'
    assert "selected" not in "".join(pages)
    left = browser.post(f"{participant}/decided", data={"considered": "", "treatment": "", "minutes": "9"})
    assert left.status_code == 422


def test_a_participant_is_found_by_identifier(browser: TestClient, participant: str) -> None:
    identifier = participant.rpartition("/")[2]
    page = browser.get("/evaluation/participants", params={"identifier": identifier, "lang": "fr"})
    assert identifier in page.text
    assert browser.get("/evaluation/participants", params={"identifier": "../etc"}).status_code == 404


def test_who_declines_is_counted_and_nothing_else(browser: TestClient) -> None:
    url = f"/evaluation/trials/{example_protocol().code}"
    before = browser.get(f"/api/v1{url}/monitoring").json()
    given = {"lang": "fr", "cluster": "n03", "consent": "no", "age": "34", "phenotype": "RRMS", "edss": "2.5"}
    assert browser.post(url, data=given).status_code == 200
    after = browser.get(f"/api/v1{url}/monitoring").json()
    assert after["consented"] == before["consented"]
    assert after["not_randomised"]["declined"] == before["not_randomised"].get("declined", 0) + 1


@pytest.mark.parametrize(
    ("change", "complaint"),
    [({"edss": "2.3"}, "not on the scale"), ({"age": "7"}, "18"), ({"cluster": "x"}, "no cluster")],
)
def test_what_cannot_be_used_is_said_on_the_page(browser: TestClient, change: dict[str, str], complaint: str) -> None:
    given = {"cluster": "n03", "consent": "yes", "age": "34", "phenotype": "RRMS", "edss": "2.5", **change}
    page = browser.post(f"/evaluation/trials/{example_protocol().code}", data=given)
    assert page.status_code == 422
    assert 'role="alert"' in page.text
    assert complaint in page.text


def test_forms_show_every_item_and_say_that_they_are_paraphrases(browser: TestClient) -> None:
    given = {"cluster": "n04", "consent": "yes", "age": "51", "phenotype": "SPMS", "edss": "6"}
    page = browser.post(f"/evaluation/trials/{example_protocol().code}", data=given).text
    assert all(item in page.replace("&#x27;", "'") for item in instrument("DCS").items["en"])
    assert "paraphrases" in page
    assert "<script" not in page


def test_a_stranger_and_an_unknown_step_are_refused(browser: TestClient) -> None:
    assert browser.get("/evaluation/participants/0000000000000000").status_code == 404
    assert browser.post("/evaluation/participants/0000000000000000/erase", data={}).status_code == 404


def test_a_form_shows_the_authorised_wording_where_the_protocol_has_it() -> None:
    words = {
        "items": [f"statement {i}" for i in range(1, 17)],
        "anchors": ["never", "seldom", "at times", "often", "all"],
    }
    scheduled = {"code": "DCS", "respondent": "patient", "moments": ["before", "after"], "wording": {"en": words}}
    protocol = protocol_with(
        instruments=[scheduled, {"code": "SDM-Q-9", "respondent": "patient", "moments": ["after"]}],
        consent={"languages": ["en"]},
    )
    known = ParticipantPage("0" * 16, protocol, None, answered={}, events=frozenset())
    shown = participant_page(say_words("en"), known)
    assert all(escape(text) in shown for text in (*words["items"], *words["anchors"]))
    assert instrument("DCS").items["en"][0] not in shown
    assert "paraphrases" not in shown
    assert "0272989X9501500105" in shown  # who uses it must cite it
