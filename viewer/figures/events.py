"""How many have had an event by when: cumulative probability per treatment class, or its complement."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np

from projection.result import Curve, Projection
from viewer.figures.bands import (
    Mark,
    Whisker,
    band,
    banded,
    draw_whiskers,
    finite,
    hover_mode,
    mark_trace,
    marks_on,
    opacity,
    whisker_place,
)
from viewer.figures.panels import Panels
from viewer.figures.style import Figure, Theme, layout, style_of
from viewer.text import Text

FREE_OF = frozenset({"relapse", "new_lesions", "loss_of_neda3"})
"""Outcomes that clinicians read as the share *free of* the event; the curve falls from 100 %."""

STEPS = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Shares at which the axis may end, so that it does not move with every small change."""


def events_figure(
    projection: Projection,
    outcome: str,
    *,
    shown: Collection[str],
    text: Text,
    theme: Theme,
    until: int = 24,
    apart: bool = False,
) -> Figure:
    """Draw one outcome of each class as steps with their pointwise interval.

    Parameters
    ----------
    projection : Projection
    outcome : str
        A key of `ClassProjection.probabilities`.
    shown : collection of str
        Treatment classes to draw.
    until : int
        Last month drawn.
    apart : bool
        One panel per class rather than all in one.

    Returns
    -------
    dict
        Plotly's JSON; shares in percent.
    """
    free = outcome in FREE_OF
    drawn = [one for one in projection.classes if one.treatment in shown and outcome in one.probabilities]
    base = layout(theme, text.separators)
    panels = Panels(base, [text(f"treatment.{one.treatment}") for one in drawn] if apart else None, theme)
    traces: list[dict[str, Any]] = []
    whiskers: list[Whisker] = []
    marks: list[Mark] = []
    highest, abreast = 0.0, 1 if apart else len(drawn)
    for position, one in enumerate(drawn):
        curve = _until(one.probabilities[outcome], until)
        density = opacity(abreast) if banded(abreast) else 0.0
        traces += _traces(one.treatment, curve, panels.axes(position), text, theme, free=free, density=density)
        style, (months, shares) = style_of(one.treatment), finite(curve.months, curve.value)
        of_class = marks_on(
            months, [100 * (1 - share if free else share) for share in shares], style.colour(theme), style.symbol
        )
        if apart:
            traces += mark_trace(of_class, panels.axes(position))
        else:
            marks += of_class
            whiskers += _whisker(one.treatment, curve, theme, until, position, free=free)
        highest = max(highest, _reach(curve, banded=density > 0))
    end = 100 * next(step for step in STEPS if highest <= step or math.isclose(step, 1.0))
    panels.finish(
        x={
            "range": [-0.4, until + 0.6 if apart else whisker_place(len(drawn), until)],
            "tickvals": list(range(0, until + 1, 12 if apart or until > 36 else 6)),
            "title": text("figure.months_axis"),
        },
        y={
            "range": [100 - end - end * 0.01, 100 + end * 0.01] if free else [-end * 0.01, end * 1.01],
            "ticksuffix": text("figure.percent_suffix"),
            "nticks": 4 if apart else 6,
            "title": text("figure.free_axis" if free else "figure.event_axis"),
        },
        end=text("figure.at_end", months=until) if drawn else None,
    )
    traces += mark_trace([*marks, *whiskers])
    draw_whiskers(whiskers, base)
    base["margin"] = {**base["margin"], "l": 58}
    base["hovermode"] = hover_mode(abreast)
    return {"data": traces, "layout": base}


def _whisker(treatment: str, curve: Curve, theme: Theme, until: int, position: int, *, free: bool) -> list[Whisker]:
    months, value, lower, upper = finite(curve.months, curve.value, curve.lower, curve.upper)
    if until not in months:
        return []
    share, low, high = value[-1], lower[-1], upper[-1]
    if free:
        share, low, high = 1 - share, 1 - high, 1 - low
    style = style_of(treatment)
    place = whisker_place(position, until)
    return [Whisker(place, 100 * share, 100 * low, 100 * high, style.colour(theme), style.symbol)]


def _reach(curve: Curve, *, banded: bool) -> float:
    """Return how far up the axis must go: to the end of every value and of every interval that is drawn."""
    upper = curve.upper[np.isfinite(curve.upper)]
    drawn = upper if banded else upper[-1:]
    return float(max(np.nanmax(curve.value, initial=0.0), drawn.max(initial=0.0)))


def _until(curve: Curve, month: int) -> Curve:
    within = curve.months <= month
    return Curve(*(values[within] for values in (curve.months, curve.value, curve.lower, curve.upper, curve.n)))


def _traces(
    treatment: str, curve: Curve, axes: dict[str, str], text: Text, theme: Theme, *, free: bool, density: float
) -> list[dict[str, Any]]:
    style = style_of(treatment)
    colour = style.colour(theme)
    value, lower, upper = curve.value, curve.lower, curve.upper
    if free:
        value, lower, upper = 1 - value, 1 - upper, 1 - lower
    x, y, low, high, n = finite(curve.months, value, lower, upper, curve.n)
    behind = [band(curve.months, 100 * lower, 100 * upper, colour, opacity=density, steps=True, axes=axes)]
    return [
        *(behind if density else []),
        {
            "type": "scatter",
            "mode": "lines",
            "name": text(f"treatment.{treatment}"),
            "x": x,
            "y": [100 * share for share in y],
            "customdata": [
                [text.percent(share), text.interval(text.percent(a), text.percent(b)), text.number(count)]
                for share, a, b, count in zip(y, low, high, n, strict=True)
            ],
            "hovertemplate": (
                f"%{{customdata[0]}} %{{customdata[1]}} n\u202f=\u202f%{{customdata[2]}}{text('figure.month_hover')}"
            ),
            "line": {"color": colour, "width": 2.2, "dash": style.dash, "shape": "hv"},
            **axes,
        },
    ]
