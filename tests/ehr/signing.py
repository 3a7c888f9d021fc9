"""A clinical system that signs its calls with keys of its own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm


@dataclass
class SigningClient:
    """Makes tokens; every part of them can be made wrong."""

    issuer: str
    algorithm: str = "ES384"
    kid: str = field(default_factory=lambda: uuid.uuid4().hex)

    @cached_property
    def key(self) -> Any:  # noqa: ANN401 - one class per algorithm
        if self.algorithm == "ES384":
            return ec.generate_private_key(ec.SECP384R1())
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    @cached_property
    def key_set(self) -> dict[str, Any]:
        maker = ECAlgorithm if self.algorithm == "ES384" else RSAAlgorithm
        public = maker.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": self.kid, "alg": self.algorithm, "use": "sig"}]}

    def claims(self, audience: str, **change: object) -> dict[str, Any]:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": audience, "iat": now, "exp": now + 300, "jti": uuid.uuid4().hex}
        return {name: value for name, value in {**claims, **change}.items() if value is not None}

    def token(self, audience: str, *, header: dict[str, Any] | None = None, **change: object) -> str:
        named = {"kid": self.kid, "typ": "JWT", **(header or {})}
        headers = {name: value for name, value in named.items() if value is not None}
        return jwt.encode(self.claims(audience, **change), self.key, algorithm=self.algorithm, headers=headers)

    def authorization(self, audience: str, **change: object) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(audience, **change)}"}

    def unsafe_token(self, audience: str, algorithm: str) -> str:
        """Return a token that is not signed, or signed with the public key as if it were a shared secret."""
        secret = b"" if algorithm == "none" else json.dumps(self.key_set).encode()
        parts = [
            base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
            for part in ({"alg": algorithm, "typ": "JWT", "kid": self.kid}, self.claims(audience))
        ]
        signed = b".".join(parts)
        digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384}.get(algorithm)
        signature = hmac.new(secret, signed, digest).digest() if digest else b""
        return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()
