"""What each treatment class does to whom, where it is known: coefficients learned from simulated originals.

A simulation keeps what would become of each original patient under every class. For each class one regression over
all patients of these potential outcomes on the features at baseline gives what a planned study needs, without
confounding by indication, and nothing of a single patient: only coefficients leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.harmonise import episodes
from reference_db.small_cells import SMALL_CELL
from reference_db.vocabulary import Treatment
from reference_db.warehouse import read_bkp

Array = NDArray[np.float64]

NUMBERS = ("age", "years_since_onset", "edss", "relapses_12m")
CATEGORIES = ("sex", "phenotype", "prior_treatment")
HORIZON_MONTHS = 24
_HIGHEST_RISK = 0.95


@dataclass(frozen=True)
class ExpectedOutcomes:
    """What is expected of patients under each class; arrays are patients x classes.

    Attributes
    ----------
    edss_change : ndarray
        Over 24 months.
    relapse_rate : ndarray
        Per year.
    worsening_rate : ndarray
        Of 24-week confirmed worsening, per month.
    """

    edss_change: Array
    relapse_rate: Array
    worsening_rate: Array


@dataclass(frozen=True)
class ClassEffects:
    """Regressions of the potential outcomes on the features, one per class.

    Attributes
    ----------
    coefficients : mapping of Treatment to ndarray, shape (3, columns)
        Of EDSS change, of the logarithms of expected relapses and of the risk of worsening over 24 months.
    columns : tuple of str
        Of the design: ``1``, numbers, their squares, and ``feature=level``.
    centre, spread : mapping of str to float
        Of the numbers among the originals.
    patients : int
        Behind every coefficient.
    """

    coefficients: Mapping[Treatment, Array]
    columns: tuple[str, ...]
    centre: Mapping[str, float]
    spread: Mapping[str, float]
    patients: int

    def expected(self, features: pd.DataFrame, classes: tuple[Treatment, ...]) -> ExpectedOutcomes:
        """Return what is expected of patients.

        Parameters
        ----------
        features : DataFrame
            With `NUMBERS` and `CATEGORIES`; an unknown number counts as the mean of the originals.
        classes : tuple of Treatment
        """
        design = _design(features, self.columns, self.centre, self.spread)
        predicted = np.stack([design @ self.coefficients[one].T for one in classes], axis=1)
        risk = np.clip(np.exp(predicted[:, :, 2]), 0.0, _HIGHEST_RISK)
        return ExpectedOutcomes(
            edss_change=predicted[:, :, 0],
            relapse_rate=np.exp(predicted[:, :, 1]) * 12.0 / HORIZON_MONTHS,
            worsening_rate=-np.log1p(-risk) / HORIZON_MONTHS,
        )


def class_effects(bkp: Path) -> ClassEffects | None:
    """Return what the classes do, from the potential outcomes of simulated originals; None where there are none.

    Parameters
    ----------
    bkp : Path
        Folder of the originals.

    Raises
    ------
    InvalidInput
        If the folder holds no originals, or they were altered.
    """
    from sklearn.linear_model import PoissonRegressor

    warehouse = read_bkp(bkp)
    truth = warehouse.potential_outcomes
    if truth is None:
        return None
    table = episodes(warehouse.tables, warehouse.sources).rename(columns={"edss_0": "edss"})
    if len(table) != len(warehouse.tables.patients):
        return None  # a patient without an episode shifts the rows: the truth cannot be told apart
    numbers = table[list(NUMBERS)].astype(np.float64)
    centre, spread = dict(numbers.mean()), dict(numbers.std())
    columns = ("1", *NUMBERS, *(f"{name}^2" for name in NUMBERS), *_levels(table))
    design = _design(table, columns, centre, spread)
    patient = pd.Series(np.arange(len(table)), index=warehouse.tables.patients["patient_id"])
    fitted = {}
    for name, rows in truth.groupby("treatment"):
        x = design[patient[rows["patient_id"]].to_numpy()]
        change = (rows["edss_24"] - rows["edss_0"]).to_numpy()
        found = [np.linalg.lstsq(x, change, rcond=None)[0]]
        for outcome in ("relapses_24", "worsening_risk_24"):
            model = PoissonRegressor(alpha=1e-4, solver="newton-cholesky", max_iter=1000)
            model.fit(x[:, 1:], np.maximum(rows[outcome].to_numpy(), 0.0))
            found.append(np.concatenate([[model.intercept_], model.coef_]))
        fitted[Treatment(str(name))] = np.stack(found)
    return ClassEffects(fitted, columns, centre, spread, len(table))


def _levels(table: pd.DataFrame) -> list[str]:
    """Return a column per level of a category but its most frequent one; a level of few patients has none."""
    named = []
    for name in CATEGORIES:
        counts = table[name].value_counts()
        named += [f"{name}={level}" for level in counts.index[1:] if counts[level] >= SMALL_CELL]
    return named


def _design(
    features: pd.DataFrame, columns: tuple[str, ...], centre: Mapping[str, float], spread: Mapping[str, float]
) -> Array:
    standard = {
        # No further than three standard deviations: a regression knows nothing beyond its data.
        name: ((features[name].astype(np.float64) - centre[name]) / spread[name]).fillna(0.0).clip(-3.0, 3.0)
        for name in NUMBERS
    }
    made: list[Array] = []
    for column in columns:
        name, _, level = column.partition("=")
        if column == "1":
            made.append(np.ones(len(features)))
        elif level:
            made.append((features[name] == level).to_numpy().astype(np.float64))
        else:
            values = standard[column.removesuffix("^2")] ** (2 if column.endswith("^2") else 1)
            made.append(np.asarray(values, dtype=np.float64).reshape(-1))
    return np.column_stack(made)
