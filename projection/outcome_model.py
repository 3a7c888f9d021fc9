"""Everything that is learned once of a release to correct the outcomes of any group of its patients.

Per class: what features are worth for the change of the EDSS, for the probability of each event and for the relapse
rate; over all: how residuals hang together over months, and how far sources differ.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from projection.change_model import ChangeModel, change_model_of
from projection.endpoints import ENDPOINTS, GRID, HORIZON, Endpoints
from projection.heterogeneity import RAREST, Heterogeneity, heterogeneity_of
from projection.survival import code, kaplan_meier, pseudo_values, slope_of_log_log, tally
from projection.within_sources import FEWEST_PER_SOURCE, PHENOTYPES, Scale, Slopes, slopes_within_sources

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_AT = int(np.searchsorted(GRID, HORIZON))


@dataclass(frozen=True)
class OutcomeModel:
    """What is learned of a release.

    Attributes
    ----------
    treatment : ndarray of int, shape (patients,)
        Class of each patient.
    predictors : ndarray, shape (patients, terms)
        As `within_sources.terms` returns them.
    change : ChangeModel
    events : ndarray, shape (classes, terms, endpoints * grid)
        Effects on the probability of each event by each month, as logarithms of ratios of cumulative hazards: what
        they are on the curve of the class.
    rate : ndarray, shape (classes, terms)
        Effects on relapses a year, as logarithms of ratios.
    uncertainty : ndarray, shape (classes, terms, judged * terms)
        Covariances of coefficients, side by side: of the EDSS at 24 months for residuals of variance 1, of the
        relapse rate, of each endpoint at 24 months.
    shared : ndarray, shape (judged, terms, terms)
        The part of them that is of the effects which all classes share.
    heterogeneity : Heterogeneity
    sampling : float
        Factor on sampling variances: 1 for patients, 2 for synthetic ones of as many originals.
    """

    treatment: Indices
    predictors: Floats
    change: ChangeModel
    events: Floats
    rate: Floats
    uncertainty: Floats
    shared: Floats
    heterogeneity: Heterogeneity
    sampling: float

    @property
    def ratio(self) -> Floats:
        """Variance of the change of EDSS at 24 months between sources, as a share of that within, by phenotype."""
        between, within = self.heterogeneity.edss[:, _AT], self.change.variance[_AT]
        return between / within if within > 0 else np.zeros_like(between)


def fit_outcome_model(
    endpoints: Endpoints,
    predictors: Floats,
    source: Indices,
    treatment: Indices,
    phenotype: Indices,
    classes: int,
    *,
    avatars: float,
) -> OutcomeModel:
    """Learn the model from the patients of a database.

    Parameters
    ----------
    endpoints : Endpoints
    predictors : ndarray, shape (patients, terms)
    source, treatment, phenotype : ndarray of int, shape (patients,)
        Their numbers.
    classes : int
        How many classes there are.
    avatars : float
        Synthetic patients per original; 0 where patients are originals. The means of synthetic patients scatter
        about those of the originals as these do about the population: with one for each original sampling counts
        twice (Raab, Nowok and Dibben, J Priv Confid 2016, doi 10.29012/jpc.v7i3.407), with more each tells less.
    """
    codes = code(endpoints.step, endpoints.event)
    pseudo = _pseudo_values(codes, source * classes + treatment)
    years = endpoints.years
    rates = _rates(endpoints, treatment, classes)
    each = [treatment == one for one in range(classes)]
    mean_years = np.array([years[of].mean() if of.any() else 1.0 for of in each])
    contribution = (endpoints.relapses - rates[treatment] * years) / np.maximum(mean_years, 1e-9)[treatment]

    sampling = 1.0 + avatars

    def slopes(outcomes: Floats, scale: Scale, *judged: int) -> Slopes:
        return slopes_within_sources(outcomes, predictors, source, treatment, scale, judged=judged, sampling=sampling)

    survival = _curves(codes, treatment, classes)
    change = slopes(endpoints.change, Scale.of_outcomes(classes, len(GRID)), _AT)
    events = slopes(pseudo, _on_hazards(survival), *range(_AT, pseudo.shape[1], len(GRID)))
    rate = slopes(np.where(years > 0, contribution, np.nan)[:, None], _on_rates(rates), 0)
    phenotypes = len(PHENOTYPES)
    cohort = treatment * phenotypes + phenotype
    heterogeneity = heterogeneity_of(
        change,
        events,
        rate,
        _curves(codes, cohort, classes * phenotypes).reshape(classes, phenotypes, *survival.shape[1:]),
        _rates(endpoints, cohort, classes * phenotypes).reshape(classes, phenotypes),
        np.stack([treatment, phenotype]),
    )
    # On the scales of the effects; the residuals of changes have a variance at every month of their own.
    on_hazards = events.variance[_AT :: len(GRID), None, None]
    covariances = (change.uncertainty, rate.variance * rate.uncertainty, on_hazards[:, None] * events.uncertainty)
    return OutcomeModel(
        treatment,
        # Rows are read, some hundred at a time.
        np.ascontiguousarray(predictors),
        change_model_of(change),
        events.coefficients,
        rate.coefficients[:, :, 0],
        np.concatenate([matrix for part in covariances for matrix in part], axis=2),
        np.concatenate([change.shared, rate.variance * rate.shared, on_hazards * events.shared]),
        heterogeneity,
        sampling,
    )


def _on_hazards(survival: Floats) -> Scale:
    """Return the scale of logarithms of ratios of cumulative hazards, from the curves of the classes.

    Pseudo-values are unbiased as probabilities; effects carry over on hazards: from class to class, and from patients
    of middling risk to those of low and of high risk. A class in which hardly anybody has the event takes over what
    the others show.
    """
    unit = np.where(survival < 1.0 - RAREST, slope_of_log_log(survival), 0.0).reshape(len(survival), -1)
    spread = unit**2 * (survival * (1.0 - survival)).reshape(len(survival), -1)
    return Scale(unit, np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0))


def _on_rates(rates: Floats) -> Scale:
    """Return the scale of logarithms of ratios of relapse rates, from those of the classes."""
    some = rates > 0
    unit = np.divide(1.0, rates, out=np.zeros_like(rates), where=some)
    # Relapses of a year scatter by about their number.
    return Scale(unit[:, None], rates[:, None])


def _curves(codes: Indices, group: Indices, groups: int) -> Floats:
    """Return the Kaplan-Meier curves of every endpoint in each group: shape (groups, endpoints, grid)."""
    place = group[:, None] * len(ENDPOINTS) + np.arange(len(ENDPOINTS))
    shape = (groups, len(ENDPOINTS))
    return kaplan_meier(tally(codes.ravel(), place.ravel(), shape, len(GRID), None)).survival


def _rates(endpoints: Endpoints, group: Indices, groups: int) -> Floats:
    """Return the relapses a year of each group: shape (groups,)."""
    relapses, years = (np.bincount(group, each, groups) for each in (endpoints.relapses, endpoints.years))
    found: Floats = relapses / np.maximum(years, 1e-9)
    return found


def _pseudo_values(codes: Indices, group: Indices) -> Floats:
    """Return pseudo-values of every endpoint and month side by side, each patient's from the curve of their group.

    They are NaN from where too few of the group are at risk: there the curve of a source tells nothing.
    """
    found = np.full((*codes.shape, len(GRID)), np.nan)
    place = np.arange(len(ENDPOINTS))
    for one in np.unique(group):
        rows = np.flatnonzero(group == one)
        own = codes[rows]
        curve = kaplan_meier(tally(own.ravel(), np.tile(place, len(rows)), (len(ENDPOINTS),), len(GRID), None))
        values = pseudo_values(curve)[place, own // 2, own % 2]
        found[rows] = np.where(curve.at_risk >= FEWEST_PER_SOURCE, values, np.nan)
    return found.reshape(len(codes), -1)
