"""The served interface, over HTTP."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import jsonschema
import pytest

from tests.e2e.processes import POI, Server, run_cdss, run_here, start_server, stop_server

pytestmark = pytest.mark.e2e


def test_ready_with_the_default_release(server: Server) -> None:
    answer = httpx.get(f"{server.address}/readyz")
    assert answer.status_code == 200
    assert answer.json()["patients"] == 25_726
    assert httpx.get(f"{server.address}/healthz").json() == {"status": "alive"}


def test_a_projection_has_every_class_with_counts_and_intervals(server: Server) -> None:
    answer = httpx.post(f"{server.address}/api/v1/projections", json=POI)
    assert answer.status_code == 200, answer.text
    projection = answer.json()
    assert len(projection["classes"]) == 9
    shown = [treatment for treatment in projection["classes"] if treatment["refusal"] is None]
    assert len(shown) >= 8
    for treatment in shown:
        assert treatment["n"] >= 30
        expected = treatment["edss"]["expected"]
        at_24 = expected["months"].index(24)
        assert expected["lower"][at_24] < expected["value"][at_24] < expected["upper"][at_24]
        assert expected["value"][0] == pytest.approx(2.5)
        worsening = [value for value in treatment["probabilities"]["worsening_24w"]["value"] if value is not None]
        assert worsening == sorted(worsening)
        assert 0 <= worsening[0] <= worsening[-1] <= 1


@pytest.mark.parametrize(
    ("path", "schema"),
    [("projections", "Projection"), ("contrasts", "Contrasts"), ("patients-of-reference", "Explanation")],
)
def test_answers_keep_to_their_published_schema(server: Server, path: str, schema: str) -> None:
    document = httpx.get(f"{server.address}/openapi.json").json()
    answer = httpx.post(f"{server.address}/api/v1/{path}", json=POI)
    assert answer.status_code == 200, answer.text
    rule = {"$ref": f"#/components/schemas/{schema}", "components": document["components"]}
    jsonschema.validate(answer.json(), rule)


def test_features_and_releases_are_listed(server: Server) -> None:
    document = httpx.get(f"{server.address}/openapi.json").json()
    features = httpx.get(f"{server.address}/api/v1/features").json()
    jsonschema.validate(features, {"$ref": "#/components/schemas/Features", "components": document["components"]})
    assert {"age", "edss", "relapses_12m"} <= {feature["name"] for feature in features["features"]}
    (release,) = httpx.get(f"{server.address}/api/v1/releases").json()
    assert (release["version"], release["status"]) == (features["release"], "usable")
    manifest = httpx.get(f"{server.address}/api/v1/releases/{release['version']}").json()
    assert manifest["version"] == release["version"]
    assert httpx.get(f"{server.address}/api/v1/releases/r1-unknown").status_code == 404


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("k=2", "k"),
        ("weight=age:x", "weight"),
        ("weight=shoe:1", "weights.shoe"),
        ("weight=age:nan", "weights.age"),
        ("same=shoe", "criteria.same"),
        ("caliper=age:-1", "criteria.calipers"),
        ("largest_distance=0", "criteria.largest_distance"),
        ("estimator=best", "estimator"),
    ],
)
def test_a_similarity_that_cannot_be_used_is_refused(server: Server, query: str, field: str) -> None:
    answer = httpx.post(f"{server.address}/api/v1/projections?{query}", json=POI)
    assert answer.status_code == 422
    assert [problem["field"] for problem in answer.json()["errors"]] == [field]


def test_weights_and_criteria_change_the_answer(server: Server) -> None:
    address = f"{server.address}/api/v1/patients-of-reference"
    plain = httpx.post(address, json=POI).json()["classes"]
    women = httpx.post(f"{address}?same=phenotype&same=sex&source_kinds=trial", json=POI).json()["classes"]
    assert women[0]["n_eligible"] < plain[0]["n_eligible"]
    assert women[0]["from_trials"] == 1.0


@pytest.mark.parametrize(
    ("change", "field", "allowed"),
    [
        ({"age": 300}, "age", "90"),
        ({"edss": 2.3}, "edss", "2.0 or 2.5"),
        ({"phenotype": "XXMS"}, "phenotype", "RRMS"),
        ({"age": None}, "age", "90"),
    ],
)
def test_a_malformed_patient_is_refused_with_the_field_and_its_range(
    server: Server, change: dict[str, object], field: str, allowed: str
) -> None:
    patient = {name: value for name, value in {**POI, **change}.items() if value is not None}
    answer = httpx.post(f"{server.address}/api/v1/projections", json=patient)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    (problem,) = answer.json()["errors"]
    assert problem["field"] == field
    assert allowed in problem["message"] + problem["allowed"]


def test_every_problem_of_a_patient_is_named_at_once(server: Server) -> None:
    answer = httpx.post(f"{server.address}/api/v1/projections", json={"age": 300, "edss": 2.3, "phenotype": "XXMS"})
    assert {problem["field"] for problem in answer.json()["errors"]} == {"age", "edss", "phenotype"}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"age": NaN}'])
def test_a_body_that_is_no_patient_is_refused(server: Server, body: bytes) -> None:
    answer = httpx.post(f"{server.address}/api/v1/projections", content=body)
    assert answer.status_code == 422
    assert answer.json()["errors"]


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/nothing", "/viewerx", "/api/v2/projections"])
def test_an_unknown_path_is_a_404_problem(server: Server, path: str) -> None:
    answer = httpx.get(server.address + path)
    assert answer.status_code == 404
    assert answer.json()["status"] == 404


def test_the_documentation_and_landing_pages_are_served(server: Server) -> None:
    for path in ("/", "/docs", "/viewer/"):
        assert httpx.get(server.address + path, follow_redirects=True).status_code == 200


def test_nothing_about_the_patient_is_logged(server: Server) -> None:
    httpx.post(f"{server.address}/api/v1/projections", json={**POI, "age": 47.123})
    httpx.post(f"{server.address}/api/v1/projections", json={**POI, "age": 471.23})
    log = server.log.read_text()
    assert "47.123" not in log
    assert "471.23" not in log


def test_without_a_release_the_service_says_so_and_recovers_by_itself(small_home: Path, tmp_path: Path) -> None:
    server = start_server(tmp_path / "home", tmp_path / "log")
    try:
        not_ready = httpx.get(f"{server.address}/readyz")
        assert not_ready.status_code == 503
        assert "cdss build" in not_ready.json()["reason"]
        assert httpx.post(f"{server.address}/api/v1/projections", json=POI).status_code == 503
        assert httpx.get(f"{server.address}/viewer/").status_code == 503
        (tmp_path / "home").mkdir(exist_ok=True)
        (tmp_path / "home" / "releases").symlink_to(small_home / "releases")
        # The release is loaded in this request.
        assert httpx.get(f"{server.address}/readyz", timeout=60).status_code == 200
        assert httpx.get(f"{server.address}/viewer/").status_code == 200
    finally:
        stop_server(server)


def test_the_command_line_answers_the_same_patient(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "poi.json"
    path.write_text(json.dumps(POI))
    answered = run_cdss(home, "project", str(path), "--json")
    assert answered.returncode == 0, answered.stderr
    assert len(json.loads(answered.stdout)["classes"]) == 9


def test_the_command_line_names_each_problem_on_a_line_and_exits_with_2(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "poi.json"
    path.write_text(json.dumps({"age": 300, "edss": 2.3, "phenotype": "XXMS"}))
    answered = run_here(home, "project", str(path))
    assert answered.returncode == 2
    lines = answered.stderr.strip().splitlines()
    assert len(lines) == 3
    assert [line.partition(":")[0] for line in lines] == ["age", "phenotype", "edss"]
