"""Tables that change with every keystroke, as plain data that a few lines of script draw.

Each component of a Dash page listens to every change of the page: a table of three hundred of them takes the browser
longer to update than all curves together. So tables of results are one component each, and their cells plain text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dash
from dash import ClientsideFunction, Input, Output, dcc, html
from dash.development.base_component import Component

from viewer.components.accessible import aria

Cell = dict[str, str]
"""``value``, and optionally ``behind`` (small, beside it), ``below`` (small, beneath it), ``month`` (marked, beneath
both) and ``kind`` (a style)."""

Table = dict[str, Any]
"""What `table` makes and the script draws."""


def cell(value: str, *, behind: str = "", below: str = "", month: str = "", kind: str = "") -> Cell:
    """Return a cell; parts that are empty are left out of what is drawn."""
    return {"value": value, "behind": behind, "below": below, "month": month, "kind": kind}


def row(name: str, cells: Sequence[Cell], *, treatment: str = "") -> dict[str, Any]:
    """Return a row under its name; with a treatment class, its line stands before the name, as in the legend."""
    return {"name": name, "cells": list(cells), "treatment": treatment}


def table(heads: Sequence[str], rows: Sequence[dict[str, Any]], *, title: str = "", hint: str = "") -> Table:
    """Return a table; cells of a row that is shorter than the heads end in one that spans the rest."""
    return {"heads": list(heads), "rows": list(rows), "title": title, "hint": hint}


def table_slot(element: str, label: str) -> list[Component]:
    """Return the place of a table and the store that feeds it, ``{element}-data``."""
    return [
        dcc.Store(id=f"{element}-data"),
        html.Div(id=element, className="table-scroll", tabIndex=0, role="region", **aria(label=label)),
    ]


def register_table(app: dash.Dash, element: str) -> None:
    """Draw the table whenever its data change."""
    application: Any = app
    application.clientside_callback(
        ClientsideFunction("viewer", "table"),
        Output(element, "data-rows"),
        Input(f"{element}-data", "data"),
        Input(element, "id"),
    )
