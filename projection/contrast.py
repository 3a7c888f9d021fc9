"""Treatment classes compared with one of them, for one patient of interest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from projection.composite import EDSS, EVENTS
from projection.cox import log_hazard_ratio
from projection.endpoints import ENDPOINTS, GRID, HORIZON
from projection.estimates import Estimates, Outcomes
from projection.heterogeneity import Heterogeneity
from projection.result import Contrast, Estimate
from projection.survival import Z95, restricted_mean, slope_of_log_log
from reference_db.errors import InvalidInput
from reference_db.vocabulary import Treatment
from selection.selector import ClassSelection

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

CONTRAST_ESTIMATORS = ("corrected", "plain", "overlap")
"""Corrected by regression on the features that still differ; plain; or each pair of groups weighed to the patients
that both have in common."""

_AT = int(np.searchsorted(GRID, HORIZON))
_PROPENSITY_RIDGE = 1.0


@dataclass(frozen=True, slots=True)
class _Group:
    """One side of a comparison, read from the arrays of all groups."""

    rows: Indices
    estimates: Estimates
    at: int


def contrasts(
    outcomes: Outcomes,
    own: float,
    poi: Floats,
    chosen: Mapping[Treatment, ClassSelection],
    *,
    reference: Treatment,
    estimator: str,
) -> tuple[Contrast, ...]:
    """Compare every class with a reference class.

    Parameters
    ----------
    outcomes : Outcomes
        Of the reference database.
    own : float
        EDSS of the patient of interest.
    poi : ndarray, shape (columns,)
        Standardised features of the patient of interest.
    chosen : mapping of Treatment to ClassSelection
        Patients of reference per class, the reference class among them and not refused.
    reference : Treatment
    estimator : {"corrected", "plain", "overlap"}

    Returns
    -------
    tuple of Contrast
        One per class but the reference. Groups are different patients, so their sampling variances add; what they
        take over from the same sources cancels, and so does what a synthetic database is off by in all classes.
        Hazard ratios are Cox regressions for the plain estimator, and ratios of cumulative hazards at 24 months for
        the others.
    """
    if estimator not in CONTRAST_ESTIMATORS:
        raise InvalidInput.of("estimator", f"{estimator!r} is not known", ", ".join(CONTRAST_ESTIMATORS))
    compared = [part for treatment, part in chosen.items() if treatment is not reference]
    usable = [part for part in compared if part.refusal is None]
    if not usable:
        return tuple(_refused(part) for part in compared)
    against = chosen[reference].rows
    if estimator == "overlap":
        pairs = [_overlap(outcomes, (part.rows, against)) for part in usable]
        sides = [side for pair in pairs for side in pair]
        places = [(2 * number, 2 * number + 1) for number in range(len(usable))]
    else:
        sides = [(rows, np.ones(len(rows))) for rows in (against, *(part.rows for part in usable))]
        places = [(number, 0) for number in range(1, len(sides))]
    k = max(len(rows) for rows, _ in sides)
    rows = np.stack([np.pad(rows, (0, k - len(rows))) for rows, _ in sides])
    weights = np.stack([np.pad(weights, (0, k - len(weights))) for _, weights in sides])
    estimates = outcomes.estimate(
        np.full(len(sides), own),
        np.broadcast_to(poi, (len(sides), len(poi))),
        rows,
        weights,
        estimator="corrected" if estimator == "corrected" else "plain",
        restricted_to=_AT,
    )
    between = outcomes.heterogeneity_for(poi)
    found = {}
    for part, place in zip(usable, places, strict=True):
        first, second = (_Group(sides[at][0], estimates, at) for at in place)
        found[part.treatment] = _contrast(outcomes, part, first, second, between, cox=estimator == "plain")
    return tuple(found.get(part.treatment) or _refused(part) for part in compared)


def _contrast(
    outcomes: Outcomes,
    part: ClassSelection,
    first: _Group,
    second: _Group,
    between: Heterogeneity,
    *,
    cox: bool,
) -> Contrast:
    n = len(first.rows) + len(second.rows)
    courses, events = first.estimates.courses, first.estimates.probabilities
    places = (first.at, second.at)
    survival = 1.0 - events.value
    free = restricted_mean(np.nan_to_num(survival), GRID, HORIZON)
    risks, months, ratios = {}, {}, {}

    def pair(array: Floats, *at: int) -> Floats:
        return np.array([array[(place, *at)] for place in places], dtype=np.float64)

    for e, name in enumerate(ENDPOINTS):
        risk, error = pair(events.value, e, _AT), pair(events.error, e, _AT)
        if np.isnan(risk).any():
            continue
        repeated = pair(events.repeated, e, _AT)
        common = _Common.of_event(first.estimates, places, between, e, risk)
        risks[name] = _difference(risk, error, n, repeated, common.risk)
        repeated_free = pair(events.restricted_repeated, e)
        months[name] = _difference(pair(free, e), pair(events.restricted_error, e), n, repeated_free, common.months)
        if cox:
            ratio = log_hazard_ratio(*(outcomes.tally(group.rows, e) for group in (first, second)))
        else:
            ratio = _cumulative_hazard_ratio(risk, error, repeated, common.logarithm)
        if not np.isnan(ratio[0]):
            ratios[name] = _of_logarithm(*ratio, n)
    value = pair(courses.value, _AT)
    edss = None
    if not np.isnan(value).any():
        together = _common_course(outcomes, first.estimates, places, between)
        edss = _difference(value, pair(courses.error, _AT), n, pair(courses.repeated, _AT), together)
    return Contrast(part.treatment.value, None, len(first.rows), edss, risks, months, ratios)


class _Common(NamedTuple):
    """What two groups have in common of one endpoint: covariances on the scales on which they are compared."""

    risk: float
    months: float
    logarithm: float

    @classmethod
    def of_event(
        cls, estimates: Estimates, places: tuple[int, int], between: Heterogeneity, endpoint: int, risk: Floats
    ) -> _Common:
        """Take it from composed estimates; none from others, whose groups are different patients.

        Sources that both take over, effects of features that both learned from all classes, and what is special about
        the neighbourhood of the patient of interest whatever the treatment.
        """
        by, weight = estimates.composition, estimates.event_weight
        steep = slope_of_log_log(1.0 - risk)
        if by is None or weight is None or not (steep > 0).all():
            return cls(0.0, 0.0, 0.0)
        sources, features, departure = by.in_common(weight[:, endpoint], places, EVENTS.start + endpoint)
        units = float(np.prod(1.0 / steep))
        taken = sources * between.shared_events[endpoint]
        logarithm = taken * between.events[endpoint, _AT] + features
        logarithm += departure * by.departure.shared_events[endpoint]
        return cls(logarithm * units, taken * between.event_free[endpoint], logarithm)


def _common_course(
    outcomes: Outcomes, estimates: Estimates, places: tuple[int, int], between: Heterogeneity
) -> float:
    """Return the covariance of the EDSS of two groups at 24 months."""
    by, weight = estimates.composition, estimates.course_weight
    if by is None or weight is None:
        return 0.0
    sources, features, departure = by.in_common(weight, places, EDSS.start)
    taken = sources * between.shared_edss * between.edss[_AT]
    learned = features * outcomes.model.change.variance[_AT]
    return float(taken + learned + departure * by.departure.shared_edss[_AT])


def _refused(part: ClassSelection) -> Contrast:
    return Contrast(part.treatment.value, part.refusal, 0, None, {}, {}, {})


def _difference(values: Floats, errors: Floats, n: int, repeated: Floats, together: float) -> Estimate:
    """Return the difference of two estimates, what cancels in it taken out of its variance."""
    half = Z95 * float(np.sqrt(_variance(errors**2, repeated, together)))
    value = float(values[0] - values[1])
    return Estimate(value, value - half, value + half, n)


def _variance(variances: Floats, repeated: Floats, together: float) -> float:
    """Return the variance of the difference of two estimates.

    Parameters
    ----------
    variances : ndarray, shape (2,)
    repeated : ndarray, shape (2,)
        Parts of them that a synthetic database adds, the same way in all classes (decision 0009).
    together : float
        Covariance by what both rest on.
    """
    variance = variances.sum() - 2.0 * (float(np.sqrt(repeated.prod())) + together)
    # Never below what one of the two alone is uncertain by, beside what they have in common.
    return float(max(variance, (variances - repeated).max() - together, 0.0))


def _of_logarithm(value: float, error: float, n: int) -> Estimate:
    ratio, lower, upper = np.exp(np.clip([value, value - Z95 * error, value + Z95 * error], -50.0, 50.0)).tolist()
    return Estimate(ratio, lower, upper, n)


def _cumulative_hazard_ratio(risks: Floats, errors: Floats, repeated: Floats, together: float) -> tuple[float, float]:
    """Return the logarithm of the ratio of cumulative hazards and its standard error; NaN where one has no events."""
    survival = 1.0 - risks
    if (survival <= 0.0).any() or (survival >= 1.0).any():
        return np.nan, np.nan
    hazard = -np.log(survival)
    unit = 1.0 / (survival * hazard) ** 2
    variance = _variance(errors**2 * unit, repeated * unit, together)
    return float(np.log(hazard[0] / hazard[1])), float(np.sqrt(variance))


def _overlap(outcomes: Outcomes, pair: tuple[Indices, Indices]) -> list[tuple[Indices, Floats]]:
    """Weigh two groups by the probability of having been in the other, given the features.

    References
    ----------
    Li, Morgan and Zaslavsky, J Am Stat Assoc 2018, doi 10.1080/01621459.2016.1260466.
    """
    features = outcomes.known_features(np.concatenate(pair))
    treated = np.repeat([1.0, 0.0], [len(pair[0]), len(pair[1])])
    design = np.column_stack([np.ones(len(features)), features])
    penalty = np.full(design.shape[1], _PROPENSITY_RIDGE)
    penalty[0] = 0.0
    coefficients = np.zeros(design.shape[1])
    for _ in range(25):
        propensity = expit(design @ coefficients)
        curvature = design.T @ (design * (propensity * (1 - propensity))[:, None]) + np.diag(penalty + 1e-9)
        step = np.linalg.solve(curvature, design.T @ (treated - propensity) - penalty * coefficients)
        coefficients += step
        if np.abs(step).max() < 1e-10:
            break
    weight = np.where(treated == 1.0, 1.0 - propensity, propensity)
    first, second = weight[: len(pair[0])], weight[len(pair[0]) :]
    return [(pair[0], first / first.mean()), (pair[1], second / second.mean())]
