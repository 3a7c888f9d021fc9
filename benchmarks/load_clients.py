"""Clients that cost little: one process apart from the server and from whoever measures, connections kept open.

A client that takes longer for a request than the server takes for an answer measures itself. One of these takes some
.1 ms of processor time for a request; threads of a usual client take ten times as much, in turns.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Load:
    """What clients saw.

    Attributes
    ----------
    seconds : ndarray, shape (answers,)
        Time of each answer, from the first byte sent to the last one received.
    failed : int
        Answers that were not 200.
    rate : float
        Answers a second.
    cost : float
        Processor time of the clients for a request, in seconds.
    """

    seconds: NDArray[np.float64]
    failed: int
    rate: float
    cost: float


def load(address: str, method: str, path: str, *, clients: int, seconds: float) -> Load:
    """Ask as many clients do at once, each as soon as it was answered, and return what they saw.

    The body, of requests that have one, is the example of the interface at another age for each client; a single
    client goes through the ages.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_load, address, method, path, clients, seconds).result()


def _load(address: str, method: str, path: str, clients: int, seconds: float) -> Load:
    from tests.e2e.processes import POI

    host = urlsplit(address)

    def request(age: int) -> bytes:
        body = json.dumps({**POI, "age": age}).encode() if method == "POST" else b""
        head = f"{method} {path} HTTP/1.1\r\nHost: {host.netloc}\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def client(number: int, until: float, done: Callable[[float, bool], None]) -> None:
        reader, writer = await asyncio.open_connection(host.hostname, host.port)
        asked = 0
        while time.monotonic() < until:
            message = request(20 + (number if clients > 1 else asked % 40))
            asked += 1
            begun = time.perf_counter()
            writer.write(message)
            head = await reader.readuntil(b"\r\n\r\n")
            _, _, length = head.lower().partition(b"content-length:")
            await reader.readexactly(int(length.partition(b"\r\n")[0]))
            done(time.perf_counter() - begun, head.startswith(b"HTTP/1.1 200"))
        writer.close()
        await writer.wait_closed()

    times: list[float] = []
    failures: list[float] = []

    def done(spent: float, good: bool) -> None:
        times.append(spent)
        if not good:
            failures.append(spent)

    async def everybody() -> None:
        until = time.monotonic() + seconds
        await asyncio.gather(*(client(number, until, done) for number in range(clients)))

    begun, own = time.perf_counter(), time.process_time()
    asyncio.run(everybody())
    spent = time.perf_counter() - begun
    return Load(np.array(times), len(failures), len(times) / spent, (time.process_time() - own) / max(len(times), 1))
