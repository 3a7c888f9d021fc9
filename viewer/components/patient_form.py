"""The form in which a patient of interest is entered.

Every field but age, course and EDSS may be unknown: an empty number, or "unknown" among the choices. Fields have
fixed ids (``poi-age``, ``poi-sex``, ...: `field_id`), earlier visits ``poi-history-months-0``, ``poi-history-edss-0``
and so on (`history_id`), up to `HISTORY_ROWS`; what a record brings beyond them is carried along.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from reference_db.schema import AGE_RANGE, DURATION_RANGE, GD_RANGE, RELAPSES_12M_RANGE
from reference_db.vocabulary import Phenotype, PriorTreatment, Sex, T2Load
from selection.patient import HISTORY_MONTHS, MOST_T2_LESIONS
from viewer.components.accessible import aria
from viewer.session import EXAMPLES, HISTORY_ROWS, UNKNOWN, VISIT, Form
from viewer.text import Language, Text


@dataclass(frozen=True, slots=True)
class NumberField:
    """A number with its range (in the unit of the form), step and decimals."""

    name: str
    lower: float
    upper: float
    step: float
    decimals: int
    required: bool = False


@dataclass(frozen=True, slots=True)
class ChoiceField:
    """One of a few words."""

    name: str
    choices: tuple[str, ...]
    required: bool = False


AGE = NumberField("age", *AGE_RANGE, step=1, decimals=1, required=True)
ONSET = NumberField("years_since_onset", *DURATION_RANGE, step=1, decimals=1)
SEX = ChoiceField("sex", tuple(sex.value for sex in Sex))
PHENOTYPE = ChoiceField("phenotype", tuple(phenotype.value for phenotype in Phenotype), required=True)
EDSS = NumberField("edss", 0, 10, step=0.5, decimals=2, required=True)
RELAPSES = NumberField("relapses_12m", *RELAPSES_12M_RANGE, step=1, decimals=1)
GD = NumberField("gd_lesions", *GD_RANGE, step=1, decimals=1)
T2 = ChoiceField("t2_lesions", tuple(load.value for load in T2Load))
PRIOR = ChoiceField("prior_treatment", tuple(prior.value for prior in PriorTreatment))

HISTORY = NumberField("months", -HISTORY_MONTHS[1], -HISTORY_MONTHS[0], step=1, decimals=1)
HISTORY_FIELDS: tuple[NumberField, ...] = (
    HISTORY,
    NumberField("edss", 0, 10, step=0.5, decimals=2),
    NumberField("gd_lesions", *GD_RANGE, step=1, decimals=1),
    NumberField("new_t2_lesions", 0, MOST_T2_LESIONS, step=1, decimals=1),
)
"""The numbers of an earlier visit, in the order of `viewer.session.VISIT`."""

FIELDS: tuple[NumberField | ChoiceField, ...] = (AGE, ONSET, SEX, PHENOTYPE, EDSS, RELAPSES, GD, T2, PRIOR)


def field_id(name: str) -> str:
    """Return the element id of a field of the form.

    >>> field_id("relapses_12m")
    'poi-relapses-12m'
    """
    return f"poi-{name.replace('_', '-')}"


def error_id(name: str) -> str:
    """Return the id of the element that says what is wrong with a choice; numbers say it themselves."""
    return f"{field_id(name)}-error"


def allowed(name: str, text: Text) -> str:
    """Return the sentence that names the allowed values of a field, with their unit."""
    field = HISTORY if name == "history" else next((one for one in FIELDS if one.name == name), None)
    if isinstance(field, NumberField):
        return text(f"form.{name}.allowed", lower=text.number(field.lower), upper=text.number(field.upper))
    return text(f"form.{name}.allowed")


def patient_form(form: Form, text: Text) -> Component:
    """Return the form, filled with the given values.

    Parameters
    ----------
    form : Form
        Raw values, as they stand in the fields; they need not be valid.
    text : Text
    """
    return html.Section(
        [
            html.Div(
                [html.H2(text("form.title"), id="patient-title"), _examples(text)],
                className="panel-head",
            ),
            html.P(example_note(form, text), id="example-note", className="hint"),
            _number(AGE, form, text),
            _choice(SEX, form, text),
            _choice(PHENOTYPE, form, text),
            _number(ONSET, form, text),
            _number(EDSS, form, text),
            _number(RELAPSES, form, text),
            _number(GD, form, text),
            _choice(T2, form, text),
            _choice(PRIOR, form, text),
            _history(form, text),
            _record(text),
            dcc.Store(id="field-names", data=[field.name for field in FIELDS]),
        ],
        className="panel patient-form",
        **aria(labelledby="patient-title"),
    )


def example_note(form: Form, text: Text) -> str:
    """Return what says that the form shows an example; nothing once it is somebody's."""
    document = form.as_document()
    name = next((name for name, example in EXAMPLES.items() if example.as_document() == document), None)
    return "" if name is None else text("example.note", name=text(f"example.{name}"))


def _examples(text: Text) -> Component:
    return html.Details(
        [
            html.Summary(text("example.label"), id="example-open"),
            html.Div(
                [
                    html.P(text("form.examples_hint"), className="hint"),
                    *[
                        html.Button(text(f"example.{name}"), id=f"example-{name}", type="button", n_clicks=0)
                        for name in EXAMPLES
                    ],
                ],
                className="drop-down",
            ),
        ],
        id="example-menu",
        className="menu",
    )


def _record(text: Text) -> Component:
    return html.Details(
        [
            html.Summary(text("record.label")),
            html.Label(text("record.hint"), htmlFor="record-text", className="hint"),
            dcc.Textarea(id="record-text", rows=4, spellCheck=False, className="record-text"),
            html.Div(
                [
                    html.Button(text("record.read"), id="record-read", type="button", n_clicks=0),
                    dcc.Upload(
                        html.Button(text("record.file"), id="record-choose", type="button"),
                        id="record-file",
                        className="record-file",
                    ),
                ],
                className="record-actions",
            ),
            html.P(id="record-error", className="field-error", role="alert"),
        ],
        className="field history",
    )


def _number(field: NumberField, form: Form, text: Text) -> Component:
    name = text(f"form.{field.name}.label")
    below: list[Component] = [html.Span(text(f"form.{field.name}.unit"), className="unit")]
    if not field.required:
        below.append(
            html.Button(
                text("form.unknown"),
                id=f"{field_id(field.name)}-unknown",
                className="forget",
                type="button",
                n_clicks=0,
                **aria(label=f"{name}: {text('form.unknown')}"),
            )
        )
    return html.Div(
        [
            html.Label(name, htmlFor=field_id(field.name)),
            html.Div(
                _number_input(field_id(field.name), field, form.values.get(field.name), text), className="field-input"
            ),
            html.Div(below, className="field-below"),
        ],
        className="field number",
    )


def _number_input(
    element: str, field: NumberField, value: float | str | None, text: Text, name: str = "", *, bare: bool = False
) -> Component:
    return cast(
        "Component",
        dmc.NumberInput(
            id=element,
            value="" if value is None else value,
            min=field.lower,
            max=field.upper,
            step=field.step,
            decimalScale=field.decimals,
            decimalSeparator="," if text.language is Language.FRENCH else ".",
            allowedDecimalSeparators=[",", "."],
            clampBehavior="none",
            placeholder="" if bare or field.required else text("form.unknown"),
            hideControls=bare,
            required=field.required,
            withAsterisk=False,
            size="sm",
            **(aria(label=name) if name else {}),
        ),
    )


def _choice(field: ChoiceField, form: Form, text: Text) -> Component:
    options = [{"value": choice, "label": text(f"form.{field.name}.{choice}")} for choice in field.choices]
    if not field.required:
        options.append({"value": UNKNOWN, "label": text("form.unknown")})
    return html.Fieldset(
        [
            html.Legend(text(f"form.{field.name}.label")),
            dmc.SegmentedControl(
                id=field_id(field.name),
                data=options,
                value=form.values.get(field.name) or UNKNOWN,
                fullWidth=True,
                size="sm",
                transitionDuration=0,
            ),
            html.P(id=error_id(field.name), className="field-error", role="alert"),
        ],
        className="field choice",
    )


def history_id(name: str, row: int) -> str:
    """Return the id of a cell of the earlier visits.

    >>> history_id("new_t2_lesions", 0)
    'poi-history-new-t2-lesions-0'
    """
    return f"poi-history-{name.replace('_', '-')}-{row}"


def further_visits(form: Form, text: Text) -> str:
    """Return what says that there are earlier visits beyond the fields; nothing where there are none."""
    more = len(form.history) - HISTORY_ROWS
    return text("form.history.further", n=more) if more > 0 else ""


def _history(form: Form, text: Text) -> Component:
    rows = []
    for row in range(HISTORY_ROWS):
        visit = form.history[row] if row < len(form.history) else ()
        known = {**dict.fromkeys(VISIT), **dict(zip(VISIT, visit, strict=False))}
        number = text("form.history.visit", number=row + 1)
        cells: list[Component] = [
            _number_input(
                history_id(field.name, row),
                field,
                known[field.name],
                text,
                f"{number}: {text(f'form.history.{field.name}')}",
                bare=True,
            )
            for field in HISTORY_FIELDS
        ]
        cells.append(
            dmc.Checkbox(
                id=history_id("relapse", row),
                checked=bool(known["relapse"]),
                size="sm",
                **aria(label=f"{number}: {text('form.history.relapse')}"),
            )
        )
        rows.append(html.Div(cells, className="visit"))
    heads = html.Div(
        [html.Span(text(f"form.history.{name}")) for name in VISIT],
        className="visit column-heads",
        **aria(hidden="true"),
    )
    return html.Details(
        [
            html.Summary(text("form.history.label")),
            heads,
            *rows,
            html.P(further_visits(form, text), id="further-visits", className="hint"),
            html.P(id=error_id("history"), className="field-error", role="alert"),
            dcc.Store(id="further-visits-data", data=[list(visit) for visit in form.history[HISTORY_ROWS:]]),
        ],
        id="history",
        open=bool(form.history),
        className="field history",
    )
