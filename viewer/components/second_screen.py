"""The patient's own screen: a second window that follows this one, or a sealed link for another device."""

from __future__ import annotations

from typing import Any

import dash
import dash_mantine_components as dmc
from dash import ClientsideFunction, Input, Output, State, dcc, html
from dash.development.base_component import Component

from viewer.components.accessible import aria, told
from viewer.links import Seal, session_fragment
from viewer.session import Session
from viewer.text import Text


def second_screen(text: Text, *, sharing: bool) -> Component:
    """Return the button that opens a second window and, where links can be sealed, what makes one.

    The window is told the session by the script, so the button carries nothing.
    """
    button = html.Button(
        text("page.second_screen"),
        id="second-screen",
        type="button",
        className="quiet",
        title=text("page.second_screen_hint"),
    )
    return html.Div([button, *([_sharing(text)] if sharing else [])], className="second-screens")


def _sharing(text: Text) -> Component:
    return html.Details(
        [
            html.Summary(text("share.open"), id="share-open"),
            html.Div(
                [
                    html.P(text("share.hint"), className="hint"),
                    dmc.TextInput(
                        id="share-link", value="", readOnly=True, size="xs", **aria(label=text("share.link"))
                    ),
                    html.Button(text("share.copy"), id="share-copy", type="button", n_clicks=0, className="quiet"),
                    html.Span(
                        id="share-state",
                        role="status",
                        **told(copied=text("share.copied"), failed=text("share.failed")),
                    ),
                    dcc.Store(id="share-asked"),
                    dcc.Store(id="share-fragment"),
                ],
                className="drop-down",
            ),
        ],
        id="share-menu",
        className="menu",
    )


def register_sharing(app: dash.Dash, seal: Seal) -> None:
    """Seal the session of the moment whenever the menu is opened; the script shows the address and copies it."""
    application: Any = app

    @app.callback(
        Output("share-fragment", "data"),
        Input("share-asked", "data"),
        State("session", "data"),
        prevent_initial_call=True,
    )
    def sealed(asked: float | None, data: dict[str, Any] | None) -> str:
        if asked is None or data is None:
            raise dash.exceptions.PreventUpdate
        return session_fragment(Session.of_json(data), seal) or ""

    application.clientside_callback(
        ClientsideFunction("viewer", "shareLink"),
        Output("share-link", "value"),
        Input("share-fragment", "data"),
        prevent_initial_call=True,
    )
    application.clientside_callback(
        ClientsideFunction("viewer", "copyLink"),
        Output("document", "data", allow_duplicate=True),
        Input("share-copy", "n_clicks"),
        prevent_initial_call=True,
    )
