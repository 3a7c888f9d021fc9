"""EDSS over time: the patient's own past, and what was expected after baseline under each treatment class."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Any

import numpy as np

from projection.individuals import SingleCourses
from projection.result import ClassProjection, EdssCourse, Projection
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
from viewer.figures.singles import single_traces
from viewer.figures.style import ClassStyle, Figure, Theme, layout, style_of
from viewer.text import Text

Visit = tuple[float, float]
"""Months from today (0 or negative) and EDSS."""


class Spread(StrEnum):
    """What is drawn around the expected course: how sure it is, where single patients were, or some of them."""

    EXPECTED = "expected"
    INDIVIDUAL = "individual"
    SINGLE = "single"


def every(months: int) -> range:
    """Months at which the axis is labelled, further in both directions than any course."""
    return range(-240, 241, months)


def course_figure(
    projection: Projection,
    *,
    shown: Collection[str],
    past: Sequence[Visit],
    relapses: Sequence[float] = (),
    text: Text,
    theme: Theme,
    until: int = 24,
    spread: Spread = Spread.EXPECTED,
    singles: Sequence[SingleCourses] = (),
    apart: bool = False,
) -> Figure:
    """Draw the EDSS course of each class.

    Parameters
    ----------
    projection : Projection
    shown : collection of str
        Treatment classes to draw; the others leave no trace.
    past : sequence of (months, edss)
        The patient's own visits, today's last.
    relapses : sequence of float
        Months of the patient's own relapses, 0 or negative.
    until : int
        Last month drawn.
    spread : Spread
        What is drawn around the expected course.
    singles : sequence of SingleCourses
        The single patients of `Spread.SINGLE`.
    apart : bool
        One panel per class rather than all in one.

    Returns
    -------
    dict
        Plotly's JSON.
    """
    drawn = [one for one in projection.classes if one.treatment in shown and one.edss is not None]
    base = layout(theme, text.separators)
    panels = Panels(base, [text(f"treatment.{one.treatment}") for one in drawn] if apart else None, theme)
    first = min([0.0, *(months for months, _ in past), *relapses])
    traces: list[dict[str, Any]] = []
    whiskers: list[Whisker] = []
    marks: list[Mark] = []
    top, bottom = _past_range(past)
    abreast = 1 if apart else len(drawn)
    individuals = spread is Spread.INDIVIDUAL
    courses = {one.treatment: one for one in singles if spread is Spread.SINGLE}
    for position, one in enumerate(drawn):
        assert one.edss is not None  # noqa: S101 - chosen so two lines above
        axes = panels.axes(position)
        style = style_of(one.treatment)
        density = opacity(abreast) if banded(abreast) and spread is not Spread.SINGLE else 0.0
        if one.treatment in courses:
            traces += single_traces(courses[one.treatment], style, theme, until, axes)
            low, high = _range_of_singles(courses[one.treatment], until)
            bottom, top = min(bottom, low), max(top, high)
        traces += _class_traces(one, one.edss, style, axes, text, theme, until, individuals, density)
        expected = one.edss.expected
        months, values = finite(expected.months[expected.months <= until], expected.value[expected.months <= until])
        of_class = marks_on(months, values, style.colour(theme), style.symbol)
        if apart:
            traces += mark_trace(of_class, axes)
        else:
            marks += of_class
            whiskers += _whisker(
                one.edss, style, theme, whisker_place(position, until, first=first), until, individuals
            )
        low, high = _range_of(one.edss, until, individuals)
        bottom, top = min(bottom, low), max(top, high)
    for position in range(panels.count):
        traces.append(_past_trace(past, panels.axes(position), text, theme))
        if relapses:
            traces.append(_relapse_trace(relapses, past, panels.axes(position), text, theme))
    panels.finish(
        x={
            "range": [first - 1, until + 1 if apart else whisker_place(len(drawn), until, first=first)],
            "tickvals": [month for month in every(_apart(until - first, panels=apart)) if first <= month <= until],
            "title": text("figure.months_axis"),
        },
        y={
            "range": [max(0.0, math.floor(bottom * 2) / 2 - 0.1), min(10.0, math.ceil(top * 2) / 2) + 0.1],
            "title": text("figure.edss_axis"),
            "tickformat": ".1f",
            "dtick": 0.5 if top - bottom <= 3.5 else 1,
        },
        today=text("figure.today") if first < 0 else None,
        end=text("figure.at_end", months=until) if drawn else None,
    )
    traces += mark_trace([*marks, *whiskers])
    draw_whiskers(whiskers, base)
    base["hovermode"] = hover_mode(abreast)
    return {"data": traces, "layout": base}


def _apart(months: float, *, panels: bool) -> int:
    """Return how many months apart the axis is labelled, so that labels do not touch."""
    if months > 96:
        return 24
    return 12 if panels or months > 60 else 6


def _past_range(past: Sequence[Visit]) -> tuple[float, float]:
    values = [edss for _, edss in past] or [2.0]
    middle = (min(values) + max(values)) / 2
    return max(*values, middle + 1.0), min(*values, middle - 1.0)


def _range_of(course: EdssCourse, until: int, individuals: bool) -> tuple[float, float]:
    within = course.expected.months <= until
    lower, upper = (course.p10, course.p90) if individuals else (course.expected.lower, course.expected.upper)
    values = np.concatenate([lower[within], upper[within], course.expected.value[within]])
    values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if values.size else (10.0, 0.0)


def _range_of_singles(courses: SingleCourses, until: int) -> tuple[float, float]:
    values = courses.edss[:, courses.months <= until]
    values = values[np.isfinite(values)]
    return (float(values.min()), float(values.max())) if values.size else (10.0, 0.0)


def _class_traces(
    one: ClassProjection,
    course: EdssCourse,
    style: ClassStyle,
    axes: dict[str, str],
    text: Text,
    theme: Theme,
    until: int,
    individuals: bool,
    density: float,
) -> list[dict[str, Any]]:
    expected, colour = course.expected, style.colour(theme)
    within = expected.months <= until
    months = expected.months[within]
    if not density:
        shapes = []
    elif individuals:
        shapes = [
            band(months, course.p10[within], course.p90[within], colour, opacity=0.6 * density, axes=axes),
            band(months, course.p25[within], course.p75[within], colour, opacity=density, axes=axes),
        ]
    else:
        shapes = [band(months, expected.lower[within], expected.upper[within], colour, opacity=density, axes=axes)]
    x, y, lower, upper, n = finite(
        months, expected.value[within], expected.lower[within], expected.upper[within], expected.n[within]
    )
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": text(f"treatment.{one.treatment}"),
        "x": x,
        "y": y,
        "customdata": [
            [text.interval(text.number(low, 1), text.number(high, 1)), text.number(count)]
            for low, high, count in zip(lower, upper, n, strict=True)
        ],
        "hovertemplate": (
            f"%{{y:.1f}} %{{customdata[0]}} n\u202f=\u202f%{{customdata[1]}}{text('figure.month_hover')}"
        ),
        "line": {"color": colour, "width": 2.2, "dash": style.dash},
        **axes,
    }
    return [*shapes, line]


def _whisker(
    course: EdssCourse, style: ClassStyle, theme: Theme, place: float, until: int, individuals: bool
) -> list[Whisker]:
    expected = course.expected
    low, high = (course.p10, course.p90) if individuals else (expected.lower, expected.upper)
    months, value, lower, upper = finite(expected.months, expected.value, low, high)
    if until not in months:
        return []
    at = months.index(until)
    return [Whisker(place, value[at], lower[at], upper[at], style.colour(theme), style.symbol)]


def _past_trace(past: Sequence[Visit], axes: dict[str, str], text: Text, theme: Theme) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": text("figure.this_patient"),
        "x": [months for months, _ in past],
        "y": [edss for _, edss in past],
        "hovertemplate": f"%{{y:.1f}}{text('figure.month_hover')}",
        "line": {"color": theme.ink, "width": 2},
        "marker": {"color": theme.ink, "size": 8, "symbol": "circle"},
        "cliponaxis": False,
        **axes,
    }


def _relapse_trace(
    relapses: Sequence[float], past: Sequence[Visit], axes: dict[str, str], text: Text, theme: Theme
) -> dict[str, Any]:
    """Return the ticks of the patient's own relapses, on the line between the visits around them."""
    months, edss = zip(*past, strict=True)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": text("figure.relapse"),
        "x": list(relapses),
        "y": np.interp(relapses, months, edss).tolist(),
        "hovertemplate": f"{text('figure.relapse')}{text('figure.month_hover')}<extra></extra>",
        "marker": {"symbol": "line-ns-open", "size": 16, "color": theme.ink, "line": {"width": 2.4}},
        **axes,
    }
