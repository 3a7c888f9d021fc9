"""Cards, resources and documents on classes that were not observed for two years: they say until when."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

from cdss.ehr.cards import CardContext, make_card
from cdss.ehr.document import document_words, projection_pdf
from cdss.ehr.fhir_results import risk_assessment
from cdss.ehr.patient_record import RecordReading, read_record
from projection import Projection, Projector
from reference_db.vocabulary import Treatment
from tests.ehr.records import TODAY, typical
from tests.ehr.test_fhir_api import text_of_pdf, valid
from tests.withheld import observed_until

NOW = datetime(2026, 3, 4, tzinfo=UTC)
WORSE = "worsening_24w"
EARLIER, NEVER = Treatment.NATALIZUMAB, Treatment.CLADRIBINE


@pytest.fixture(scope="module")
def reading() -> RecordReading:
    return read_record(typical(), today=TODAY)


@pytest.fixture(scope="module")
def whole(projector: Projector, reading: RecordReading) -> Projection:
    assert reading.patient is not None
    return projector.project(reading.patient)


@pytest.fixture(scope="module")
def projection(whole: Projection) -> Projection:
    return observed_until(observed_until(whole, EARLIER, WORSE, 18), NEVER, WORSE, 0)


def context(reading: RecordReading, ordered: Iterable[Treatment] = ()) -> CardContext:
    return CardContext("https://cdss.test", reading, ordered=tuple(ordered))


def row(lines: str, treatment: Treatment) -> list[str]:
    line = next(line for line in lines.splitlines() if line.startswith(("| " + treatment, f"| **{treatment}")))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_card_says_the_month_of_a_value_that_is_of_an_earlier_one(
    projection: Projection, whole: Projection, reading: RecordReading
) -> None:
    card = make_card(projection, context(reading))
    assert card is not None
    detail = card["detail"]
    assert re.fullmatch(r"\d+ % \(\d+ to \d+\) at 18 months", row(detail, EARLIER)[2])
    assert re.fullmatch(r"\d+ % \(\d+ to \d+\)", row(detail, EARLIER)[3])
    assert row(detail, NEVER)[2] == "not known"
    assert "“At … months”: fewer than 10 patients were observed for 24 months" in detail
    assert "“Not known”: fewer than 10 patients were observed at any month." in detail
    complete = make_card(whole, context(reading))
    assert complete is not None
    assert "At … months" not in complete["detail"]
    assert "Not known”" not in complete["detail"]


def test_a_summary_never_mixes_months(projection: Projection, whole: Projection, reading: RecordReading) -> None:
    card, complete = make_card(projection, context(reading)), make_card(whole, context(reading))
    assert card is not None
    assert complete is not None
    assert re.search(r"by 24 months in \d+ to \d+ % \(known of 7\)$", card["summary"])
    assert "known of" not in complete["summary"]
    one = make_card(projection, context(reading, [EARLIER]))
    assert one is not None
    assert re.search(r"under natalizumab: confirmed worsening by 18 months in \d+ % \(\d+ to \d+\)$", one["summary"])
    assert max(len(each["summary"]) for each in (card, complete, one)) < 140


def test_a_prediction_ends_with_the_month_until_which_it_is_known(
    projection: Projection, reading: RecordReading
) -> None:
    assessment = valid(risk_assessment(projection, reading, base="https://cdss.test", now=NOW))
    worsening = {
        one["extension"][0]["valueCodeableConcept"]["coding"][0]["display"]: one
        for one in assessment["prediction"]
        if one["outcome"]["coding"][0]["code"] == "worsening-24w"
    }
    earlier = worsening[EARLIER]
    assert earlier["whenRange"]["high"]["value"] == 18
    assert "By 18 months, the latest with at least 10 patients observed" in earlier["rationale"]
    assert worsening[Treatment.TERIFLUNOMIDE]["whenRange"]["high"]["value"] == 24
    assert NEVER not in worsening
    told = assessment["text"]["div"]
    assert re.search(
        r"<td>natalizumab</td><td>\d+</td><td>\d+ % \(95 % interval \d+ to \d+\) by 18 months</td>", told
    )
    assert re.search(r"<td>cladribine</td><td>\d+</td><td>not known: fewer than 10 patients observed", told)


@pytest.mark.parametrize(("language", "month"), [("en", "at 18 months"), ("fr", "à 18 mois")])
def test_the_document_says_the_month_too(
    projection: Projection, whole: Projection, reading: RecordReading, language: str, month: str
) -> None:
    told = text_of_pdf(projection_pdf(projection, reading, now=NOW, language=language))
    said = document_words(language)
    assert month in told
    assert said["not_known"] in told
    complete = text_of_pdf(projection_pdf(whole, reading, now=NOW, language=language))
    for key in ("earlier", "withheld"):
        begins = said[key].format(n=10, months=24).translate({0x201C: '"', 0x201D: '"', 0x2026: "..."})[:40]
        assert begins in told
        assert begins not in complete
