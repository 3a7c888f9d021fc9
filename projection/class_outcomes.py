"""What became of all patients of a class and phenotype, their sources weighed to the mix of the phenotype."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from projection.endpoints import GRID
from projection.outcome_model import OutcomeModel
from projection.standardised import Standardised, source_weights
from projection.survival import kaplan_meier, tally
from projection.trajectories import levels
from projection.within_sources import FEWEST_PER_SOURCE

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


class ClassOutcomes(NamedTuple):
    """Outcomes of all patients of a class and phenotype, the first axis or axes telling which.

    Attributes
    ----------
    survival, at_risk : ndarray, shape (..., endpoints, grid)
        Probability of no event, and how many patients of equal weight those at risk are worth; nobody where a class
        has too few patients of a phenotype.
    level, level_variance : ndarray, shape (..., grid)
        Mean of what features do not predict of the change of EDSS, and its sampling variance; infinite there.
    rate, dispersion, rate_information : ndarray, shape (...)
        Relapses a year, how often the variance of relapses is their expected number, and how many patient-years of
        equal weight the rate rests on; 0 of them where too few or without relapses.
    predictors : ndarray, shape (..., terms)
        Their mean.
    share : ndarray, shape (..., sources)
        Of each source, as they are weighed.
    """

    survival: Floats
    at_risk: Floats
    level: Floats
    level_variance: Floats
    rate: Floats
    dispersion: Floats
    rate_information: Floats
    predictors: Floats
    share: Floats

    def of(self, treatment: Indices, phenotype: Indices) -> ClassOutcomes:
        """Return the outcomes of the class and phenotype of each group."""
        return ClassOutcomes(*(array[treatment, phenotype] for array in self))


def class_outcomes(
    codes: Indices,
    relapses: Floats,
    years: Floats,
    model: OutcomeModel,
    phenotype: Indices,
    sources: Floats,
    mix: Floats,
    classes: int,
    patient: Indices | None,
) -> ClassOutcomes:
    """Estimate the outcomes of every class and phenotype.

    Parameters
    ----------
    codes : ndarray of int, shape (patients, endpoints)
        As `survival.code` joins step and event.
    relapses, years : ndarray, shape (patients,)
        Relapses and the patient-years over which they were counted.
    model : OutcomeModel
    phenotype : ndarray of int, shape (patients,)
    sources : ndarray, shape (patients, sources)
        1 in the column of each patient's source.
    mix : ndarray, shape (phenotypes, sources)
    classes : int
    patient : ndarray of int, shape (patients,), optional
        Whose row each is, where a patient has one for every visit: these are not several patients to sampling.
    """
    endpoints, shape = codes.shape[1], (classes, len(mix))
    survival = np.ones((*shape, endpoints, len(GRID)))
    number = np.zeros_like(survival)
    level, variance = np.zeros((*shape, len(GRID))), np.full((*shape, len(GRID)), np.inf)
    # Of classes of too few: relapses of everybody scatter about their number.
    rate, dispersion, information = np.zeros(shape), np.ones(shape), np.zeros(shape)
    mean, shares = np.zeros((*shape, model.predictors.shape[1])), np.zeros((*shape, sources.shape[1]))
    for at in np.ndindex(*shape):
        rows = np.flatnonzero((model.treatment == at[0]) & (phenotype == at[1]))
        if len(rows) < FEWEST_PER_SOURCE:
            continue
        alone = sources[rows][None], mix[[at[1]]]
        weights = source_weights(np.ones((1, len(rows))), *alone, model.ratio[[at[1]]])
        place = np.tile(np.arange(endpoints), len(rows))
        curve = kaplan_meier(
            tally(codes[rows].ravel(), place, (endpoints,), len(GRID), np.repeat(weights[0], endpoints))
        )
        found = levels(rows[None], Standardised(weights, *alone), model.change)
        share = weights[0] / weights.sum()
        distinct = 1.0 if patient is None else len(np.unique(patient[rows])) / len(rows)
        survival[at] = curve.survival
        number[at] = curve.at_risk * distinct * weights.sum() / (weights**2).sum()
        level[at] = found.level[0]
        variance[at] = np.where(found.shown[0], found.variance[0] / distinct, np.inf)
        weighed_years, weighed_relapses = (weights[0] * years[rows]).sum(), (weights[0] * relapses[rows]).sum()
        # A source that counts for nothing may be the only one with relapses.
        if weighed_relapses > 0:
            rate[at] = weighed_relapses / weighed_years
            expected = rate[at] * years[rows]
            dispersion[at] = (weights[0] * (relapses[rows] - expected) ** 2).sum() / (rate[at] * weighed_years)
            information[at] = distinct * weighed_years**2 / (weights[0] ** 2 * years[rows]).sum()
        mean[at] = share @ model.predictors[rows]
        shares[at] = share @ sources[rows]
    return ClassOutcomes(survival, number, level, variance, rate, dispersion, information, mean, shares)
