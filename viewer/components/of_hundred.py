"""Shares as patients read them: so many of a hundred people, by when, and in which range."""

from __future__ import annotations

from collections.abc import Sequence

from projection.reading import Reading, latest_shown
from projection.result import ClassProjection
from viewer.text import Text

OUTCOMES = ("relapse", "worsening_24w", "new_lesions")
"""Outcomes that patients are told of."""

MONTH = 24
"""By when."""


def hundred(share: float) -> int:
    """Return a share as a number of a hundred people, rounded half up."""
    return int(share * 100 + 0.5)


def share_of(one: ClassProjection, outcome: str) -> Reading | None:
    """Return the share who had an event by `MONTH`, or by the latest month before that is shown; None without any."""
    return latest_shown(one.probabilities.get(outcome), MONTH)


def share_in_words(reading: Reading, text: Text) -> tuple[str, str, str]:
    """Return a share of a hundred people, the range in which it lies, and its month where that is not `MONTH`."""
    share = reading.estimate
    return (
        text("take_home.of_hundred", count=hundred(share.value)),
        text("take_home.likely", lower=hundred(share.lower), upper=hundred(share.upper)),
        text("take_home.after", months=reading.month) if reading.month != MONTH else "",
    )


def reading_hint(shown: Sequence[ClassProjection], text: Text) -> str:
    """Return how a table of shares is read, and why some are of earlier months or missing, where that is so."""
    found = [share_of(one, outcome) for one in shown if one.refusal is None for outcome in OUTCOMES]
    says = [text("take_home.reading")]
    if any(share is not None and share.month != MONTH for share in found):
        says.append(text("take_home.earlier"))
    if None in found:
        says.append(text("take_home.withheld"))
    return " ".join(says)
