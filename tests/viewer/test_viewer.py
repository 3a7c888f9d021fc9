"""The viewer as an application: addresses, records read into the form, parts that are not figures."""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import dash
import httpx
import numpy as np
import pytest
from dash import html
from dash.development.base_component import Component

import viewer
from projection import Projection
from projection.disclosure import DisclosedProjector
from reference_db.vocabulary import SourceKind, Treatment
from selection import InvalidPatient, parse_criteria
from selection.criteria import BASELINES
from tests.episodes import MemoryRelease, random_episodes
from tests.withheld import observed_until
from viewer import paper
from viewer.answers import Answers
from viewer.components.outcome_table import outcome_table
from viewer.components.patient_form import FIELDS, allowed, field_id, patient_form
from viewer.components.similarity_controls import criteria_of
from viewer.components.who_table import who_table
from viewer.pages import about, consultation, patient, take_home
from viewer.pages.patient_entry import read_record
from viewer.session import ALL_CLASSES, EXAMPLES, Form, Session, Similarity
from viewer.text import NOT_SHOWN, Language, catalogue

EN, FR = catalogue(Language.ENGLISH), catalogue(Language.FRENCH)


@pytest.fixture(scope="module")
def projector() -> DisclosedProjector:
    return DisclosedProjector(MemoryRelease(random_episodes(2400)))


@pytest.fixture
def client(projector: DisclosedProjector) -> Iterator[httpx.AsyncClient]:
    app = viewer.create_viewer(projector, prefix="/viewer/")
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app.server), base_url="http://viewer")


def words_of(part: object) -> str:
    """All text below a component."""
    if isinstance(part, Component):
        return words_of(getattr(part, "children", None))
    if isinstance(part, list | tuple):
        return " ".join(words_of(one) for one in part)
    return "" if part is None else str(part)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("", 200),
        ("patient", 200),
        ("take-home", 200),
        ("about", 200),
        ("_dash-layout", 200),
        ("nothing", 404),
        ("patient/nothing", 404),
    ],
)
def test_every_page_has_its_address_and_nothing_else_has_one(
    client: httpx.AsyncClient, path: str, status: int
) -> None:
    response = asyncio.run(client.get(f"/viewer/{path}"))
    assert response.status_code == status


def test_the_page_names_no_outside_address(client: httpx.AsyncClient) -> None:
    page = asyncio.run(client.get("/viewer/")).text
    sources = [part.split('"')[1] for part in page.split("src=")[1:]] + [
        part.split('"')[1] for part in page.split("href=")[1:]
    ]
    assert sources
    assert all(source.startswith("/viewer/") for source in sources)


def test_the_form_has_every_field_under_its_stable_id() -> None:
    form = json.dumps(
        patient_form(EXAMPLES["established"], EN).to_plotly_json(), default=lambda c: c.to_plotly_json()
    )
    for field in FIELDS:
        assert f'"{field_id(field.name)}"' in form
    assert [field_id(field.name) for field in FIELDS] == [
        "poi-age",
        "poi-years-since-onset",
        "poi-sex",
        "poi-phenotype",
        "poi-edss",
        "poi-relapses-12m",
        "poi-gd-lesions",
        "poi-t2-lesions",
        "poi-prior-treatment",
    ]


def test_a_field_says_its_range_in_both_languages() -> None:
    assert allowed("age", EN) == "Allowed: 15 to 90 years"
    assert allowed("age", FR) == "Valeurs admises : 15 à 90 ans"
    assert "240" in allowed("history", EN)


def test_a_session_is_answered_once_and_a_wrong_form_names_its_fields(projector: DisclosedProjector) -> None:
    answers = Answers(projector)
    session = Session()
    assert answers.of(session) is answers.of(Session())
    wrong = answers.of(Session(form=Form({"age": 300, "phenotype": "RRMS", "edss": 2.3})))
    assert wrong.projection is None
    assert {problem.field for problem in wrong.problems} == {"age", "edss"}


@pytest.mark.parametrize("asked", [{"criteria": {"same": ["phenotype", "sex"]}}, {"weights": {}}])
def test_choices_that_nothing_known_answers_are_said_not_stumbled_over(
    projector: DisclosedProjector, asked: dict[str, Any]
) -> None:
    answers = Answers(projector)
    ignored = dict.fromkeys(projector.selector.default_weights, 0.0) if "weights" in asked else {}
    similarity = Similarity(weights=ignored, criteria=asked.get("criteria", {}))
    session = Session(form=Form({"age": 34, "phenotype": "RRMS", "edss": 2.5}), similarity=similarity)
    answer = answers.of(session)
    assert answer.projection is None
    assert answer.choices
    assert not answer.problems
    assert answers.explanation(session) is None
    assert answers.contrasts(session, reference="cladribine", estimator="plain") is None
    assert answers.single_courses(session) == []


def test_similarity_changes_the_answer(projector: DisclosedProjector) -> None:
    answers = Answers(projector)
    as_learned = answers.of(Session()).projection
    asked = Similarity(weights={"age": 5.0}, k=50, criteria={"source_kinds": ["trial"]})
    other = answers.of(Session(similarity=asked)).projection
    assert as_learned is not None
    assert other is not None
    assert other.k == 50
    assert other.weights["age"] == 5.0
    assert set(other.classes[0].sources) == {"TRIAL"}
    assert set(as_learned.classes[0].sources) != {"TRIAL"}


@pytest.mark.parametrize("sources", ["both", "trial"])
@pytest.mark.parametrize("same", [[], ["sex"]])
@pytest.mark.parametrize("calipers", [{"age": 30, "edss": 5}, {"age": 5, "edss": 0.5}])
@pytest.mark.parametrize("baselines", BASELINES)
def test_choices_are_criteria_that_selection_accepts(
    sources: str, same: list[str], calipers: dict[str, float], baselines: str
) -> None:
    criteria = parse_criteria(criteria_of(sources=sources, same=same, baselines=baselines, calipers=calipers))
    assert criteria.baselines == baselines
    assert criteria.source_kinds == (tuple(SourceKind) if sources == "both" else (SourceKind.TRIAL,))
    assert set(criteria.same) == {"phenotype", *same}
    assert dict(criteria.calipers) == ({} if calipers["age"] == 30 else calipers)


def test_a_record_fills_the_form() -> None:
    document = {
        "age": 41,
        "phenotype": "SPMS",
        "edss": 5.5,
        "t2_lesions": 30,
        "history": [{"months": -12, "edss": 5.0}],
    }
    form = read_record(json.dumps(document))
    assert form.values["t2_lesions"] == ">20"
    assert form.as_document()["history"] == [{"months": -12, "edss": 5.0}]
    bundle = read_record('{"resourceType": "Bundle"}', read_bundle=lambda _bundle: {"age": 41})
    assert bundle.as_document() == {"age": 41}


def test_a_record_that_cannot_be_used_is_refused() -> None:
    for record in ("no JSON", '{"resourceType": "Bundle"}'):
        with pytest.raises(ValueError, match=r".+"):
            read_record(record)
    with pytest.raises(InvalidPatient):
        read_record('{"age": 300}')


def test_the_table_gives_estimate_interval_and_n(make_projection: Callable[..., Projection]) -> None:
    projection = make_projection(refused=frozenset({Treatment.CLADRIBINE}))
    drawn = outcome_table(projection, shown=("beta interferon", "cladribine"), month=24, text=EN)
    first, refused = drawn["rows"]
    assert first["name"] == "Beta interferon"
    assert first["cells"][1] == {"value": "2.5", "behind": "n 176", "below": "(2.2 to 2.8)", "month": "", "kind": ""}
    assert len(first["cells"]) == len(drawn["heads"]) - 1
    assert [one["value"] for one in refused["cells"]] == [
        "Not shown: 7 patients of this treatment meet the criteria; at least 35 are needed"
    ]


def test_who_they_are_is_said_feature_by_feature(projector: DisclosedProjector) -> None:
    answers = Answers(projector)
    explanation = answers.explanation(Session())
    assert explanation is not None
    drawn = who_table(explanation.classes[0], FR)
    words = {row["name"]: [one["value"] for one in row["cells"]] for row in drawn["rows"]}
    assert words["Âge"][0] == "34"
    assert words["Sexe"][0] == "Femme"
    assert words["Lésions T2"][0] == "10–20"
    assert words["Évolution de l’EDSS"][0] == "inconnu"


def test_refusals_are_said_once_per_reason_in_the_readers_language(
    make_projection: Callable[..., Projection],
) -> None:
    projection = make_projection(refused=frozenset({Treatment.CLADRIBINE, Treatment.NATALIZUMAB}))
    ((names, reason),) = consultation.refusals(projection, FR)["reasons"]
    assert names == "Natalizumab, Cladribine"
    assert "remplissent les critères" in reason
    nothing = consultation.refusals(make_projection(), FR)
    assert (nothing["line"], nothing["reasons"]) == (FR("refusal.none"), [])


def test_the_patient_reads_both_framings_on_one_denominator(make_projection: Callable[..., Projection]) -> None:
    cards = patient.arrays(
        make_projection(), "relapse", session=Session(), text=EN, theme=patient.THEMES["light"], certainty=True
    )
    assert len(cards) == len(ALL_CLASSES)
    first = words_of(cards[0])
    assert first.startswith("Without treatment")
    assert "21 of 100 had at least one relapse." in first
    assert "79 of 100 had none." in first
    assert "from 15 to 27 of 100" in first


@pytest.mark.parametrize("text", [EN, FR])
def test_the_sheet_carries_release_weights_and_caveats(
    make_projection: Callable[..., Projection], text: viewer.text.Text
) -> None:
    words = words_of(take_home.sheet(make_projection(), Session(), text))
    assert "test-1" in words
    assert text("product.research") in words
    assert text("take_home.caveat.causal") in words
    assert text("feature.age") in words


def test_the_evidence_page_stands_without_a_frozen_release(projector: DisclosedProjector) -> None:
    assert words_of(about.layout(Answers(projector), EN))


def test_a_probability_that_must_exceed_one_in_ten_thousand_is_told_with_its_digits() -> None:
    metrics = [
        {"name": "likeness_by_chance", "label": "", "unit": "", "value": 0.0123, "target": 1e-4, "verdict": "passed"},
        {"name": "hidden_rate", "label": "", "unit": "%", "value": 93.14, "target": 90.0, "verdict": "passed"},
    ]
    told = words_of(about.privacy_table({"metrics": metrics}, EN))
    assert "0.0123 > 0.0001 " in told
    assert "93.1% > 90.0% " in told


def test_the_evidence_page_tells_calibration_from_discrimination_and_leaves_out_what_is_not_known() -> None:
    figures = {
        "concordance_relapse": {"value": 0.6299},
        "slope_relapse": {"value": 0.6578},
        "slope_worsening_24w": {"value": None},
        "coverage_24": {"value": 0.8649},
    }
    told = " ".join(words_of(part) for part in about.foresight({"sections": {"prognosis": {"figures": figures}}}, EN))
    for words in (
        "C-index, relapse within 24 months 0.63",
        "Calibration slope, relapse 0.66",
        "24 months; 80% is right 86%",
    ):
        assert words in told
    assert "Calibration slope, confirmed worsening" not in told
    assert words_of(about.foresight({}, EN)[0]) == EN("about.foresight.none")


def test_an_added_page_has_an_address_and_callbacks_of_its_own(projector: DisclosedProjector) -> None:
    made: list[dash.Dash] = []
    page = viewer.AddedPage("questionnaire", lambda language: language.value, lambda _: html.P("here"), made.append)
    app = viewer.create_viewer(projector, prefix="/viewer/", pages=[page])
    assert made == [app]
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app.server), base_url="http://viewer")
    assert asyncio.run(client.get("/viewer/questionnaire")).status_code == 200
    with pytest.raises(ValueError, match="same path"):
        viewer.create_viewer(projector, pages=[page, page])
    with pytest.raises(ValueError, match="small letters"):
        viewer.AddedPage("Take home/", str, lambda _: html.P(), made.append)


@pytest.mark.parametrize("text", [EN, FR])
@pytest.mark.parametrize("refused", [frozenset(), frozenset(Treatment)])
def test_the_file_to_take_home_is_one_page_of_the_same_words(
    make_projection: Callable[..., Projection], text: viewer.text.Text, refused: frozenset[Treatment]
) -> None:
    projection = make_projection(refused=refused)
    drawn, lowest, pages = drawn_in(summary_of(projection, Session(form=EXAMPLES["quiet"]), text))
    assert pages == 1
    for words in (projection.release, "49", text("take_home.know"), *([] if refused else ["Natalizumab"])):
        assert words.encode("latin-1") in drawn
    assert lowest > 20  # points from the lower edge: nothing runs off the sheet


def summary_of(projection: Projection, session: Session, text: viewer.text.Text) -> bytes:
    return paper.summary_pdf(
        projection,
        session,
        described=take_home.described(session.form, text),
        weights=take_home.weights_in_words(projection, text),
        caveats=[text(f"take_home.caveat.{name}") for name in take_home.CAVEATS],
        now=datetime(2026, 3, 4, tzinfo=UTC),
        text=text,
    )


def drawn_in(file: bytes) -> tuple[bytes, float, int]:
    """Return what the pages of a file draw, how far above its lower edge the last words stand, and its pages."""
    assert file.startswith(b"%PDF")
    drawn = b"".join(zlib.decompress(part) for part in re.findall(rb"stream\n(.*?)\nendstream", file, re.DOTALL))
    lowest = min(float(y) for y in re.findall(rb"([\d.]+) Td", drawn))
    return drawn, lowest, file.count(b"/Type /Page\n")


WORSE = "worsening_24w"


def test_a_class_that_was_not_observed_for_two_years_is_told_with_its_month(
    make_projection: Callable[..., Projection],
) -> None:
    projection = observed_until(make_projection(), Treatment.NATALIZUMAB, WORSE, 18)
    projection = observed_until(projection, Treatment.NATALIZUMAB, "relapse", 12)
    shown = ("natalizumab", "cladribine")
    for text, months in ((EN, "at {} months"), (FR, "à {} mois")):
        drawn = outcome_table(projection, shown=shown, month=24, text=text)
        worsening, relapse = drawn["rows"][0]["cells"][2:4]
        assert worsening["value"] == text.percent(0.04 * (1 - np.exp(-18 / 12)))
        assert (worsening["behind"], worsening["month"]) == ("n 182", months.format(18))
        # The share that is free of it is of the same month.
        assert relapse["value"] == text.percent(1 - 0.24 * (1 - np.exp(-1)))
        assert relapse["month"] == months.format(12)
        assert [one["month"] for one in drawn["rows"][1]["cells"]] == [""] * 7
        assert text("table.earlier", n=10, months=24) in drawn["hint"]
        assert text("table.withheld", n=10) not in drawn["hint"]
    assert (
        EN("table.earlier", n=10, months=24)
        not in outcome_table(projection, shown=shown[1:], month=24, text=EN)["hint"]
    )


def test_what_is_shown_at_no_month_stays_a_dash_and_the_caption_says_why(
    make_projection: Callable[..., Projection],
) -> None:
    projection = observed_until(make_projection(), Treatment.NATALIZUMAB, WORSE, 0)
    drawn = outcome_table(projection, shown=("natalizumab",), month=24, text=EN)
    assert drawn["rows"][0]["cells"][2]["value"] == NOT_SHOWN
    assert "–: fewer than 10 patients observed" in drawn["hint"]
    assert EN("table.earlier", n=10, months=24) not in drawn["hint"]


def test_the_patient_reads_another_month_in_plain_words_on_the_same_denominator(
    make_projection: Callable[..., Projection],
) -> None:
    projection = observed_until(make_projection(), Treatment.UNTREATED, WORSE, 18)
    projection = observed_until(projection, Treatment.NATALIZUMAB, WORSE, 0)
    asked: dict[str, Any] = {"session": Session(), "theme": patient.THEMES["light"], "certainty": True}
    cards = patient.arrays(projection, WORSE, text=EN, **asked)
    first, second, lacking = words_of(cards[0]), words_of(cards[1]), words_of(cards[-1])
    assert "After 18 months, not two years" in first
    assert "3 of 100 got lastingly worse." in first
    assert "97 of 100 did not." in first
    assert "months" not in second
    assert "Natalizumab" in lacking
    picture = next(part for part in cards[0].children if isinstance(part, html.Img))
    assert picture.alt.startswith("After 18 months, not two years")
    assert "Après 18 mois, et non deux ans" in words_of(patient.arrays(projection, WORSE, text=FR, **asked)[0])


@pytest.mark.parametrize("text", [EN, FR])
def test_the_sheet_and_the_file_say_another_month_too(
    make_projection: Callable[..., Projection], text: viewer.text.Text
) -> None:
    projection = make_projection()
    assert text("take_home.earlier") not in words_of(take_home.sheet(projection, Session(), text))
    for treatment in Treatment:
        for outcome in ("relapse", "new_lesions"):
            projection = observed_until(projection, treatment, outcome, 12)
        projection = observed_until(projection, treatment, WORSE, 0 if treatment is Treatment.CLADRIBINE else 18)
    words = words_of(take_home.sheet(projection, Session(), text))
    for said in (
        text("take_home.after", months=18),
        text("take_home.after", months=12),
        text("take_home.earlier"),
        text("take_home.withheld"),
        NOT_SHOWN,
    ):
        assert said in words
    drawn, lowest, pages = drawn_in(summary_of(projection, Session(form=EXAMPLES["quiet"]), text))
    for said in (text("take_home.after", months=18), text("take_home.after", months=12)):
        assert said.encode("latin-1") in drawn
    assert pages == 1
    assert lowest > 20
