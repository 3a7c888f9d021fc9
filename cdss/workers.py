"""Several processes on one port, sharing the release in memory: opened once, then forked.

The parent opens the release and listens; its children answer. What they read of the release is one copy for all,
since nobody writes to it. A child that dies is replaced; when the parent dies, however it does, its children end too,
so that the next service can have the port.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from threading import Thread
from types import FrameType

import structlog

_log = structlog.get_logger()

FASTEST_RESTART_SECONDS = 1.0
"""A child that died sooner than this after its start is replaced only then, not in a rush."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises
    ------
    OSError
        If the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(1024)
    return listener


class Workers:
    """A number of children that run the same function.

    Parameters
    ----------
    number : int
    work : callable
        What a child does until it is told to stop; given its place, 0 to number - 1.
    grace : float
        Seconds that children have to finish what they are doing.
    """

    def __init__(self, number: int, work: Callable[[int], None], *, grace: float) -> None:
        self._number = number
        self._work = work
        self._grace = grace
        self._children: dict[int, tuple[int, float]] = {}
        self._stopping = False
        # Its far end is the parent's alone: children read that it is closed, whatever the parent died of.
        self._parent_lives, self._held_by_parent = os.pipe()

    def run(self) -> None:
        """Keep the children running until a signal says to stop; every one of them is gone afterwards."""
        # What exists now is never collected, so that collecting garbage in a child does not copy it.
        gc.collect()
        gc.freeze()
        for place in range(self._number):
            self._start(place)
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._stop)
        while self._children:
            try:
                process, status = os.wait()
            except ChildProcessError:
                return
            place, started = self._children.pop(process, (-1, 0.0))
            if place < 0 or self._stopping:
                continue
            _log.error("worker_died", place=place, exit=os.waitstatus_to_exitcode(status))
            time.sleep(max(0.0, FASTEST_RESTART_SECONDS - (time.monotonic() - started)))
            if not self._stopping:
                self._start(place)

    def _start(self, place: int) -> None:
        process = os.fork()
        if process:
            self._children[process] = (place, time.monotonic())
            return
        code = 1
        try:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            os.close(self._held_by_parent)
            Thread(target=self._end_with_parent, name="end with the parent", daemon=True).start()
            self._work(place)
            code = 0
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _end_with_parent(self) -> None:
        os.read(self._parent_lives, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True
        self._tell(signal.SIGTERM)
        signal.signal(signal.SIGALRM, lambda *_: self._tell(signal.SIGKILL))
        signal.setitimer(signal.ITIMER_REAL, self._grace + 5.0)

    def _tell(self, what: signal.Signals) -> None:
        for process in self._children:
            try:
                os.kill(process, what)
            except ProcessLookupError:
                continue
