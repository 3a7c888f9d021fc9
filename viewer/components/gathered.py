"""Choices about how to look, gathered in the browser: none of them is a journey to the service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dash
from dash import ClientsideFunction, Input, Output


def gather(app: dash.Dash, store: str, parts: Mapping[str, str]) -> None:
    """Keep the values of elements in a store.

    Parameters
    ----------
    app : Dash
    store : str
        Holds the one value, or, of several, each under the last word of its element's id.
    parts : mapping of str to str
        Property by element.
    """
    application: Any = app
    application.clientside_callback(
        ClientsideFunction("viewer", "gather"),
        Output(store, "data"),
        *[Input(element, of) for element, of in parts.items()],
        prevent_initial_call=True,
    )
