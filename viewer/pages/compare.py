"""Results: every treatment class against one that the reader chooses, with intervals and without a ranking."""

from __future__ import annotations

from typing import Any

import dash
import dash_mantine_components as dmc
from dash import Input, Output, State, html
from dash.development.base_component import Component

from projection.contrast import CONTRAST_ESTIMATORS
from projection.result import Projection
from reference_db.vocabulary import Treatment
from viewer.answers import Answers
from viewer.components.accessible import aria
from viewer.components.gathered import gather
from viewer.figures.contrast import EDSS, Measure, contrast_figure
from viewer.figures.style import THEMES
from viewer.pages.disability import choice, figure_card
from viewer.session import Session
from viewer.text import Language, Text, catalogue

OUTCOMES = (EDSS, "worsening_24w", "relapse", "new_lesions")
FIGURE_HEIGHT = 340

FIRST_VIEW: dict[str, str] = {
    "reference": Treatment.UNTREATED.value,
    "measure": Measure.RISK.value,
    "estimator": CONTRAST_ESTIMATORS[0],
}
"""What is compared first, with what, and how."""


def figure_id(outcome: str) -> str:
    """Return the id of the figure that compares an outcome."""
    return f"compare-{outcome.replace('_', '-')}"


def reference_choice(element: str, label: str, value: str, text: Text) -> Component:
    """Return the choice of one treatment class."""
    return html.Div(
        [
            html.Label(label, htmlFor=element),
            dmc.Select(
                id=element,
                data=[{"value": one.value, "label": text(f"treatment.{one.value}")} for one in Treatment],
                value=value,
                allowDeselect=False,
                size="xs",
                comboboxProps={"transitionProps": {"duration": 0}, "withinPortal": False},
                **aria(label=label),
            ),
        ],
        className="view-choice",
    )


def layout(view: dict[str, str], text: Text) -> list[Component]:
    """Return the choices and a card per comparison."""
    cards = [
        figure_card(
            figure_id(outcome),
            text(f"compare.{outcome}"),
            html.P(text(f"compare.define.{outcome}")),
            text("compare.alt"),
            FIGURE_HEIGHT,
        )
        for outcome in OUTCOMES
    ]
    return [
        html.Div(
            [
                reference_choice("compare-reference", text("compare.reference"), view["reference"], text),
                choice(
                    "compare-measure",
                    text("compare.measure"),
                    _options("as", tuple(Measure), text),
                    view["measure"],
                ),
                choice(
                    "compare-estimator",
                    text("compare.estimator"),
                    _options("by", CONTRAST_ESTIMATORS, text),
                    view["estimator"],
                ),
            ],
            className="views",
        ),
        html.P(text("compare.caution"), id="compare-caution", className="notice"),
        html.Div(cards, className="figures small-figures"),
    ]


def _options(group: str, values: tuple[str, ...], text: Text) -> list[dict[str, str]]:
    return [{"value": str(value), "label": text(f"compare.{group}.{value}")} for value in values]


def register(app: dash.Dash, answers: Answers) -> None:
    """Wire the choices to the view, and session and view to the figures."""
    gather(app, "compare-view", {f"compare-{name}": "value" for name in FIRST_VIEW})

    @app.callback(
        output=(
            [Output(figure_id(outcome), "figure") for outcome in OUTCOMES],
            Output("compare-caution", "children"),
        ),
        inputs={
            "data": Input("session", "data"),
            "theme_name": Input("theme", "data"),
            "view": Input("compare-view", "data"),
            "language": State("language", "data"),
        },
    )
    def draw(
        data: dict[str, Any] | None, theme_name: str | None, view: dict[str, str], language: str
    ) -> tuple[list[dict[str, Any]], str]:
        if data is None or theme_name is None:
            raise dash.exceptions.PreventUpdate
        session, text = Session.of_json(data), catalogue(Language(language))
        contrasts = answers.contrasts(session, reference=view["reference"], estimator=view["estimator"])
        if contrasts is None:
            raise dash.exceptions.PreventUpdate
        figures = [
            contrast_figure(
                contrasts,
                outcome,
                measure=Measure(view["measure"]),
                shown=session.shown,
                text=text,
                theme=THEMES[theme_name],
            )
            for outcome in OUTCOMES
        ]
        return figures, caution(answers.of(session).projection, view["reference"], text)


def caution(projection: Projection | None, reference: str, text: Text) -> str:
    """Return what stands above the comparisons; where nothing can be compared, also why."""
    refused = {one.treatment for one in projection.classes if one.refusal is not None} if projection else set()
    if reference not in refused:
        return text("compare.caution")
    return f"{text('compare.caution')} {text('compare.refused', treatment=text(f'treatment.{reference}'))}"
