"""Results: every outcome that the reference database holds, one small figure each."""

from __future__ import annotations

from typing import Any

import dash
from dash import Input, Output, State, html
from dash.development.base_component import Component

from viewer.answers import Answers
from viewer.figures.events import events_figure
from viewer.figures.style import THEMES
from viewer.pages.disability import figure_card, horizon_choice
from viewer.session import Session
from viewer.text import Language, Text, catalogue

OUTCOMES = (
    "relapse",
    "new_lesions",
    "loss_of_neda3",
    "worsening_24w",
    "worsening_12w",
    "pira",
    "raw",
    "improvement",
)
FIGURE_HEIGHT = 235


def figure_id(outcome: str) -> str:
    """Return the id of the figure of an outcome.

    >>> figure_id("loss_of_neda3")
    'outcome-loss-of-neda3'
    """
    return f"outcome-{outcome.replace('_', '-')}"


def layout(horizon: str, text: Text) -> list[Component]:
    """Return one card per outcome."""
    cards = []
    for outcome in OUTCOMES:
        title = text(f"outcome.{outcome}.title")
        define = html.P(text(f"outcome.{outcome}.define"))
        alternative = text("outcome.alt", title=title, months=horizon)
        cards.append(figure_card(figure_id(outcome), title, define, alternative, FIGURE_HEIGHT))
    return [
        html.Div([horizon_choice("outcomes-horizon", horizon, text)], className="views"),
        html.Div(cards, className="figures small-figures"),
    ]


def register(app: dash.Dash, answers: Answers) -> None:
    """Wire the horizon, and session and horizon to the figures."""

    @app.callback(Output("outcomes-view", "data"), Input("outcomes-horizon", "value"), prevent_initial_call=True)
    def look(horizon: str) -> str:
        return horizon

    @app.callback(
        output=[Output(figure_id(outcome), "figure") for outcome in OUTCOMES],
        inputs={
            "data": Input("session", "data"),
            "theme_name": Input("theme", "data"),
            "horizon": Input("outcomes-view", "data"),
            "language": State("language", "data"),
        },
    )
    def draw(
        data: dict[str, Any] | None, theme_name: str | None, horizon: str, language: str
    ) -> list[dict[str, Any]]:
        if data is None or theme_name is None:
            raise dash.exceptions.PreventUpdate
        session = Session.of_json(data)
        projection = answers.of(session).projection
        if projection is None:
            raise dash.exceptions.PreventUpdate
        return [
            events_figure(
                projection,
                outcome,
                shown=session.shown,
                text=catalogue(Language(language)),
                theme=THEMES[theme_name],
                until=int(horizon),
            )
            for outcome in OUTCOMES
        ]
