"""Single patients of reference behind the expected course: thin lines, with a mark at each relapse."""

from __future__ import annotations

from typing import Any

import numpy as np

from projection.individuals import SingleCourses
from viewer.figures.style import ClassStyle, Theme, translucent

SPREAD = 0.16
"""How far apart lines of the same EDSS are drawn, in points: without it they would hide one another."""


def single_traces(
    courses: SingleCourses, style: ClassStyle, theme: Theme, until: int, axes: dict[str, str]
) -> list[dict[str, Any]]:
    """Return the traces of the single courses of a class and of their relapses; silent under the pointer.

    Parameters
    ----------
    courses : SingleCourses
    style : ClassStyle
    theme : Theme
    until : int
        Last month drawn.
    axes : dict
        Where they are drawn, as `Panels.axes` says.
    """
    within = courses.months <= until
    months, edss = courses.months[within], courses.edss[:, within]
    beside = np.linspace(-SPREAD / 2, SPREAD / 2, len(edss))
    x: list[float | None] = []
    y: list[float | None] = []
    for course, shift in zip(edss, beside, strict=True):
        seen = np.isfinite(course)
        # All begin at the patient of interest; a gap separates one course from the next.
        x += [*months[seen].tolist(), None]
        y += [*(course[seen] + np.where(months[seen] > 0, shift, 0.0)).tolist(), None]
    colour = style.colour(theme)
    lines = {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "y": y,
        "line": {"color": translucent(colour, 0.38), "width": 1},
        "connectgaps": False,
        "hoverinfo": "skip",
        **axes,
    }
    shown = courses.relapse_months <= until
    at = [
        (month, float(np.interp(month, months[seen], edss[patient][seen]) + beside[patient]))
        for month, patient in zip(courses.relapse_months[shown], courses.relapse_patients[shown], strict=True)
        if (seen := np.isfinite(edss[patient])).any()
    ]
    relapses = {
        "type": "scatter",
        "mode": "markers",
        "x": [float(month) for month, _ in at],
        "y": [value for _, value in at],
        "marker": {"symbol": "line-ns-open", "size": 8, "color": theme.ink, "line": {"width": 1.4}},
        "hoverinfo": "skip",
        **axes,
    }
    return [lines, relapses]
