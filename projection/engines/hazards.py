"""Models of the time to an event: Cox regression, survival forest, boosting of the partial likelihood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from projection.engines.design import CLASSES, MONTHS, under_every_class, with_class
from projection.engines.model import EVENTS, Arrays, Floats, Forecast, Training
from projection.engines.trees import Trees

_PENALISER = 0.01
_FOREST_SAMPLE = 4000
_BOOSTING_SAMPLE = 1500
"""Patients that forests and boosting learn from: their cost grows with the square, their gain hardly."""

_FOREST: dict[str, Any] = {"n_estimators": 40, "min_samples_leaf": 25, "max_depth": 7, "max_features": "sqrt"}
_BOOSTING: dict[str, Any] = {"n_estimators": 60, "learning_rate": 0.1, "max_depth": 3, "min_samples_leaf": 25}


def _observed(training: Training, event: str, sample: int | None) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return features with the class, months and events, of patients who were observed at all."""
    months, happened = training.endpoints.months(event)
    rows = np.flatnonzero(months > 0)
    if sample is not None and len(rows) > sample:
        rows = np.sort(training.rng.choice(rows, sample, replace=False))
    return with_class(training.features[rows], training.treatment[rows]), months[rows], happened[rows]


def _shaped(probability: Floats) -> Floats:
    return probability.reshape(-1, len(CLASSES), len(MONTHS))


def breslow(risk: Floats, months: Floats, event: NDArray[np.bool_]) -> Floats:
    """Return the cumulative baseline hazard at the months that models project.

    Parameters
    ----------
    risk : ndarray, shape (patients,)
        Relative hazards, the exponential of the linear predictor.
    months, event : ndarray, shape (patients,)
    """
    at_risk = (months[:, None] >= MONTHS[None, :]) * risk[:, None]
    events = ((months[:, None] == MONTHS[None, :]) & event[:, None]).sum(axis=0)
    total = at_risk.sum(axis=0)
    return np.cumsum(np.divide(events, total, out=np.zeros(len(MONTHS)), where=total > 0))


@dataclass(frozen=True, slots=True)
class Cox:
    """Cox regression on features and class.

    Attributes
    ----------
    coefficients : ndarray, shape (events, covariates + classes)
    centre : ndarray, shape (events, covariates + classes)
        Means that the linear predictor is counted from.
    hazard : ndarray, shape (events, months)
        Cumulative baseline hazards.
    """

    coefficients: Floats
    centre: Floats
    hazard: Floats

    @classmethod
    def train(cls, training: Training) -> Self:
        """Fit with lifelines; covariates that never vary get no coefficient."""
        import pandas as pd
        from lifelines import CoxPHFitter

        coefficients, centres, hazards = [], [], []
        for name in EVENTS:
            features, months, event = _observed(training, name, None)
            varying = np.flatnonzero(features.std(axis=0) > 1e-9)
            table = pd.DataFrame(features[:, varying])
            table.columns = [f"x{column}" for column in varying]
            table["months"], table["event"] = months, event
            fitted = CoxPHFitter(penalizer=_PENALISER).fit(table, "months", "event")
            coefficient = np.zeros(features.shape[1])
            coefficient[varying] = fitted.params_.to_numpy()
            centre = features.mean(axis=0)
            coefficients.append(coefficient)
            centres.append(centre)
            hazards.append(breslow(np.exp((features - centre) @ coefficient), months, event))
        return cls(np.stack(coefficients), np.stack(centres), np.stack(hazards))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return coefficients, centres and hazards."""
        return {"coefficients": self.coefficients, "centre": self.centre, "hazard": self.hazard}

    @classmethod
    def of_arrays(cls, arrays: Arrays) -> Self:
        """Take up coefficients, centres and hazards."""
        return cls(arrays["coefficients"], arrays["centre"], arrays["hazard"])

    def forecast(self, features: Floats) -> Forecast:
        """Forecast the probabilities of events under every class."""
        design = under_every_class(features)
        events = {}
        for e, name in enumerate(EVENTS):
            risk = np.exp((design - self.centre[e]) @ self.coefficients[e])
            events[name] = _shaped(1.0 - np.exp(-risk[:, None] * self.hazard[e]))
        return Forecast(None, events)


@dataclass(frozen=True, slots=True)
class SurvivalForest:
    """Random survival forest, its leaves answering cumulative hazards at the months that models project."""

    trees: tuple[Trees, ...]

    @classmethod
    def train(cls, training: Training) -> Self:
        """Grow with scikit-survival."""
        from sksurv.ensemble import RandomSurvivalForest
        from sksurv.util import Surv

        forests = []
        for name in EVENTS:
            features, months, event = _observed(training, name, _FOREST_SAMPLE)
            seed = int(training.rng.integers(2**31))
            model = RandomSurvivalForest(**_FOREST, random_state=seed).fit(features, Surv.from_arrays(event, months))
            place = np.searchsorted(model.unique_times_, MONTHS, side="right") - 1
            trees = []
            for grown in model.estimators_:
                tree = grown.tree_
                hazard = np.where(place >= 0, tree.value[:, np.maximum(place, 0), 0], 0.0) / len(model.estimators_)
                feature = np.where(tree.children_left < 0, -1, tree.feature)
                trees.append((feature, tree.threshold, tree.children_left, tree.children_right, hazard))
            forests.append(Trees.joined(trees))
        return cls(tuple(forests))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the trees of every event."""
        named: dict[str, NDArray[Any]] = {}
        for e, trees in enumerate(self.trees):
            named |= trees.arrays(f"{e}_")
        return named

    @classmethod
    def of_arrays(cls, arrays: Arrays) -> Self:
        """Take up the trees."""
        return cls(tuple(Trees.of_arrays(arrays, f"{e}_") for e in range(len(EVENTS))))

    def forecast(self, features: Floats) -> Forecast:
        """Forecast the probabilities of events under every class."""
        # The forest was grown on single-precision features, and its thresholds stand between those.
        design = under_every_class(features).astype(np.float32).astype(np.float64)
        return Forecast(
            None,
            {name: _shaped(1.0 - np.exp(-self.trees[e].total(design))) for e, name in enumerate(EVENTS)},
        )


@dataclass(frozen=True, slots=True)
class SurvivalBoosting:
    """Gradient boosting of Cox's partial likelihood.

    Attributes
    ----------
    trees : tuple of Trees
        Per event; they sum to the linear predictor.
    hazard : ndarray, shape (events, months)
        Cumulative baseline hazards.
    """

    trees: tuple[Trees, ...]
    hazard: Floats

    @classmethod
    def train(cls, training: Training) -> Self:
        """Boost with scikit-survival."""
        from sksurv.ensemble import GradientBoostingSurvivalAnalysis
        from sksurv.util import Surv

        boosted, hazards = [], []
        for name in EVENTS:
            features, months, event = _observed(training, name, _BOOSTING_SAMPLE)
            seed = int(training.rng.integers(2**31))
            model = GradientBoostingSurvivalAnalysis(**_BOOSTING, random_state=seed)
            model.fit(features, Surv.from_arrays(event, months))
            trees = []
            for grown in model.estimators_[:, 0]:
                tree = grown.tree_
                feature = np.where(tree.children_left < 0, -1, tree.feature)
                value = model.learning_rate * tree.value[:, 0, 0]
                trees.append((feature, tree.threshold, tree.children_left, tree.children_right, value))
            joined = Trees.joined(trees)
            score = joined.total(features.astype(np.float32).astype(np.float64))[:, 0]
            boosted.append(joined)
            hazards.append(breslow(np.exp(score), months, event))
        return cls(tuple(boosted), np.stack(hazards))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return trees and hazards."""
        named: dict[str, NDArray[Any]] = {"hazard": self.hazard}
        for e, trees in enumerate(self.trees):
            named |= trees.arrays(f"{e}_")
        return named

    @classmethod
    def of_arrays(cls, arrays: Arrays) -> Self:
        """Take up trees and hazards."""
        return cls(tuple(Trees.of_arrays(arrays, f"{e}_") for e in range(len(EVENTS))), arrays["hazard"])

    def forecast(self, features: Floats) -> Forecast:
        """Forecast the probabilities of events under every class."""
        design = under_every_class(features).astype(np.float32).astype(np.float64)
        events = {}
        for e, name in enumerate(EVENTS):
            risk = np.exp(self.trees[e].total(design))
            events[name] = _shaped(1.0 - np.exp(-risk * self.hazard[e]))
        return Forecast(None, events)
