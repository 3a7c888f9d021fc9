"""Record while serving: what waits together is written together, and nobody is answered before it is kept."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Lock, Thread

from cdss.audit.trail import AuditEntry, AuditTrail
from cdss.errors import DatabaseUnavailable

LARGEST_BATCH = 256

_Waiting = tuple[AuditEntry, "Future[None]"]


class AuditWriter:
    """One thread that appends what the requests of this process hand in.

    Parameters
    ----------
    trail : AuditTrail
    """

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._lock = Lock()

    async def record(self, entry: AuditEntry) -> None:
        """Return once the entry is kept.

        Raises
        ------
        DatabaseUnavailable
            If it cannot be kept.
        """
        await asyncio.wrap_future(self.submit(entry))

    def submit(self, entry: AuditEntry) -> Future[None]:
        """Hand in an entry; the future ends when it is kept, or with the reason why it is not."""
        future: Future[None] = Future()
        with self._lock:
            self._queue.put((entry, future))
            if self._thread is None:
                self._thread = Thread(target=self._write, name="audit", daemon=True)
                self._thread.start()
        return future

    def close(self) -> None:
        """Write what is waiting, and stop."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is not None:
                self._queue.put(None)
        if thread is not None:
            thread.join()

    def _write(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, ending = [first], False
            while len(batch) < LARGEST_BATCH and not self._queue.empty():
                waiting = self._queue.get()
                if waiting is None:
                    ending = True
                    break
                batch.append(waiting)
            self._append(batch)
            if ending:
                return

    def _append(self, batch: list[_Waiting]) -> None:
        try:
            self._trail.append([entry for entry, _ in batch])
        except DatabaseUnavailable as error:
            for _, future in batch:
                future.set_exception(error)
        except Exception as error:  # noqa: BLE001  # whatever it is, nothing was kept, and those who wait must hear of it
            unkept = DatabaseUnavailable(f"the record could not be kept: {type(error).__name__}")
            for _, future in batch:
                future.set_exception(unkept)
        else:
            for _, future in batch:
                future.set_result(None)
