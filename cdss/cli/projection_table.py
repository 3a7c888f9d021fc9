"""A projection as a table for people, which fits 80 columns and cuts nothing off."""

from __future__ import annotations

import numpy as np
from rich.console import Console
from rich.table import Table

from projection.result import ClassProjection, Curve, Projection
from reference_db.vocabulary import Treatment

MONTH = 24.0
"""Month that the table shows."""

_LONGEST_WORD = max(len(word) for treatment in Treatment for word in treatment.split())

_EVENTS = (
    ("worsening_24w", "24-week\nworsening"),
    ("relapse", "relapse"),
    ("new_lesions", "new\nlesions"),
)


def print_projection(projection: Projection) -> None:
    """Print one row per treatment class, the figures at 24 months over their interval, then what was refused."""
    console = Console()
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column("treatment", min_width=_LONGEST_WORD, overflow="fold")
    for heading in ("n", "EDSS", "patients\n10-90 %", *(label for _, label in _EVENTS), "relapses\na year"):
        table.add_column(heading, justify="right", overflow="fold")
    for part in projection.classes:
        if part.refusal is None:
            table.add_row(*_row(part))
    met = "" if projection.baselines == "start" else "; patients met at any yearly visit on the treatment"
    console.print(f"At {MONTH:.0f} months, with 95 % intervals below; release {projection.release}{met}")
    if table.row_count:
        console.print(table)
    for part in projection.classes:
        if part.refusal is not None:
            console.print(f"{part.treatment}: no projection, {part.refusal}")
    for caveat in projection.caveats:
        console.print(caveat)


def _row(part: ClassProjection) -> list[str]:
    individual = "-"
    if part.edss is not None:
        at = int(np.searchsorted(part.edss.expected.months, MONTH))
        individual = _range(part.edss.p10[at], part.edss.p90[at], digits=1)
    rate = part.annualised_relapse_rate
    return [
        part.treatment,
        str(part.n),
        _at(None if part.edss is None else part.edss.expected, scale=1.0, digits=1),
        individual,
        *(_at(part.probabilities.get(name), scale=100.0, digits=0, unit=" %") for name, _ in _EVENTS),
        "-" if rate is None else f"{rate.value:.2f}\n{rate.lower:.2f}-{rate.upper:.2f}",
    ]


def _at(curve: Curve | None, *, scale: float, digits: int, unit: str = "") -> str:
    if curve is None:
        return "-"
    at = int(np.searchsorted(curve.months, MONTH))
    if np.isnan(curve.value[at]):
        return "-"
    value = f"{scale * curve.value[at]:.{digits}f}{unit}"
    between = _range(scale * curve.lower[at], scale * curve.upper[at], digits=digits)
    return value if between == "-" else f"{value}\n{between}"


def _range(lower: float, upper: float, *, digits: int) -> str:
    return "-" if np.isnan(lower) else f"{lower:.{digits}f}-{upper:.{digits}f}"
