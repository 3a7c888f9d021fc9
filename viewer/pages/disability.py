"""Results: how disability went under each treatment, and the table of all numbers."""

from __future__ import annotations

from typing import Any

import dash
import dash_mantine_components as dmc
from dash import Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from viewer.answers import Answers
from viewer.components.accessible import aria
from viewer.components.gathered import gather
from viewer.components.outcome_table import outcome_table
from viewer.components.plain_table import register_table, table_slot
from viewer.figures.bands import banded
from viewer.figures.course import Spread, course_figure
from viewer.figures.events import events_figure
from viewer.figures.style import EMPTY, GRAPH_CONFIG, THEMES
from viewer.session import Session, past_relapses, past_visits
from viewer.text import Language, Text, catalogue

FIGURE_HEIGHT = 350
MONTH = 24

FIRST_VIEW: dict[str, str] = {"arrangement": "together", "band": "expected", "horizon": "24"}
"""How the figures are looked at first: the choices above them, by element."""


def layout(view: dict[str, str], text: Text) -> list[Component]:
    """Return the results with the choices above them set as in the view; figures come when there is an answer."""
    return [
        html.Div(
            [
                view_choice("arrangement", ("together", "apart"), view, text),
                view_choice("band", tuple(Spread), view, text),
                horizon_choice("horizon", view["horizon"], text),
            ],
            className="views",
        ),
        html.Div(
            [
                figure_card(
                    "figure-edss",
                    text("course.title"),
                    html.P(id="course-define"),
                    text("course.alt", months=MONTH),
                    FIGURE_HEIGHT,
                ),
                figure_card(
                    "figure-worsening",
                    text("outcome.worsening_24w.title"),
                    html.P(text("outcome.worsening_24w.define")),
                    text("outcome.alt", title=text("outcome.worsening_24w.title"), months=MONTH),
                    FIGURE_HEIGHT,
                ),
            ],
            id="figures",
            className="figures",
        ),
        html.Div(table_slot("outcome-table", text("table.title", months=MONTH)), className="card card-wide"),
    ]


def figure_card(element: str, title: str, define: Component, alternative: str, height: int) -> Component:
    """Return a card with a graph to be filled, of fixed height so that nothing moves when it is."""
    return html.Section(
        [
            html.H3(title, id=f"{element}-title"),
            define,
            html.Div(
                dcc.Graph(
                    id=element,
                    figure=EMPTY,
                    config=GRAPH_CONFIG,
                    style={"height": f"{height}px"},
                ),
                role="img",
                style={"height": f"{height}px"},
                **aria(label=alternative),
            ),
        ],
        className="card",
        **aria(labelledby=f"{element}-title"),
    )


def view_choice(element: str, values: tuple[str, ...], view: dict[str, str], text: Text) -> Component:
    """Return a choice between ways to look, its words those of the catalogue's ``view``."""
    options = [{"value": value, "label": text(f"view.{value}")} for value in values]
    return choice(element, text(f"view.{element}"), options, view[element])


def horizon_choice(element: str, value: str, text: Text) -> Component:
    """Return the choice of how far to look ahead."""
    options = [{"value": str(12 * years), "label": text("view.years", years=years)} for years in (2, 5)]
    return choice(element, text("view.horizon"), options, value)


def choice(element: str, label: str, options: list[dict[str, str]], value: str) -> Component:
    """Return one choice among a few words, with its label."""
    return html.Div(
        [
            html.Span(label, id=f"{element}-label"),
            dmc.SegmentedControl(
                id=element,
                data=options,
                value=value,
                size="xs",
                transitionDuration=0,
                **aria(labelledby=f"{element}-label"),
            ),
        ],
        className="view-choice",
    )


def define(spread: Spread, text: Text, *, until: int, shaded: bool) -> str:
    """Return what the figure of the EDSS shows, in a sentence."""
    if spread is Spread.SINGLE:
        return text("course.single")
    return text(f"course.{spread}.band") if shaded else text(f"course.{spread}.bars", months=until)


def register(app: dash.Dash, answers: Answers) -> None:
    """Wire the choices to the view, and session and view to the results."""
    register_table(app, "outcome-table")

    gather(app, "view", dict.fromkeys(FIRST_VIEW, "value"))

    @app.callback(
        Output("figure-edss", "figure"),
        Output("figure-worsening", "figure"),
        Output("course-define", "children"),
        Output("outcome-table-data", "data"),
        Output("figures", "className"),
        Input("session", "data"),
        Input("theme", "data"),
        Input("view", "data"),
        State("language", "data"),
        State("course-define", "children"),
        State("figures", "className"),
    )
    def draw(
        data: dict[str, Any] | None,
        theme_name: str | None,
        view: dict[str, str],
        language: str,
        said: str | None,
        arranged: str,
    ) -> tuple[Any, ...]:
        if data is None or theme_name is None:
            raise dash.exceptions.PreventUpdate
        session, text, theme = Session.of_json(data), catalogue(Language(language)), THEMES[theme_name]
        projection = answers.of(session).projection
        if projection is None:
            raise dash.exceptions.PreventUpdate
        own_relapses = past_relapses(session.form)
        until, spread = int(view["horizon"]), Spread(view["band"])
        drawn = sum(one.treatment in session.shown and one.refusal is None for one in projection.classes)
        # Single patients of many classes in one area would be a thicket.
        apart = view["arrangement"] == "apart" or (spread is Spread.SINGLE and not banded(drawn))
        singles = answers.single_courses(session) if spread is Spread.SINGLE else ()
        edss = course_figure(
            projection,
            shown=session.shown,
            past=past_visits(session.form),
            relapses=own_relapses,
            text=text,
            theme=theme,
            until=until,
            spread=spread,
            singles=singles,
            apart=apart,
        )
        worsening = events_figure(
            projection, "worsening_24w", shown=session.shown, text=text, theme=theme, until=until, apart=apart
        )
        table = outcome_table(projection, shown=session.shown, month=MONTH, text=text)
        says = define(spread, text, until=until, shaded=apart or banded(drawn))
        if own_relapses and spread is not Spread.SINGLE:
            says = f"{says}. {text('course.own_relapses')}"
        look = "figures apart" if apart else "figures"
        # What is as it was is not sent: every property that is set costs the page a look at all its parts.
        return (
            edss,
            worsening,
            no_update if says == said else says,
            table,
            no_update if look == arranged else look,
        )
