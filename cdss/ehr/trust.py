"""Who calls: every call carries a token that its client signed, once, for this address, a moment ago.

What is wrong with a token is told to nobody: the answer is a bare 401, the log names the kind of fault only.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import jwt
from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from starlette.concurrency import run_in_threadpool

from cdss.ehr.configuration import CdsClient, EhrConfiguration, is_loopback
from cdss.ehr.kept import UsedToken
from cdss.ehr.keys import ALGORITHMS, KeyNotFound, KeySets, key_of
from cdss.persistence import Database

LEEWAY = 30
"""Seconds by which clocks may differ."""

LONGEST_LIFE = 3600
"""Seconds a token may live; five minutes are recommended."""

LARGEST_TOKEN = 8_000
REQUIRED = ("iss", "aud", "exp", "iat", "jti")


def _now() -> datetime:
    return datetime.now(UTC)


class NotTrusted(Exception):
    """A token cannot be used; the reason is for the log and holds nothing of the token."""


class UsedTokens:
    """Tokens used before, until they expire: a second use is a replay, whichever process of the service it meets.

    Parameters
    ----------
    database : Database
    clock : callable, optional
        Now, in UTC.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime] = _now) -> None:
        self._database = database
        self._clock = clock

    def use(self, issuer: str, identifier: str, expires: float) -> None:
        """Remember a token.

        Parameters
        ----------
        issuer, identifier : str
            Only a digest of them is kept.
        expires : float
            Seconds since 1970.

        Raises
        ------
        NotTrusted
            If it was used before.
        DatabaseUnavailable
            If that cannot be told now.
        """
        mark = hashlib.sha256(f"{issuer}\0{identifier}".encode()).hexdigest()
        until = datetime.fromtimestamp(expires + LEEWAY + 1, UTC)
        try:
            with self._database.session() as session:
                session.execute(delete(UsedToken).where(UsedToken.until < self._clock()))
                session.add(UsedToken(mark=mark, until=until))
        except IntegrityError as error:
            raise NotTrusted("replayed") from error


@dataclass(frozen=True, slots=True)
class TrustedClient:
    """A client that proved itself; the issuer is empty for one that the ``dev`` profile let in unproven."""

    issuer: str


@dataclass
class ClientTrust:
    """Verifies the tokens of clients.

    Parameters
    ----------
    configuration : EhrConfiguration
    used : UsedTokens
    keys : KeySets
    """

    configuration: EhrConfiguration
    used: UsedTokens
    keys: KeySets = field(default_factory=KeySets)

    async def verify(self, authorization: str | None, audiences: Collection[str]) -> TrustedClient:
        """Return the client behind an ``Authorization`` header.

        Parameters
        ----------
        authorization : str or None
        audiences : collection of str
            Addresses for which the token may have been made.

        Raises
        ------
        NotTrusted
            Whatever is wrong.
        """
        if authorization is None:
            if self.configuration.dev:
                return TrustedClient("")
            raise NotTrusted("no token")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token or len(token) > LARGEST_TOKEN:
            raise NotTrusted("no bearer token")
        header, unproven = parse_unproven(token)
        client = self._client(unproven, header)
        key = await self._key(client, header)
        claims = checked_claims(token, key, header["alg"], audiences=audiences, issuer=client.issuer)
        await run_in_threadpool(self.used.use, client.issuer, claims["jti"], claims["exp"])
        return TrustedClient(client.issuer)

    def _client(self, unproven: Mapping[str, Any], header: Mapping[str, Any]) -> CdsClient:
        issuer, jku = unproven.get("iss"), header.get("jku")
        known = next((one for one in self.configuration.partners.cds_clients if one.issuer == issuer), None)
        if known is not None:
            if jku is not None and jku != known.jwks_url:
                raise NotTrusted("key set not allowed")
            return known
        if self.configuration.dev and isinstance(issuer, str) and isinstance(jku, str) and is_loopback(jku):
            return CdsClient.model_construct(issuer=issuer, jwks_url=jku, jwks=None)
        raise NotTrusted("issuer not allowed")

    async def _key(self, client: CdsClient, header: Mapping[str, Any]) -> Any:  # noqa: ANN401 - one class per algorithm
        try:
            if client.jwks is not None:
                return key_of(client.jwks, header["kid"], header["alg"])
            if client.jwks_url is not None:
                return await self.keys.key(client.jwks_url, header["kid"], header["alg"])
        except KeyNotFound as error:
            raise NotTrusted("no such key") from error
        raise NotTrusted("no key set")


def _parsed(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    try:
        header = jwt.get_unverified_header(token)
        unproven = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise NotTrusted("not a token") from error
    if header.get("alg") not in ALGORITHMS:
        raise NotTrusted("algorithm not allowed")
    typ, kid = header.get("typ", "JWT"), header.get("kid")
    if not isinstance(typ, str) or typ.upper() != "JWT" or "crit" in header:
        raise NotTrusted("unknown header")
    if not isinstance(kid, str) or not kid:
        raise NotTrusted("no key name")
    return header, unproven


def parse_unproven(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return header and claims of a token that is not verified yet, refusing what can never be.

    Raises
    ------
    NotTrusted
        If it is not a token, or signed in a way that is not allowed.
    """
    if len(token) > LARGEST_TOKEN:
        raise NotTrusted("not a token")
    return _parsed(token)


def checked_claims(
    token: str,
    key: Any,  # noqa: ANN401 - one class per algorithm
    algorithm: str,
    *,
    audiences: Collection[str],
    issuer: str,
) -> Mapping[str, Any]:
    """Return the claims of a token, its signature, audience, issuer and life verified.

    Raises
    ------
    NotTrusted
        Whatever is wrong.
    """
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=list(audiences),
            issuer=issuer,
            leeway=LEEWAY,
            options={"require": list(REQUIRED)},
        )
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
        raise NotTrusted(type(error).__name__) from error
    issued, expires, identifier = claims["iat"], claims["exp"], claims["jti"]
    if not isinstance(issued, int | float) or not isinstance(expires, int | float):
        raise NotTrusted("times are no numbers")
    if expires - issued > LONGEST_LIFE + LEEWAY or expires - time.time() > LONGEST_LIFE + LEEWAY:
        raise NotTrusted("lives too long")
    if not isinstance(identifier, str) or not 0 < len(identifier) <= 256:
        raise NotTrusted("no identifier")
    return claims
