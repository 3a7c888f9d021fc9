"""How a patient gets into the form and from there into the session: typing, an example, a pasted or dropped record."""

from __future__ import annotations

from typing import Any

import dash
from dash import Input, Output, State

from reference_db.vocabulary import Treatment
from viewer.answers import Answers
from viewer.components.patient_form import (
    FIELDS,
    ChoiceField,
    NumberField,
    allowed,
    as_mapping,
    error_id,
    field_id,
)
from viewer.session import EXAMPLES, HISTORY_ROWS, Form, Session
from viewer.text import Language, Text, catalogue

NUMBERS = tuple(field for field in FIELDS if isinstance(field, NumberField))
CHOICES = tuple(field for field in FIELDS if isinstance(field, ChoiceField))


def register(app: dash.Dash, answers: Answers) -> None:
    """Wire the form."""
    _wire_form(app, answers)
    _wire_examples(app)


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
