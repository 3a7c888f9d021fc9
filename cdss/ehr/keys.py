"""The public keys of partners: handed over in the file of partners, or fetched from where they are published."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from cdss.ehr.outgoing import outgoing

ALGORITHMS = ("ES384", "RS384")
"""Signatures that are accepted: both recommended by CDS Hooks and required by SMART; never symmetric, never none."""

SMALLEST_RSA = 2048
LARGEST_KEY_SET = 100_000
REFRESH_SECONDS = 600
"""How long a fetched key set is taken as it stands."""

RETRY_SECONDS = 10
"""A key set that lacks a key is fetched again, but not more often than this: a forged key name costs nothing."""


class KeyNotFound(Exception):
    """No key of that name, fit for that algorithm, can be had."""


def key_of(key_set: object, kid: str, algorithm: str) -> Any:  # noqa: ANN401 - one class per algorithm, without a common base
    """Return the one public key of a key set with a name and fit for an algorithm.

    Raises
    ------
    KeyNotFound
        If there is none, several, or one that is too weak.
    """
    keys = key_set.get("keys") if isinstance(key_set, dict) else None
    named = [key for key in keys if isinstance(key, dict) and key.get("kid") == kid] if isinstance(keys, list) else []
    if len(named) != 1 or named[0].get("use", "sig") != "sig" or named[0].get("alg", algorithm) != algorithm:
        raise KeyNotFound
    try:
        key = jwt.PyJWK({name: value for name, value in named[0].items() if name != "alg"}, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise KeyNotFound from error
    if algorithm == "ES384" and isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP384R1):
        return key
    if algorithm == "RS384" and isinstance(key, RSAPublicKey) and key.key_size >= SMALLEST_RSA:
        return key
    raise KeyNotFound


@dataclass
class _Fetched:
    key_set: object = None
    at: float = float("-inf")


@dataclass
class KeySets:
    """Key sets by address, kept for a while.

    Parameters
    ----------
    clock : callable
        Seconds, rising.
    """

    clock: Callable[[], float] = time.monotonic
    _kept: dict[str, _Fetched] = field(default_factory=dict)

    async def key(self, url: str, kid: str, algorithm: str) -> Any:  # noqa: ANN401 - as for key_of
        """Return a key of a published key set.

        Raises
        ------
        KeyNotFound
            If it is not there, or the key set cannot be had.
        """
        kept = self._kept.setdefault(url, _Fetched())
        age = self.clock() - kept.at
        if age < REFRESH_SECONDS:
            try:
                return key_of(kept.key_set, kid, algorithm)
            except KeyNotFound:
                if age < RETRY_SECONDS:
                    raise
        kept.at = self.clock()
        kept.key_set = await _fetch(url)
        return key_of(kept.key_set, kid, algorithm)


async def _fetch(url: str) -> object:
    try:
        async with outgoing(seconds=5) as client:
            answer = await client.get(url, headers={"Accept": "application/json"})
        if answer.status_code != httpx.codes.OK or len(answer.content) > LARGEST_KEY_SET:
            raise KeyNotFound
        found: object = orjson.loads(answer.content)
    except (httpx.HTTPError, ValueError) as error:
        raise KeyNotFound from error
    return found
