"""The neurologist's page: the patient at the left, at the right what became of similar ones under each treatment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dash
import dash_mantine_components as dmc
from dash import Input, Output, State, html
from dash.development.base_component import Component

from projection.result import Projection
from reference_db.vocabulary import Treatment
from viewer.answers import Answers
from viewer.components.accessible import aria
from viewer.components.gathered import gather
from viewer.components.legend import count_id, legend
from viewer.components.outcome_table import refusal_in_words
from viewer.components.patient_form import error_id, example_note, field_id, patient_form
from viewer.components.second_screen import register_sharing, second_screen
from viewer.links import Seal
from viewer.pages import compare, disability, outcomes, patient_entry, similarity
from viewer.session import Session
from viewer.text import Language, Text, catalogue

TABS = ("disability", "outcomes", "compare", "who")

FIRST: dict[str, Any] = {
    "tab": TABS[0],
    "view": disability.FIRST_VIEW,
    "outcomes-view": "24",
    "compare-view": compare.FIRST_VIEW,
    "who-view": Treatment.UNTREATED.value,
}
"""What stands in the stores of this page before anything is chosen."""


def layout(session: Session, text: Text, *, tab: str, sharing: bool) -> Component:
    """Return the page, its form filled from the session and one of its tabs open; `sharing` offers a link to it."""
    return html.Div(
        [
            patient_form(session.form, text),
            html.Div(
                [
                    legend(session.shown, text),
                    # One line for what keeps results away, always there, so that nothing below moves.
                    html.Div(
                        [
                            html.Div(
                                [html.P(id="correct", role="alert"), html.Div(id="refusals", role="status")],
                                className="state-line",
                            ),
                            second_screen(text, sharing=sharing),
                        ],
                        className="tab-row",
                    ),
                    _tabs(tab, text),
                    *[
                        html.Div(
                            id=f"panel-{name}",
                            className="results",
                            hidden=name != tab,
                            role="tabpanel",
                            **aria(label=text(f"tab.{name}")),
                        )
                        for name in TABS
                    ],
                ],
                id="results",
                className="results",
            ),
        ],
        className="consultation",
    )


def _tabs(tab: str, text: Text) -> Component:
    return html.Div(
        dmc.SegmentedControl(
            id="tabs",
            data=[{"value": name, "label": text(f"tab.{name}")} for name in TABS],
            value=tab,
            size="sm",
            transitionDuration=0,
            **aria(label=text("tab.label")),
        )
    )


def register(app: dash.Dash, answers: Answers, *, seal: Seal | None) -> None:
    """Wire the page: form to session, session to what is above the tabs, tab to its content."""
    patient_entry.register(app, answers)
    disability.register(app, answers)
    outcomes.register(app, answers)
    compare.register(app, answers)
    similarity.register(app, answers)
    _wire_tabs(app, answers)
    _wire_summary(app, answers)
    if seal is not None:
        register_sharing(app, seal)


def _wire_tabs(app: dash.Dash, answers: Answers) -> None:
    gather(app, "tab", {"tabs": "value"})

    @app.callback(
        output=(
            [Output(f"panel-{name}", "children") for name in TABS],
            [Output(f"panel-{name}", "hidden") for name in TABS],
        ),
        inputs={
            "tab": Input("tab", "data"),
            "data": State("session", "data"),
            "view": State("view", "data"),
            "horizon": State("outcomes-view", "data"),
            "comparison": State("compare-view", "data"),
            "about": State("who-view", "data"),
            "language": State("language", "data"),
        },
    )
    def open_tab(
        tab: str,
        data: dict[str, Any] | None,
        view: dict[str, str],
        horizon: str,
        comparison: dict[str, str],
        about: str,
        language: str,
    ) -> tuple[list[Any], list[bool]]:
        text = catalogue(Language(language))
        content: dict[str, Callable[[], list[Component]]] = {
            "disability": lambda: disability.layout(view, text),
            "outcomes": lambda: outcomes.layout(horizon, text),
            "compare": lambda: compare.layout(comparison, text),
            "who": lambda: similarity.layout(Session.of_json(data), answers, about, text),
        }
        return [content[name]() if name == tab else [] for name in TABS], [name != tab for name in TABS]


def _wire_summary(app: dash.Dash, answers: Answers) -> None:
    @app.callback(
        output=(
            [Output(count_id(treatment), "children") for treatment in Treatment],
            Output("refusals", "children"),
            Output("correct", "children"),
            Output("results", "className"),
            [Output(field_id(field.name), "error") for field in patient_entry.NUMBERS],
            [Output(error_id(field.name), "children") for field in patient_entry.CHOICES],
            Output(error_id("history"), "children"),
            Output("example-note", "children"),
        ),
        inputs={"data": Input("session", "data"), "language": State("language", "data")},
    )
    def summarise(data: dict[str, Any] | None, language: str) -> tuple[Any, ...]:
        if data is None:
            raise dash.exceptions.PreventUpdate
        session, text = Session.of_json(data), catalogue(Language(language))
        answer = answers.of(session)
        at_fields = (
            *patient_entry.complaints(session.form, answer.problems, text),
            example_note(session.form, text),
        )
        if answer.projection is None:
            # Choices that cannot be used are mended where they were made: their panel stays.
            words = text("similarity.correct" if answer.choices else "form.correct")
            look = "results no-answer" if answer.choices else "results stale"
            return [""] * len(Treatment), None, words, look, *at_fields
        said = class_counts(answer.projection, text), refusals(answer.projection, text)
        return *said, None, "results", *at_fields


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


def refusals(projection: Projection, text: Text) -> list[Component]:
    """Return the line that says which classes are not shown, with the reasons, each once, to unfold.

    It is always there, so that nothing below moves when a class comes or goes.
    """
    reasons: dict[str, list[str]] = {}
    for one in projection.classes:
        if one.refusal is not None:
            reasons.setdefault(refusal_in_words(one, text), []).append(text(f"treatment.{one.treatment}"))
    if not reasons:
        return [html.P(text("refusal.none"), className="hint")]
    number = sum(len(names) for names in reasons.values())
    return [
        html.Details(
            [
                html.Summary(text("refusal.some" if number > 1 else "refusal.one", n=number)),
                html.Ul([html.Li([html.Strong(", ".join(each)), ": ", reason]) for reason, each in reasons.items()]),
                html.P(text("refusal.mend"), className="hint"),
            ]
        )
    ]
