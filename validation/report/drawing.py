"""Figures as SVG text: one canvas for all, small and the same bytes for the same data."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Any

from validation.result import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ORIGINAL = "#3b6ea5"
SYNTHETIC = "#d1762b"
NEUTRAL = "#7a7f87"
GOOD = "#2c7a4b"

COLOURS = ("#3b6ea5", "#d1762b", "#2c7a4b", "#8a4f9e", "#b03a3a", "#7a7f87", "#a58b00", "#1f8a8a")


def canvas(columns: int = 1, rows: int = 1, *, width: float = 9.0, height: float = 3.2) -> tuple[Figure, list[Any]]:
    """Return a figure and its axes, left to right and top to bottom.

    Parameters
    ----------
    columns, rows : int
        Panels.
    width, height : float
        Of the whole, in inches.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
    return figure, list(axes.flat)


def svg(figure: Figure, label: str) -> str:
    """Return a figure as SVG to be put into a page.

    Parameters
    ----------
    figure : matplotlib figure
    label : str
        What it shows, for readers who do not see it.
    """
    from matplotlib import rc_context

    text = io.StringIO()
    # Texts stay texts, and the names of clip paths depend on the label, so that figures of one page do not clash.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": label}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    content = text.getvalue()
    drawing = content[content.index("<svg") :]
    return drawing.replace("<svg ", f'<svg role="img" aria-label="{escape(label, quote=True)}" ', 1)


def numbers(rows: Iterable[Record], name: str) -> list[float]:
    """Return one field of records; NaN where there is no number."""
    values = [row[name] for row in rows]
    return [float(value) if isinstance(value, int | float) else math.nan for value in values]


def words(rows: Iterable[Record], name: str) -> list[str]:
    """Return one field of records as text."""
    return [str(row[name]) for row in rows]
