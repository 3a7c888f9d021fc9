"""What the user may change about who counts as similar: how many, from where, hard criteria, calipers, weights.

The weights are shown as what they were learned to be, times what the user makes of them: 0 ignores a feature, 1
leaves it as learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from reference_db.vocabulary import SourceKind
from selection.criteria import BASELINES
from viewer.components.accessible import told
from viewer.session import Similarity
from viewer.text import Text

MOST = 4.0
"""Largest factor on a learned weight."""

CALIPERS = {"age": (0, 30, 1), "edss": (0, 5, 0.5)}
"""Calipers offered: smallest, largest and step, in the unit of the feature; the largest stands for none."""

SIZES = ("50", "100", "200", "500")
SAME = ("sex", "prior_treatment")


def similarity_controls(asked: Similarity, learned: Mapping[str, float], text: Text) -> Component:
    """Return the panel, set as the session has it.

    Parameters
    ----------
    asked : Similarity
    learned : mapping of str to float
        Weight of every feature as the release has it.
    text : Text
    """
    return html.Section(
        [
            html.Div(
                [
                    html.H3(text("similarity.title")),
                    html.Button(text("similarity.reset"), id="similarity-reset", className="forget", n_clicks=0),
                ],
                className="panel-head",
            ),
            _sizes(asked, text),
            _baselines(asked, text),
            _criteria(asked, text),
            *[_caliper(name, asked, text) for name in CALIPERS],
            html.H3(text("similarity.weights")),
            html.P(text("similarity.weights_hint"), className="hint"),
            *[_weight(name, weight, learned, asked, text) for name, weight in learned.items()],
        ],
        className="card card-wide similarity",
    )


def weight_id(name: str) -> dict[str, str]:
    """Return the id of the slider of a feature's weight."""
    return {"weight": name}


def _sizes(asked: Similarity, text: Text) -> Component:
    return html.Fieldset(
        [
            html.Legend(text("similarity.k")),
            dmc.SegmentedControl(
                id="similarity-k", data=list(SIZES), value=str(asked.k or 200), fullWidth=True, size="xs"
            ),
        ],
        className="field",
    )


def _baselines(asked: Similarity, text: Text) -> Component:
    return html.Fieldset(
        [
            html.Legend(text("similarity.baselines")),
            dmc.SegmentedControl(
                id="similarity-baselines",
                data=[{"value": value, "label": text(f"similarity.met.{value}")} for value in BASELINES],
                value=asked.criteria.get("baselines", BASELINES[0]),
                fullWidth=True,
                size="xs",
            ),
            # Its line is always there, so that nothing below moves when it says something.
            html.P(id="similarity-wait", className="wait", role="status", **told(waiting=text("similarity.wait"))),
            html.P(text("similarity.baselines_hint"), className="hint"),
        ],
        className="field",
    )


def _criteria(asked: Similarity, text: Text) -> Component:
    kinds = asked.criteria.get("source_kinds", [kind.value for kind in SourceKind])
    return html.Div(
        [
            html.Fieldset(
                [
                    html.Legend(text("similarity.sources")),
                    dmc.SegmentedControl(
                        id="similarity-sources",
                        data=[
                            {"value": value, "label": text(f"similarity.{value}")}
                            for value in ("both", *(kind.value for kind in SourceKind))
                        ],
                        value=kinds[0] if len(kinds) == 1 else "both",
                        fullWidth=True,
                        size="xs",
                    ),
                ],
                className="field",
            ),
            html.Fieldset(
                [
                    html.Legend(text("similarity.same")),
                    dmc.CheckboxGroup(
                        html.Div(
                            [
                                dmc.Checkbox(label=text(f"feature.{name}"), value=name, size="xs", radius="xs")
                                for name in SAME
                            ],
                            className="same",
                        ),
                        id="similarity-same",
                        value=[name for name in SAME if name in asked.criteria.get("same", ())],
                    ),
                ],
                className="field",
            ),
        ]
    )


def _caliper(name: str, asked: Similarity, text: Text) -> Component:
    smallest, largest, step = CALIPERS[name]
    value = asked.criteria.get("calipers", {}).get(name, largest)
    return _slider(
        f"similarity-caliper-{name}",
        text(f"similarity.caliper.{name}"),
        text("similarity.caliper.hint", largest=text.number(largest)),
        value,
        (smallest, largest, step),
    )


def _weight(name: str, weight: float, learned: Mapping[str, float], asked: Similarity, text: Text) -> Component:
    share = weight / (sum(learned.values()) or 1.0)
    factor = asked.weights[name] / weight if name in asked.weights and weight else 1.0
    return _slider(
        weight_id(name),
        text.feature(name),
        text.percent(share),
        round(factor, 2),
        (0, MOST, 0.25),
    )


def _slider(
    element: str | dict[str, str], label: str, hint: str, value: float, bounds: tuple[float, float, float]
) -> Component:
    smallest, largest, step = bounds
    return html.Div(
        [
            html.Div([html.Span(label), html.Span(hint, className="hint")], className="slider-head"),
            dmc.Slider(
                id=element,
                min=smallest,
                max=largest,
                step=step,
                value=value,
                updatemode="mouseup",
                size="sm",
                showLabelOnHover=True,
                thumbLabel=label,
            ),
        ],
        className="slider",
    )


def criteria_of(*, sources: str, same: list[str], baselines: str, calipers: Mapping[str, float]) -> dict[str, Any]:
    """Return criteria as `selection.parse_criteria` reads them; what is left open is left out."""
    criteria: dict[str, Any] = {}
    if same:
        criteria["same"] = ["phenotype", *same]
    if sources != "both":
        criteria["source_kinds"] = [sources]
    if baselines != BASELINES[0]:
        criteria["baselines"] = baselines
    bounded = {name: value for name, value in calipers.items() if value < CALIPERS[name][1]}
    if bounded:
        criteria["calipers"] = bounded
    return criteria
