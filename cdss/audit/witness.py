"""The witness of the audit trail: the last record's number and digest, kept outside the database.

A chain alone does not show that its end was cut off; the witness does. It only ever moves forward, and stays where it
is once the database no longer holds the record that it remembers: then it is evidence.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cdss.audit.key import AuditKey

WITNESS_FILE = "audit.witness"

_DIGITS = 20
_LENGTH = _DIGITS + 1 + 64 + 1 + 64 + 1


@dataclass(frozen=True, slots=True)
class Head:
    """The last record of a chain.

    Attributes
    ----------
    sequence : int
    digest : str
    """

    sequence: int
    digest: str

    def __str__(self) -> str:
        """As a person notes it down: ``sequence:digest``."""
        return f"{self.sequence}:{self.digest}"


class WitnessAltered(Exception):
    """The file is not what was written."""


@dataclass(frozen=True)
class Witness:
    """A file of one line, overwritten in place by one write that is shorter than a disk sector.

    Parameters
    ----------
    path : Path
    key : AuditKey
        The line is keyed too.
    """

    path: Path
    key: AuditKey

    def head(self) -> Head | None:
        """Return what is remembered; None when there is no file.

        Raises
        ------
        WitnessAltered
            If the file does not bear its keyed digest.
        """
        try:
            return self._parsed(self.path.read_bytes())
        except FileNotFoundError:
            return None

    def begin(self, head: Head) -> bool:
        """Remember a head where nothing is remembered yet; True when that was so.

        An emptied file is none either: whoever empties it leaves the same trace as whoever deletes it.
        """
        with self._locked() as descriptor:
            missing = not os.pread(descriptor, 1, 0)
            if missing:
                self._write(descriptor, head)
        return missing

    def advance(self, head: Head, holds: Callable[[Head], bool]) -> bool:
        """Remember a later head, if the database still holds the one remembered before.

        Parameters
        ----------
        head : Head
        holds : callable
            Tells whether the database holds a record of that number and digest.

        Returns
        -------
        bool
            False when the database and the witness contradict each other; nothing is changed then.
        """
        with self._locked() as descriptor:
            content = os.pread(descriptor, _LENGTH, 0)
            if content:
                try:
                    before = self._parsed(content)
                except WitnessAltered:
                    return False
                if before.sequence >= head.sequence:
                    return before.sequence > head.sequence or before == head
                if not holds(before):
                    return False
            self._write(descriptor, head)
        return True

    def _write(self, descriptor: int, head: Head) -> None:
        line = f"{head.sequence:0{_DIGITS}d} {head.digest} {self._seal(head)}\n"
        os.pwrite(descriptor, line.encode(), 0)

    def _seal(self, head: Head) -> str:
        return self.key.digest("witness", str(head))

    def _parsed(self, content: bytes) -> Head:
        parts = content.decode("ascii", errors="replace").split()
        if len(parts) == 3 and parts[0].isdecimal():
            head = Head(int(parts[0]), parts[1])
            if parts[2] == self._seal(head):
                return head
        raise WitnessAltered

    @contextmanager
    def _locked(self) -> Iterator[int]:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)
