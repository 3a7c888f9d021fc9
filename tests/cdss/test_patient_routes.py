"""Routes that take a patient of interest: what their document says, and clear answers to odd patients."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reference_db.small_cells import ROUNDING
from selection import parse_patient
from selection.features import FEATURE_NAMES
from tests.cdss.conftest import Serve

PATHS = ("/api/v1/projections", "/api/v1/contrasts", "/api/v1/patients-of-reference")
LEAST = {"age": 45, "phenotype": "RRMS", "edss": 3.5}


def test_examples_of_the_document_are_what_it_describes(ask: Serve) -> None:
    document = ask().get("/openapi.json").json()

    def valid(value: Any, schema: dict[str, Any]) -> None:  # noqa: ANN401 - any JSON
        Draft202012Validator({**schema, "components": document["components"]}).validate(value)

    for path in PATHS:
        operation = document["paths"][path]["post"]
        body = operation["requestBody"]["content"]["application/json"]
        assert len(body["examples"]) > 1
        for example in body["examples"].values():
            valid(example["value"], body["schema"])
            parse_patient(example["value"])
        answer = operation["responses"]["200"]["content"]["application/json"]
        valid(answer["example"], answer["schema"])
    answer = document["paths"]["/api/v1/features"]["get"]["responses"]["200"]["content"]["application/json"]
    valid(answer["example"], answer["schema"])


def test_every_number_of_a_patient_has_its_range_and_unit_in_the_document(ask: Serve) -> None:
    document = ask().get("/openapi.json").json()
    body = document["paths"][PATHS[0]]["post"]["requestBody"]["content"]["application/json"]
    fields = body["schema"]["properties"]
    numbers = ("age", "years_since_onset", "relapses_12m", "relapses_24m", "gd_lesions", "t2_lesions")
    for name in numbers:
        kinds = fields[name].get("anyOf", [fields[name]])
        (bounded,) = [kind for kind in kinds if kind.get("type") in ("number", "integer")]
        assert bounded["minimum"] < bounded["maximum"], name
        assert fields[name]["x-unit"]
    assert fields["edss"]["enum"][:3] == [0.0, 1.0, 1.5]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("patient", "query"),
    [
        (LEAST, ""),
        ({"age": 80, "phenotype": "CIS", "edss": 2.0}, ""),
        ({"age": 15, "phenotype": "PPMS", "edss": 10.0}, ""),
        (LEAST, "?k=5000"),
        (LEAST, "?caliper=age:0&caliper=edss:0"),
        (LEAST, "?largest_distance=0.0001"),
        (LEAST, "?weight=edss:1&" + "&".join(f"weight={name}:0" for name in FEATURE_NAMES if name != "edss")),
    ],
    ids=["least", "old CIS", "PPMS at 10", "large k", "calipers of 0", "hardly any distance", "one weight"],
)
def test_odd_questions_get_a_projection_or_a_reason(
    ask: Serve, path: str, patient: dict[str, Any], query: str
) -> None:
    answer = ask().post(path + query, json=patient)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    for part in found.get("classes", found.get("contrasts")):
        assert part["n"] % ROUNDING == 0
        if part["refusal"] is None:
            assert part["n"] >= 30
        else:
            assert "patients" in part["refusal"]
            assert part.get("edss") is None
            assert not part.get("probabilities")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("?" + "&".join(f"weight={name}:0" for name in FEATURE_NAMES), "weights"),
        ("?weight=edss:0&weight=age:0&weight=phenotype:0", "weights"),
        ("?k=29", "k"),
        ("?k=5001", "k"),
        ("?same=sex", "criteria.same"),
        ("?weight=edss:nan", "weights.edss"),
        ("?caliper=age:-1", "criteria.calipers"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_is_allowed(ask: Serve, path: str, query: str, named: str) -> None:
    answer = ask().post(path + query, json=LEAST)
    assert answer.status_code == 422
    assert any(problem["field"] == named for problem in answer.json()["errors"]), answer.text


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (PATHS[0], "?k=200&estimator=corrected&same=phenotype&baselines=start"),
        (PATHS[1], "?k=200&estimator=corrected&against=placebo%20or%20untreated"),
        (PATHS[2], "?k=200"),
    ],
)
def test_nothing_in_the_query_string_asks_for_what_the_document_names_as_default(
    ask: Serve, path: str, query: str
) -> None:
    service = ask()
    short, spelled_out = service.post(path, json=LEAST), service.post(path + query, json=LEAST)
    assert short.status_code == 200
    assert short.content == spelled_out.content


def test_a_question_without_a_query_string_is_refused_like_any_other(ask: Serve) -> None:
    answers = [ask().post(PATHS[0] + query, json={**LEAST, "edss": 2.3}) for query in ("", "?k=200")]
    assert {answer.status_code for answer in answers} == {422}
    assert answers[0].content == answers[1].content
