"""Histogram gradient boosting of the change of EDSS: one model for all classes, or one per class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from projection.endpoints import GRID
from projection.engines.design import CLASSES, MONTHS, with_class
from projection.engines.model import Arrays, Floats, Forecast, Training
from projection.engines.trees import Trees

_LEARNED_MONTHS = (6.0, 12.0, 24.0)
"""Months that are learned from; the month is a feature, and those between are forecast as well."""

_FEWEST = 100
"""Observations below which a class has no model of its own."""

_PARAMETERS: dict[str, Any] = {
    "max_iter": 40,
    "learning_rate": 0.12,
    "max_leaf_nodes": 12,
    "min_samples_leaf": 60,
    "l2_regularization": 5.0,
    "early_stopping": False,
}


def _rows(training: Training) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Stack patients by month: features with the month, outcomes, and the patient of each row."""
    features, outcomes, patients = [], [], []
    for month in _LEARNED_MONTHS:
        outcome = training.endpoints.change[:, int(np.searchsorted(GRID, month))]
        known = np.flatnonzero(~np.isnan(outcome))
        features.append(np.column_stack([training.features[known], np.full(len(known), month)]))
        outcomes.append(outcome[known])
        patients.append(known)
    return np.concatenate(features), np.concatenate(outcomes), np.concatenate(patients)


def _boosted(features: Floats, outcome: Floats, seed: int) -> Trees:
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(**_PARAMETERS, random_state=seed).fit(features, outcome)
    start = float(model._baseline_prediction.item())
    trees: list[tuple[NDArray[Any], ...]] = [
        (np.array([-1]), np.zeros(1), np.zeros(1), np.zeros(1), np.array([start]))  # the mean, as a tree of one leaf
    ]
    for (tree,) in model._predictors:
        nodes = tree.nodes
        feature = np.where(nodes["is_leaf"], -1, nodes["feature_idx"].astype(np.int64))
        trees.append((feature, nodes["num_threshold"], nodes["left"], nodes["right"], nodes["value"]))
    return Trees.joined(trees)


def _by_month(features: Floats) -> Floats:
    return np.column_stack([np.repeat(features, len(MONTHS), axis=0), np.tile(MONTHS, len(features))])


def _without_start(change: Floats) -> Floats:
    """Nothing has changed at baseline."""
    change[..., 0] = 0.0
    return change


@dataclass(frozen=True, slots=True)
class BoostingOneModel:
    """One model with the class among its features."""

    trees: Trees

    @classmethod
    def train(cls, training: Training) -> Self:
        """Train on all classes together."""
        features, outcome, patients = _rows(training)
        return cls(_boosted(with_class(features, training.treatment[patients]), outcome, _seed(training)))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the trees."""
        return self.trees.arrays("")

    @classmethod
    def of_arrays(cls, arrays: Arrays) -> Self:
        """Take up the trees."""
        return cls(Trees.of_arrays(arrays, ""))

    def forecast(self, features: Floats) -> Forecast:
        """Forecast the change under every class."""
        by_month = _by_month(features)
        shape = (len(features), len(MONTHS))
        change = np.stack(
            [
                self.trees.total(with_class(by_month, np.full(len(by_month), number))).reshape(shape)
                for number in range(len(CLASSES))
            ],
            axis=1,
        )
        return Forecast(_without_start(change), {})


@dataclass(frozen=True, slots=True)
class BoostingPerClass:
    """One model per class; None for a class with too few patients."""

    trees: tuple[Trees | None, ...]

    @classmethod
    def train(cls, training: Training) -> Self:
        """Train each class on its own."""
        features, outcome, patients = _rows(training)
        treatment, seed = training.treatment[patients], _seed(training)
        return cls(
            tuple(
                _boosted(features[treatment == number], outcome[treatment == number], seed)
                if (treatment == number).sum() >= _FEWEST
                else None
                for number in range(len(CLASSES))
            )
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the trees of every class that has some."""
        named: dict[str, NDArray[Any]] = {}
        for number, trees in enumerate(self.trees):
            named |= {} if trees is None else trees.arrays(f"{number}_")
        return named

    @classmethod
    def of_arrays(cls, arrays: Arrays) -> Self:
        """Take up the trees."""
        return cls(
            tuple(
                Trees.of_arrays(arrays, f"{number}_") if f"{number}_root" in arrays else None
                for number in range(len(CLASSES))
            )
        )

    def forecast(self, features: Floats) -> Forecast:
        """Forecast the change under every class, NaN under one without a model."""
        by_month = _by_month(features)
        shape = (len(features), len(MONTHS))
        change = np.stack(
            [
                np.full(shape, np.nan) if trees is None else trees.total(by_month).reshape(shape)
                for trees in self.trees
            ],
            axis=1,
        )
        return Forecast(_without_start(change), {})


def _seed(training: Training) -> int:
    return int(training.rng.integers(2**31))
