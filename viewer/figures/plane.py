"""The map: where the patient and the patients of reference stand among all patients under a treatment class."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from selection.plane import CELL, Axis, Loading
from viewer.figures.style import Figure, Theme, layout, style_of, translucent
from viewer.text import Text

Floats = NDArray[np.float64]


def plane_figure(
    axes: tuple[Axis, Axis],
    density: tuple[Floats, Floats, Floats],
    references: Floats,
    own: Floats,
    *,
    treatment: str,
    text: Text,
    theme: Theme,
) -> Figure:
    """Draw the map of one class.

    Parameters
    ----------
    axes : tuple of Axis
    density : tuple of ndarray
        Middles of the squares in x and y, and patients per square, as `FeaturePlane.density` gives them.
    references : ndarray, shape (patients, 2)
        Patients of reference, as `FeaturePlane.scatter` places them.
    own : ndarray, shape (2,)
        The patient.
    treatment : str

    Returns
    -------
    dict
        Plotly's JSON.
    """
    x, y, count = density
    style = style_of(treatment)
    # Few patients and many are told apart by the root of their number.
    depth = np.sqrt(count)
    traces: list[dict[str, Any]] = [
        {
            "type": "heatmap",
            "x": x.tolist(),
            "y": y.tolist(),
            "z": _cells(depth),
            "customdata": _cells(count),
            "colorscale": [[0, translucent(theme.soft_ink, 0.06)], [1, translucent(theme.soft_ink, 0.7)]],
            "showscale": False,
            "zmin": 0,
            "xgap": 1,
            "ygap": 1,
            "hovertemplate": f"{text('plane.patients', n='%{customdata}')}<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "markers",
            "name": text("plane.references"),
            "x": references[:, 0].tolist(),
            "y": references[:, 1].tolist(),
            "hoverinfo": "skip",
            "marker": {
                "symbol": style.symbol.removesuffix("-open"),
                "size": 6,
                "color": style.colour(theme),
                "line": {"color": theme.page, "width": 0.8},
            },
        },
        {
            "type": "scatter",
            "mode": "markers+text",
            "name": text("figure.this_patient"),
            "x": [float(own[0])],
            "y": [float(own[1])],
            "text": [text("figure.this_patient")],
            "textposition": "top center",
            "textfont": {"color": theme.ink, "size": 12, "weight": 600},
            "cliponaxis": False,
            "hoverinfo": "skip",
            "marker": {
                "symbol": "circle",
                "size": 13,
                "color": theme.page,
                "line": {"color": theme.ink, "width": 3},
            },
        },
    ]
    base = layout(theme, text.separators)
    base |= {"hovermode": "closest", "margin": {"l": 12, "r": 12, "t": 30, "b": 52}}
    inside = np.isfinite(count)
    for at, (name, middles) in enumerate((("xaxis", x[inside.any(axis=0)]), ("yaxis", y[inside.any(axis=1)]))):
        reached = [own[at], *middles, *references[:, at]]
        # Over the patient's mark stands its name.
        ends = [float(min(reached) - CELL), float(max(reached) + (1 + 1.5 * at) * CELL)]
        base[name] = {**base[name], "showticklabels": False, "showgrid": False, "range": ends}
    base["annotations"] = _ends(axes, text, theme)
    return {"data": traces, "layout": base}


def _ends(axes: tuple[Axis, Axis], text: Text, theme: Theme) -> list[dict[str, Any]]:
    """Return what stands at the four ends of the axes, written to be read without turning one's head."""
    across, up = axes
    share = text("plane.share", share=text.percent(across.share + up.share))
    places = (
        (f"\N{UPWARDS ARROW} {_named(up.high, text)}", up.high, 0, 1, "left", "bottom", 4),
        (f"\N{DOWNWARDS ARROW} {_named(up.low, text)}", up.low, 0, 0, "left", "bottom", 4),
        (f"\N{LEFTWARDS ARROW} {_named(across.low, text)}", across.low, 0, 0, "left", "top", -4),
        (f"{_named(across.high, text)} \N{RIGHTWARDS ARROW}", across.high, 1, 0, "right", "top", -4),
        (share, share, 0.5, 0, "center", "top", -26),
    )
    return [
        {
            "text": words,
            "x": x,
            "y": y,
            "xref": "paper",
            "yref": "paper",
            "xanchor": anchor,
            "yanchor": vertical,
            "yshift": yshift,
            "showarrow": False,
            "font": {"size": 12, "color": theme.soft_ink},
        }
        for words, there, x, y, anchor, vertical, yshift in places
        if there
    ]


def _named(loadings: tuple[Loading, ...], text: Text) -> str:
    return ", ".join(text(f"form.{name}.{level}") if level else text(f"feature.{name}") for name, level in loadings)


def _cells(values: Floats) -> list[list[float | None]]:
    """Return a grid as JSON takes it: nothing where a square has too few patients."""
    return [[None if np.isnan(value) else float(value) for value in row] for row in values]
