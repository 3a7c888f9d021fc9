"""The neurologist's page: the patient at the left, at the right what became of similar ones under each treatment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dash
import dash_mantine_components as dmc
from dash import ClientsideFunction, Input, Output, State, dcc, html
from dash.development.base_component import Component

from projection.result import Projection
from reference_db.vocabulary import Treatment
from viewer.answers import Answer, Answers
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
            dcc.Store(id="summary"),
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
    """Say what is known above the tabs and at the fields: as one value, of which the script shows what has changed.

    Every property that a callback sets is told to every component of the page: with one for each field and each
    class, a changed field cost the browser a third more.
    """
    application: Any = app
    application.clientside_callback(
        ClientsideFunction("viewer", "summary"),
        Output("document", "data", allow_duplicate=True),
        Input("summary", "data"),
        prevent_initial_call=True,
    )

    @app.callback(
        Output("summary", "data"),
        Input("session", "data"),
        State("language", "data"),
    )
    def summarise(data: dict[str, Any] | None, language: str) -> dict[str, Any]:
        if data is None:
            raise dash.exceptions.PreventUpdate
        session, text = Session.of_json(data), catalogue(Language(language))
        return summary(answers.of(session), session, text)


def summary(answer: Answer, session: Session, text: Text) -> dict[str, Any]:
    """Return what is said outside the open tab.

    Returns
    -------
    dict
        ``words`` and ``classes`` (of style) by element; ``errors`` by field that says its own, None where right;
        ``refusals`` as `refusals` gives them, None where there is no answer.
    """
    numbers, choices, history = patient_entry.complaints(session.form, answer.problems, text)
    if answer.projection is None:
        # Choices that cannot be used are mended where they were made: their panel stays.
        counts = [""] * len(Treatment)
        correct = text("similarity.correct" if answer.choices else "form.correct")
        look = "results no-answer" if answer.choices else "results stale"
    else:
        counts, correct, look = class_counts(answer.projection, text), "", "results"
    words = {
        **{count_id(treatment): said for treatment, said in zip(Treatment, counts, strict=True)},
        **{error_id(field.name): said or "" for field, said in zip(patient_entry.CHOICES, choices, strict=True)},
        error_id("history"): history or "",
        "correct": correct,
        "example-note": example_note(session.form, text),
    }
    errors = {field_id(field.name): said for field, said in zip(patient_entry.NUMBERS, numbers, strict=True)}
    refused = None if answer.projection is None else refusals(answer.projection, text)
    return {"words": words, "classes": {"results": look}, "errors": errors, "refusals": refused}


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


def refusals(projection: Projection, text: Text) -> dict[str, Any]:
    """Return the line that says which classes are not shown, with the reasons, each once, to unfold.

    It is always there, so that nothing below moves when a class comes or goes. The script draws it: new components on
    every change would have the whole page looked through anew.

    Returns
    -------
    dict
        ``line``; ``reasons``, pairs of the classes and what they are refused for; ``mend``, what can be done.
    """
    reasons: dict[str, list[str]] = {}
    for one in projection.classes:
        if one.refusal is not None:
            reasons.setdefault(refusal_in_words(one, text), []).append(text(f"treatment.{one.treatment}"))
    number = sum(len(names) for names in reasons.values())
    line = text("refusal.some" if number > 1 else "refusal.one", n=number) if number else text("refusal.none")
    return {
        "line": line,
        "reasons": [[", ".join(names), reason] for reason, names in reasons.items()],
        "mend": text("refusal.mend"),
    }
