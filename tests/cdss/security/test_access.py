"""Every route is in the table of who may come to it, and every role meets what the table says."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, cast

import jwt
import pytest

from cdss.app import Service
from cdss.security.access import _BELOW, _EXACT, Door, access
from cdss.security.guard import COOKIE
from cdss.security.roles import Role
from tests.cdss.conftest import Serve
from tests.client import TestClient
from tests.e2e.processes import POI

ISSUER, AUDIENCE, SECRET = "https://identity.test", "ms-cdss", "s" * 48
LOGIN = {"oidc_issuer": ISSUER, "oidc_audience": AUDIENCE, "jwt_secret": SECRET}


def routes(service: Service) -> Iterator[tuple[str, str]]:
    """Give method and path of every route of the interface, those left out of its document too."""
    for route in service._interface.routes:
        found: Any = route
        # Routers that were included know their routes only together with how they were included.
        contexts = found.effective_route_contexts() if hasattr(found, "effective_route_contexts") else [found]
        for one in contexts:
            for method in sorted((one.methods or set()) - {"HEAD"}):
                yield method, one.path


@pytest.fixture
def service(ask: Serve) -> Service:
    return cast("Service", ask().app)


def test_every_route_is_in_the_table(service: Service) -> None:
    found = list(routes(service))
    assert len(found) > 50
    for method, path in found:
        needs = access(method, path, service._guard.resources)
        assert not needs.action.startswith("unknown"), f"{method} {path}"
        # What changes something is recorded, whoever does it.
        assert needs.action or method == "GET", f"{method} {path}"


def test_every_entry_of_the_table_is_a_route(service: Service) -> None:
    paths = {path for _, path in routes(service)} | {"/viewer/"}
    assert set(_EXACT) <= paths
    for prefix in _BELOW:
        assert any(path.startswith(f"{prefix}/") for path in paths), prefix


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/api/v1/nothing", "/exportsx", "/viewerx", "/fhirx", "/evaluation.x", "/%2e%2e/metrics", "//"],
)
def test_what_is_in_no_table_needs_a_login(service: Service, path: str) -> None:
    needs = access("GET", path, service._guard.resources)
    assert (needs.door, needs.action) == (Door.LOGIN, "unknown.read")


def test_a_name_that_was_typed_never_becomes_an_action(service: Service) -> None:
    for path in ("/api/v1/secret-name/x", "/secret-name", "/api/v1/"):
        assert "secret" not in access("POST", path, service._guard.resources).action


def _bearer(role: str) -> dict[str, str]:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": f"u-{role}", "exp": now + 60, "roles": [role], "jti": role}
    return {"Authorization": f"Bearer {jwt.encode(claims, SECRET, algorithm='HS256')}"}


EVERYBODY = frozenset(Role)
WISH = {"purpose": "sharing", "release": "none", "recipient": "x", "reason": "x"}
DOORS: Mapping[tuple[str, str], frozenset[Role]] = {
    ("GET", "/metrics"): frozenset({Role.ADMINISTRATOR}),
    ("POST", "/api/v1/projections"): EVERYBODY,
    ("GET", "/api/v1/releases"): EVERYBODY,
    ("GET", "/viewer/"): EVERYBODY,
    ("GET", "/exports"): EVERYBODY,
    ("GET", "/api/v1/exports"): frozenset({Role.STEWARD, Role.MANAGER}),
    ("GET", "/api/v1/exports/x0123456789"): frozenset({Role.STEWARD, Role.MANAGER}),
    ("POST", "/api/v1/exports"): frozenset({Role.STEWARD}),
    ("POST", "/api/v1/exports/x0123456789/approve"): frozenset({Role.MANAGER}),
    ("POST", "/api/v1/exports/x0123456789/reject"): frozenset({Role.MANAGER}),
    ("POST", "/api/v1/exports/x0123456789/recheck"): frozenset({Role.MANAGER}),
    ("POST", "/api/v1/exports/x0123456789/cancel"): frozenset({Role.STEWARD}),
    ("POST", "/api/v1/exports/x0123456789/deliver"): frozenset({Role.STEWARD}),
    ("GET", "/api/v1/evaluation/trials"): frozenset({Role.TRIALIST, Role.CLINICIAN, Role.MANAGER}),
    ("POST", "/api/v1/evaluation/trials"): frozenset({Role.TRIALIST}),
    ("POST", "/api/v1/evaluation/trials/none/closure"): frozenset({Role.TRIALIST}),
}
"""Who gets further than the door; a request that names nothing real is then refused for what it names."""


@pytest.mark.parametrize("door", DOORS, ids=" ".join)
def test_a_role_gets_as_far_as_the_table_says(ask: Serve, door: tuple[str, str]) -> None:
    client: TestClient = ask(**LOGIN)
    method, path = door
    sent = {"json": {"comment": "because"} if "exports/" in path else WISH if "exports" in path else dict(POI)}
    assert client.request(method, path, **(sent if method == "POST" else {})).status_code == 401
    for role in Role:
        answer = client.request(method, path, headers=_bearer(role), **(sent if method == "POST" else {}))
        if role in DOORS[door]:
            assert answer.status_code in {200, 404, 422}, (role, answer.text)
        else:
            assert answer.status_code == 403, (role, answer.text)
            assert re.search(rf"a {role} may not", answer.text, re.IGNORECASE)
            french = {**_bearer(role), "Accept-Language": "fr"}
            told = client.request(method, path, headers=french, **(sent if method == "POST" else {})).json()["detail"]
            assert re.fullmatch(r"le rôle « .+ » n'autorise pas à .+ \(il faut : .+\)\.", told, re.IGNORECASE)


@pytest.mark.parametrize(
    "roles", [[], ["root"], ["steward", "manager"], "steward manager", None, 7, [None], [["steward"]], {"a": 1}]
)
def test_a_token_without_exactly_one_role_of_ours_is_nobody(ask: Serve, roles: object) -> None:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "u", "exp": int(time.time()) + 60, "roles": roles}
    headers = {"Authorization": f"Bearer {jwt.encode(claims, SECRET, algorithm='HS256')}"}
    answer = ask(**LOGIN).get("/api/v1/releases", headers=headers)
    assert answer.status_code == 401
    assert "role" not in answer.text


def _forged(header: str, payload: str) -> str:
    parts = (base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in (header, payload))
    return f"{'.'.join(parts)}.AAAA"


@pytest.mark.parametrize(
    "token",
    [
        _forged("[" * 5000, "{}"),
        _forged('{"alg": "HS256"}', "[" * 5000),
        _forged('{"alg": "HS256", "kid": [1]}', "{}"),
        _forged('{"alg": ["HS256"]}', "{}"),
        _forged("null", "null"),
        _forged('{"alg": "HS256", "jku": "https://evil.test"}', '{"exp": 1e999}'),
        "..",
        "x" * 50_000,
    ],
)
@pytest.mark.parametrize("settings", [{}, LOGIN], ids=["open", "login"])
def test_a_token_of_any_make_is_refused_without_an_accident(ask: Serve, settings: dict[str, Any], token: str) -> None:
    client: TestClient = ask(**settings)
    assert client.get("/api/v1/releases", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    answer = client.get("/api/v1/releases", headers={"Cookie": f"{COOKIE}={token}"})
    assert answer.status_code == (401 if settings else 200)


@pytest.mark.parametrize("claim", ["a", "a.b", "roles.x", "sub.x", ""])
def test_a_claim_that_is_not_where_it_should_be_is_no_accident(ask: Serve, claim: str) -> None:
    client: TestClient = ask(**LOGIN, roles_claim=claim or "x")
    assert client.get("/api/v1/releases", headers=_bearer("steward")).status_code == 401
