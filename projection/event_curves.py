"""Probabilities of events by composite estimation: the curve of the patients of reference and that of their class.

Sampling variances are Greenwood's under the expected curve. Under the observed one they are least where a curve is
low by chance, which is where it is furthest off.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from projection.class_outcomes import ClassOutcomes
from projection.composite import EVENTS, Composition, departure_of
from projection.endpoints import GRID, HORIZON
from projection.probabilities import Probabilities, limits, unit_of_log_log
from projection.standardised import Standardised
from projection.survival import at_risk, greenwood_expected, kaplan_meier, tally

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_AT = int(np.searchsorted(GRID, HORIZON))
_LENGTHS: Floats = np.diff(GRID)

_LARGEST = 5.0
"""Largest logarithm of a ratio of cumulative hazards by which a curve is moved."""


@dataclass(frozen=True, slots=True)
class EventParts:
    """The two estimates that are composed, shape (groups, endpoints, grid) each.

    Attributes
    ----------
    near, expected : ndarray
        Probability of no event, of the patients of reference and of their whole class, both moved to the features of
        the patient of interest.
    number : ndarray
        Patients of reference at risk.
    near_variance, class_variance : ndarray
        Sampling variances under the expected curve; infinite where the class has too few patients.
    effective, of_class : ndarray
        How many patients of equal weight those at risk are worth.
    """

    near: Floats
    expected: Floats
    number: Floats
    near_variance: Floats
    class_variance: Floats
    effective: Floats
    of_class: Floats


def event_parts(
    codes: Indices,
    group: Standardised,
    near_shift: Floats,
    whole: ClassOutcomes,
    class_shift: Floats,
) -> EventParts:
    """Estimate both parts.

    Parameters
    ----------
    codes : ndarray of int, shape (groups, k, endpoints)
        Of the patients of reference.
    group : Standardised
    near_shift, class_shift : ndarray, shape (groups, endpoints, grid)
        What features are worth over the gap between the patients of reference, or their class, and the patient of
        interest, as a logarithm of the ratio of cumulative hazards.
    whole : ClassOutcomes
        Of the class of each group.

    Returns
    -------
    EventParts
        Where the class has too few patients of the phenotype, the patients of reference stand for it.
    """
    weights, grid = group.weights, len(GRID)
    member = weights > 0
    shape = (len(weights), codes.shape[2])
    placed = (codes + 2 * grid * np.arange(shape[0] * shape[1]).reshape(shape[0], 1, shape[1])).ravel()

    def counted(of_patient: Floats | None) -> Floats:
        each = None if of_patient is None else np.repeat(of_patient.ravel(), shape[1])
        return tally(placed, 0, shape, grid, each)

    curve = kaplan_meier(counted(weights))
    worth = weights.sum(axis=1) / np.maximum((weights**2).sum(axis=1), 1e-12)
    effective = curve.at_risk * worth[:, None, None]
    of_class = whole.at_risk
    known = of_class[:, :, :1] > 0
    near, expected = _moved(np.array([curve.survival, whole.survival]), np.array([near_shift, class_shift]))
    expected = np.where(known, expected, near)
    near_variance, class_variance = greenwood_expected(expected, np.array([effective, of_class]))
    return EventParts(
        near,
        expected,
        at_risk(counted(None if member.all() else member.astype(np.float64))),
        near_variance,
        np.where(known, class_variance, np.inf),
        effective,
        of_class,
    )


def _moved(survival: Floats, shift: Floats) -> Floats:
    """Move curves by what features are worth.

    Downwards hazards are in proportion: a low risk is made lower by a factor, and never comes out as none. Upwards
    the correction is its first step: beyond, it would grow faster than anything was seen to.
    """
    ratio = np.where(shift < 0, np.exp(np.clip(shift, -_LARGEST, 0.0)), 1.0 + shift)
    # Corrections at neighbouring steps may differ by a hair; nobody who had the event gets rid of it.
    moved: Floats = np.minimum.accumulate(survival**ratio, axis=-1)
    return moved


def departure_of_events(found: EventParts, counted: float, explained: Floats, poi: Indices) -> tuple[Floats, Floats]:
    """Return how far neighbourhoods depart by month 24, and the part that all classes share: shape (endpoints,) each.

    On the scale of log(-log S); a group counts as much as it has events. See `composite.departure_of`.

    Parameters
    ----------
    found : EventParts
        Of many groups.
    counted : float
        How often the sampling of a group counts in how far it is from its class.
    explained : ndarray, shape (groups, endpoints)
        Variance of that by sources and by what features are worth, on the scale of log(-log S).
    poi : ndarray of int, shape (groups,)
        Number of the patient of interest of each group.
    """
    near, whole = found.near_variance[..., _AT], found.class_variance[..., _AT]
    unit = unit_of_log_log(found.expected[..., _AT])
    usable = np.isfinite(whole) & (unit > 0) & (near > 0)
    events = np.divide(unit**2, near, out=np.zeros_like(near), where=usable)
    apart = np.divide((found.near - found.expected)[..., _AT], unit, out=np.zeros_like(near), where=usable)
    # Patients of reference are a part of their class.
    sampled = np.divide(near - whole, unit**2, out=np.zeros_like(near), where=usable)
    return departure_of(apart, counted * np.maximum(sampled, 0.0) + explained, events**2, poi)


def composed_events(
    found: EventParts, by: Composition, *, restricted_to: int | None = None
) -> tuple[Probabilities, Floats]:
    """Compose both parts, with the weight that makes the error at 24 months least; at all months, so no curve falls.

    Parameters
    ----------
    found : EventParts
    by : Composition
    restricted_to : int, optional
        Step up to which the error of the restricted mean time is wanted.

    Returns
    -------
    Probabilities
    ndarray, shape (groups, endpoints)
        Weights of the patients of reference.
    """
    unit = unit_of_log_log(found.expected)
    apart = by.departure.events[:, None] * unit**2
    weight = by.weight(apart[..., _AT], found.near_variance[..., _AT], found.class_variance[..., _AT])
    b = weight[:, :, None]
    survival = b * found.near + (1.0 - b) * found.expected
    event = 1.0 - survival
    concentration = (by.away(weight) ** 2).sum(axis=2)
    once = by.sampled(b, found.near_variance, found.class_variance)
    variance = by.sampling * once + (1.0 - b) ** 2 * apart
    on_hazards = by.variance_along_gap(weight, EVENTS)[:, :, None]
    variance += (on_hazards + by.between.events * concentration[:, :, None]) * unit_of_log_log(survival) ** 2
    error = np.sqrt(variance)
    lower, upper = limits(survival, error, found.number, GRID)
    repeated = (by.sampling - 1.0) * once
    estimate = Probabilities.where_enough(event, lower, upper, error, found.number, repeated)
    if restricted_to is None:
        return estimate, weight
    areas = [_area_variance(found.expected, number, restricted_to) for number in (found.effective, found.of_class)]
    area_once = by.sampled(weight, *areas)
    reach = (unit[..., :restricted_to] * _LENGTHS[:restricted_to]).sum(axis=2)
    area = by.sampling * area_once + (1.0 - weight) ** 2 * by.departure.events * reach**2
    area += by.between.event_free * concentration
    repeated_area = (by.sampling - 1.0) * area_once
    return replace(estimate, restricted_error=np.sqrt(area), restricted_repeated=repeated_area), weight


def _area_variance(survival: Floats, number: Floats, until: int) -> Floats:
    """Return the sampling variance of the area under curves up to a step, (groups, endpoints).

    The hazard of each step moves the area that is left after it.
    """
    pieces = survival[..., :until] * _LENGTHS[:until]
    after = pieces[..., ::-1].cumsum(axis=-1)[..., ::-1]
    odds = survival[..., : until - 1] / np.maximum(survival[..., 1:until], 1e-9) - 1.0
    variance: Floats = (after[..., 1:] ** 2 * odds / np.maximum(number[..., 1:until], 1.0)).sum(axis=-1)
    return variance
