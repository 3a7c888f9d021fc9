"""A patient handed over to the viewer in an address: encrypted, for one opening, within minutes.

Addresses stay in the history of a browser and in screenshots. What stands in this one cannot be read without the
key of the service, cannot be opened a second time, and nothing of the patient is kept by the service meanwhile.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cdss.audit import AuditKey
from cdss.ehr.trust import NotTrusted, UsedTokens
from cdss.errors import DatabaseUnavailable
from cdss.settings import Settings

HANDOVER_SECONDS = 300
"""How long the address works: the time to open a page, also on a second screen."""

LARGEST_TOKEN = 20_000
MARK = "patient="
"""Before the token, in the fragment of the address, which browsers send to no server."""

_PURPOSE = b"ms-cdss handover to the viewer, 1"
_NONCE = 12


@dataclass(frozen=True)
class Handover:
    """Seals what the viewer is to be opened on, and opens it once.

    Parameters
    ----------
    key : callable
        Gives 32 bytes, the same in all processes that answer for one address.
    used : UsedTokens
        Remembers digests of tokens until they expire.
    clock : callable, optional
        Seconds since 1970.
    """

    key: Callable[[], bytes] = field(repr=False)
    used: UsedTokens
    clock: Callable[[], float] = time.time

    def seal(self, content: Mapping[str, Any]) -> str:
        """Return the token of a content that JSON can hold.

        Raises
        ------
        DatabaseUnavailable
            If the key is out of reach.
        """
        nonce = secrets.token_bytes(_NONCE)
        message = json.dumps({"until": self.clock() + HANDOVER_SECONDS, "content": content}).encode()
        sealed = AESGCM(self.key()).encrypt(nonce, message, _PURPOSE)
        return base64.urlsafe_b64encode(nonce + sealed).decode().rstrip("=")

    def open(self, token: str) -> Mapping[str, Any] | None:
        """Return the content of a token; None when it was opened before, is too old, or is not one of ours."""
        if not 0 < len(token) <= LARGEST_TOKEN or not token.isascii():
            return None
        try:
            packed = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            message = json.loads(AESGCM(self.key()).decrypt(packed[:_NONCE], packed[_NONCE:], _PURPOSE))
            if message["until"] < self.clock():
                return None
            # The mark is of what was decrypted, not of how it was spelled: base64 has several spellings.
            self.used.use("handover", packed[:_NONCE].hex(), message["until"])
        except (binascii.Error, ValueError, InvalidTag, NotTrusted, DatabaseUnavailable):
            return None
        content: Mapping[str, Any] = message["content"]
        return content

    def fragment(self, content: Mapping[str, Any]) -> str:
        """Return the end of an address that opens the viewer on a content."""
        return f"#{MARK}{self.seal(content)}"


def handover_key(settings: Settings, key: AuditKey) -> Callable[[], bytes]:
    """Return what gives the key: drawn at start and kept in memory only, so that no address outlives the service.

    Several machines behind one address share a secret already (``CDSS_AUDIT_KEY``); theirs is derived from it.
    """
    if settings.audit_key is not None:
        return lambda: bytes.fromhex(key.digest("handover to the viewer"))
    drawn = secrets.token_bytes(32)
    return lambda: drawn
