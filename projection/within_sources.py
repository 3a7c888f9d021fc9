"""What features are worth, learned within sources: differences between sources must not pass for effects of features.

Every outcome is regressed on what predicts it among the patients of a class, each source of the class with a level of
its own. Effects that all classes share are learned from all of them, on the scale on which they carry over: changes
as they are, events and relapses as ratios of hazards and rates. How a class deviates is learned from its own
patients, and shrunk as much as the database itself says: the penalty is the one under which what the classes show is
most likely (empirical Bayes).

References
----------
Maximum marginal likelihood of a ridge penalty: Harville, J Am Stat Assoc 1977, doi 10.1080/01621459.1977.10480998.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from selection.features import COLUMN_FEATURE, FEATURES

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

FEWEST_PER_SOURCE = 40
"""Patients of a source under a class from which its deviation is taken."""

_RIDGE = 20.0
"""Penalty, in patients, on effects that all classes share."""

_RIDGES_OF_CLASS = (50.0, 20_000.0)
"""Least and largest penalty, in patients, on how the effects in one class deviate from those that all share."""

_HINGES = (2.0, 4.0, 5.0, 6.0)
"""EDSS at which the slope on it may change: walking decides from 4, is limited from 5 and needs help from 6."""


_LEVELS = ((0.0, 0.5), (0.5, 1.25))
"""EDSS from and below which 0 and 1.0 stand."""


@dataclass(frozen=True)
class Slopes:
    """Effects of what predicts outcomes.

    Attributes
    ----------
    coefficients : ndarray, shape (classes, terms, outcomes)
        On the scale on which they were learned.
    uncertainty : ndarray, shape (judged, classes, terms, terms)
        Covariance of the coefficients of some outcomes, for residuals of variance 1.
    shared : ndarray, shape (judged, terms, terms)
        The part of it that is of the effects which all classes share.
    variance : ndarray, shape (outcomes,)
        Of residuals, on the scale of the effects, of a patient of mean precision.
    residual : ndarray, shape (patients, outcomes)
        What is left of the outcomes, the level of the source included; NaN where not observed.
    source : ndarray of int, shape (patients,)
    group : ndarray of int, shape (patients,)
        Source within class of each patient.
    """

    coefficients: Floats
    uncertainty: Floats
    shared: Floats
    variance: Floats
    residual: Floats
    source: Indices
    group: Indices


def _regressed() -> Indices:
    """Columns of the regression: numbers, and all levels but the first of each category."""
    chosen, at = [], 0
    for feature in FEATURES:
        chosen += [at] if not feature.levels else list(range(at + 1, at + feature.width))
        at += feature.width
    return np.array(chosen)


REGRESSED: Indices = _regressed()
"""Columns of the features that enter regressions."""

PHENOTYPES: Indices = np.flatnonzero(np.array([FEATURES[at].name == "phenotype" for at in COLUMN_FEATURE]))
"""Columns of the phenotype."""

_RELAPSES = next(i for i, at in enumerate(REGRESSED) if FEATURES[COLUMN_FEATURE[at]].name == "relapses_12m")


def terms(columns: Floats, edss: Floats) -> Floats:
    """Return what predicts outcomes: features, what is unknown of them, and the EDSS where its scale bends.

    Parameters
    ----------
    columns : ndarray, shape (patients, columns)
        Standardised features, NaN where unknown.
    edss : ndarray, shape (patients,)

    Notes
    -----
    At EDSS 0 a fluctuation can only be seen upwards, and 0.5 does not exist: 0 and 1.0 have levels of their own. Nor
    can anybody recover below 0, so what recent relapses tell is another thing there.
    """
    features, edss = columns[:, REGRESSED], edss[:, None]
    unknown = np.isnan(features)
    known = np.where(unknown, 0.0, features)
    bends = np.maximum(edss - _HINGES, 0.0)
    low, high = np.transpose(_LEVELS)
    levels = (edss >= low) & (edss < high)
    recovering = levels * known[:, _RELAPSES, None]
    return np.concatenate([known, unknown, bends, levels, recovering], axis=1)


def not_known(columns: Floats) -> NDArray[np.bool_]:
    """Tell which of the `terms` rest on a feature that is not known: shape (patients, terms)."""
    unknown = np.isnan(columns[:, REGRESSED])
    of_edss = np.zeros((len(columns), len(_HINGES) + len(_LEVELS)), dtype=np.bool_)
    relapses = np.repeat(unknown[:, _RELAPSES, None], len(_LEVELS), axis=1)
    return np.concatenate([unknown, unknown, of_edss, relapses], axis=1)


@dataclass(frozen=True)
class Scale:
    """The scale on which effects carry over from class to class.

    Attributes
    ----------
    unit : ndarray, shape (classes, outcomes)
        What one of the outcome is on it in each class; 0 where a class tells nothing.
    precision : ndarray, shape (classes, outcomes)
        One over the variance of what one patient shows on it, or in proportion to it.
    """

    unit: Floats
    precision: Floats

    @classmethod
    def of_outcomes(cls, classes: int, outcomes: int) -> Scale:
        """Return that of the outcomes themselves, where classes are alike in their variance."""
        one = np.ones((classes, outcomes))
        return cls(one, one)


def slopes_within_sources(
    outcomes: Floats,
    predictors: Floats,
    source: Indices,
    treatment: Indices,
    scale: Scale,
    *,
    judged: Sequence[int],
    sampling: float,
) -> Slopes:
    """Learn the effects.

    Parameters
    ----------
    outcomes : ndarray, shape (patients, outcomes)
        NaN where not observed.
    predictors : ndarray, shape (patients, terms)
        As `terms` returns them.
    source, treatment : ndarray of int, shape (patients,)
        Numbers of the source and of the class.
    scale : Scale
        On which the effects are learned and returned.
    judged : sequence of int
        Outcomes of which it is wanted how uncertain coefficients are.
    sampling : float
        Factor on sampling variances: so many synthetic patients tell of effects what one patient does, and what
        classes seem to deviate by is theirs only beyond it.
    """
    classes, width = len(scale.unit), predictors.shape[1]
    group = np.unique(source * classes + treatment, return_inverse=True)[1].reshape(-1)
    coefficients = np.zeros((classes, width, outcomes.shape[1]))
    variance = np.zeros(outcomes.shape[1])
    shared_uncertainty: Floats = np.tile(np.eye(width) / _RIDGE, (len(judged), 1, 1))
    of_class: Floats = np.tile(np.eye(width) / _RIDGES_OF_CLASS[0], (len(judged), classes, 1, 1))
    known = ~np.isnan(outcomes)
    patterns, which = np.unique(known, axis=1, return_inverse=True)
    for number, pattern in enumerate(patterns.T):
        columns = np.flatnonzero(which.reshape(-1) == number)
        seen = np.flatnonzero(pattern)
        if len(seen) < FEWEST_PER_SOURCE:
            continue
        found = _effects(
            centred(predictors[seen], group[seen]),
            centred(outcomes[np.ix_(seen, columns)], group[seen]),
            treatment[seen],
            Scale(scale.unit[:, columns], scale.precision[:, columns]),
            sampling,
        )
        coefficients[:, :, columns], variance[columns] = found.coefficients, found.variance
        for at, place in zip(*np.nonzero(np.equal.outer(judged, columns)), strict=True):
            shared_uncertainty[at] = np.linalg.inv(found.shared_information[place])
            of_class[at] = np.linalg.inv(found.class_information[:, place])
    residual = np.empty_like(outcomes)
    for one in range(classes):
        rows = treatment == one
        unit = scale.unit[one]
        worth = np.divide(coefficients[one], unit, out=np.zeros_like(coefficients[one]), where=unit > 0)
        residual[rows] = outcomes[rows] - predictors[rows] @ worth
    uncertainty = shared_uncertainty[:, None] + of_class
    return Slopes(coefficients, uncertainty, shared_uncertainty, variance, residual, source, group)


class _Effects(NamedTuple):
    """Of outcomes that are known of the same patients.

    Attributes
    ----------
    coefficients : ndarray, shape (classes, terms, outcomes)
    variance : ndarray, shape (outcomes,)
        Of what a patient of mean precision shows.
    shared_information : ndarray, shape (outcomes, terms, terms)
    class_information : ndarray, shape (classes, outcomes, terms, terms)
        Inverses of the covariances of shared effects and of deviations, for residuals of variance 1.
    """

    coefficients: Floats
    variance: Floats
    shared_information: Floats
    class_information: Floats


def _effects(x: Floats, y: Floats, treatment: Indices, scale: Scale, sampling: float) -> _Effects:
    """Learn shared effects, and how classes deviate from them, from centred predictors and outcomes."""
    parts = [treatment == one for one in range(len(scale.unit))]
    scatters = np.stack([x[part].T @ x[part] for part in parts]) / sampling
    crosses = np.stack([x[part].T @ y[part] for part in parts]) / sampling * scale.unit[:, None, :]
    squares = np.stack([(y[part] ** 2).sum(axis=0) for part in parts]) / sampling * scale.unit**2
    size = np.array([part.sum() for part in parts])[:, None] * (scale.precision > 0) / sampling
    mean = (scale.precision * size).sum(axis=0) / np.maximum(size.sum(axis=0), 1e-12)
    weight = np.divide(scale.precision, mean, out=np.zeros_like(scale.precision), where=mean > 0)
    identity = np.eye(x.shape[1])
    shared_information = np.einsum("co,cst->ost", weight, scatters) + _RIDGE * identity
    cross = (weight[:, None, :] * crosses).sum(axis=0)
    shared = np.linalg.solve(shared_information, cross.T[:, :, None])[:, :, 0].T
    # What the shared effects leave.
    explained = np.matmul(scatters, shared)
    squares = squares - (shared * (2.0 * crosses - explained)).sum(axis=1)
    crosses = weight[:, None, :] * (crosses - explained)
    variance = (weight * squares).sum(axis=0) / np.maximum(size.sum(axis=0), 1e-12)
    ridge = ridge_of_class(scatters, crosses, variance, weight)
    class_information = weight[:, :, None, None] * scatters[:, None] + ridge * identity
    deviation = np.linalg.solve(class_information, crosses.transpose(0, 2, 1)[..., None])[..., 0]
    return _Effects(shared + deviation.transpose(0, 2, 1), variance, shared_information, class_information)


def ridge_of_class(scatters: Floats, crosses: Floats, variance: Floats, weight: Floats) -> float:
    """Return the penalty under which the deviations of the classes from the shared effects are most likely.

    Parameters
    ----------
    scatters : ndarray, shape (classes, terms, terms)
        Sums of squares and products of what predicts.
    crosses : ndarray, shape (classes, terms, outcomes)
        Weighed sums of products with what the shared effects leave of the outcomes.
    variance : ndarray, shape (outcomes,)
        Of what is left.
    weight : ndarray, shape (classes, outcomes)
        Of the patients of a class.

    Returns
    -------
    float
        In patients, within bounds. With deviations of variance ``variance / penalty``, the products along each axis
        of a class's weighed scatter are normal around 0 with variance ``variance * (axis + axis^2 / penalty)``.
    """
    from scipy.optimize import minimize_scalar

    axes, directions = np.linalg.eigh(scatters)
    along = np.matmul(directions.transpose(0, 2, 1), crosses)
    weighed = axes[:, :, None] * weight[:, None, :]
    told = weighed > 1e-6
    squares = (along**2 / np.maximum(variance, 1e-12))[told]
    weighed = weighed[told]

    def misfit(logarithm: float) -> float:
        spread = weighed + weighed**2 * np.exp(-logarithm)
        return float((np.log(spread) + squares / spread).sum())

    least, largest = (float(np.log(bound)) for bound in _RIDGES_OF_CLASS)
    found = minimize_scalar(misfit, bounds=(least, largest), method="bounded", options={"xatol": 0.01})
    return float(np.exp(found.x))


def centred(values: Floats, group: Indices) -> Floats:
    """Subtract from each column the mean of the patient's group over the patients in whom it is known."""
    known = ~np.isnan(values)
    size = np.stack([np.bincount(group, weights=column) for column in known.T], axis=1)
    total = np.stack([np.bincount(group, weights=column) for column in np.nan_to_num(values).T], axis=1)
    away: Floats = values - (total / np.maximum(size, 1.0))[group]
    return away
