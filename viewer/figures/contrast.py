"""Differences between treatment classes and one of them, each with its interval: a forest plot."""

from __future__ import annotations

import math
from collections.abc import Collection
from enum import StrEnum
from typing import Any

from projection.result import Contrast, Contrasts, Estimate
from viewer.figures.style import Figure, Theme, layout, style_of
from viewer.text import Text


class Measure(StrEnum):
    """How two classes are compared on an event."""

    RISK = "risk"
    MONTHS = "months"
    RATIO = "ratio"


EDSS = "edss"
"""Name of the comparison of expected EDSS, beside the outcomes."""


def estimate_of(contrast: Contrast, outcome: str, measure: Measure) -> Estimate | None:
    """Return one comparison, in the unit in which it is read: points, percentage points, months or a ratio."""
    if outcome == EDSS:
        return contrast.edss
    if measure is Measure.RISK:
        risk = contrast.risks.get(outcome)
        # A normal interval may reach beyond what a difference of two shares can be.
        return risk and Estimate(
            100 * risk.value, max(-100.0, 100 * risk.lower), min(100.0, 100 * risk.upper), risk.n
        )
    source = contrast.event_free_months if measure is Measure.MONTHS else contrast.hazard_ratios
    return source.get(outcome)


def written(estimate: Estimate, outcome: str, measure: Measure, text: Text) -> str:
    """Return a comparison in words of one line: its value and interval."""
    decimals = 0 if measure is Measure.RISK and outcome != EDSS else 1
    if measure is Measure.RATIO and outcome != EDSS:
        value, lower, upper = (text.number(one, 2) for one in (estimate.value, estimate.lower, estimate.upper))
    else:
        value, lower, upper = (text.signed(one, decimals) for one in (estimate.value, estimate.lower, estimate.upper))
    return f"{value} {text.interval(lower, upper)}"


def contrast_figure(
    contrasts: Contrasts, outcome: str, *, measure: Measure, shown: Collection[str], text: Text, theme: Theme
) -> Figure:
    """Draw one comparison of every class shown with the reference class.

    Parameters
    ----------
    contrasts : Contrasts
    outcome : str
        ``edss`` or a key of `Contrast.risks`.
    measure : Measure
        For events; EDSS is always compared in points.
    shown : collection of str
        Treatment classes to draw; the reference class is the line of no difference.

    Returns
    -------
    dict
        Plotly's JSON. Rows stand in the fixed order of the vocabulary, never by result.
    """
    ratio = measure is Measure.RATIO and outcome != EDSS
    rows = [one for one in contrasts.contrasts if one.treatment in shown]
    traces: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    reach = 0.0
    for row, contrast in enumerate(rows):
        estimate = estimate_of(contrast, outcome, measure)
        if estimate is None or not math.isfinite(estimate.value):
            notes.append(_note(row, text("compare.none"), theme.soft_ink))
            continue
        traces.append(_point(contrast.treatment, estimate, row, text, theme))
        notes.append(_note(row, written(estimate, outcome, measure, text), theme.ink))
        ends = (estimate.lower, estimate.upper)
        reach = max(reach, *(abs(math.log(max(end, 0.02))) if ratio else abs(end) for end in ends))
    base = layout(theme, text.separators)
    base |= {"hovermode": False, "margin": {"l": 142, "r": 132, "t": 8, "b": 42}, "annotations": notes}
    nothing = 1.0 if ratio else 0.0
    unit = EDSS if outcome == EDSS else measure.value
    base["xaxis"] = {
        **base["xaxis"],
        "range": _range(reach, unit),
        "type": "log" if ratio else "linear",
        "nticks": 5,
        "title": {
            **base["xaxis"]["title"],
            "text": text("compare.against", unit=text(f"compare.unit.{unit}"), n=text.number(contrasts.n)),
        },
    }
    if ratio:
        base["xaxis"] |= {"tickvals": [0.1, 0.2, 0.5, 1, 2, 5, 10]}
    base["yaxis"] = {
        **base["yaxis"],
        "range": [max(len(rows), 1) - 0.4, -0.6],
        "tickvals": list(range(len(rows))),
        "ticktext": [_row_name(one, text) for one in rows],
        "tickfont": {"size": 12, "color": theme.ink},
        "showgrid": False,
    }
    line = {"color": theme.soft_ink, "width": 1, "dash": "dot"}
    base["shapes"] = [{"type": "line", "x0": nothing, "x1": nothing, "y0": 0, "y1": 1, "yref": "paper", "line": line}]
    return {"data": traces, "layout": base}


def _row_name(contrast: Contrast, text: Text) -> str:
    """Return the class of a row and, beneath, how many patients of reference stand behind it."""
    name = text(f"treatment.{contrast.treatment}")
    if contrast.refusal is not None:
        return name
    return f'{name}<br><span style="font-size:10px">{text("compare.n", n=text.number(contrast.n))}</span>'


LEAST_REACH = {EDSS: 0.5, Measure.RISK.value: 10.0, Measure.MONTHS.value: 2.0}
"""How far the axis goes at least, in its unit: small differences look small, and an empty figure has a scale."""


def _range(reach: float, unit: str) -> list[float]:
    if unit == Measure.RATIO:
        end = min(1.0, max(0.35, reach / math.log(10) * 1.05))
    else:
        end = max(reach * 1.08, LEAST_REACH[unit])
    return [-end, end]


def _point(treatment: str, estimate: Estimate, row: int, text: Text, theme: Theme) -> dict[str, Any]:
    style = style_of(treatment)
    colour = style.colour(theme)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": text(f"treatment.{treatment}"),
        "x": [estimate.value],
        "y": [row],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [estimate.upper - estimate.value],
            "arrayminus": [estimate.value - estimate.lower],
            "color": colour,
            "thickness": 2,
            "width": 0,
        },
        "marker": {"symbol": style.symbol, "size": 9, "color": colour},
    }


def _note(row: int, words: str, colour: str) -> dict[str, Any]:
    return {
        "text": words,
        "x": 1,
        "xref": "paper",
        "y": row,
        "xanchor": "left",
        "xshift": 6,
        "showarrow": False,
        "font": {"size": 12, "color": colour},
    }
