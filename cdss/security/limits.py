"""How much one caller may ask: bytes in a request, requests in a minute."""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import secrets
import struct
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

MOST_CALLERS = 16_384
"""Callers remembered at once; then one that was not seen for long is forgotten."""

_BUCKET = struct.Struct("<Qdd")
"""Tag of a caller, level of its bucket, when that was."""

_WAYS = 8
"""Places that one caller may take; among those of a full row, the one not seen for longest is given up."""


class RateLimit:
    """A bucket per caller that fills steadily and holds one minute's worth.

    Processes that are forked after it was made share it: together they let a caller through as often as one would.

    Parameters
    ----------
    per_minute : int
        Requests a minute; 0 lets everything through.
    clock : callable, optional
        Seconds, rising, the same in all processes.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_minute / 60.0
        self._capacity = float(per_minute)
        self._clock = clock
        # Nobody can choose a name that falls on the place of somebody else.
        self._key = secrets.token_bytes(16)
        self._file = os.memfd_create("cdss-rates")
        weakref.finalize(self, os.close, self._file)
        os.truncate(self._file, MOST_CALLERS * _BUCKET.size)
        self._memory = mmap.mmap(self._file, MOST_CALLERS * _BUCKET.size)

    def seconds_to_wait(self, caller: str) -> float:
        """Count a request; 0 when it may go on, otherwise how long until the next one may."""
        if not self._capacity:
            return 0.0
        digest = hashlib.blake2b(caller.encode("utf-8", "replace"), key=self._key, digest_size=16).digest()
        row, tag = int.from_bytes(digest[:8]) % (MOST_CALLERS // _WAYS), int.from_bytes(digest[8:]) or 1
        now = self._clock()
        with self._alone():
            place, level, before = self._place(row, tag, now)
            level = min(self._capacity, level + (now - before) * self._per_second)
            allowed = level >= 1.0
            _BUCKET.pack_into(self._memory, place, tag, level - allowed, now)
        return 0.0 if allowed else (1.0 - level) / self._per_second

    def _place(self, row: int, tag: int, now: float) -> tuple[int, float, float]:
        """Return where the bucket of a caller is, its level and when that was; for a new one a full bucket."""
        oldest, seen = 0, float("inf")
        for way in range(_WAYS):
            place = (row * _WAYS + way) * _BUCKET.size
            held, level, before = _BUCKET.unpack_from(self._memory, place)
            if held == tag:
                return place, level, before
            if before < seen:
                oldest, seen = place, before
        return oldest, self._capacity, now

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes out; the lock of one that dies is released by the system."""
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)


LARGEST_BODY = 1_000_000
"""Bytes; a patient of interest needs less than one thousandth of it."""

LARGEST_RECORD = 20_000_000
"""Bytes that a clinical system may send: a record of many thousand observations."""


class BodyTooLarge(HTTPException):
    """More bytes came than a body may hold; whichever application is reading it answers with this status."""

    def __init__(self, largest: int) -> None:
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body may hold {largest:,} bytes at most.")


def limited(receive: Receive, largest: int) -> Receive:
    """Give a body on as it comes, and stop when it turns out to be longer than it may be, whatever it announced."""
    received = 0

    async def receiving() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > largest:
            raise BodyTooLarge(largest)
        return message

    return receiving
