"""The secret of the audit trail: it keys the chain, and the pseudonyms that stand for people and sessions.

Whoever holds it can forge the trail, so an installation keeps it away from the database (``CDSS_AUDIT_KEY``, from a
vault). Without that setting a key is drawn once and kept in a private file below ``CDSS_HOME``, which is enough to
notice an altered database, and not an attacker who owns the machine.
"""

from __future__ import annotations

import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cdss.errors import DatabaseUnavailable
from cdss.settings import Settings

KEY_FILE = "audit.key"


@dataclass
class AuditKey:
    """A secret key; its value is never shown.

    Parameters
    ----------
    value : bytes
        The key itself; empty for one that is kept in a file.
    path : Path, optional
        That file; read, or drawn, at the first use.
    """

    value: bytes = field(default=b"", repr=False)
    path: Path | None = None

    def digest(self, *parts: str) -> str:
        """Return the keyed digest (HMAC-SHA-256) of texts, none of which can pass for part of another.

        Raises
        ------
        DatabaseUnavailable
            If the file of the key can be neither read nor written.
        """
        encoded = [part.encode() for part in parts]
        message = b"".join([piece for part in encoded for piece in (len(part).to_bytes(8), part)])
        return hmac.digest(self._secret(), message, "sha256").hex()

    def pseudonym(self, kind: str, text: str) -> str:
        """Return what stands for a person or a session in the trail; empty for an empty text.

        Parameters
        ----------
        kind : str
            ``actor`` or ``session``: the same text gives unrelated pseudonyms for each.
        text : str
            Identifier or token.
        """
        return self.digest("pseudonym", kind, text)[:24] if text else ""

    def _secret(self) -> bytes:
        if not self.value and self.path is not None:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                if not self.path.exists():
                    _draw(self.path)
                self.value = self.path.read_bytes()
            except OSError as error:
                raise DatabaseUnavailable(f"the key of the audit trail cannot be used: {error.strerror}") from error
        if not self.value:
            raise DatabaseUnavailable("the key of the audit trail is empty")
        return self.value


def audit_key(settings: Settings) -> AuditKey:
    """Return the key of the settings, or the one kept below home."""
    if settings.audit_key is not None:
        return AuditKey(settings.audit_key.get_secret_value().encode())
    return AuditKey(path=settings.home / KEY_FILE)


def _draw(path: Path) -> None:
    """Write a new key whole; when two processes start together, the first one wins."""
    unfinished = path.with_name(f".unfinished-{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    try:
        os.write(descriptor, secrets.token_urlsafe(48).encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(unfinished, path)
    except FileExistsError:
        return
    finally:
        unfinished.unlink()
