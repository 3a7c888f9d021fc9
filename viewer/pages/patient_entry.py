"""How a patient gets into the form and from there into the session: typing, an example, a pasted record."""

from __future__ import annotations

import base64
import json
from typing import Any

import dash
from dash import Input, Output, State

from reference_db.vocabulary import Treatment
from selection.patient import InvalidPatient, parse_patient
from viewer.answers import Answers, ReadBundle
from viewer.components.patient_form import (
    FIELDS,
    ChoiceField,
    NumberField,
    allowed,
    as_mapping,
    error_id,
    example_note,
    field_id,
)
from viewer.session import EXAMPLES, HISTORY_ROWS, UNKNOWN, Form, Session
from viewer.text import Language, Text, catalogue

NUMBERS = tuple(field for field in FIELDS if isinstance(field, NumberField))
CHOICES = tuple(field for field in FIELDS if isinstance(field, ChoiceField))


def register(app: dash.Dash, answers: Answers) -> None:
    """Wire the form."""
    _wire_form(app, answers)
    _wire_filling(app, answers)


def _wire_form(app: dash.Dash, answers: Answers) -> None:
    @app.callback(
        output=(
            Output("session", "data", allow_duplicate=True),
            [Output(field_id(field.name), "error") for field in NUMBERS],
            [Output(error_id(field.name), "children") for field in CHOICES],
            Output(error_id("history"), "children"),
            Output("example-note", "children"),
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
            example_note(session.form, text),
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


def _wire_filling(app: dash.Dash, answers: Answers) -> None:
    application: Any = app
    application.clientside_callback(
        dash.ClientsideFunction("viewer", "close"),
        Output("document", "data", allow_duplicate=True),
        [Input(f"example-{name}", "n_clicks") for name in EXAMPLES],
        prevent_initial_call=True,
    )

    @app.callback(
        output=(
            [Output(field_id(field.name), "value", allow_duplicate=True) for field in FIELDS],
            [Output(f"poi-history-months-{row}", "value") for row in range(HISTORY_ROWS)],
            [Output(f"poi-history-edss-{row}", "value") for row in range(HISTORY_ROWS)],
            Output("record-error", "children"),
        ),
        inputs={
            "examples": [Input(f"example-{name}", "n_clicks") for name in EXAMPLES],
            "read": Input("record-read", "n_clicks"),
            "file": Input("record-file", "contents"),
            "pasted": State("record-text", "value"),
            "language": State("language", "data"),
        },
        prevent_initial_call=True,
    )
    def fill_in(
        examples: list[int], read: int, file: str | None, pasted: str | None, language: str
    ) -> tuple[Any, ...]:
        source = str(dash.ctx.triggered_id or "")
        if source.removeprefix("example-") in EXAMPLES and any(examples):
            return (*cells(EXAMPLES[source.removeprefix("example-")]), "")
        if not (read or file):
            raise dash.exceptions.PreventUpdate
        text = catalogue(Language(language))
        record = content_of(file) if source == "record-file" and file else (pasted or "")
        try:
            return (*cells(read_record(record, read_bundle=answers.read_bundle)), "")
        except InvalidPatient as error:
            says = "; ".join(
                f"{problem.field} ({allowed_in_record(problem.field, text)})" for problem in error.problems
            )
            message = text("record.wrong", fields=says)
        except ValueError:
            message = text("record.unreadable")
        unchanged = [dash.no_update] * HISTORY_ROWS
        return [dash.no_update] * len(FIELDS), unchanged, unchanged, message


def cells(form: Form) -> tuple[list[Any], list[Any], list[Any]]:
    """Return what stands in the fields, in the months and in the EDSS of past visits, for a form."""
    values = [
        form.values[field.name]
        if form.values.get(field.name) is not None
        else (UNKNOWN if isinstance(field, ChoiceField) else "")
        for field in FIELDS
    ]
    visits = [*form.history, *[("", "")] * (HISTORY_ROWS - len(form.history))]
    return values, [months for months, _ in visits], [edss for _, edss in visits]


def content_of(address: str) -> str:
    """Return the text of a file as the browser hands it over, a base64 data address.

    Raises
    ------
    ValueError
        If it is not text.
    """
    return base64.b64decode(address.partition(",")[2]).decode("utf-8")


def read_record(record: str, *, read_bundle: ReadBundle | None = None) -> Form:
    """Return the form that shows a written record.

    Parameters
    ----------
    record : str
        A patient of interest as JSON, or a FHIR bundle.
    read_bundle : callable, optional
        Gives what a FHIR bundle says of the patient; what it does not say stays to be filled in.

    Raises
    ------
    ValueError
        If it is not JSON, or a bundle that nobody here can read.
    InvalidPatient
        If it is a patient of interest that is not possible.
    """
    document = json.loads(record)
    if isinstance(document, dict) and "resourceType" in document:
        if read_bundle is None:
            raise ValueError("no reader of FHIR bundles")
        return Form.of_document(read_bundle(document))
    return Form.of_patient(parse_patient(document))


def allowed_in_record(field: str, text: Text) -> str:
    """Return what a field of a record may hold; of unknown fields, that they are."""
    name = field.partition("[")[0].partition(".")[0]
    return allowed(name, text) if name in {one.name for one in FIELDS} | {"history"} else text("record.unknown_field")
