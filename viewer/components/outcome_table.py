"""The numbers behind the figures: one row per treatment class in the fixed order, with interval and patients."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from dash import html
from dash.development.base_component import Component

from projection.result import ClassProjection, Curve, Estimate, Projection
from reference_db.vocabulary import Treatment
from viewer.components.accessible import aria
from viewer.components.legend import swatch
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


def outcome_table(projection: Projection, *, shown: Collection[str], month: int, text: Text) -> Component:
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
    rows = [_row(one, month, text) for one in projection.classes if one.treatment in shown]
    return html.Div(
        html.Table(
            [
                html.Caption([html.Strong(text("table.title", months=month)), " · ", text("table.hint")]),
                html.Thead(html.Tr([html.Th(head, scope="col") for head in heads])),
                html.Tbody(rows),
            ],
            className="outcomes",
        ),
        className="table-scroll",
        tabIndex=0,
        role="region",
        **aria(label=text("table.title", months=month)),
    )


def _row(one: ClassProjection, month: int, text: Text) -> Component:
    name = html.Th(
        html.Span([swatch(Treatment(one.treatment)), text(f"treatment.{one.treatment}")], className="row-name"),
        scope="row",
    )
    if one.refusal is not None or one.edss is None:
        return html.Tr([name, html.Td(text("refusal.title"), colSpan=7, className="refused")])
    edss = at_month(one.edss.expected, month)
    cells = [
        html.Td([html.Strong(text.number(one.n)), _small(text("table.eligible", n=text.number(one.n_eligible)))]),
        _cell(text.number(edss.value, 1), text.number(edss.lower, 1), text.number(edss.upper, 1), edss.n, text),
    ]
    for outcome in OUTCOMES:
        curve = one.probabilities.get(outcome)
        if curve is None:
            cells.append(html.Td(NOT_SHOWN))
            continue
        share = at_month(curve, month)
        share = complement(share) if outcome in FREE_OF else share
        cells.append(
            _cell(text.percent(share.value), text.percent(share.lower), text.percent(share.upper), share.n, text)
        )
    rate = one.annualised_relapse_rate
    if rate is None:
        cells.append(html.Td(NOT_SHOWN))
    else:
        cells.append(
            _cell(text.number(rate.value, 2), text.number(rate.lower, 2), text.number(rate.upper, 2), rate.n, text)
        )
    return html.Tr([name, *cells])


def _cell(value: str, lower: str, upper: str, n: int, text: Text) -> Component:
    if value == NOT_SHOWN:
        return html.Td(NOT_SHOWN)
    behind = html.Span(text("table.behind", n=text.number(n)), className="behind")
    return html.Td([html.Strong(value), behind, _small(text.interval(lower, upper))])


def _small(words: str) -> Component:
    return html.Span(words, className="interval")
