"""What would have become of every simulated patient under each class: the truth that only a simulation has.

Given a patient's frailties the expectations are known in closed form (the model is linear in lasting disability), so
no chance enters: differences between classes are differences of treatment alone.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.schema import EDSS_MONTHS
from reference_db.sources.simulated.disease import HIGHEST_DISABILITY, Regime, Traits, recency
from reference_db.sources.simulated.parameters import parameters

Array = NDArray[np.float64]

MONTHS: tuple[int, ...] = tuple(month for month in EDSS_MONTHS if month <= 24)


def mean_relapse_impact(residual_probability: Array) -> tuple[Array, Array]:
    """Return the expected lasting and transient rise of disability at one relapse."""
    p = parameters()
    peak = p["relapse_peak_minimum"] + p["relapse_peak_mean"]
    lasting = peak * residual_probability * (1.0 + p["residual_share_minimum"]) / 2.0
    return lasting, peak - lasting


def expected_outcomes(traits: Traits, rates: Regime, *, days_per_month: float) -> pd.DataFrame:
    """Return the expected course of each patient under one regime.

    Returns
    -------
    DataFrame
        ``edss_<month>`` on the grid to 24 months (expected disability, not rounded to the scale), ``relapses_24``
        (expected number), ``relapse_risk_24`` (probability of at least one) and ``new_t2_24`` (expected number).
    """
    p = parameters()
    lasting, passing = mean_relapse_impact(rates.residual_probability)
    years = np.array(MONTHS) * days_per_month / 365.25
    fine = np.linspace(0.0, years[-1], 241)
    middle = (fine[1:] + fine[:-1]) / 2.0
    width = np.diff(fine)
    intensity = recency(middle) * width
    recovery = p["relapse_recovery"] / 365.25
    columns: dict[str, Array] = {}
    for month, year in zip(MONTHS, years, strict=True):
        past = middle < year
        exposure = float(intensity[past].sum())
        still = float((intensity[past] * np.exp(-(year - middle[past]) / recovery)).sum())
        expected = (
            traits.lasting
            + traits.transient * np.exp(-year / recovery)
            + rates.progression_slope * year
            + rates.relapse_rate * (lasting * exposure + passing * still)
        )
        columns[f"edss_{month}"] = np.clip(expected, 0.0, HIGHEST_DISABILITY)
    total = rates.relapse_rate * float(intensity.sum())
    columns["relapses_24"] = total
    columns["relapse_risk_24"] = -np.expm1(-total)
    columns["new_t2_24"] = rates.lesion_rate * years[-1]
    return pd.DataFrame(columns)
