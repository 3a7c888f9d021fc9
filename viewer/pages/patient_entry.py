"""How a patient gets into the form and from there into the session: typing, an example, a pasted record."""

from __future__ import annotations

import base64
import json
from typing import Any

import dash
from dash import ClientsideFunction, Input, Output, State

from reference_db.errors import FieldProblem
from selection.patient import InvalidPatient, parse_patient
from viewer.answers import Answers, ReadBundle
from viewer.components.patient_form import (
    FIELDS,
    ChoiceField,
    NumberField,
    allowed,
    field_id,
    further_visits,
    history_id,
)
from viewer.session import EXAMPLES, HISTORY_ROWS, UNKNOWN, VISIT, Form
from viewer.text import Language, Text, catalogue

NUMBERS = tuple(field for field in FIELDS if isinstance(field, NumberField))
CHOICES = tuple(field for field in FIELDS if isinstance(field, ChoiceField))

HISTORY_CELLS = tuple(
    (history_id(name, row), "checked" if name == "relapse" else "value")
    for name in VISIT
    for row in range(HISTORY_ROWS)
)
"""Element and property of every cell of the earlier visits, one column after the other."""

Complaints = tuple[list[str | None], list[str | None], str | None]
"""What is said at the numbers, at the choices and at the past visits."""


def register(app: dash.Dash, answers: Answers) -> None:
    """Wire the form."""
    _wire_form(app)
    _wire_filling(app, answers)


def _wire_form(app: dash.Dash) -> None:
    """Gather the form in the browser: a changed field costs one journey to the service, that of the answer."""
    application: Any = app
    application.clientside_callback(
        ClientsideFunction("viewer", "readForm"),
        Output("session", "data", allow_duplicate=True),
        *[Input(field_id(field.name), "value") for field in FIELDS],
        *[Input(*cell) for cell in HISTORY_CELLS],
        Input("further-visits-data", "data"),
        Input("legend", "value"),
        State("field-names", "data"),
        State("session", "data"),
        prevent_initial_call="initial_duplicate",
    )
    for field in NUMBERS:
        if not field.required:
            application.clientside_callback(
                ClientsideFunction("viewer", "forget"),
                Output(field_id(field.name), "value", allow_duplicate=True),
                Input(f"{field_id(field.name)}-unknown", "n_clicks"),
                prevent_initial_call=True,
            )


def complaints(form: Form, problems: tuple[FieldProblem, ...], text: Text) -> Complaints:
    """Return what is to be said at each field that cannot be used, None at the others.

    Returns
    -------
    numbers, choices, history
        In the order of `NUMBERS` and `CHOICES`; of all past visits together.
    """
    wrong = {problem.field.partition("[")[0] for problem in problems}
    says = {name: _complaint(name, form, text) for name in wrong}
    return (
        [says.get(field.name) for field in NUMBERS],
        [says.get(field.name) for field in CHOICES],
        says.get("history"),
    )


def _complaint(name: str, form: Form, text: Text) -> str:
    missing = name != "history" and form.values.get(name) in (None, "", UNKNOWN)
    return text("form.number_missing" if missing else "form.number_wrong", allowed=allowed(name, text))


def _wire_filling(app: dash.Dash, answers: Answers) -> None:
    application: Any = app
    application.clientside_callback(
        ClientsideFunction("viewer", "close"),
        Output("document", "data", allow_duplicate=True),
        [Input(f"example-{name}", "n_clicks") for name in EXAMPLES],
        prevent_initial_call=True,
    )

    @app.callback(
        output=(
            [Output(field_id(field.name), "value", allow_duplicate=True) for field in FIELDS],
            [Output(*cell) for cell in HISTORY_CELLS],
            Output("further-visits-data", "data"),
            Output("further-visits", "children"),
            Output("history", "open"),
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
        text = catalogue(Language(language))
        if source.removeprefix("example-") in EXAMPLES and any(examples):
            return (*filled(EXAMPLES[source.removeprefix("example-")], text), "")
        if not (read or file):
            raise dash.exceptions.PreventUpdate
        record = content_of(file) if source == "record-file" and file else (pasted or "")
        try:
            return (*filled(read_record(record, read_bundle=answers.read_bundle), text), "")
        except InvalidPatient as error:
            says = "; ".join(
                f"{problem.field} ({allowed_in_record(problem.field, text)})" for problem in error.problems
            )
            message = text("record.wrong", fields=says)
        except ValueError:
            message = text("record.unreadable")
        kept = dash.no_update
        return [kept] * len(FIELDS), [kept] * len(HISTORY_CELLS), kept, kept, kept, message


def filled(form: Form, text: Text) -> tuple[list[Any], list[Any], list[list[Any]], str, bool]:
    """Return what stands in the fields and in the cells of earlier visits, the further ones, and if they are open."""
    values = [
        form.values[field.name]
        if form.values.get(field.name) is not None
        else (UNKNOWN if isinstance(field, ChoiceField) else "")
        for field in FIELDS
    ]
    rows = [dict(zip(VISIT, visit, strict=False)) for visit in form.history[:HISTORY_ROWS]]
    rows += [{}] * (HISTORY_ROWS - len(rows))
    cells = [
        bool(row.get(name)) if name == "relapse" else ("" if row.get(name) is None else row[name])
        for name in VISIT
        for row in rows
    ]
    further = [list(visit) for visit in form.history[HISTORY_ROWS:]]
    return values, cells, further, further_visits(form, text), bool(form.history)


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
