"""Forged, replayed, expired and misdirected tokens."""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from cdss.ehr.configuration import EhrConfiguration, EhrSettings, ehr_configuration
from cdss.ehr.kept import UsedToken
from cdss.ehr.keys import KeyNotFound, key_of
from cdss.ehr.trust import LONGEST_LIFE, NotTrusted, UsedTokens
from cdss.persistence import Database, open_database
from cdss.settings import Settings
from projection import Projector
from reference_db.errors import InvalidInput
from tests.client import TestClient
from tests.ehr.conftest import PUBLIC_URL, make_application
from tests.ehr.hooks import SERVICE, call
from tests.ehr.requirements import covers
from tests.ehr.signing import SigningClient

AUDIENCE = PUBLIC_URL + SERVICE


def status(client: TestClient, token: str) -> int:
    answer = client.post(SERVICE, json=call(), headers={"Authorization": f"Bearer {token}"})
    if answer.status_code == 401:
        assert answer.content == b""
        assert answer.headers["www-authenticate"] == "Bearer"
    return int(answer.status_code)


Spoil = Callable[[SigningClient], str]
NOW = time.time


@covers(176, 201, 203)
@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: s.token(AUDIENCE, exp=int(NOW()) - 60),
        lambda s: s.token(AUDIENCE, iat=int(NOW()) + 600, exp=int(NOW()) + 900),
        lambda s: s.token(AUDIENCE, exp=int(NOW()) + LONGEST_LIFE + 600),
        lambda s: s.token(AUDIENCE, iat=int(NOW()) - 9000),
        lambda s: s.token(PUBLIC_URL),
        lambda s: s.token("https://other.test" + SERVICE),
        lambda s: s.token(AUDIENCE, aud=None),
        lambda s: s.token(AUDIENCE, exp=None),
        lambda s: s.token(AUDIENCE, iat=None),
        lambda s: s.token(AUDIENCE, jti=None),
        lambda s: s.token(AUDIENCE, jti=""),
        lambda s: s.token(AUDIENCE, iss=None),
        lambda s: s.token(AUDIENCE, iss="https://evil.test"),
        lambda s: s.token(AUDIENCE, header={"kid": "unknown"}),
        lambda s: s.token(AUDIENCE, header={"kid": None}),
        lambda s: s.token(AUDIENCE, header={"typ": "at+jwt"}),
        lambda s: s.token(AUDIENCE, header={"crit": ["b64"], "b64": True}),
        lambda s: s.token(AUDIENCE, header={"jku": "https://evil.test/keys"}),
        lambda s: SigningClient(s.issuer, kid=s.kid).token(AUDIENCE),
        lambda s: SigningClient(s.issuer, "RS384", kid=s.kid).token(AUDIENCE),
        lambda s: s.token(AUDIENCE)[:-6] + "AAAAAA",
        lambda s: s.token(AUDIENCE).rpartition(".")[0] + ".",
        lambda s: s.unsafe_token(AUDIENCE, "none"),
        lambda s: s.unsafe_token(AUDIENCE, "HS384"),
        lambda s: "a.b.c",
        lambda s: base64.urlsafe_b64encode(b"[" * 5000).decode() + ".e30.",
        lambda s: "",
        lambda s: "x" * 20_000,
    ],
)
def test_a_token_that_is_not_wholly_right_is_refused(client: TestClient, signer: SigningClient, spoil: Spoil) -> None:
    assert status(client, spoil(signer)) == 401


def test_the_right_token_passes_once_and_its_replay_does_not(client: TestClient, signer: SigningClient) -> None:
    token = signer.token(AUDIENCE)
    assert [status(client, token) for _ in range(3)] == [200, 401, 401]


def test_a_forged_token_does_not_use_up_the_identifier_of_the_right_one(
    client: TestClient, signer: SigningClient
) -> None:
    one = uuid.uuid4().hex
    forged = SigningClient(signer.issuer, kid=signer.kid).token(AUDIENCE, jti=one)
    assert status(client, forged) == 401
    assert status(client, signer.token(AUDIENCE, jti=one)) == 200


def test_a_token_may_name_several_audiences(client: TestClient, signer: SigningClient) -> None:
    assert status(client, signer.token(AUDIENCE, aud=["https://x.test", AUDIENCE])) == 200


def test_other_schemes_are_refused(client: TestClient, signer: SigningClient) -> None:
    answer = client.post(SERVICE, json=call(), headers={"Authorization": f"Basic {signer.token(AUDIENCE)}"})
    assert answer.status_code == 401


def test_an_unknown_service_is_a_404_to_those_who_are_trusted_only(client: TestClient, signer: SigningClient) -> None:
    path = "/cds-services/other"
    assert client.post(path, json=call()).status_code == 401
    assert client.post(path, json=call(), headers=signer.authorization(PUBLIC_URL + path)).status_code == 404


def test_used_tokens_are_known_to_every_process_and_forgotten_when_they_expire(tmp_path: Path) -> None:
    began = datetime.now(UTC)
    now = [began]
    settings = Settings(home=tmp_path)
    first, second = open_database(settings), open_database(settings)
    ones, others = UsedTokens(first, clock=lambda: now[0]), UsedTokens(second, clock=lambda: now[0])
    expires = began.timestamp() + 300
    ones.use("a", "x", expires)
    ones.use("b", "x", expires)
    with pytest.raises(NotTrusted):
        others.use("a", "x", expires)
    now[0] = began + timedelta(seconds=400)
    others.use("a", "x", expires + 400)
    with first.reading() as session:
        assert session.query(UsedToken).count() == 1
    first.close()
    second.close()


def _jwk(public: Any, **more: object) -> dict[str, Any]:  # noqa: ANN401 - one class per algorithm
    maker = RSAAlgorithm if isinstance(public, rsa.RSAPublicKey) else ECAlgorithm
    return {**maker.to_jwk(public, as_dict=True), "kid": "k", **more}


@pytest.mark.parametrize(
    "keys",
    [
        [],
        None,
        "keys",
        [_jwk(ec.generate_private_key(ec.SECP256R1()).public_key())],
        [_jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), use="enc")],
        [_jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), alg="ES256")],
        [_jwk(ec.generate_private_key(ec.SECP384R1()).public_key())] * 2,
        [{"kty": "oct", "k": "c2VjcmV0", "kid": "k"}],
        [{"kty": "EC", "kid": "k"}],
    ],
)
def test_a_key_that_does_not_fit_is_none(keys: object) -> None:
    with pytest.raises(KeyNotFound):
        key_of({"keys": keys}, "k", "ES384")


def test_a_short_rsa_key_is_none() -> None:
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024).public_key()  # noqa: S505 - to be refused
    with pytest.raises(KeyNotFound):
        key_of({"keys": [_jwk(short)]}, "k", "RS384")


class KeyServer:
    """Publishes a key set on loopback, and counts how often it is asked."""

    def __init__(self) -> None:
        self.key_set: dict[str, Any] = {"keys": []}
        self.asked = 0
        published = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                published.asked += 1
                body = json.dumps(published.key_set).encode()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/jwks.json"


@pytest.fixture
def key_server() -> Iterator[KeyServer]:
    published = KeyServer()
    thread = threading.Thread(target=published.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield published
    published.server.shutdown()
    published.server.server_close()
    thread.join()


@covers(195)
def test_published_keys_are_fetched_once_and_again_after_a_rotation(
    projector: Projector, database: Database, key_server: KeyServer
) -> None:
    signer = SigningClient("https://ehr.test")
    key_server.key_set = signer.key_set
    partners = {"cds_clients": [{"issuer": signer.issuer, "jwks_url": key_server.url}]}
    configuration = EhrConfiguration.model_validate({"public_url": PUBLIC_URL, "partners": partners})
    application = make_application(projector, configuration, database)
    with TestClient(application, base_url=PUBLIC_URL) as client:
        with_jku = {"jku": key_server.url}
        assert status(client, signer.token(AUDIENCE)) == 200
        assert status(client, signer.token(AUDIENCE, header=with_jku)) == 200
        assert key_server.asked == 1
        for _ in range(20):
            assert status(client, signer.token(AUDIENCE, header={"kid": "forged"})) == 401
        assert key_server.asked == 1
        rotated = SigningClient(signer.issuer)
        key_server.key_set = rotated.key_set
        keys = application.state.doors.trust.keys
        started = keys.clock()
        keys.clock = lambda: started + 60
        assert status(client, rotated.token(AUDIENCE)) == 200
        assert status(client, signer.token(AUDIENCE)) == 401


def test_a_key_set_that_cannot_be_fetched_trusts_nobody(
    projector: Projector, database: Database, signer: SigningClient
) -> None:
    partners = {"cds_clients": [{"issuer": signer.issuer, "jwks_url": "http://127.0.0.1:9/jwks.json"}]}
    configuration = EhrConfiguration.model_validate({"public_url": PUBLIC_URL, "partners": partners})
    with TestClient(make_application(projector, configuration, database), base_url=PUBLIC_URL) as client:
        assert status(client, signer.token(AUDIENCE)) == 401


def test_the_dev_profile_lets_in_unsigned_calls_but_no_wrong_token(
    sandbox: TestClient, signer: SigningClient
) -> None:
    assert sandbox.post(SERVICE, json=call()).status_code == 200
    audience = f"http://127.0.0.1:8000{SERVICE}"
    assert status(sandbox, signer.token(audience)) == 401
    assert status(sandbox, signer.unsafe_token(audience, "none")) == 401


def test_the_dev_profile_takes_keys_published_on_this_machine(sandbox: TestClient, key_server: KeyServer) -> None:
    own = SigningClient("https://any.test")
    key_server.key_set = own.key_set
    token = own.token(f"http://127.0.0.1:8000{SERVICE}", header={"jku": key_server.url})
    assert [status(sandbox, token), status(sandbox, token)] == [200, 401]


def test_the_dev_profile_says_loudly_what_it_trusts(projector: Projector, database: Database) -> None:
    with structlog.testing.capture_logs() as logs:
        make_application(projector, EhrConfiguration(public_url="http://127.0.0.1:8000", dev=True), database)
        make_application(projector, EhrConfiguration(public_url=PUBLIC_URL), database)
    (said,) = logs
    assert said["log_level"] == "warning"
    assert "CDS Hooks calls without a token" in said["trusts"]


def test_the_dev_profile_is_for_this_machine_only() -> None:
    with pytest.raises(InvalidInput, match="loopback"):
        ehr_configuration(Settings(host="0.0.0.0"), EhrSettings(profile="dev"))  # noqa: S104 - to be refused


def test_what_is_logged_of_a_refusal_names_no_part_of_the_token(client: TestClient, signer: SigningClient) -> None:
    token = signer.token(AUDIENCE, exp=int(time.time()) - 60)
    with structlog.testing.capture_logs() as logs:
        status(client, token)
    assert [entry["event"] for entry in logs] == ["cds_client_refused"]
    assert not any(part in str(logs) for part in token.split("."))
    assert signer.issuer not in str(logs)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("cds_clients: [{issuer: a, jwks_url: 'http://ehr.test/keys'}]", "cds_clients.0.jwks_url"),
        ("cors_origins: ['https://ehr.test/path']", "cors_origins.0"),
        ("cds_client: []", "cds_client"),
        ("{", "not YAML"),
    ],
)
def test_a_file_of_partners_that_cannot_be_used_is_refused_by_name(tmp_path: Path, text: str, names: str) -> None:
    path = tmp_path / "partners.yaml"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=names):
        ehr_configuration(Settings(), EhrSettings(partners=path))
