"""The guard at the entrance, as a client meets it."""

from __future__ import annotations

import base64
import datetime
import hashlib
import hmac
import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cdss.audit import AuditKey, AuditRecord, open_trail
from cdss.persistence import open_database
from cdss.security.exposure import check_exposure
from cdss.security.guard import COOKIE
from cdss.security.limits import LARGEST_BODY, MOST_CALLERS, RateLimit
from cdss.security.revoked import KNOWN_SECONDS, RevokedSessions
from cdss.security.roles import PERMISSIONS, Permission, Role
from cdss.security.tokens import SESSION, Sessions
from cdss.settings import Settings
from reference_db.errors import InvalidInput
from tests.cdss.conftest import Serve
from tests.e2e.processes import POI

ISSUER, AUDIENCE = "https://identity.example", "ms-cdss"
SECRET = "shared by these tests only " * 2
OIDC = {"oidc_issuer": ISSUER, "oidc_audience": AUDIENCE, "jwt_secret": SECRET}


def _token(key: Any = SECRET, algorithm: str = "HS256", **claims: Any) -> str:  # noqa: ANN401  # any key, any claim
    now = datetime.datetime.now(datetime.UTC)
    given = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "person-17",
        "roles": ["clinician"],
        "exp": now + datetime.timedelta(minutes=5),
    }
    return jwt.encode({**given, **claims}, key, algorithm=algorithm)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _records(home: Path) -> list[AuditRecord]:
    settings = Settings(home=home)
    database = open_database(settings)
    try:
        trail = open_trail(settings, database)
        assert trail.verify().intact
        return list(trail.records())
    finally:
        database.close()


def test_the_open_loopback_needs_no_login(ask: Serve) -> None:
    client = ask()
    assert client.get("/readyz").status_code == 200
    assert client.post("/api/v1/projections", json=dict(POI)).status_code == 200
    assert client.get("/viewer/").status_code == 200
    assert client.get("/docs").status_code == 200


def test_with_a_login_nothing_but_health_and_documentation_is_open(ask: Serve) -> None:
    client = ask(**OIDC)
    for path in ("/healthz", "/readyz", "/", "/docs", "/openapi.json"):
        assert client.get(path).status_code == 200
    for method, path in (
        ("POST", "/api/v1/projections"),
        ("GET", "/viewer/"),
        ("POST", "/viewer/_dash-update-component"),
        ("GET", "/viewer/_dash-layout"),
        ("GET", "/metrics"),
        ("GET", "/api/v1/nothing"),
        ("GET", "/nothing"),
    ):
        answer = client.request(method, path)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"] == "Bearer"
    assert client.post("/api/v1/projections", json=dict(POI), headers=_bearer(_token())).status_code == 200


@pytest.mark.parametrize(
    "token",
    [
        _token(key="another-secret-0000000000000000000000000"),
        _token(exp=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)),
        _token(iss="https://elsewhere.example"),
        _token(aud="another service"),
        _token(roles=[]),
        _token(roles=["clinician", "manager"]),
        _token(roles="root"),
        _token(sub=None),
        jwt.encode({"iss": ISSUER, "aud": AUDIENCE, "sub": "x", "roles": ["manager"]}, None, algorithm="none"),
        "not.a.token",
        "%00",
        _token()[:-3] + "AAA",
    ],
)
def test_a_bad_token_is_refused_without_a_reason_and_without_a_trace(
    ask: Serve, token: str, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = ask(**OIDC).post("/api/v1/projections", json=dict(POI), headers=_bearer(token))
    assert answer.status_code == 401
    assert answer.json()["detail"] == "The token cannot be used."
    assert token not in "".join(capfd.readouterr())


def test_a_public_key_cannot_be_used_as_a_shared_secret(serve: Serve, tmp_path: Path) -> None:
    private = ec.generate_private_key(ec.SECP384R1())
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "key.pem").write_bytes(public)
    client = serve(oidc_issuer=ISSUER, oidc_audience=AUDIENCE, jwt_public_key=tmp_path / "key.pem")
    signed = _token(key=private, algorithm="ES384")
    assert client.post("/api/v1/projections", json=dict(POI), headers=_bearer(signed)).status_code == 200
    header, payload, _ = _token(key="x" * 40).split(".")
    mac = hmac.new(public, f"{header}.{payload}".encode(), hashlib.sha256).digest()
    forged = f"{header}.{payload}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    assert client.post("/api/v1/projections", json=dict(POI), headers=_bearer(forged)).status_code == 401


def test_a_declared_name_is_worth_nothing_where_a_login_is_required(serve: Serve, home: Path) -> None:
    declared = serve().post("/api/v1/session", json={"name": "somebody", "role": "manager"}).json()["token"]
    client = serve(**OIDC)
    assert client.get("/viewer/", headers=_bearer(declared)).status_code == 401
    assert client.get("/viewer/", headers={"Cookie": f"{COOKIE}={declared}"}).status_code == 401
    assert client.post("/api/v1/session", json={"name": "somebody", "role": "manager"}).status_code == 401


def test_a_token_becomes_a_session_for_the_browser(serve: Serve) -> None:
    client = serve(**OIDC, tls_certificate="certificate.pem", tls_key="key.pem")
    answer = client.post("/api/v1/session", headers=_bearer(_token()))
    cookie = answer.headers["set-cookie"]
    assert answer.json()["proven"] is True
    for part in ("HttpOnly", "SameSite=Lax", "Secure", f"Max-Age={int(SESSION.total_seconds())}"):
        assert part in cookie
    assert answer.headers["strict-transport-security"]
    assert client.get("/viewer/", headers={"Cookie": f"{COOKIE}={answer.json()['token']}"}).status_code == 200


def test_sessions_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = Sessions(AuditKey(b"s" * 32))
    token = sessions.issue("x", Role.STEWARD, proven=True)
    assert sessions.caller(token, by_cookie=True) is not None
    assert sessions.renewed(token) is None
    monkeypatch.setattr("cdss.security.tokens.IDLE", datetime.timedelta(seconds=-1))
    assert sessions.caller(sessions.issue("x", Role.STEWARD, proven=True), by_cookie=True) is None
    monkeypatch.setattr("cdss.security.tokens.SESSION", datetime.timedelta(seconds=-1))
    monkeypatch.setattr("cdss.security.tokens.IDLE", datetime.timedelta(minutes=30))
    assert sessions.caller(sessions.issue("x", Role.STEWARD, proven=True), by_cookie=True) is None
    assert Sessions(AuditKey(b"t" * 32)).caller(token, by_cookie=True) is None


def test_a_session_in_use_is_renewed_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = Sessions(AuditKey(b"s" * 32))
    token = sessions.issue("x", Role.STEWARD, proven=True)
    monkeypatch.setattr("cdss.security.tokens.IDLE", datetime.timedelta(hours=2))
    renewed = sessions.renewed(token)
    assert renewed is not None
    before, after = (jwt.decode(t, options={"verify_signature": False}) for t in (token, renewed))
    assert after["exp"] > before["exp"]
    assert after["ends"] == before["ends"]
    assert after["sid"] == before["sid"]


def test_a_session_that_was_ended_stays_ended_whoever_kept_a_copy(serve: Serve, home: Path) -> None:
    client, other = serve(), serve()
    token = client.post("/api/v1/session", json={"name": "alice", "role": "steward"}).json()["token"]
    client.cookies.clear()
    mine, copied = _bearer(token), {"Cookie": f"{COOKIE}={token}"}
    assert client.get("/api/v1/exports", headers=mine).status_code == 200
    client.post("/logout", headers=copied, follow_redirects=False)
    assert client.get("/api/v1/exports", headers=mine).status_code == 401
    assert client.get("/api/v1/exports", headers=copied).status_code == 401
    # Another process learns of it at the latest some seconds later.
    assert other.get("/api/v1/exports", headers=mine).status_code == 401
    kept = (home / "service.sqlite").read_bytes() + b"".join(
        path.read_bytes() for path in home.glob("service.sqlite-*")
    )
    assert token.encode() not in kept
    again = client.post("/api/v1/session", json={"name": "alice", "role": "steward"}).json()["token"]
    assert client.get("/api/v1/exports", headers=_bearer(again)).status_code == 200


def test_a_process_learns_of_ended_sessions_and_forgets_them_when_they_would_have_ended(tmp_path: Path) -> None:
    began, seconds = datetime.datetime.now(datetime.UTC), [0.0]

    def now() -> datetime.datetime:
        return began + datetime.timedelta(seconds=seconds[0])

    database = open_database(Settings(home=tmp_path))
    ones, others = (RevokedSessions(database, clock=lambda: seconds[0], now=now) for _ in range(2))
    assert "sid" not in others
    ones.add("sid", SESSION)
    assert "sid" in ones
    seconds[0] = KNOWN_SECONDS + 1
    assert "sid" in others
    seconds[0] = SESSION.total_seconds() + 10
    assert "sid" not in others
    database.close()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "::", "cdss.example"])  # noqa: S104  # refused
def test_off_loopback_only_with_login_and_encryption(host: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_exposure(Settings(home=tmp_path, host=host))
    assert "CDSS_OIDC_ISSUER" in str(refused.value)
    assert "CDSS_TLS_CERTIFICATE" in str(refused.value)
    with pytest.raises(InvalidInput, match="CDSS_TLS_CERTIFICATE"):
        check_exposure(Settings(home=tmp_path, host=host, **OIDC))
    check_exposure(Settings(home=tmp_path, host=host, behind_proxy="10.0.0.1", **OIDC))


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", ""])
def test_another_name_for_this_machine_is_not_answered(ask: Serve, host: str) -> None:
    client = ask()
    assert client.get("/healthz", headers={"Host": host}).status_code == 421
    assert client.get("/healthz", headers={"Host": "127.0.0.1:8000"}).status_code == 200


def test_another_site_may_not_act_here(ask: Serve) -> None:
    client = ask()
    for origin, status in (("https://evil.example", 403), ("null", 403), ("http://localhost:8000", 200)):
        answer = client.post("/api/v1/projections", json=dict(POI), headers={"Origin": origin})
        assert answer.status_code == status
    assert "access-control-allow-origin" not in answer.headers


def test_a_body_is_bounded_whatever_it_announces(ask: Serve) -> None:
    client = ask()
    assert client.post("/api/v1/projections", content=b"x" * (LARGEST_BODY + 1)).status_code == 413

    def endless() -> Iterator[bytes]:
        for _ in range(30):
            yield b"x" * 100_000

    assert client.post("/api/v1/projections", content=endless()).status_code == 413


def test_the_rate_is_bounded_per_person_whatever_the_token(serve: Serve) -> None:
    client = serve(**OIDC, rate_limit=5)
    tokens = [_token(sid=f"session {number}") for number in range(8)]
    statuses = [client.get("/api/v1/nothing", headers=_bearer(token)).status_code for token in tokens]
    assert statuses == [404] * 5 + [429] * 3
    answer = client.get("/api/v1/nothing", headers=_bearer(_token(sid="one")))
    assert int(answer.headers["retry-after"]) > 0
    assert client.get("/api/v1/nothing", headers=_bearer(_token(sub="person-18"))).status_code == 404


def test_a_bucket_fills_again_and_callers_are_forgotten() -> None:
    now = [0.0]
    limit = RateLimit(60, clock=lambda: now[0])
    assert [limit.seconds_to_wait("a") for _ in range(60)] == [0.0] * 60
    assert limit.seconds_to_wait("a") == pytest.approx(1.0)
    now[0] = 1.01
    assert limit.seconds_to_wait("a") == 0.0


def test_more_callers_than_can_be_remembered_make_those_forgotten_that_were_not_seen_for_long() -> None:
    now = [0.0]
    limit = RateLimit(2, clock=lambda: now[0])
    for number in range(4 * MOST_CALLERS):
        now[0] += 1e-6
        assert limit.seconds_to_wait(f"caller {number}") == 0.0
    last = f"caller {4 * MOST_CALLERS - 1}"
    assert limit.seconds_to_wait(last) == 0.0
    assert limit.seconds_to_wait(last) > 0.0
    assert limit.seconds_to_wait("caller 0") == limit.seconds_to_wait("caller 0") == 0.0


def test_processes_share_what_a_caller_may_ask() -> None:
    limit = RateLimit(60, clock=lambda: 0.0)
    children = []
    for _ in range(4):
        read, write = os.pipe()
        child = os.fork()
        if not child:
            allowed = sum(limit.seconds_to_wait("somebody") == 0.0 for _ in range(50))
            os.write(write, bytes([allowed]))
            os._exit(0)
        os.close(write)
        children.append((child, read))
    allowed = []
    for child, read in children:
        allowed.append(os.read(read, 1)[0])
        os.close(read)
        os.waitpid(child, 0)
    assert sum(allowed) == 60
    assert limit.seconds_to_wait("somebody") > 0.0
    assert limit.seconds_to_wait("somebody else") == 0.0


def test_a_killed_process_does_not_lock_the_others_out() -> None:
    limit = RateLimit(60)
    child = os.fork()
    if not child:
        with limit._alone():
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert limit.seconds_to_wait("somebody") == 0.0


@pytest.mark.parametrize("path", ["/", "/docs", "/viewer/", "/api/v1/nothing", "/readyz"])
def test_answers_bear_the_headers(ask: Serve, path: str) -> None:
    answer = ask().get(path)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"
    if path in {"/", "/docs", "/viewer/"}:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
        assert "unsafe" not in scripts
        assert "http" not in scripts


def test_every_access_is_recorded_without_what_was_asked(serve: Serve, home: Path) -> None:
    client = serve(**OIDC)
    client.post("/api/v1/projections", json={**POI, "age": 47.13579}, headers=_bearer(_token(sub="Dr Somebody")))
    client.post("/api/v1/projections", json={"age": 471.3579}, headers=_bearer(_token(sub="Dr Somebody")))
    client.get("/api/v1/Jane-Doe/born-1980", headers=_bearer(_token(sub="Dr Somebody")))
    client.get("/viewer/")
    records = _records(home)
    assert [(record.action, record.outcome, record.status) for record in records] == [
        ("projections.write", "success", 200),
        ("projections.write", "refused", 422),
        ("unknown.read", "refused", 404),
        ("viewer.read", "refused", 401),
    ]
    assert len({record.actor for record in records[:3]}) == 1
    assert records[0].release.startswith("r1-")
    client.close()
    written = b"".join(path.read_bytes() for path in home.iterdir() if path.is_file())
    token = _token(sub="Dr Somebody")[:30].encode()
    for secret in (b"Somebody", b"Jane", b"born-1980", b"47.13579", b"471.3579", token):
        assert secret not in written


def test_no_answer_without_a_record_and_recovery_without_hands(
    serve: Serve, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    client = serve()
    assert client.post("/api/v1/projections", json=dict(POI)).status_code == 200
    blocking = sqlite3.connect(home / "service.sqlite", isolation_level=None)
    blocking.execute("ALTER TABLE audit_record RENAME TO audit_gone")
    refused = client.post("/api/v1/projections", json=dict(POI))
    assert refused.status_code in {500, 503}
    assert "classes" not in refused.text
    blocking.execute("ALTER TABLE audit_gone RENAME TO audit_record")
    blocking.close()
    assert client.post("/api/v1/projections", json=dict(POI)).status_code == 200
    assert len(_records(home)) == 2
    assert "Traceback" not in "".join(capfd.readouterr())


def test_no_role_can_both_request_and_decide() -> None:
    assert not PERMISSIONS[Permission.REQUEST_EXPORT] & PERMISSIONS[Permission.DECIDE_EXPORT]
    assert set(PERMISSIONS) == set(Permission)


def test_a_session_of_another_installation_does_not_pass(serve: Serve, tmp_path: Path) -> None:
    declaration = {"name": "x", "role": "manager"}
    token = serve(home=tmp_path / "other").post("/api/v1/session", json=declaration).json()["token"]
    assert serve().get("/api/v1/nothing", headers=_bearer(token)).status_code == 401
