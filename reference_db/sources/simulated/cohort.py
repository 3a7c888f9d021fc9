"""A cohort at baseline: the rows of `patients` beside what no source records."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.sources.simulated.disease import Traits
from reference_db.sources.simulated.parameters import parameters

Array = NDArray[np.float64]

SMALLEST_ARM = 60
"""Patients per arm or registry class below which a scaled-down simulation does not go."""


@dataclass(frozen=True)
class Cohort:
    """Patients at baseline.

    Attributes
    ----------
    patients : DataFrame
        Columns of the `patients` table but `last_day`, plus `treatment`; index 0..n-1.
    edss : ndarray
        EDSS at baseline.
    gd : ndarray
        Enhancing lesions on the baseline scan.
    t2_count : ndarray
        T2 lesions on the baseline scan.
    traits : Traits
    """

    patients: pd.DataFrame
    edss: Array
    gd: Array
    t2_count: Array
    traits: Traits

    def __len__(self) -> int:
        return len(self.patients)

    def rows(self, chosen: NDArray[np.intp], patients: pd.DataFrame) -> Cohort:
        """Return some of the patients, in that order, with their rows of the table."""
        traits = {field.name: getattr(self.traits, field.name)[chosen] for field in fields(Traits)}
        return Cohort(
            patients=patients,
            edss=self.edss[chosen],
            gd=self.gd[chosen],
            t2_count=self.t2_count[chosen],
            traits=Traits(**traits),
        )


def fluctuation_at_baseline(edss: Array, sd: float, rng: np.random.Generator) -> Array:
    """Return how far from its usual level each patient stands at baseline; nobody's usual level is below 0."""
    drawn = rng.normal(0.0, sd, len(edss))
    return np.minimum(drawn, edss / 2.0)


def transient_at_baseline(edss: Array, relapses_12m: Array) -> Array:
    """Return the disability at baseline that is still recovering from relapses, at most half of the EDSS."""
    return np.minimum(parameters()["baseline_excess"] * relapses_12m, edss / 2.0)


def relapse_covariates(age: Array, years_since_onset: Array) -> Array:
    """Return the factor of age and time since onset on the relapse rate; 1 at 38 years and 7 since onset."""
    p = parameters()
    return np.exp(p["relapse_age_slope"] * (age - 38.0) + p["relapse_duration_slope"] * (years_since_onset - 7.0))


def progression_covariates(age: Array, reference_age: float) -> Array:
    """Return the factor of age on progression; 1 at the reference age."""
    return np.exp(parameters()["progression_age_slope"] * (age - reference_age))


def frailty_correlation(lesions_with_relapses: float) -> Array:
    """Return the correlations of what is drawn together at baseline, on the Gaussian scale.

    Order: age, years since onset, EDSS, relapses in 12 months, enhancing lesions, T2 lesions, then the frailties of
    relapses, new lesions and progression, and the readiness of lesions to enhance.

    Parameters
    ----------
    lesions_with_relapses : float
        Correlation of the frailties of new lesions and of relapses.
    """
    p = parameters()
    matrix = np.eye(10)
    matrix[6, 7] = matrix[7, 6] = lesions_with_relapses
    for (first, second), name in {
        (0, 1): "correlation_age_onset",
        (0, 2): "correlation_age_edss",
        (1, 2): "correlation_onset_edss",
        (0, 4): "correlation_age_gd",
        (1, 5): "correlation_onset_t2",
        (4, 5): "correlation_gd_t2",
        (3, 6): "relapse_frailty_correlation",
        (4, 7): "gd_frailty_correlation",
        (6, 8): "progression_frailty_correlation",
        (4, 9): "enhancement_correlation",
    }.items():
        matrix[first, second] = matrix[second, first] = p[name]
    return matrix
