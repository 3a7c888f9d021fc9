"""How the report writes numbers, effects and tables; everything that enters a page is escaped here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from cdss.evaluation.analysis import Effect


def number(value: float, decimals: int = 2) -> str:
    """Return a number, or a dash where there is none."""
    return f"{value:.{decimals}f}" if math.isfinite(value) else "–"


def p_value(p: float) -> str:
    """Return a p-value the way journals print it."""
    if not math.isfinite(p):
        return "–"
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def effect_text(effect: Effect, *, alpha: float) -> str:
    """Return an effect with its interval."""
    if not math.isfinite(effect.value):
        return f"not estimated: {'; '.join(effect.notes)}"
    interval = f"{number(effect.lower)} to {number(effect.upper)}"
    return f"{effect.scale} {number(effect.value)} ({100 * (1 - alpha):g} % interval {interval})"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, caption: str) -> str:
    """Return an HTML table; every cell is escaped."""
    top = "".join(f'<th scope="col">{escape(str(cell))}</th>' for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def paragraph(text: str) -> str:
    """Return a paragraph, escaped."""
    return f"<p>{escape(text)}</p>"
