"""A projection as a table for people, which fits 80 columns and cuts nothing off."""

from __future__ import annotations

import numpy as np
from rich.console import Console
from rich.table import Table

from projection.reading import Reading, latest_shown
from projection.result import ClassProjection, Projection
from reference_db.small_cells import SMALL_CELL
from reference_db.vocabulary import Treatment

MONTH = 24
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
    console.print(f"At {MONTH} months, with 95 % intervals below; release {projection.release}{met}")
    if table.row_count:
        console.print(table)
        for words in _shorter(projection):
            console.print(words)
    for part in projection.classes:
        if part.refusal is not None:
            console.print(f"{part.treatment}: no projection, {part.refusal}")
    for caveat in projection.caveats:
        console.print(caveat)


def _row(part: ClassProjection) -> list[str]:
    edss, *events = _readings(part)
    individual = "-"
    if part.edss is not None and edss is not None:
        at = int(np.searchsorted(part.edss.expected.months, edss.month))
        individual = _range(part.edss.p10[at], part.edss.p90[at], digits=1)
    rate = part.annualised_relapse_rate
    return [
        part.treatment,
        str(part.n),
        _cell(edss, scale=1.0, digits=1),
        individual,
        *(_cell(reading, scale=100.0, digits=0, unit=" %") for reading in events),
        "-" if rate is None else f"{rate.value:.2f}\n{rate.lower:.2f}-{rate.upper:.2f}",
    ]


def _readings(part: ClassProjection) -> list[Reading | None]:
    """Return the expected EDSS and the events of a class, each at the month of the table or the latest one shown."""
    course = None if part.edss is None else part.edss.expected
    return [latest_shown(curve, MONTH) for curve in (course, *(part.probabilities.get(name) for name, _ in _EVENTS))]


def _shorter(projection: Projection) -> list[str]:
    """Say why some values of the table are of an earlier month or missing, where that is so."""
    answered = [part for part in projection.classes if part.refusal is None]
    readings = [reading for part in answered for reading in _readings(part)]
    says = []
    if any(reading is not None and reading.month < MONTH for reading in readings):
        says.append(
            f"month below a value: of the latest month with at least {SMALL_CELL} patients observed, where there are "
            f"fewer at {MONTH} months"
        )
    if None in readings or any(part.annualised_relapse_rate is None for part in answered):
        says.append(f"-: fewer than {SMALL_CELL} patients observed")
    return says


def _cell(reading: Reading | None, *, scale: float, digits: int, unit: str = "") -> str:
    if reading is None:
        return "-"
    found = reading.estimate
    value = f"{scale * found.value:.{digits}f}{unit}"
    month = "" if reading.month == MONTH else f"\nmonth {reading.month}"
    return f"{value}\n{_range(scale * found.lower, scale * found.upper, digits=digits)}{month}"


def _range(lower: float, upper: float, *, digits: int) -> str:
    return "-" if np.isnan(lower) else f"{lower:.{digits}f}-{upper:.{digits}f}"
