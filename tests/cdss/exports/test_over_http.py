"""Exports over HTTP and through the page of stewards and managers."""

from __future__ import annotations

import ast
import inspect
import io
import re
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from cdss.evaluation import export as trial_export
from cdss.exports.page import catalogue, words
from cdss.exports.states import TRANSITIONS, By, State, table
from cdss.security.guard import COOKIE
from cdss.security.roles import Role
from reference_db.release import export, list_releases
from reference_db.release.export import Purpose, Shape
from tests.cdss.conftest import Serve
from tests.client import TestClient

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "governance.md"


@pytest.fixture
def client(serve: Serve) -> TestClient:
    return serve()


@pytest.fixture
def wish(home: Path) -> dict[str, object]:
    version = list_releases(home / "releases")[0].name
    return {"purpose": "sharing", "release": version, "recipient": "a university", "reason": "a course"}


def _as(client: TestClient, name: str, role: str) -> dict[str, str]:
    token = client.post("/api/v1/session", json={"name": name, "role": role}).json()["token"]
    client.cookies.clear()
    return {"Authorization": f"Bearer {token}"}


def test_the_whole_way_over_http(client: TestClient, wish: dict[str, object]) -> None:
    alice, bob = _as(client, "alice", "steward"), _as(client, "bob", "manager")
    assert client.post("/api/v1/exports", json=wish).status_code == 401
    assert client.post("/api/v1/exports", json=wish, headers=bob).status_code == 403
    filed = client.post("/api/v1/exports", json=wish, headers=alice)
    assert filed.status_code == 201
    address = f"/api/v1/exports/{filed.json()['identifier']}"
    assert client.get(address, headers=alice).json()["export"]["state"] == State.CHECKED
    alice_as_manager = _as(client, "alice", "manager")
    refused = client.post(f"{address}/approve", headers=alice_as_manager)
    assert refused.status_code == 403
    assert "another manager" in refused.json()["detail"]
    assert client.post(f"{address}/approve", headers=_as(client, "carol", "clinician")).status_code == 403
    assert client.post(f"{address}/deliver", headers=alice).status_code == 403
    assert client.post(f"{address}/approve", headers=bob).json()["state"] == State.APPROVED
    assert client.post(f"{address}/deliver", headers=bob).status_code == 403
    data = client.post(f"{address}/deliver", headers=alice)
    with zipfile.ZipFile(io.BytesIO(data.content)) as archive:
        assert archive.namelist() == ["episodes.parquet", "export.json"]
        assert len(pd.read_parquet(io.BytesIO(archive.read("episodes.parquet")))) == 1800
    history = client.get(address, headers=bob).json()["history"]
    assert [event["verb"] for event in history] == ["request", "pass", "approve", "deliver"]
    assert client.get(address, headers=_as(client, "dora", "steward")).status_code == 404
    assert client.get("/api/v1/exports", headers=_as(client, "dora", "steward")).json() == []


@pytest.mark.parametrize(
    "change",
    [
        {"purpose": "fun"},
        {"size": 20},
        {"release": "../../etc/passwd"},
        {"release": "r1-nothing"},
        {"recipient": ""},
        {"surprise": 1},
    ],
)
def test_a_wish_that_cannot_be_used_is_refused(
    client: TestClient, wish: dict[str, object], change: dict[str, object], home: Path
) -> None:
    answer = client.post("/api/v1/exports", json={**wish, **change}, headers=_as(client, "alice", "steward"))
    assert answer.status_code == 422
    assert str(home) not in answer.text


def test_the_page_serves_steward_and_manager_without_a_script(client: TestClient, wish: dict[str, object]) -> None:
    first = client.get("/exports")
    assert first.status_code == 200
    assert "<script" not in first.text
    assert "script-src 'self'" in first.headers["content-security-policy"]
    client.post("/exports/session", data={"name": "alice", "role": "steward"})
    assert client.cookies[COOKIE]
    asked = client.post("/exports/request", data=wish)
    assert asked.status_code == 200
    identifier = asked.text.split('name="export" value="')[1].split('"')[0]
    assert "checked" in asked.text
    assert 'action="/exports/approve"' not in asked.text
    client.post("/exports/session", data={"name": "<b>bob</b>", "role": "manager"})
    client.post("/exports/session", data={"name": "bob", "role": "manager"})
    assert 'action="/exports/approve"' in client.get("/exports").text
    assert "approved" in client.post("/exports/approve", data={"export": identifier}).text
    refused = client.post("/exports/deliver", data={"export": identifier})
    assert refused.status_code == 403
    assert "a manager may not" in refused.text
    refused = client.post("/exports/deliver", data={"export": identifier, "lang": "fr"})
    assert "le rôle « gestionnaire » n&#x27;autorise pas à demander un export" in refused.text
    client.post("/exports/session", data={"name": "alice", "role": "steward"})
    delivered = client.post("/exports/deliver", data={"export": identifier})
    assert delivered.headers["content-type"] == "application/zip"


def test_the_page_shows_what_was_typed_as_text(client: TestClient, wish: dict[str, object]) -> None:
    client.post("/exports/session", data={"name": "alice", "role": "steward"})
    shown = client.post("/exports/request", data={**wish, "reason": "<img src=x onerror=alert(1)>"}).text
    assert "<img" not in shown
    assert "&lt;img" in shown


def test_the_page_is_whole_in_french(client: TestClient, wish: dict[str, object]) -> None:
    french = {"Accept-Language": "fr-FR"}
    first = client.get("/exports", headers=french).text
    assert '<html lang="fr">' in first
    assert "Qui êtes-vous" in first
    client.post("/exports/session", data={"name": "alice", "role": "steward", "lang": "fr"})
    asked = client.post("/exports/request", data={**wish, "lang": "fr"})
    assert "Finalité" in asked.text
    assert "contrôlé" in asked.text
    assert "petits groupes: réussi, aucun groupe n’est petit" in asked.text
    assert '<span lang="en">' not in asked.text
    refused = client.post("/exports/request", data={**wish, "size": "7", "lang": "fr"})
    assert refused.status_code == 422
    assert "Cela n’a pas pu être fait." in refused.text
    assert '<span lang="en">size:' in refused.text


def test_what_checks_write_is_said_in_french() -> None:
    """Every sentence that a check may write has its French, and no French is for a sentence that none writes."""
    written: set[str] = set()
    for module in (export, trial_export):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.JoinedStr):
                parts = (part for name, part in ast.iter_fields(node) if name == "values")
                written.add(
                    "".join("{}" if isinstance(one, ast.FormattedValue) else one.value for one in next(parts))
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                written.add(node.value)
    assert set(catalogue()["found"]) <= written
    said = words("fr").found(
        "compared with export E1, fewer than 10 patients of a group would be told apart: ask for "
        "the same size, or for one that differs more"
    )
    assert said.startswith("comparé à l’export E1, moins de 10 patients")
    assert words("fr").found("3 group(s) have fewer than 10 patients") == "groupes de moins de 10 patients : 3"
    assert words("fr").found("another sentence") == '<span lang="en">another sentence</span>'


def test_the_languages_of_the_page_say_the_same_things() -> None:
    english, french = words("en").texts, words("fr").texts
    assert english.keys() == french.keys()
    for key, text in english.items():
        assert re.findall(r"{\w+}", text) == re.findall(r"{\w+}", french[key]), key
    terms = {
        *(f"state {one}" for one in State),
        *(f"verb {one.verb}" for one in TRANSITIONS),
        *(f"by {one}" for one in By),
        *(f"purpose {one}" for one in Purpose),
        *(f"shape {one}" for one in Shape),
        *(f"role {one}" for one in Role),
    }
    assert terms <= english.keys()


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("session", {"name": "x", "role": "root"}),
        ("request", {"purpose": "fun"}),
        ("request", {"size": "many"}),
        # A digit that is no number.
        ("request", {"purpose": "teaching", "size": "²"}),
        ("nothing", {}),
        ("approve", {"export": "../.."}),
    ],
)
def test_a_form_that_cannot_be_used_is_refused_with_a_reason(
    client: TestClient, action: str, fields: dict[str, str]
) -> None:
    client.post("/exports/session", data={"name": "alice", "role": "steward"})
    answer = client.post(f"/exports/{action}", data=fields)
    assert answer.status_code in {403, 422}
    assert 'role="alert"' in answer.text


def test_the_documentation_has_the_table_of_transitions() -> None:
    assert table() in DOCUMENTATION.read_text(encoding="utf-8")
