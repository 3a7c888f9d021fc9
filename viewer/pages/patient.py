"""The patient's page: the same answer in plain words and pictures of a hundred people, shown only when asked for."""

from __future__ import annotations

from typing import Any

import dash
import dash_mantine_components as dmc
from dash import ClientsideFunction, Input, Output, State, html
from dash.development.base_component import Component

from projection.reading import Reading
from projection.result import ClassProjection, Projection
from reference_db.vocabulary import Treatment
from viewer.answers import Answers
from viewer.components.accessible import aria
from viewer.components.gathered import gather
from viewer.components.legend import legend
from viewer.components.of_hundred import MONTH, OUTCOMES, hundred, share_of
from viewer.components.patient_form import example_note
from viewer.figures.icon_array import icon_array
from viewer.figures.style import THEMES, Theme, style_of
from viewer.session import Session
from viewer.text import Language, Text, catalogue

FIRST_VIEW: dict[str, Any] = {"outcome": OUTCOMES[0], "certainty": False}
"""What the page shows first."""


def layout(session: Session, text: Text) -> Component:
    """Return the page: first the question whether to look at all, then, hidden until asked for, the answer."""
    return html.Div(
        [
            html.Div(
                [
                    html.H2(text("patient.before.title")),
                    html.P(text("patient.before.words")),
                    html.P(text("patient.before.groups")),
                    html.Div(
                        [
                            html.Button(
                                text("patient.before.show"), id="patient-show", className="primary", n_clicks=0
                            ),
                            html.Button(text("patient.before.not_now"), id="patient-not-now", n_clicks=0),
                        ],
                        className="answers",
                    ),
                    html.P(id="patient-farewell", role="status"),
                ],
                id="patient-before",
                className="panel patient-before",
            ),
            html.Div(
                [
                    html.H2(text("patient.title"), id="patient-answer-title", tabIndex=-1),
                    html.P(id="patient-example", className="hint"),
                    html.P(id="patient-who", className="lead"),
                    html.Div(
                        [
                            html.Span(text("patient.question"), id="patient-question"),
                            dmc.SegmentedControl(
                                id="patient-outcome",
                                data=[
                                    {"value": outcome, "label": text(f"patient.outcome.{outcome}.ask")}
                                    for outcome in OUTCOMES
                                ],
                                value=OUTCOMES[0],
                                size="md",
                                transitionDuration=0,
                                **aria(labelledby="patient-question"),
                            ),
                            dmc.Switch(
                                id="patient-certainty", label=text("patient.certainty"), checked=False, size="md"
                            ),
                        ],
                        className="patient-question",
                    ),
                    html.P(id="patient-define", className="lead"),
                    legend(session.shown, text, element="patient-legend", name=plain_name),
                    html.Div(id="patient-arrays", className="arrays"),
                    html.P(text("patient.not_you"), className="notice"),
                ],
                id="patient-answer",
                className="patient-answer",
                hidden=True,
            ),
        ]
    )


def register(app: dash.Dash, answers: Answers) -> None:
    """Wire the page."""

    @app.callback(
        Output("patient-before", "hidden"),
        Output("patient-answer", "hidden"),
        Output("patient-farewell", "children"),
        Input("patient-show", "n_clicks"),
        Input("patient-not-now", "n_clicks"),
        State("language", "data"),
        prevent_initial_call=True,
    )
    def decide(show: int, not_now: int, language: str) -> tuple[bool, bool, str]:
        wanted = dash.ctx.triggered_id == "patient-show" and bool(show)
        text = catalogue(Language(language))
        return wanted, not wanted, text("patient.before.farewell") if not_now and not wanted else ""

    application: Any = app
    application.clientside_callback(
        ClientsideFunction("viewer", "answerShown"),
        Output("document", "data", allow_duplicate=True),
        Input("patient-answer", "hidden"),
        prevent_initial_call=True,
    )
    application.clientside_callback(
        ClientsideFunction("viewer", "showClasses"),
        Output("session", "data", allow_duplicate=True),
        Input("patient-legend", "value"),
        State("session", "data"),
        prevent_initial_call=True,
    )
    gather(app, "patient-view", {"patient-outcome": "value", "patient-certainty": "checked"})

    @app.callback(
        Output("patient-example", "children"),
        Output("patient-who", "children"),
        Output("patient-define", "children"),
        Output("patient-arrays", "children"),
        Input("patient-view", "data"),
        Input("session", "data"),
        Input("theme", "data"),
        State("language", "data"),
    )
    def draw(
        view: dict[str, Any],
        data: dict[str, Any] | None,
        theme_name: str | None,
        language: str,
    ) -> tuple[Any, ...]:
        if data is None or theme_name is None:
            raise dash.exceptions.PreventUpdate
        outcome = str(view["outcome"])
        session, text = Session.of_json(data), catalogue(Language(language))
        answer = answers.of(session)
        if answer.projection is None:
            return "", text("patient.incomplete"), "", []
        return (
            example_note(session.form, text),
            text("patient.who", n=text.number(answer.projection.k)),
            text(f"patient.outcome.{outcome}.define"),
            arrays(
                answer.projection,
                outcome,
                session=session,
                text=text,
                theme=THEMES[theme_name],
                certainty=bool(view["certainty"]),
            ),
        )


def arrays(
    projection: Projection, outcome: str, *, session: Session, text: Text, theme: Theme, certainty: bool
) -> list[Component]:
    """Return a card per class shown: no treatment first, to compare the others with, then the fixed order.

    Classes with too few people to say anything share one card at the end, so that the pictures stand side by side.
    """
    ordered = sorted(projection.classes, key=lambda one: one.treatment != Treatment.UNTREATED.value)
    cards, lacking = [], []
    for one in ordered:
        if one.treatment not in session.shown:
            continue
        share = share_of(one, outcome)
        if share is None:
            lacking.append(plain_name(one.treatment, text))
        else:
            cards.append(_card(one, share, outcome, text=text, theme=theme, certainty=certainty))
    if lacking:
        names = html.Ul([html.Li(name) for name in lacking])
        words = html.H3(text("patient.too_few"))
        cards.append(html.Section([words, names], className="card array-card lacking"))
    return cards


def plain_name(treatment: str, text: Text) -> str:
    """Return the name of a class as a patient would say it."""
    return text("patient.untreated") if treatment == Treatment.UNTREATED.value else text(f"treatment.{treatment}")


def _card(
    one: ClassProjection, reading: Reading, outcome: str, *, text: Text, theme: Theme, certainty: bool
) -> Component:
    title, share = html.H3(plain_name(one.treatment, text)), reading.estimate
    event, lower, upper = hundred(share.value), hundred(share.lower), hundred(share.upper)
    until = text("patient.until", months=reading.month) if reading.month != MONTH else ""
    happened = text(f"patient.outcome.{outcome}.event", count=event)
    spared = text(f"patient.outcome.{outcome}.spared", count=100 - event)
    picture = html.Img(
        src=icon_array(
            event, theme, colour=style_of(one.treatment).colour(theme), likely=(lower, upper) if certainty else None
        ),
        alt=" ".join(filter(None, (until, happened, spared))),
        className="icon-array",
    )
    sure = html.P(text("patient.likely", lower=lower, upper=upper), className="likely") if certainty else None
    return html.Section(
        [
            title,
            picture,
            html.P([html.Strong(happened), html.Br(), spared], className="framing"),
            *([html.P(until, className="notice until")] if until else []),
            *([sure] if sure else []),
            html.P(text("patient.based_on", n=text.number(one.n)), className="hint"),
        ],
        className="card array-card",
    )
