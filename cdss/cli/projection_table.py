"""A projection as a table for people."""

from __future__ import annotations

import numpy as np
from rich.console import Console
from rich.table import Table

from projection.result import ClassProjection, Curve, Projection

MONTH = 24.0
"""Month that the table shows."""

_COLUMNS = (
    ("worsening_24w", "24-week worsening"),
    ("relapse", "relapse"),
    ("new_lesions", "new lesions"),
    ("loss_of_neda3", "loss of NEDA-3"),
)


def print_projection(projection: Projection) -> None:
    """Print one row per treatment class: the figures at 24 months, or why there are none."""
    table = Table(title=f"Projection to {MONTH:.0f} months, release {projection.release} (95 % intervals)")
    table.add_column("treatment")
    table.add_column("n", justify="right")
    table.add_column("expected EDSS", justify="right")
    table.add_column("single patients, 10-90 %", justify="right")
    for _, label in _COLUMNS:
        table.add_column(label, justify="right")
    table.add_column("relapses a year", justify="right")
    for part in projection.classes:
        table.add_row(*_row(part))
    console = Console()
    console.print(table)
    for caveat in projection.caveats:
        console.print(caveat)


def _row(part: ClassProjection) -> list[str]:
    if part.edss is None:
        return [part.treatment, str(part.n), part.refusal or ""]
    at = int(np.searchsorted(part.edss.expected.months, MONTH))
    rate = part.annualised_relapse_rate
    return [
        part.treatment,
        str(part.n),
        _at(part.edss.expected, scale=1.0, digits=1),
        _range(part.edss.p10[at], part.edss.p90[at], digits=1),
        *(_at(part.probabilities.get(name), scale=100.0, digits=0, unit=" %") for name, _ in _COLUMNS),
        "-" if rate is None else f"{rate.value:.2f} ({rate.lower:.2f}-{rate.upper:.2f})",
    ]


def _at(curve: Curve | None, *, scale: float, digits: int, unit: str = "") -> str:
    if curve is None:
        return "-"
    at = int(np.searchsorted(curve.months, MONTH))
    if np.isnan(curve.value[at]):
        return "-"
    between = _range(scale * curve.lower[at], scale * curve.upper[at], digits=digits)
    return f"{scale * curve.value[at]:.{digits}f}{unit} ({between})"


def _range(lower: float, upper: float, *, digits: int) -> str:
    return "-" if np.isnan(lower) else f"{lower:.{digits}f}-{upper:.{digits}f}"
