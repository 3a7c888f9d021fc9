"""One page to take home: what was looked at together, printable, with nothing of it stored."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import dash
from dash import ClientsideFunction, Input, Output, State, dcc, html
from dash.development.base_component import Component

from projection.result import ClassProjection, Projection
from reference_db.vocabulary import Treatment
from selection.criteria import BASELINES
from viewer.answers import Answers
from viewer.components.legend import swatch
from viewer.components.of_hundred import MONTH, OUTCOMES, reading_hint, share_in_words, share_of
from viewer.components.patient_form import example_note
from viewer.figures.course import course_figure
from viewer.figures.style import GRAPH_CONFIG, LIGHT
from viewer.pages.patient import plain_name
from viewer.paper import summary_pdf
from viewer.session import Form, Session, past_relapses, past_visits
from viewer.text import NOT_SHOWN, Language, Text, catalogue

CAVEATS = ("groups", "causal", "sources", "choice")
"""What every reader of the page must know."""

CHART_HEIGHT, SECOND_LINE = 250, 13
"""Of the chart, and of what it gives up for every row of the table that has a second line, in pixels."""

PAPER_CONFIG: Any = {**GRAPH_CONFIG, "staticPlot": True}


def layout(text: Text) -> Component:
    """Return the page; its sheet is filled from the session."""
    return html.Div(
        [
            html.Div(
                [
                    html.P(text("take_home.explain")),
                    html.Div(
                        [
                            html.Button(text("take_home.print"), id="print", className="primary", n_clicks=0),
                            html.Button(text("take_home.pdf"), id="pdf", className="quiet", n_clicks=0),
                            dcc.Download(id="pdf-file"),
                        ],
                        className="take-home-actions",
                    ),
                ],
                className="panel no-print take-home-head",
            ),
            html.Article(id="sheet", className="sheet"),
        ]
    )


def register(app: dash.Dash, answers: Answers) -> None:
    """Wire the page."""
    application: Any = app
    application.clientside_callback(
        ClientsideFunction("viewer", "print"),
        Output("document", "data", allow_duplicate=True),
        Input("print", "n_clicks"),
        prevent_initial_call=True,
    )

    @app.callback(Output("sheet", "children"), Input("session", "data"), State("language", "data"))
    def fill(data: dict[str, Any] | None, language: str) -> list[Component]:
        if data is None:
            raise dash.exceptions.PreventUpdate
        text, session = catalogue(Language(language)), Session.of_json(data)
        answer = answers.of(session)
        if answer.projection is None:
            return [html.P(text("patient.incomplete"))]
        return sheet(answer.projection, session, text)

    @app.callback(
        Output("pdf-file", "data"),
        Input("pdf", "n_clicks"),
        State("session", "data"),
        State("language", "data"),
        prevent_initial_call=True,
    )
    def download(clicks: int, data: dict[str, Any] | None, language: str) -> dict[str, Any]:
        text, session = catalogue(Language(language)), Session.of_json(data)
        projection = answers.of(session).projection
        if not clicks or projection is None:
            raise dash.exceptions.PreventUpdate
        file = summary_pdf(
            projection,
            session,
            described=" · ".join(filter(None, (example_note(session.form, text), described(session.form, text)))),
            weights=weights_in_words(projection, text),
            caveats=[text(f"take_home.caveat.{name}") for name in CAVEATS],
            now=datetime.now().astimezone(),
            text=text,
        )
        return {
            "filename": f"{text('take_home.file')}.pdf",
            "content": base64.b64encode(file).decode(),
            "base64": True,
            "type": "application/pdf",
        }


def sheet(projection: Projection, session: Session, text: Text) -> list[Component]:
    """Return what stands on the sheet of paper."""
    shown = [one for one in projection.classes if one.treatment in session.shown]
    today = datetime.now().astimezone().strftime(text("take_home.date_format"))
    return [
        html.Header(
            [html.H2(text("patient.title")), html.P(text("take_home.made", date=today, release=projection.release))],
            className="sheet-head",
        ),
        html.P(example_note(session.form, text), className="hint"),
        html.P(described(session.form, text), className="described"),
        html.P(text("patient.who", n=text.number(projection.k))),
        _table(shown, text),
        html.P(reading_hint(shown, text), className="hint"),
        html.H3(text("take_home.course")),
        dcc.Graph(
            figure=course_figure(
                projection,
                shown=session.shown,
                past=past_visits(session.form),
                relapses=past_relapses(session.form),
                text=text,
                theme=LIGHT,
            ),
            config=PAPER_CONFIG,
            style={"height": f"{chart_height(shown)}px"},
        ),
        html.H3(text("take_home.know")),
        html.Ul([html.Li(text(f"take_home.caveat.{name}")) for name in CAVEATS]),
        html.P(
            [
                html.Strong(text("product.research")),
                " · ",
                text("product.release", release=projection.release),
                " · ",
                text("take_home.weights", weights=weights_in_words(projection, text)),
            ],
            className="small-print",
        ),
    ]


def chart_height(shown: Sequence[ClassProjection]) -> int:
    """Return how high the chart is, in pixels: rows with a second line, for an earlier month, take of its place.

    The sheet stays one page of paper.
    """
    readings = ([share_of(one, outcome) for outcome in OUTCOMES] for one in shown)
    longer = sum(any(one is not None and one.month != MONTH for one in row) for row in readings)
    return CHART_HEIGHT - SECOND_LINE * longer


def described(form: Form, text: Text) -> str:
    """Return the patient in one line, without anything unknown."""
    values = form.as_document()
    parts = [text("take_home.about.age", value=text.number(values["age"]))]
    parts += [text(f"form.{name}.{values[name]}") for name in ("sex", "phenotype") if name in values]
    if "years_since_onset" in values:
        years = round(values["years_since_onset"])
        parts.append(text(f"take_home.about.onset.{min(years, 2)}", value=text.number(years)))
    numbers = (("edss", 1), ("relapses_12m", 0), ("gd_lesions", 0))
    parts += [
        text(f"take_home.about.{name}", value=text.number(values[name], decimals))
        for name, decimals in numbers
        if name in values
    ]
    return " · ".join(parts)


def weights_in_words(projection: Projection, text: Text) -> str:
    """Return the weights of the similarity, heaviest first, as shares of their sum, and the visits compared."""
    total = sum(projection.weights.values()) or 1.0
    heaviest = sorted(projection.weights.items(), key=lambda item: -item[1])
    words = ", ".join(f"{text(f'feature.{name}')} {text.percent(weight / total)}" for name, weight in heaviest)
    return words if projection.baselines == BASELINES[0] else f"{words}; {text('similarity.met_said')}"


def _table(shown: list[ClassProjection], text: Text) -> Component:
    heads = [text("table.treatment"), *(text(f"patient.outcome.{outcome}.column") for outcome in OUTCOMES)]
    rows = []
    for one in sorted(shown, key=lambda one: one.treatment != Treatment.UNTREATED.value):
        cells: list[Component] = []
        for outcome in OUTCOMES:
            share = share_of(one, outcome)
            if share is None:
                cells.append(html.Td(NOT_SHOWN if one.refusal is None else text("patient.too_few_short")))
                continue
            words, likely, after = share_in_words(share, text)
            month = [html.Br(), html.Span(after, className="other-month")] if after else []
            cells.append(html.Td([html.Strong(words), html.Span(likely, className="interval"), *month]))
        name = html.Span([swatch(Treatment(one.treatment)), plain_name(one.treatment, text)], className="row-name")
        rows.append(html.Tr([html.Th(name, scope="row"), *cells]))
    return html.Table(
        [
            html.Caption(text("take_home.table")),
            html.Thead(html.Tr([html.Th(head, scope="col") for head in heads])),
            html.Tbody(rows),
        ],
        className="outcomes",
    )
