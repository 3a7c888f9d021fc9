"""How much one caller may ask: bytes in a request, requests in a minute."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

MOST_CALLERS = 10_000
"""Callers remembered at once; the one not seen for longest is forgotten first."""


class RateLimit:
    """A bucket per caller that fills steadily and holds one minute's worth.

    Parameters
    ----------
    per_minute : int
        Requests a minute; 0 lets everything through.
    clock : callable, optional
        Seconds, rising.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_minute / 60.0
        self._capacity = float(per_minute)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def seconds_to_wait(self, caller: str) -> float:
        """Count a request; 0 when it may go on, otherwise how long until the next one may."""
        if not self._capacity:
            return 0.0
        now = self._clock()
        level, before = self._buckets.pop(caller, (self._capacity, now))
        level = min(self._capacity, level + (now - before) * self._per_second)
        allowed = level >= 1.0
        self._buckets[caller] = (level - allowed, now)
        if len(self._buckets) > MOST_CALLERS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1.0 - level) / self._per_second


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
