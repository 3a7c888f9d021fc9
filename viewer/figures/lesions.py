"""Lesions on scans over time: the mean number under each treatment class, with its interval."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from projection.individuals import LesionCurves
from projection.result import Curve
from viewer.figures.bands import finite
from viewer.figures.course import every
from viewer.figures.style import Figure, Theme, layout, style_of
from viewer.text import Text

KINDS = ("enhancing", "new_t2")
"""What is counted: fields of `LesionCurves`."""

ASIDE = 0.4
"""Months by which classes stand beside one another at a scan."""


def lesions_figure(
    curves: Mapping[str, LesionCurves],
    kind: str,
    *,
    shown: Collection[str],
    text: Text,
    theme: Theme,
    until: int = 24,
    own: Sequence[tuple[float, float]] = (),
) -> Figure:
    """Draw the mean number of lesions per scan of each class.

    Parameters
    ----------
    curves : mapping of str to LesionCurves
        By treatment class.
    kind : str
        One of `KINDS`.
    shown : collection of str
        Treatment classes to draw.
    until : int
        Last month drawn.
    own : sequence of (months, lesions)
        What the patient's own scans found, in months from today (0 or negative), oldest first.

    Returns
    -------
    dict
        Plotly's JSON.
    """
    drawn = [name for name in curves if name in shown]
    base = layout(theme, text.separators)
    traces: list[dict[str, Any]] = []
    first = min([0.0, *(months for months, _ in own)])
    if own:
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": text("figure.this_patient"),
                "x": [months for months, _ in own],
                "y": [lesions for _, lesions in own],
                "hovertemplate": f"%{{y}}{text('figure.month_hover')}",
                "line": {"color": theme.ink, "width": 1.6},
                "marker": {"color": theme.ink, "size": 9},
                "cliponaxis": False,
            }
        )
    for position, name in enumerate(drawn):
        curve: Curve = getattr(curves[name], kind)
        shift = (position - (len(drawn) - 1) / 2) * ASIDE
        traces.append(_trace(name, curve, shift, until, text, theme))
    base |= {"hovermode": "closest", "margin": {**base["margin"], "l": 50}}
    base["xaxis"] = {
        **base["xaxis"],
        "range": [first - 1.5, until + 3],
        "tickvals": [month for month in every(12 if until - first > 36 else 6) if first <= month <= until],
        "title": {**base["xaxis"]["title"], "text": text("figure.months_axis")},
    }
    base["yaxis"] = {
        **base["yaxis"],
        "rangemode": "tozero",
        "nticks": 5,
        "title": {**base["yaxis"]["title"], "text": text("figure.lesions_axis")},
    }
    if first < 0:
        line = {"color": theme.soft_ink, "width": 1, "dash": "dot"}
        base["shapes"] = [{"type": "line", "x0": 0, "x1": 0, "y0": 0, "y1": 1, "yref": "paper", "line": line}]
    return {"data": traces, "layout": base}


def _trace(name: str, curve: Curve, shift: float, until: int, text: Text, theme: Theme) -> dict[str, Any]:
    style = style_of(name)
    colour = style.colour(theme)
    within = curve.months <= until
    parts = finite(*(part[within] for part in (curve.months, curve.value, curve.lower, curve.upper, curve.n)))
    months, value, lower, upper, n = parts
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": text(f"treatment.{name}"),
        "x": [month + shift for month in months],
        "y": value,
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [high - middle for high, middle in zip(upper, value, strict=True)],
            "arrayminus": [middle - low for low, middle in zip(lower, value, strict=True)],
            "color": colour,
            "thickness": 1.2,
            "width": 0,
        },
        "customdata": [
            [text.interval(text.number(low, 1), text.number(high, 1)), text.number(count), month]
            for low, high, count, month in zip(lower, upper, n, months, strict=True)
        ],
        "hovertemplate": (
            f"%{{y:.1f}} %{{customdata[0]}} n\u202f=\u202f%{{customdata[1]}}"
            f"{text('figure.month_hover').replace('%{x}', '%{customdata[2]}')}"
        ),
        "line": {"color": colour, "width": 1.6, "dash": style.dash},
        "marker": {"symbol": style.symbol, "size": 7, "color": colour},
    }
