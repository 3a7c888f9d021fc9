"""The numbers behind the figures: one row per treatment class in the fixed order, with interval and patients."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from projection.reading import Reading, latest_shown
from projection.result import ClassProjection, Estimate, Projection
from reference_db.small_cells import LEFT_OUT, SMALL_CELL
from selection.selector import FEWEST
from viewer.components.plain_table import Cell, Table, cell, row, table
from viewer.figures.events import FREE_OF
from viewer.text import NOT_SHOWN, Text

OUTCOMES = ("worsening_24w", "relapse", "new_lesions", "loss_of_neda3")


def complement(share: Estimate) -> Estimate:
    """Return the share that has not had the event."""
    return Estimate(1 - share.value, 1 - share.upper, 1 - share.lower, share.n)


def outcome_table(projection: Projection, *, shown: Collection[str], month: int, text: Text) -> Table:
    """Return the table of results at one month.

    Parameters
    ----------
    projection : Projection
    shown : collection of str
        Treatment classes to list.
    month : int
        Month of the grid.
    text : Text
    """
    heads = [
        text("table.treatment"),
        text("table.n"),
        text("table.edss"),
        *(text(f"outcome.{outcome}.short") for outcome in OUTCOMES),
        text("table.arr"),
    ]
    listed = [one for one in projection.classes if one.treatment in shown]
    rows = [
        row(text(f"treatment.{one.treatment}"), _cells(one, month, text), treatment=one.treatment) for one in listed
    ]
    hint = " ".join([text("table.hint"), *_explained(listed, month, text)])
    return table(heads, rows, title=text("table.title", months=month), hint=hint)


def _explained(listed: Sequence[ClassProjection], month: int, text: Text) -> list[str]:
    """Say what stands where a class was not observed until the month of the table, as far as that happens in it."""
    answered = [one for one in listed if one.refusal is None and one.edss is not None]
    found = [
        latest_shown(curve, month)
        for one in answered
        for curve in (None if one.edss is None else one.edss.expected, *map(one.probabilities.get, OUTCOMES))
    ]
    says = []
    if any(reading is not None and reading.month < month for reading in found):
        says.append(text("table.earlier", n=SMALL_CELL, months=month))
    if None in found or any(one.annualised_relapse_rate is None for one in answered):
        says.append(text("table.withheld", n=SMALL_CELL))
    return says


def _cells(one: ClassProjection, month: int, text: Text) -> list[Cell]:
    if one.refusal is not None or one.edss is None:
        reason = refusal_in_words(one, text) if one.refusal is not None else text("compare.none")
        return [cell(f"{text('refusal.title')} {reason}", kind="refused")]
    cells = [
        cell(text.number(one.n), below=text("table.eligible", n=text.number(one.n_eligible))),
        _cell(latest_shown(one.edss.expected, month), month, text, lambda edss: text.number(edss, 1)),
    ]
    for outcome in OUTCOMES:
        reading = latest_shown(one.probabilities.get(outcome), month)
        if reading is not None and outcome in FREE_OF:
            reading = replace(reading, estimate=complement(reading.estimate))
        cells.append(_cell(reading, month, text, text.percent))
    rate = one.annualised_relapse_rate
    over_all = None if rate is None else Reading(month, rate)
    return [*cells, _cell(over_all, month, text, lambda relapses: text.number(relapses, 2))]


def _cell(reading: Reading | None, month: int, text: Text, written: Callable[[float], str]) -> Cell:
    """Return a value with its interval and patients, and its month where that is not the month of the table."""
    if reading is None:
        return cell(NOT_SHOWN)
    found = reading.estimate
    return cell(
        written(found.value),
        behind=text("table.behind", n=text.number(found.n)),
        below=text.interval(written(found.lower), written(found.upper)),
        month=text("table.at_month", months=reading.month) if reading.month != month else "",
    )


def refusal_in_words(one: ClassProjection, text: Text) -> str:
    """Return why a class is not shown; a count too small to be given out arrives here as 0."""
    needed = FEWEST + LEFT_OUT
    if one.n_eligible >= needed:
        number = text.number(one.n) if one.n else text("refusal.under", n=SMALL_CELL)
        return text("refusal.few_similar", n=number, eligible=text.number(one.n_eligible), needed=needed)
    number = text.number(one.n_eligible) if one.n_eligible else text("refusal.under", n=SMALL_CELL)
    return text("refusal.few_eligible", n=number, needed=needed)
