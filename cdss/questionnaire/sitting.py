"""One expert before one set of records: what was called so far, and the score once it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock

from validation.questionnaire import ORIGINAL, SYNTHETIC, Card, Score, score


@dataclass
class Sitting:
    """Records, their key and the calls, in memory only: nothing of them is written anywhere.

    Attributes
    ----------
    cards : tuple of Card
    key : mapping of int to str
        Which table each card comes from; it never leaves this process.
    scored : callable
        Told the score, once.
    """

    cards: tuple[Card, ...]
    key: Mapping[int, str]
    scored: Callable[[Score], None]
    calls: dict[int, str] = field(default_factory=dict)
    _score: Score | None = None
    _lock: Lock = field(default_factory=Lock)

    @property
    def result(self) -> Score | None:
        """The score, once it was asked for."""
        return self._score

    def call(self, calls: Mapping[int, str | None]) -> None:
        """Take down the calls so far; once scored they stand.

        Parameters
        ----------
        calls : mapping of int to str or None
            By card; None where there is no call yet.
        """
        with self._lock:
            if self._score is None:
                self.calls = {
                    number: call
                    for number, call in calls.items()
                    if number in self.key and call in (ORIGINAL, SYNTHETIC)
                }

    def finish(self) -> Score | None:
        """Score the calls; a second time gives the first score.

        Whoever could score again after changing one call would read the key from the scores. Without any call there
        is no score.
        """
        with self._lock:
            if self._score is None and self.calls:
                self._score = score(self.key, self.calls)
                self.scored(self._score)
            return self._score
