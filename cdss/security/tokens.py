"""Bearer tokens of an identity provider (OpenID Connect), and the service's own short sessions.

Tokens are checked for signature, issuer, audience and expiry, with algorithms named beforehand: ``none`` and a public
key used as a shared secret cannot pass. What is wrong with a token is never told to its bearer, nor logged.
"""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import httpx
import jwt
import structlog
from jwt import PyJWK, PyJWKSet

from cdss.audit import AuditKey
from cdss.errors import NotAuthenticated
from cdss.security.revoked import RevokedSessions
from cdss.security.roles import Caller, Role
from cdss.settings import Settings
from reference_db.errors import InvalidInput

ASYMMETRIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
SHARED = ("HS256", "HS384", "HS512")
LEEWAY_SECONDS = 30
SESSION = datetime.timedelta(hours=8)
"""A session ends then, whatever happens."""

IDLE = datetime.timedelta(minutes=30)
"""A session that is not used ends then."""

_OURS = "ms-cdss"
_SEAL = "ms-cdss login"
_KEYS_SECONDS = 600
_WAIT_SECONDS = 5.0

_log = structlog.get_logger()

UNREADABLE = (jwt.PyJWTError, ValueError, TypeError, KeyError, OverflowError, RecursionError)
"""What reading a token raises that somebody made to be read wrongly."""


class Provider:
    """The identity provider of an installation.

    Parameters
    ----------
    settings : Settings
        Issuer and audience, with either a shared secret, a public key, or the keys that the issuer publishes.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._published: dict[str, PyJWK] = {}
        self._read_at: datetime.datetime | None = None

    def caller(self, token: str, *, audience: str | None = None) -> Caller:
        """Return who bears a token.

        Parameters
        ----------
        token : str
        audience : str, optional
            Whom the token must be meant for; by default the audience of the settings.

        Raises
        ------
        NotAuthenticated
            Without a reason.
        """
        try:
            claims = self._claims(token, audience or self._settings.oidc_audience)
            return Caller(
                identifier=str(claims["sub"]),
                role=self._role(claims),
                session=str(claims.get("sid") or claims.get("jti") or token),
                proven=True,
            )
        except (*UNREADABLE, httpx.HTTPError) as error:
            _log.warning("token_refused", kind=type(error).__name__)
            raise NotAuthenticated("the token cannot be used") from error

    def document(self) -> Mapping[str, Any]:
        """Return the discovery document of the issuer.

        Raises
        ------
        HTTPError
            If it cannot be read.
        """
        issuer = str(self._settings.oidc_issuer).rstrip("/")
        answer = httpx.get(f"{issuer}/.well-known/openid-configuration", timeout=_WAIT_SECONDS)
        answer.raise_for_status()
        found: Mapping[str, Any] = answer.json()
        return found

    def _claims(self, token: str, audience: str | None) -> Mapping[str, Any]:
        key, algorithms = self._key(token)
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(algorithms),
            issuer=self._settings.oidc_issuer,
            audience=audience,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "sub", "aud"]},
        )
        return claims

    def _key(self, token: str) -> tuple[Any, tuple[str, ...]]:
        if self._settings.jwt_secret is not None:
            return self._settings.jwt_secret.get_secret_value(), SHARED
        if self._settings.jwt_public_key is not None:
            return self._public_key, ASYMMETRIC
        name = str(jwt.get_unverified_header(token).get("kid", ""))
        now = datetime.datetime.now(datetime.UTC)
        known = self._read_at is not None and (now - self._read_at).total_seconds() < _KEYS_SECONDS
        # A key that is not known yet is looked for at most every five seconds, or strangers could make us ask.
        fresh = self._read_at is not None and (now - self._read_at).total_seconds() < _WAIT_SECONDS
        if not known or (name not in self._published and not fresh):
            self._read_at = now
            answer = httpx.get(str(self.document()["jwks_uri"]), timeout=_WAIT_SECONDS)
            answer.raise_for_status()
            self._published = {str(key.key_id): key for key in PyJWKSet.from_dict(answer.json()).keys}
        return self._published[name].key, ASYMMETRIC

    @cached_property
    def _public_key(self) -> str:
        path = self._settings.jwt_public_key
        try:
            return path.read_text(encoding="ascii") if path else ""
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput.of("CDSS_JWT_PUBLIC_KEY", "cannot be read as a PEM file") from error

    def _role(self, claims: Mapping[str, Any]) -> Role:
        """Return the one role of the claims; a dotted path reaches into nested claims."""
        value: Any = claims
        for part in self._settings.roles_claim.split("."):
            value = value[part]
        given = [value] if isinstance(value, str) else list(value)
        roles = [role for role in Role if role.value in given]
        if len(roles) != 1:
            raise ValueError("one role of ours is needed")
        return roles[0]


class Sessions:
    """Sessions that the service signs itself: for browsers, and for names declared on an open loopback.

    Parameters
    ----------
    key : AuditKey
        Never leaves the installation; tokens of another one do not pass.
    revoked : RevokedSessions, optional
        Remembers sessions that were ended; without it they end when they expire.
    """

    def __init__(self, key: AuditKey, revoked: RevokedSessions | None = None) -> None:
        self._key = key
        self._revoked = revoked

    @property
    def _secret(self) -> str:
        return self._key.digest("session secret")

    def issue(self, identifier: str, role: Role, *, proven: bool) -> str:
        """Return the token of a new session."""
        now = datetime.datetime.now(datetime.UTC)
        ends = (now + SESSION).timestamp()
        return self._signed(
            {"sub": identifier, "role": role.value, "proven": proven, "sid": secrets.token_hex(16), "ends": ends}
        )

    def caller(self, token: str, *, by_cookie: bool) -> Caller | None:
        """Return who a token of ours stands for; None when it is none, or has expired."""
        claims = self._read(token)
        if claims is None:
            return None
        return Caller(
            identifier=claims["sub"],
            role=Role(claims["role"]),
            session=claims["sid"],
            proven=claims["proven"],
            by_cookie=by_cookie,
        )

    def end(self, token: str) -> None:
        """End the session of a token for good; nothing happens when it is none of ours.

        Raises
        ------
        DatabaseUnavailable
            If that cannot be kept.
        """
        claims = self._read(token)
        if claims is not None and self._revoked is not None:
            self._revoked.add(str(claims["sid"]), SESSION)

    def renewed(self, token: str) -> str | None:
        """Return the same session with its idle time begun anew; None when half of it is still left."""
        claims = self._read(token)
        if (
            claims is None
            or claims["exp"] - datetime.datetime.now(datetime.UTC).timestamp() > IDLE.total_seconds() / 2
        ):
            return None
        return self._signed({name: value for name, value in claims.items() if name not in {"exp", "iss"}})

    def sealed(self, content: Mapping[str, str], *, minutes: int) -> str:
        """Return a content that a browser may carry for some minutes without altering it."""
        expiry = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=minutes)
        return jwt.encode({**content, "iss": _SEAL, "exp": expiry}, self._secret, algorithm="HS256")

    def unsealed(self, token: str) -> dict[str, str] | None:
        """Return the content that was sealed; None when it was altered or is too old."""
        try:
            content: dict[str, str] = jwt.decode(token, self._secret, algorithms=["HS256"], issuer=_SEAL)
        except UNREADABLE:
            return None
        return content

    def _signed(self, claims: Mapping[str, Any]) -> str:
        idle_until = (datetime.datetime.now(datetime.UTC) + IDLE).timestamp()
        expiry = int(min(idle_until, claims["ends"]))
        return jwt.encode({**claims, "iss": _OURS, "exp": expiry}, self._secret, algorithm="HS256")

    def _read(self, token: str) -> dict[str, Any] | None:
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self._secret, algorithms=["HS256"], issuer=_OURS, options={"require": ["exp", "sub"]}
            )
        except UNREADABLE:
            return None
        if self._revoked is not None and claims.get("sid", "") in self._revoked:
            return None
        return claims
