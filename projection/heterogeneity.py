"""How much sources differ beyond what features explain.

Two trials of one treatment do not agree within their sampling error, even between patients alike in every recorded
feature: inclusion, rating habits, care and what nobody recorded differ. An interval that counts patients only is too
narrow. The variance between sources is estimated once for a release, for every outcome, by the method of moments
(Hedges and Olkin's, in which a small source counts as much as a large one) on what is left of the outcome after
regression on the features within each class. It is added to the variance of every corrected estimate in proportion to
how much that estimate rests on few sources.

References
----------
Hedges and Olkin, Statistical Methods for Meta-Analysis, 1985, chapter 9; compared with its rivals in DerSimonian and
Kacker, Contemp Clin Trials 2007, doi 10.1016/j.cct.2006.04.004.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from projection.endpoints import ENDPOINTS, GRID, HORIZON, Endpoints
from projection.survival import code, kaplan_meier, pseudo_values, slope_of_log_log, tally
from reference_db.vocabulary import Treatment

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

FEWEST_PER_SOURCE = 40
"""Patients of a source under a class from which its deviation is taken."""

_RIDGE = 5.0
_RAREST = 0.01
"""Probability of an event in the class below which sources cannot be compared."""


@dataclass(frozen=True, slots=True)
class Heterogeneity:
    """Variance between sources.

    Attributes
    ----------
    edss : ndarray, shape (grid,)
        Of the change of EDSS. Months beyond the second year, which few sources reach, take the value at 24.
    events : ndarray, shape (endpoints, grid)
        Of the probability of each event, on the scale of log(-log S): relative to the cumulative hazard. The value at
        24 months stands at every month.
    event_free : ndarray, shape (endpoints,)
        Of the restricted mean time without the event to 24 months, in squared months.
    rate : float
        Of the relapse rate, relative to the rate.
    """

    edss: Floats
    events: Floats
    event_free: Floats
    rate: float


NONE = Heterogeneity(np.zeros(len(GRID)), np.zeros((len(ENDPOINTS), len(GRID))), np.zeros(len(ENDPOINTS)), 0.0)
"""No variance between sources: intervals then count patients only."""


def heterogeneity_of(
    endpoints: Endpoints, features: Floats, source: Indices, rows_by_treatment: Mapping[Treatment, Indices]
) -> Heterogeneity:
    """Estimate the variance between sources for every outcome.

    Parameters
    ----------
    endpoints : Endpoints
    features : ndarray, shape (patients, features)
        Standardised, without NaN; the phenotype among them.
    source : ndarray of int, shape (patients,)
        Number of each patient's source.
    rows_by_treatment : mapping of Treatment to ndarray of int
        Patients of each class.
    """
    until = int(np.searchsorted(GRID, HORIZON))
    deviations = [
        _deviations(_outcomes(endpoints, rows, until), features[rows], source[rows])
        for rows in rows_by_treatment.values()
        if len(rows) >= 2 * FEWEST_PER_SOURCE
    ]
    variance = _between(deviations) if deviations else np.zeros(len(GRID) + len(ENDPOINTS) * (len(GRID) + 1) + 1)
    edss, events, event_free, rate = np.split(
        variance, np.cumsum([len(GRID), len(ENDPOINTS) * len(GRID), len(ENDPOINTS)])
    )
    edss[until + 1 :] = np.maximum(edss[until + 1 :], edss[until])
    # Early months carry the schedules of the sources (who is scanned when) more than their patients; the cumulative
    # hazards of two sources are taken to keep the ratio that they have at 24 months.
    at_horizon = events.reshape(len(ENDPOINTS), len(GRID))[:, until]
    proportional = np.where(GRID > 0, at_horizon[:, None], 0.0)
    return Heterogeneity(edss, proportional, event_free, float(rate[0]))


def _outcomes(endpoints: Endpoints, rows: Indices, until: int) -> Floats:
    """Lay every outcome of the patients of a class side by side: changes, pseudo-values, event-free time, rates."""
    codes = code(endpoints.step[rows], endpoints.event[rows])
    place = np.broadcast_to(np.arange(len(ENDPOINTS)), codes.shape)
    curve = kaplan_meier(tally(codes.ravel(), place.ravel(), (len(ENDPOINTS),), len(GRID), None))
    table = pseudo_values(curve)
    values = table[place, codes // 2, codes % 2]
    # Relative to how far one step on the log(-log) scale moves the curve of the class.
    slope = slope_of_log_log(curve.survival)
    relative = np.where((curve.survival < 1.0 - _RAREST) & (slope > 0), values * slope, np.nan)
    event_free = ((1.0 - values[:, :, :until]) * np.diff(GRID[: until + 1])).sum(axis=2)
    years = endpoints.years[rows]
    rate = endpoints.relapses[rows].sum() / max(years.sum(), 1e-9)
    contribution = rate + (endpoints.relapses[rows] - rate * years) / max(years.mean(), 1e-9)
    return np.concatenate(
        [
            endpoints.change[rows],
            relative.reshape(len(rows), -1),
            event_free,
            contribution[:, None] / max(rate, 1e-9),
        ],
        axis=1,
    )


def _deviations(outcomes: Floats, features: Floats, source: Indices) -> tuple[Floats, Floats]:
    """Return the mean residual of each source and its sampling variance, (sources, outcomes); NaN where too few."""
    design = np.column_stack([np.ones(len(features)), features])
    penalty = np.diag([0.0, *[_RIDGE] * features.shape[1]])
    known = ~np.isnan(outcomes)
    residual = np.full(outcomes.shape, np.nan)
    for pattern in np.unique(known, axis=1).T:
        columns = (known == pattern[:, None]).all(axis=0)
        if pattern.sum() < 2 * FEWEST_PER_SOURCE:
            continue
        seen = design[pattern]
        target = outcomes[np.ix_(pattern, columns)]
        residual[np.ix_(pattern, columns)] = target - seen @ np.linalg.solve(seen.T @ seen + penalty, seen.T @ target)
    means, variances = [], []
    for one in np.unique(source):
        part = residual[source == one]
        count = (~np.isnan(part)).sum(axis=0)
        enough = count >= FEWEST_PER_SOURCE
        mean = np.where(enough, np.nan_to_num(part).sum(axis=0) / np.maximum(count, 1), np.nan)
        spread = np.nan_to_num((part - mean) ** 2).sum(axis=0) / np.maximum(count - 1, 1)
        means.append(mean)
        variances.append(np.where(enough, spread / np.maximum(count, 1), np.nan))
    return np.stack(means), np.stack(variances)


def _between(deviations: list[tuple[Floats, Floats]]) -> Floats:
    """Pool over classes the spread of the sources beyond their sampling error, every source counting the same."""
    excess = freedom = np.zeros(deviations[0][0].shape[1])
    for mean, variance in deviations:
        usable = ~np.isnan(mean)
        number = usable.sum(axis=0)
        centre = np.nansum(mean, axis=0) / np.maximum(number, 1)
        squares = np.nansum((mean - centre) ** 2, axis=0)
        several = np.maximum(number - 1, 0)
        excess = excess + squares - several / np.maximum(number, 1) * np.nansum(variance, axis=0)
        freedom = freedom + several
    return np.divide(np.maximum(excess, 0.0), freedom, out=np.zeros_like(excess), where=freedom > 0)
