"""Logging in with a browser at an identity provider: a small one of the tests' own, on the loopback."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from cdss.security.guard import COOKIE
from tests.cdss.conftest import Serve
from tests.client import TestClient

CLIENT = "viewer-of-the-tests"


class IdentityProvider(ThreadingHTTPServer):
    """Publishes its key, and exchanges any code for a token, once, when the verifier fits the challenge."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.issuer = f"http://127.0.0.1:{self.server_address[1]}"
        self.asked: dict[str, str] = {}
        self.claims: dict[str, Any] = {}

    def token(self, **claims: Any) -> str:  # noqa: ANN401  # any claim
        now = datetime.datetime.now(datetime.UTC)
        given = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "person-17",
            "roles": ["manager"],
            "exp": now + datetime.timedelta(minutes=5),
            "nonce": self.asked.get("nonce"),
        }
        return jwt.encode({**given, **claims}, self.key, algorithm="ES256", headers={"kid": "k1"})


class _Answers(BaseHTTPRequestHandler):
    server: IdentityProvider

    def do_GET(self) -> None:
        if self.path == "/keys":
            public = json.loads(ECAlgorithm.to_jwk(self.server.key.public_key()))
            self._answer({"keys": [{**public, "kid": "k1", "alg": "ES256", "use": "sig"}]})
            return
        base = self.server.issuer
        self._answer(
            {"authorization_endpoint": f"{base}/login", "token_endpoint": f"{base}/token", "jwks_uri": f"{base}/keys"}
        )

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        challenge = hashlib.sha256(form["code_verifier"][0].encode()).digest()
        fits = base64.urlsafe_b64encode(challenge).rstrip(b"=").decode() == self.server.asked["code_challenge"]
        if not fits or form["code"] != ["the-code"]:
            self._answer({"error": "invalid_grant"}, 400)
            return
        self._answer({"id_token": self.server.token(**self.server.claims), "token_type": "Bearer"})

    def _answer(self, content: object, status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def provider() -> Iterator[IdentityProvider]:
    server = IdentityProvider()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def client(serve: Serve, provider: IdentityProvider) -> TestClient:
    client = serve(oidc_issuer=provider.issuer, oidc_audience="ms-cdss", oidc_client_id=CLIENT)
    client.follow_redirects = False
    return client


def _begun(client: TestClient, provider: IdentityProvider, page: str = "/viewer/") -> str:
    sent = client.get("/login", params={"next": page})
    assert sent.status_code == 303
    target = urlsplit(sent.headers["location"])
    assert f"{target.scheme}://{target.netloc}{target.path}" == f"{provider.issuer}/login"
    provider.asked = {name: values[0] for name, values in parse_qs(target.query).items()}
    assert provider.asked["code_challenge_method"] == "S256"
    assert provider.asked["redirect_uri"].endswith("/login/callback")
    return provider.asked["state"]


def test_a_browser_logs_in_and_out(client: TestClient, provider: IdentityProvider) -> None:
    first = client.get("/viewer/", headers={"Accept": "text/html"})
    assert first.status_code == 303
    assert first.headers["location"].startswith("/login?next=")
    state = _begun(client, provider)
    back = client.get("/login/callback", params={"code": "the-code", "state": state})
    assert back.status_code == 303, back.text
    assert back.headers["location"] == "/viewer/"
    assert client.get("/viewer/").status_code == 200
    assert "manager" in client.get("/exports").text
    client.post("/logout")
    assert COOKIE not in client.cookies
    assert client.get("/viewer/").status_code == 401


def test_the_published_key_verifies_bearer_tokens(client: TestClient, provider: IdentityProvider) -> None:
    token = provider.token(aud="ms-cdss")
    assert client.get("/viewer/", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    stranger = IdentityProvider()
    stranger.server_close()
    forged = stranger.token(aud="ms-cdss", iss=provider.issuer)
    assert client.get("/viewer/", headers={"Authorization": f"Bearer {forged}"}).status_code == 401


@pytest.mark.parametrize(
    "change",
    [{"state": "another"}, {"state": ""}, {"code": "another"}, {"code": ""}],
    ids=["state", "no state", "code", "no code"],
)
def test_a_login_that_was_not_begun_here_is_refused(
    client: TestClient, provider: IdentityProvider, change: dict[str, str]
) -> None:
    state = _begun(client, provider)
    answer = client.get("/login/callback", params={"code": "the-code", "state": state, **change})
    assert answer.status_code == 401
    assert COOKIE not in client.cookies


@pytest.mark.parametrize(
    "claims", [{"nonce": "another"}, {"aud": "another"}, {"iss": "https://another"}, {"roles": []}, {"exp": 1}]
)
def test_a_token_that_does_not_fit_the_login_is_refused(
    client: TestClient, provider: IdentityProvider, claims: dict[str, Any]
) -> None:
    state = _begun(client, provider)
    provider.claims = claims
    assert client.get("/login/callback", params={"code": "the-code", "state": state}).status_code == 401
    assert COOKIE not in client.cookies


@pytest.mark.parametrize("page", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_after_the_login_a_browser_stays_here(client: TestClient, provider: IdentityProvider, page: str) -> None:
    state = _begun(client, provider, page)
    back = client.get("/login/callback", params={"code": "the-code", "state": state})
    assert back.headers["location"] == "/viewer/"


def test_a_provider_that_is_gone_is_told_without_an_accident(client: TestClient, provider: IdentityProvider) -> None:
    provider.shutdown()
    provider.server_close()
    assert client.get("/login").status_code == 401
    assert client.get("/viewer/", headers={"Authorization": "Bearer x.y.z"}).status_code == 401
