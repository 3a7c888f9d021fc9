"""Results: every outcome that the reference database holds, one small figure each."""

from __future__ import annotations

from typing import Any

import dash
from dash import Input, Output, State, html
from dash.development.base_component import Component

from viewer.answers import Answers
from viewer.components.gathered import gather
from viewer.figures.events import events_figure
from viewer.figures.lesions import KINDS, lesions_figure
from viewer.figures.style import THEMES
from viewer.pages.disability import figure_card, horizon_choice
from viewer.session import Session, past_scans
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
OWN_SCANS = {"enhancing": "gd_lesions", "new_t2": "new_t2_lesions"}
"""What the patient's own scans say of each kind of lesions: names of the exchange form."""

FIGURE_HEIGHT = 235


def figure_id(outcome: str) -> str:
    """Return the id of the figure of an outcome.

    >>> figure_id("loss_of_neda3")
    'outcome-loss-of-neda3'
    """
    return f"outcome-{outcome.replace('_', '-')}"


def lesions_id(kind: str) -> str:
    """Return the id of the figure of a kind of lesions.

    >>> lesions_id("new_t2")
    'lesions-new-t2'
    """
    return f"lesions-{kind.replace('_', '-')}"


def layout(horizon: str, text: Text) -> list[Component]:
    """Return one card per outcome."""
    cards = []
    for outcome in OUTCOMES:
        title = text(f"outcome.{outcome}.title")
        define = html.P(text(f"outcome.{outcome}.define"))
        alternative = text("outcome.alt", title=title, months=horizon)
        cards.append(figure_card(figure_id(outcome), title, define, alternative, FIGURE_HEIGHT))
    for kind in KINDS:
        title = text(f"lesions.{kind}.title")
        define = html.P(text(f"lesions.{kind}.define"))
        alternative = text("lesions.alt", title=title, months=horizon)
        cards.append(figure_card(lesions_id(kind), title, define, alternative, FIGURE_HEIGHT))
    return [
        html.Div([horizon_choice("outcomes-horizon", horizon, text)], className="views"),
        html.Div(cards, className="figures small-figures"),
    ]


def register(app: dash.Dash, answers: Answers) -> None:
    """Wire the horizon, and session and horizon to the figures."""
    gather(app, "outcomes-view", {"outcomes-horizon": "value"})

    @app.callback(
        output=[
            *[Output(figure_id(outcome), "figure") for outcome in OUTCOMES],
            *[Output(lesions_id(kind), "figure") for kind in KINDS],
        ],
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
        session, text, theme = Session.of_json(data), catalogue(Language(language)), THEMES[theme_name]
        answer, lesions = answers.of(session), answers.lesions(session)
        if answer.projection is None or answer.patient is None:
            raise dash.exceptions.PreventUpdate
        until = int(horizon)
        events = [
            events_figure(answer.projection, outcome, shown=session.shown, text=text, theme=theme, until=until)
            for outcome in OUTCOMES
        ]
        scans = [
            lesions_figure(
                lesions,
                kind,
                shown=session.shown,
                text=text,
                theme=theme,
                until=until,
                own=past_scans(session.form, OWN_SCANS[kind]),
            )
            for kind in KINDS
        ]
        return events + scans
