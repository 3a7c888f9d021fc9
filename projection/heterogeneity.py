"""How much sources differ beyond what features explain.

Two trials of one treatment do not agree within their sampling error, even between patients alike in every recorded
feature: inclusion, rating habits, care and what nobody recorded differ. An interval that counts patients only is too
narrow. The variance between sources is estimated once for a release, for every outcome, by the method of moments
(Hedges and Olkin's, in which a small source counts as much as a large one) on the level that each source has left
when the effects of features, learned within sources, are taken out. It is added to the variance of every corrected
estimate in proportion to how far the sources that the estimate rests on are from their mix in the population.

Patients of reference are of the phenotype of the patient of interest, so sources are compared within phenotypes.
Trials of a first event, which end at the next relapse, are far from the first events of a registry; trials of
relapsing disease are near each other. The variance of a phenotype that few sources know is drawn towards that of all.

References
----------
Hedges and Olkin, Statistical Methods for Meta-Analysis, 1985, chapter 9; compared with its rivals in DerSimonian and
Kacker, Contemp Clin Trials 2007, doi 10.1016/j.cct.2006.04.004. Variances of few degrees of freedom drawn towards a
common one: Smyth, Stat Appl Genet Mol Biol 2004, doi 10.2202/1544-6115.1027.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from projection.endpoints import ENDPOINTS, GRID, HORIZON
from projection.survival import slope_of_log_log
from projection.within_sources import FEWEST_PER_SOURCE, Slopes

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_REACHED = 0.9
"""Share of the sources within classes that must reach a month at which sources are compared."""

_WEIGHT_OF_ALL = 4.0
"""Degrees of freedom that the variance over all phenotypes stands for in that of each."""

RAREST = 0.01
"""Probability of an event in the class below which neither sources nor features can be compared."""


@dataclass(frozen=True, slots=True)
class Heterogeneity:
    """Variance between sources, by phenotype, or by group as `of` picks it.

    Attributes
    ----------
    edss : ndarray, shape (phenotypes, grid)
        Of the change of EDSS. Months beyond the second year, which few sources reach, take the value at 24.
    events : ndarray, shape (phenotypes, endpoints, grid)
        Of the probability of each event, on the scale of log(-log S): relative to the cumulative hazard. The value at
        the last month that most sources reach, 24 at most, stands at every month.
    event_free : ndarray, shape (phenotypes, endpoints)
        Of the restricted mean time without the event to 24 months, in squared months.
    rate : ndarray, shape (phenotypes,)
        Of the relapse rate, relative to the rate.
    shared_edss : float
    shared_events, shared_event_free : ndarray, shape (endpoints,)
        Share of the variance that a source has in common under all classes: it cancels between two classes that rest
        on the same sources.
    """

    edss: Floats
    events: Floats
    event_free: Floats
    rate: Floats
    shared_edss: float
    shared_events: Floats
    shared_event_free: Floats

    def of(self, phenotype: Indices) -> Heterogeneity:
        """Return the variances for groups whose patients of interest are of these phenotypes, a row per group."""
        of_groups = {name: getattr(self, name)[phenotype] for name in ("edss", "events", "event_free", "rate")}
        return replace(self, **of_groups)


_NOTHING = np.zeros(len(ENDPOINTS))
NONE = Heterogeneity(
    np.zeros((1, len(GRID))),
    np.zeros((1, len(ENDPOINTS), len(GRID))),
    _NOTHING[None],
    np.zeros(1),
    0.0,
    _NOTHING,
    _NOTHING,
)
"""For any group, no variance between sources: intervals then count patients only."""


def heterogeneity_of(
    change: Slopes, events: Slopes, rate: Slopes, survival: Floats, rates: Floats, cohort: Indices
) -> Heterogeneity:
    """Estimate the variance between sources for every outcome.

    Parameters
    ----------
    change, events, rate : Slopes
        Of the changes at each month, of the pseudo-values of each endpoint and month laid side by side, of the
        contributions to the relapse rate; groups are the sources of each class.
    survival : ndarray, shape (classes, phenotypes, endpoints, grid)
        Curves of the patients of one class and phenotype.
    rates : ndarray, shape (classes, phenotypes)
        Their relapses a year.
    cohort : ndarray of int, shape (2, patients)
        Class and phenotype of each patient.
    """
    until = int(np.searchsorted(GRID, HORIZON))
    shape = (len(events.residual), len(ENDPOINTS), len(GRID))
    pseudo = events.residual.reshape(shape)
    reached = _last_reached(pseudo, change, until)
    each = np.arange(len(ENDPOINTS))
    # Relative to how far one step on the log(-log) scale moves the curve.
    slope = np.where(survival < 1.0 - RAREST, slope_of_log_log(survival), 0.0)[:, :, each, reached]
    scale = np.where(slope > 0, slope, np.nan)[*cohort]
    # Up to that month; areas under curves of constant hazards grow with the square of the time.
    before = np.diff(GRID)[:until] * (np.arange(until) < reached[:, None])
    event_free = -(np.where(before > 0, pseudo[:, :, :until], 0.0) * before).sum(axis=2)
    event_free *= (HORIZON / GRID[reached]) ** 2
    relative_rate = rate.residual / np.maximum(rates, 1e-9)[*cohort][:, None]
    change_levels = _levels(change.residual, change.source, cohort)
    event_levels = _levels(pseudo[:, each, reached] * scale, change.source, cohort)
    free_levels = _levels(event_free, change.source, cohort)
    edss = _between(change_levels)
    edss[:, until + 1 :] = np.maximum(edss[:, until + 1 :], edss[:, until, None])
    # Early months carry the schedules of the sources (who is scanned when) more than their patients; the cumulative
    # hazards of two sources are taken to keep the ratio that they have at 24 months.
    proportional = np.where(GRID > 0, _between(event_levels)[:, :, None], 0.0)
    return Heterogeneity(
        edss,
        proportional,
        _between(free_levels),
        _between(_levels(relative_rate, change.source, cohort))[:, 0],
        float(_shared(change_levels)[until]),
        _shared(event_levels),
        _shared(free_levels),
    )


def _last_reached(pseudo: Floats, slopes: Slopes, until: int) -> Indices:
    """Return, per endpoint, the last step up to `until` at which most of the sources that know it at all know it.

    A trial of 24 months confirms no worsening that begins after month 18: compared at 24 months, sources would be the
    registries alone, which see their patients alike.
    """
    groups = np.unique(slopes.group)
    known = np.stack(
        [(~np.isnan(pseudo[slopes.group == one])).sum(axis=0) >= FEWEST_PER_SOURCE for one in groups]
    ).sum(axis=0)
    most = known[:, 1 : until + 1] >= _REACHED * known[:, 1 : until + 1].max(axis=1, keepdims=True)
    reached: Indices = until - most[:, ::-1].argmax(axis=1)
    return reached


@dataclass(frozen=True, slots=True)
class _Levels:
    """Mean residual of every source and its sampling variance, (classes, phenotypes, sources, outcomes).

    NaN where too few patients are observed.
    """

    mean: Floats
    variance: Floats


def _levels(residual: Floats, source: Indices, cohort: Indices) -> _Levels:
    """Take the levels of sources within each class and phenotype.

    Patients of reference are of one phenotype. A trial of a first event has patients of no other, so that its level
    among those of its class would be what its phenotype is worth.
    """
    place = np.concatenate([cohort, source[None]])
    mean = np.full((*(place.max(axis=1, initial=0) + 1), residual.shape[1]), np.nan)
    variance = mean.copy()
    found, group = np.unique(place, axis=1, return_inverse=True)
    for number, at in enumerate(found.T.tolist()):
        part = residual[group == number]
        count = (~np.isnan(part)).sum(axis=0)
        level = np.where(count >= FEWEST_PER_SOURCE, np.nan_to_num(part).sum(axis=0) / np.maximum(count, 1), np.nan)
        squares = np.nan_to_num((part - level) ** 2).sum(axis=0)
        mean[*at] = level
        variance[*at] = np.where(np.isnan(level), np.nan, squares / np.maximum(count * (count - 1), 1))
    return _Levels(mean, variance)


def _between(levels: _Levels) -> Floats:
    """Return the variance of sources beyond sampling in each phenotype, (phenotypes, outcomes).

    Every source of a class counts the same, and all classes together.
    """
    excess, freedom = _excess(levels)
    drawn = excess + _WEIGHT_OF_ALL * _pooled(excess, freedom)
    return np.asarray(np.maximum(drawn, 0.0) / (freedom + _WEIGHT_OF_ALL), dtype=np.float64)


def _excess(levels: _Levels) -> tuple[Floats, Floats]:
    """Return squares beyond sampling and degrees of freedom in each phenotype, over classes."""
    usable = ~np.isnan(levels.mean)
    number = np.maximum(usable.sum(axis=2), 1)
    centre = np.nansum(levels.mean, axis=2) / number
    squares = np.nansum((levels.mean - centre[:, :, None]) ** 2, axis=2)
    several = number - 1.0
    beyond = squares - several / number * np.nansum(levels.variance, axis=2)
    return beyond.sum(axis=0), several.sum(axis=0)


def _pooled(excess: Floats, freedom: Floats) -> Floats:
    """Return the variance of sources over all phenotypes, (outcomes,)."""
    squares, number = np.maximum(excess.sum(axis=0), 0.0), freedom.sum(axis=0)
    variance: Floats = np.divide(squares, number, out=np.zeros_like(squares), where=number > 0)
    return variance


def _shared(levels: _Levels) -> Floats:
    """Return the correlation of the levels of one source under two classes, from the sources that have both.

    Covariance and variances are those of the same sources. Most pairs of classes meet in registries, which are near
    each other: beside the variance of all sources their covariance would look like none.
    """
    usable = ~np.isnan(levels.mean)
    product = squares = np.zeros(levels.mean.shape[3])
    for first in range(len(usable)):
        for second in range(first):
            both = usable[first] & usable[second]
            number = np.maximum(both.sum(axis=1, keepdims=True), 1)
            pair = [np.where(both, levels.mean[at], 0.0) for at in (first, second)]
            centred = [np.where(both, side - side.sum(axis=1, keepdims=True) / number, 0.0) for side in pair]
            product = product + (centred[0] * centred[1]).sum(axis=(0, 1))
            for at, side in zip((first, second), centred, strict=True):
                sampled = (number - 1.0) / number * np.where(both, levels.variance[at], 0.0)
                squares = squares + (side**2 - sampled).sum(axis=(0, 1)) / 2.0
    share = np.divide(product, squares, out=np.zeros_like(product), where=squares > 0)
    return np.asarray(np.clip(share, 0.0, 1.0), dtype=np.float64)
