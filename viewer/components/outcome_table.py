"""The numbers behind the figures: one row per treatment class in the fixed order, with interval and patients."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from projection.result import ClassProjection, Curve, Estimate, Projection
from reference_db.small_cells import LEFT_OUT, SMALL_CELL
from selection.selector import FEWEST
from viewer.components.plain_table import Cell, Table, cell, row, table
from viewer.figures.events import FREE_OF
from viewer.text import NOT_SHOWN, Text

OUTCOMES = ("worsening_24w", "relapse", "new_lesions", "loss_of_neda3")


def at_month(curve: Curve, month: int) -> Estimate:
    """Return a curve's value at a month of its grid; not a number where it has none.

    Returns
    -------
    Estimate
        `n` is that of the month itself.
    """
    found = np.flatnonzero(curve.months == month)
    if not found.size:
        return Estimate(np.nan, np.nan, np.nan, 0)
    at = found[0]
    n = curve.n[at]
    return Estimate(
        float(curve.value[at]), float(curve.lower[at]), float(curve.upper[at]), int(n) if np.isfinite(n) else 0
    )


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
    rows = [
        row(text(f"treatment.{one.treatment}"), _cells(one, month, text), treatment=one.treatment)
        for one in projection.classes
        if one.treatment in shown
    ]
    return table(heads, rows, title=text("table.title", months=month), hint=text("table.hint"))


def _cells(one: ClassProjection, month: int, text: Text) -> list[Cell]:
    if one.refusal is not None or one.edss is None:
        reason = refusal_in_words(one, text) if one.refusal is not None else text("compare.none")
        return [cell(f"{text('refusal.title')} {reason}", kind="refused")]
    edss = at_month(one.edss.expected, month)
    cells = [
        cell(text.number(one.n), below=text("table.eligible", n=text.number(one.n_eligible))),
        _cell(text.number(edss.value, 1), text.number(edss.lower, 1), text.number(edss.upper, 1), edss.n, text),
    ]
    for outcome in OUTCOMES:
        curve = one.probabilities.get(outcome)
        if curve is None:
            cells.append(cell(NOT_SHOWN))
            continue
        share = at_month(curve, month)
        share = complement(share) if outcome in FREE_OF else share
        cells.append(
            _cell(text.percent(share.value), text.percent(share.lower), text.percent(share.upper), share.n, text)
        )
    rate = one.annualised_relapse_rate
    if rate is None:
        return [*cells, cell(NOT_SHOWN)]
    value, lower, upper = (text.number(one, 2) for one in (rate.value, rate.lower, rate.upper))
    return [*cells, _cell(value, lower, upper, rate.n, text)]


def _cell(value: str, lower: str, upper: str, n: int, text: Text) -> Cell:
    if value == NOT_SHOWN:
        return cell(NOT_SHOWN)
    return cell(value, behind=text("table.behind", n=text.number(n)), below=text.interval(lower, upper))


def refusal_in_words(one: ClassProjection, text: Text) -> str:
    """Return why a class is not shown; a count too small to be given out arrives here as 0."""
    needed = FEWEST + LEFT_OUT
    if one.n_eligible >= needed:
        number = text.number(one.n) if one.n else text("refusal.under", n=SMALL_CELL)
        return text("refusal.few_similar", n=number, eligible=text.number(one.n_eligible), needed=needed)
    number = text.number(one.n_eligible) if one.n_eligible else text("refusal.under", n=SMALL_CELL)
    return text("refusal.few_eligible", n=number, needed=needed)
