"""The shapes behind the lines: intervals as filled outlines, probabilities as steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viewer.figures.style import translucent

Array = NDArray[np.float64]

MARKED = frozenset({6, 18, 36, 48})
"""Months at which a curve has its mark, enough to tell curves apart; for the last one it stands at the whisker."""

WHISKER_GAP, WHISKER_STEP = 0.06, 0.028
"""Where the intervals at the last month stand beside the curves, as shares of the months drawn."""


def opacity(curves: int) -> float:
    """Return how dense the band of one of several curves in one area is drawn: the more, the fainter.

    >>> opacity(1) > opacity(4) > opacity(9)
    True
    """
    return float(max(0.05, 0.2 / max(1, curves) ** 0.6))


MOST_TOGETHER = 4
"""Curves whose bands, and whose values in one box, can be told apart in one area."""


def banded(curves: int) -> bool:
    """Tell whether bands are drawn; among more curves they are a haze, and the bars at the right say as much."""
    return curves <= MOST_TOGETHER


def hover_mode(curves: int) -> str:
    """Return what the pointer asks for: all curves at that month, or, among many, the nearest."""
    return "x unified" if curves <= MOST_TOGETHER else "closest"


def whisker_place(position: int, until: int, *, first: float = 0.0) -> float:
    """Return the month at which the interval of the curve of that position stands, right of the last month.

    Parameters
    ----------
    position : int
        Of the curve among those drawn.
    until, first : float
        Last and first month drawn.
    """
    return until + (until - first) * (WHISKER_GAP + WHISKER_STEP * position)


@dataclass(frozen=True, slots=True)
class Whisker:
    """One value with its interval, standing beside the curves at month `at`."""

    at: float
    value: float
    lower: float
    upper: float
    colour: str
    symbol: str


@dataclass(frozen=True, slots=True)
class Mark:
    """The mark of a class on its curve, at month `at`."""

    at: float
    value: float
    colour: str
    symbol: str


def marks_on(months: Sequence[float], values: Sequence[float], colour: str, symbol: str) -> list[Mark]:
    """Return the marks of a curve.

    >>> [one.at for one in marks_on([0, 3, 6, 12, 18], [0, 1, 2, 3, 4], "#000000", "circle")]
    [6, 18]
    """
    return [
        Mark(month, value, colour, symbol) for month, value in zip(months, values, strict=True) if month in MARKED
    ]


def mark_trace(marks: Sequence[Mark | Whisker], axes: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """Return one trace of all marks of one area, silent under the pointer; none where there are none.

    A trace of marks for each curve, and a mark for each of its points, would take the browser as long to draw as the
    curves themselves.
    """
    if not marks:
        return []
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "x": [one.at for one in marks],
            "y": [one.value for one in marks],
            "marker": {
                "symbol": [one.symbol for one in marks],
                "size": [6 if isinstance(one, Mark) else 7 for one in marks],
                "color": [one.colour for one in marks],
            },
            "hoverinfo": "skip",
            "cliponaxis": False,
            **(axes or {}),
        }
    ]


def draw_whiskers(whiskers: Sequence[Whisker], layout: dict[str, Any]) -> None:
    """Add the intervals of whiskers to the layout as shapes; `mark_trace` draws their values."""
    if whiskers:
        layout["shapes"] = [
            *layout.get("shapes", ()),
            *[
                {
                    "type": "line",
                    "x0": one.at,
                    "x1": one.at,
                    "y0": one.lower,
                    "y1": one.upper,
                    "line": {"color": one.colour, "width": 1.6},
                }
                for one in whiskers
            ],
        ]


def finite(*series: Array) -> tuple[list[float], ...]:
    """Return the series as lists, without the positions at which any of them is not a number.

    Parameters
    ----------
    *series : ndarray, shape (grid,)
    """
    keep = np.logical_and.reduce([np.isfinite(one) for one in series])
    return tuple(one[keep].tolist() for one in series)


def stepped(x: list[float], y: list[float]) -> tuple[list[float], list[float]]:
    """Return the corners of a step curve that holds each value until the next month.

    >>> stepped([0, 6, 12], [0, 5, 9])
    ([0, 6, 6, 12, 12], [0, 0, 5, 5, 9])
    """
    if not x:
        return [], []
    corners_x, corners_y = [x[0]], [y[0]]
    for month, before, value in zip(x[1:], y, y[1:], strict=False):
        corners_x += [month, month]
        corners_y += [before, value]
    return corners_x, corners_y


def band(
    months: Array,
    lower: Array,
    upper: Array,
    colour: str,
    *,
    opacity: float,
    steps: bool = False,
    axes: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return the trace of an interval, filled and without a line; silent under the pointer."""
    x_up, y_up, y_low = finite(months, upper, lower)
    x_low = x_up
    if steps:
        (x_low, y_low), (x_up, y_up) = stepped(x_up, y_low), stepped(x_up, y_up)
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x_up + x_low[::-1],
        "y": y_up + y_low[::-1],
        "fill": "toself",
        "fillcolor": translucent(colour, opacity),
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
        **(axes or {}),
    }
