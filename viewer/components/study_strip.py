"""What a consultation that takes part in a study adds to every page: what is considered, what was decided, the end.

The consultation itself is reported by the script ``assets/study.js``, without anything of the patient.
"""

from __future__ import annotations

from typing import Any

import dash
import dash_mantine_components as dmc
from dash import ClientsideFunction, Input, Output, State, dcc, html
from dash.development.base_component import Component

from reference_db.vocabulary import Treatment
from viewer.components.accessible import aria, told
from viewer.text import Text

PARTICIPANT = dcc.Store(id="participant")
"""Holds the pseudonym of the participant while a consultation of a study is open; of any other, nothing."""


def study_strip(text: Text) -> Component:
    """Return the strip that stands above the page while the consultation takes part in a study."""
    choices = [
        {
            "value": one.value,
            "label": text("patient.untreated" if one is Treatment.UNTREATED else f"treatment.{one.value}"),
        }
        for one in Treatment
    ]
    shared: dict[str, Any] = {
        "data": choices,
        "size": "xs",
        "searchable": True,
        "selectFirstOptionOnChange": True,
        "comboboxProps": {"transitionProps": {"duration": 0}, "withinPortal": False},
        # Every page has a strip of its own; what was chosen on one stands on the next.
        "persistence": True,
        "persistence_type": "memory",
    }
    return html.Section(
        [
            html.H2(text("study.title"), id="study-title"),
            html.Div(
                [
                    html.Label(text("study.considered"), htmlFor="study-considered"),
                    dmc.MultiSelect(id="study-considered", value=[], clearable=False, **shared),
                ],
                className="view-choice",
            ),
            html.Div(
                [
                    html.Label(text("study.decided"), htmlFor="study-decided"),
                    dmc.Select(
                        id="study-decided", placeholder=text("study.not_yet"), **{**shared, "allowDeselect": True}
                    ),
                ],
                className="view-choice",
            ),
            html.Button(text("study.end"), id="study-end", type="button", n_clicks=0, className="quiet"),
            html.Span(
                id="study-state",
                role="status",
                **told(failed=text("study.failed"), ended=text("study.ended")),
            ),
        ],
        id="study",
        className="study no-print",
        **aria(labelledby="study-title"),
    )


def register(app: dash.Dash) -> None:
    """Report pages, tabs and changed weights as they come, and the rest when the consultation is ended."""
    application: Any = app
    application.clientside_callback(
        ClientsideFunction("viewer", "follow"),
        Output("document", "data", allow_duplicate=True),
        Input("url", "pathname"),
        Input("tab", "data"),
        Input("session", "data"),
        Input("participant", "data"),
        prevent_initial_call=True,
    )
    application.clientside_callback(
        ClientsideFunction("viewer", "endStudy"),
        Output("document", "data", allow_duplicate=True),
        Input("study-end", "n_clicks"),
        State("study-considered", "value"),
        State("study-decided", "value"),
        prevent_initial_call=True,
    )
