"""The neurologist's page: the patient at the left, at the right what became of similar ones under each treatment."""

from __future__ import annotations

from typing import Any

import dash
import dash_mantine_components as dmc
from dash import Input, Output, State, dcc, html, no_update
from dash.development.base_component import Component

from projection.result import ClassProjection, Projection
from reference_db.small_cells import SMALL_CELL
from reference_db.vocabulary import Treatment
from selection.selector import FEWEST
from viewer.answers import Answers
from viewer.components.accessible import aria
from viewer.components.legend import count_id, legend
from viewer.components.outcome_table import outcome_table
from viewer.components.patient_form import (
    FIELDS,
    ChoiceField,
    NumberField,
    allowed,
    as_mapping,
    error_id,
    field_id,
    patient_form,
)
from viewer.figures.course import course_figure
from viewer.figures.events import events_figure
from viewer.figures.style import GRAPH_CONFIG, THEMES
from viewer.session import EXAMPLES, HISTORY_ROWS, Form, Session, past_visits
from viewer.text import Language, Text, catalogue

NUMBERS = tuple(field for field in FIELDS if isinstance(field, NumberField))
CHOICES = tuple(field for field in FIELDS if isinstance(field, ChoiceField))
FIGURE_HEIGHT = 350

FIRST_VIEW: dict[str, str] = {"arrangement": "together", "band": "expected", "horizon": "24"}
"""How the figures are looked at first: the choices above them, by element."""


def layout(session: Session, text: Text) -> Component:
    """Return the page, its form filled from the session."""
    return html.Div(
        [
            patient_form(session.form, text),
            html.Div(
                [
                    html.Div(id="correct", className="correct stay", role="alert"),
                    legend(session.shown, text),
                    html.Div(id="refusals", className="notice", role="status"),
                    _views(text),
                    html.Div(
                        [
                            _card("course", "figure-edss", text("course.title"), "", text),
                            _card(
                                "worsening",
                                "figure-worsening",
                                text("outcome.worsening_24w.title"),
                                text("outcome.worsening_24w.define"),
                                text,
                            ),
                        ],
                        id="figures",
                        className="figures",
                    ),
                    html.Div(html.Div(id="outcome-table"), className="card card-wide"),
                ],
                id="results",
                className="results",
                **aria(live="polite"),
            ),
        ],
        className="consultation",
    )


def _card(name: str, figure: str, title: str, define: str, text: Text) -> Component:
    months = 24
    alt = text("course.alt", months=months) if name == "course" else text("outcome.alt", title=title, months=months)
    return html.Section(
        [
            html.H3(title, id=f"{name}-title"),
            html.P(define, id=f"{name}-define"),
            html.Div(
                dcc.Graph(
                    id=figure,
                    figure={"data": [], "layout": {"xaxis": {"visible": False}, "yaxis": {"visible": False}}},
                    config=GRAPH_CONFIG,
                    style={"height": f"{FIGURE_HEIGHT}px"},
                ),
                role="img",
                **aria(label=alt),
            ),
        ],
        className="card",
        **aria(labelledby=f"{name}-title"),
    )


def _views(text: Text) -> Component:
    def choice(element: str, label: str, options: dict[str, str], value: str) -> Component:
        return html.Div(
            [
                html.Span(label, id=f"{element}-label"),
                dmc.SegmentedControl(
                    id=element,
                    data=[{"value": key, "label": words} for key, words in options.items()],
                    value=value,
                    size="xs",
                    transitionDuration=0,
                    **aria(labelledby=f"{element}-label"),
                ),
            ],
            className="view-choice",
        )

    return html.Div(
        [
            choice(
                "arrangement",
                text("view.arrangement"),
                {"together": text("view.together"), "apart": text("view.apart")},
                "together",
            ),
            choice(
                "band",
                text("view.band"),
                {"expected": text("view.expected"), "individual": text("view.individual")},
                "expected",
            ),
            choice(
                "horizon",
                text("view.horizon"),
                {"24": text("view.years", years=2), "60": text("view.years", years=5)},
                "24",
            ),
        ],
        className="views",
    )


def register(app: dash.Dash, answers: Answers) -> None:
    """Wire the page: form to session, session to results."""
    _wire_form(app, answers)
    _wire_examples(app)
    _wire_results(app, answers)


def _wire_form(app: dash.Dash, answers: Answers) -> None:
    @app.callback(
        output=(
            Output("session", "data", allow_duplicate=True),
            [Output(field_id(field.name), "error") for field in NUMBERS],
            [Output(error_id(field.name), "children") for field in CHOICES],
            Output(error_id("history"), "children"),
        ),
        inputs={
            "values": [Input(field_id(field.name), "value") for field in FIELDS],
            "months": [Input(f"poi-history-months-{row}", "value") for row in range(HISTORY_ROWS)],
            "edss": [Input(f"poi-history-edss-{row}", "value") for row in range(HISTORY_ROWS)],
            "shown": Input("legend", "value"),
            "data": State("session", "data"),
            "language": State("language", "data"),
        },
        prevent_initial_call="initial_duplicate",
    )
    def read_form(
        values: list[Any],
        months: list[Any],
        edss: list[Any],
        shown: list[str],
        data: dict[str, Any] | None,
        language: str,
    ) -> tuple[Any, ...]:
        text = catalogue(Language(language or "en"))
        history = tuple(
            (month, value)
            for month, value in zip(months, edss, strict=True)
            if month not in (None, "") or value not in (None, "")
        )
        before = Session.of_json(data)
        session = Session(
            form=Form(as_mapping(tuple(None if value == "" else value for value in values)), history),
            shown=tuple(treatment.value for treatment in Treatment if treatment.value in shown),
            similarity=before.similarity,
        )
        wrong = {problem.field.partition("[")[0] for problem in answers.of(session).problems}
        says = {name: _complaint(name, session.form, text) for name in wrong}
        return (
            session.as_json(),
            [says.get(field.name) for field in NUMBERS],
            [says.get(field.name) for field in CHOICES],
            says.get("history"),
        )

    application: Any = app
    for field in NUMBERS:
        if not field.required:
            application.clientside_callback(
                dash.ClientsideFunction("viewer", "forget"),
                Output(field_id(field.name), "value", allow_duplicate=True),
                Input(f"{field_id(field.name)}-unknown", "n_clicks"),
                prevent_initial_call=True,
            )


def _complaint(name: str, form: Form, text: Text) -> str:
    missing = name != "history" and form.values.get(name) in (None, "")
    return text("form.number_missing" if missing else "form.number_wrong", allowed=allowed(name, text))


def _wire_examples(app: dash.Dash) -> None:
    @app.callback(
        output=(
            [Output(field_id(field.name), "value", allow_duplicate=True) for field in FIELDS],
            [Output(f"poi-history-months-{row}", "value") for row in range(HISTORY_ROWS)],
            [Output(f"poi-history-edss-{row}", "value") for row in range(HISTORY_ROWS)],
        ),
        inputs={"clicks": [Input(f"example-{name}", "n_clicks") for name in EXAMPLES]},
        prevent_initial_call=True,
    )
    def fill_in(clicks: list[int]) -> tuple[list[Any], list[Any], list[Any]]:
        name = str(dash.ctx.triggered_id or "").removeprefix("example-")
        if name not in EXAMPLES or not any(clicks):
            raise dash.exceptions.PreventUpdate
        form = EXAMPLES[name]
        visits = [*form.history, *[("", "")] * (HISTORY_ROWS - len(form.history))]
        values = ["" if (value := form.values.get(field.name)) is None else value for field in FIELDS]
        return values, [months for months, _ in visits], [edss for _, edss in visits]


def _wire_results(app: dash.Dash, answers: Answers) -> None:
    @app.callback(
        output=Output("view", "data"),
        inputs={name: Input(name, "value") for name in FIRST_VIEW},
        prevent_initial_call=True,
    )
    def look(**view: str) -> dict[str, str]:
        return view

    @app.callback(
        output=(
            Output("figure-edss", "figure"),
            Output("figure-worsening", "figure"),
            Output("course-define", "children"),
            Output("outcome-table", "children"),
            [Output(count_id(treatment), "children") for treatment in Treatment],
            Output("refusals", "children"),
            Output("correct", "children"),
            Output("figures", "className"),
            Output("results", "className"),
        ),
        inputs={
            "data": Input("session", "data"),
            "theme_name": Input("theme", "data"),
            "view": Input("view", "data"),
            "language": State("language", "data"),
        },
    )
    def draw(
        data: dict[str, Any] | None, theme_name: str | None, view: dict[str, str], language: str
    ) -> tuple[Any, ...]:
        if data is None or theme_name is None:
            raise dash.exceptions.PreventUpdate
        session, text, theme = Session.of_json(data), catalogue(Language(language or "en")), THEMES[theme_name]
        answer = answers.of(session)
        if answer.projection is None:
            return (
                *[no_update] * 4,
                [no_update] * len(Treatment),
                no_update,
                text("form.correct"),
                no_update,
                "results stale",
            )
        until, apart, band = int(view["horizon"]), view["arrangement"] == "apart", view["band"]
        edss = course_figure(
            answer.projection,
            shown=session.shown,
            past=past_visits(session.form),
            text=text,
            theme=theme,
            until=until,
            individuals=band == "individual",
            apart=apart,
        )
        worsening = events_figure(
            answer.projection,
            "worsening_24w",
            shown=session.shown,
            text=text,
            theme=theme,
            until=until,
            apart=apart,
        )
        return (
            edss,
            worsening,
            text(f"course.{band}"),
            outcome_table(answer.projection, shown=session.shown, month=24, text=text),
            class_counts(answer.projection, text),
            refusals(answer.projection, text),
            None,
            "figures apart" if apart else "figures",
            "results",
        )


def class_counts(projection: Projection, text: Text) -> list[str]:
    """Return what the legend says of each class: patients of reference, or that they are too few."""
    by_class = {one.treatment: one for one in projection.classes}
    words = []
    for treatment in Treatment:
        one = by_class.get(treatment.value)
        if one is None:
            words.append("")
        elif one.refusal is not None:
            words.append(text("legend.refused"))
        else:
            words.append(text("legend.counts", n=text.number(one.n)))
    return words


def refusals(projection: Projection, text: Text) -> list[Component] | None:
    """Return why classes are not shown, in place and each reason once; None when all are."""
    reasons: dict[str, list[str]] = {}
    for one in projection.classes:
        if one.refusal is not None:
            reasons.setdefault(refusal_in_words(one, text), []).append(text(f"treatment.{one.treatment}"))
    if not reasons:
        return None
    return [
        html.H3(text("refusal.title")),
        html.Ul([html.Li([html.Strong(", ".join(names)), ": ", reason]) for reason, names in reasons.items()]),
    ]


def refusal_in_words(one: ClassProjection, text: Text) -> str:
    """Return why a class is not shown; a count too small to be given out arrives here as 0."""
    if one.n_eligible >= FEWEST:
        number = text.number(one.n) if one.n else text("refusal.under", n=SMALL_CELL)
        return text("refusal.few_similar", n=number, eligible=text.number(one.n_eligible), needed=FEWEST)
    number = text.number(one.n_eligible) if one.n_eligible else text("refusal.under", n=SMALL_CELL)
    return text("refusal.few_eligible", n=number, needed=FEWEST)
