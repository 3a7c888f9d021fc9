"""How comparable the classes are: standardised mean differences of their patients of reference, a love plot."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from selection import Explanation
from viewer.figures.style import Figure, Theme, layout, style_of
from viewer.text import Text

BALANCED = 0.1
"""Standardised differences up to this are usually called balanced (Austin, Stat Med 2009, doi 10.1002/sim.3697)."""


def balance_figure(
    explanation: Explanation, *, reference: str, shown: Collection[str], text: Text, theme: Theme
) -> Figure:
    """Draw, per feature, how the patients of reference of each class differ from those of the reference class.

    Parameters
    ----------
    explanation : Explanation
    reference : str
        Treatment class that the others are compared with.
    shown : collection of str
        Treatment classes to draw.

    Returns
    -------
    dict
        Plotly's JSON; where nothing can be compared with the reference class, it says so.
    """
    features = list(explanation.balance)
    base = layout(theme, text.separators)
    traces: list[dict[str, Any]] = []
    reach = 0.5
    if reference in explanation.compared:
        against = explanation.compared.index(reference)
        drawn = [name for name in explanation.compared if name in shown and name != reference]
        for position, name in enumerate(drawn):
            differences = np.array(
                [explanation.balance[feature][explanation.compared.index(name), against] for feature in features]
            )
            known = np.isfinite(differences)
            if known.any():
                reach = max(reach, float(np.abs(differences[known]).max()))
            rows = np.arange(len(features)) + (position - (len(drawn) - 1) / 2) * 0.07
            style = style_of(name)
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": text(f"treatment.{name}"),
                    "x": differences[known].tolist(),
                    "y": rows[known].tolist(),
                    "hovertemplate": "%{x:.2f}",
                    "marker": {"symbol": style.symbol, "size": 8, "color": style.colour(theme)},
                }
            )
    base |= {"hovermode": "closest", "margin": {"l": 158, "r": 16, "t": 8, "b": 42}}
    base["xaxis"] = {
        **base["xaxis"],
        "range": [-reach * 1.1, reach * 1.1],
        "title": {**base["xaxis"]["title"], "text": text("who.balance_axis")},
    }
    base["yaxis"] = {
        **base["yaxis"],
        "range": [len(features) - 0.4, -0.6],
        "tickvals": list(range(len(features))),
        "ticktext": [text.feature(feature) for feature in features],
    }
    base["shapes"] = [
        {
            "type": "rect",
            "x0": -BALANCED,
            "x1": BALANCED,
            "y0": 0,
            "y1": 1,
            "yref": "paper",
            "fillcolor": theme.grid,
            "opacity": 0.7,
            "line": {"width": 0},
            "layer": "below",
        }
    ]
    if not traces:
        base["annotations"] = [
            {
                "text": text("who.nothing"),
                "x": 0.5,
                "y": 0.5,
                "xref": "paper",
                "yref": "paper",
                "showarrow": False,
                "font": {"size": 13, "color": theme.soft_ink},
            }
        ]
    return {"data": traces, "layout": base}
