"""The parameters of the simulation, each in a readable table with its source.

``parameters.csv`` holds those of the disease model, ``class_effects.csv`` the effects of treatment classes, and
``calibrated.csv`` what calibration found for each trial and arm; `cdss calibrate` writes the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from reference_db.sources.simulated.published import csv_rows
from reference_db.vocabulary import Treatment

Calibration = Mapping[tuple[str, str], float]
"""Calibrated parameters by scope (name of a trial, or code of an arm) and name."""

TRIAL_PARAMETERS = (
    "relapse_rate",
    "progression_slope",
    "lesion_rate",
    "lesion_correlation",
    "worsening_modification",
    "fluctuation_sd",
)
"""Natural rates per year in a trial's population, for an untreated patient of average covariates and frailty 1; the
correlation of the frailties of lesions and relapses; how much stronger effects on worsening are per unit of recent
activity; the fluctuation of EDSS from visit to visit, which differs with the training of raters."""

ARM_PARAMETERS = (
    "relapse_ratio",
    "progression_ratio",
    "residual_ratio",
    "lesion_ratio",
    "relapse_shape",
    "lesion_shape",
    "gd_share",
    "gd_shape",
    "dropout_rate",
)
"""Effects of an arm's treatment, spread of frailties under it, enhancement on its scans, dropouts per year."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Ratios of a treatment against none, for the average patient.

    Attributes
    ----------
    relapse_ratio, progression_ratio, lesion_ratio : float
        On the rates of relapses, of progression and of new lesions.
    residual_ratio : float
        On the probability that a relapse leaves a lasting deficit.
    """

    relapse_ratio: float
    progression_ratio: float
    lesion_ratio: float
    residual_ratio: float = 1.0


@cache
def parameters() -> Mapping[str, float]:
    """Return the parameters of the disease model by name."""
    return MappingProxyType({row["name"]: float(row["value"]) for row in csv_rows("parameters.csv")})


@cache
def calibrated() -> Calibration:
    """Return the calibrated parameters that the project ships."""
    return MappingProxyType(
        {(row["scope"], row["parameter"]): float(row["value"]) for row in csv_rows("calibrated.csv")}
    )


@cache
def class_effects() -> Mapping[Treatment, Effect]:
    """Return the effect of each treatment class."""
    rows = {Treatment(row["treatment"]): row for row in csv_rows("class_effects.csv")}
    return MappingProxyType(
        {
            treatment: Effect(
                relapse_ratio=float(rows[treatment]["relapse_ratio"]),
                progression_ratio=float(rows[treatment]["progression_ratio"]),
                lesion_ratio=float(rows[treatment]["lesion_ratio"]),
            )
            for treatment in Treatment
        }
    )


def arm_effect(arm: str, calibration: Calibration) -> Effect:
    """Return the effect of an arm's treatment as calibrated."""
    return Effect(
        relapse_ratio=calibration[arm, "relapse_ratio"],
        progression_ratio=calibration[arm, "progression_ratio"],
        lesion_ratio=calibration[arm, "lesion_ratio"],
        residual_ratio=calibration[arm, "residual_ratio"],
    )
