"""Sessions that were ended before their time: a copy of their token opens nothing any more."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select

from cdss.ehr.kept import UsedToken
from cdss.persistence import Database

KNOWN_SECONDS = 5.0
"""How long another process may not know of a session that was ended."""

_KIND = "session-"


def _now() -> datetime:
    return datetime.now(UTC)


class RevokedSessions:
    """Marks of ended sessions, kept until the sessions would have ended anyway.

    Parameters
    ----------
    database : Database
    clock : callable, optional
        Seconds, rising.
    now : callable, optional
        Now, in UTC.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._database = database
        self._clock = clock
        self._now = now
        self._marks: frozenset[str] = frozenset()
        self._read_at = float("-inf")

    def add(self, session: str, lasting: timedelta) -> None:
        """End a session.

        Parameters
        ----------
        session : str
            Its identifier; only a digest is kept.
        lasting : timedelta
            How long it could have lasted yet.

        Raises
        ------
        DatabaseUnavailable
            If that cannot be kept.
        """
        with self._database.session() as kept:
            kept.execute(delete(UsedToken).where(UsedToken.until < self._now()))
            kept.merge(UsedToken(mark=_mark(session), until=self._now() + lasting))
        self._marks |= {_mark(session)}

    def __contains__(self, session: str) -> bool:
        """Tell whether a session was ended.

        Raises
        ------
        DatabaseUnavailable
            If that cannot be told now.
        """
        if self._clock() - self._read_at > KNOWN_SECONDS:
            ended = select(UsedToken.mark).where(UsedToken.mark.startswith(_KIND), UsedToken.until > self._now())
            with self._database.reading() as kept:
                self._marks = frozenset(kept.scalars(ended))
            self._read_at = self._clock()
        return _mark(session) in self._marks


def _mark(session: str) -> str:
    return _KIND + hashlib.sha256(session.encode()).hexdigest()[: 64 - len(_KIND)]
