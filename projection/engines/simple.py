"""The simplest rivals: nothing changes, everybody changes like their class, and a straight line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from projection.endpoints import ENDPOINTS, GRID
from projection.engines.design import CLASSES, MONTHS
from projection.engines.model import EVENTS, Arrays, Floats, Forecast, Training
from projection.survival import code, kaplan_meier, tally

_RIDGE = 20.0


@dataclass(frozen=True, slots=True)
class LastEdss:
    """The last EDSS carried forward."""

    @classmethod
    def train(cls, training: Training) -> Self:  # noqa: ARG003 - there is nothing to learn
        """Learn nothing."""
        return cls()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return nothing: nothing was learned."""
        return {}

    @classmethod
    def of_arrays(cls, arrays: Arrays) -> Self:  # noqa: ARG003 - there is nothing to take up
        """Take up nothing."""
        return cls()

    def forecast(self, features: Floats) -> Forecast:
        """Forecast no change under any class."""
        return Forecast(np.zeros((len(features), len(CLASSES), len(MONTHS))), {})


@dataclass(frozen=True, slots=True)
class PopulationChange:
    """The mean change and the Kaplan-Meier curves of each class, the same for everybody.

    Attributes
    ----------
    change : ndarray, shape (classes, months)
    events : ndarray, shape (events, classes, months)
    """

    change: Floats
    events: Floats

    @classmethod
    def train(cls, training: Training) -> Self:
        """Take means and curves per class; a class that nobody took has none."""
        change = np.full((len(CLASSES), len(MONTHS)), np.nan)
        events = np.full((len(EVENTS), len(CLASSES), len(MONTHS)), np.nan)
        codes = code(training.endpoints.step, training.endpoints.event)
        for number in range(len(CLASSES)):
            rows = np.flatnonzero(training.treatment == number)
            seen = training.endpoints.change[rows, : len(MONTHS)]
            known = (~np.isnan(seen)).sum(axis=0)
            change[number] = np.divide(np.nansum(seen, axis=0), known, out=change[number], where=known > 0)
            for e, name in enumerate(EVENTS):
                if len(rows):
                    one = codes[rows, ENDPOINTS.index(name)]
                    curve = kaplan_meier(tally(one, np.zeros(len(rows), dtype=np.intp), (1,), len(GRID), None))
                    events[e, number] = 1.0 - curve.survival[0, : len(MONTHS)]
        return cls(change, events)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return means and curves."""
        return {"change": self.change, "events": self.events}

    @classmethod
    def of_arrays(cls, arrays: Arrays) -> Self:
        """Take up means and curves."""
        return cls(arrays["change"], arrays["events"])

    def forecast(self, features: Floats) -> Forecast:
        """Forecast the class's own course for everybody."""
        shape = (len(features), len(CLASSES), len(MONTHS))
        return Forecast(
            np.broadcast_to(self.change, shape),
            {name: np.broadcast_to(self.events[e], shape) for e, name in enumerate(EVENTS)},
        )


@dataclass(frozen=True, slots=True)
class RidgeChange:
    """Ridge regression of the change of EDSS on the features, per class and month.

    Attributes
    ----------
    coefficients : ndarray, shape (classes, months, 1 + covariates)
        Intercept first; NaN for a class that nobody took.
    """

    coefficients: Floats

    @classmethod
    def train(cls, training: Training) -> Self:
        """Solve the penalised normal equations of each class and month."""
        design = np.column_stack([np.ones(len(training.features)), training.features])
        penalty = np.diag([1e-6, *[_RIDGE] * training.features.shape[1]])
        coefficients = np.full((len(CLASSES), len(MONTHS), design.shape[1]), np.nan)
        for number in range(len(CLASSES)):
            for month in range(len(MONTHS)):
                outcome = training.endpoints.change[:, month]
                rows = (training.treatment == number) & ~np.isnan(outcome)
                if rows.any():
                    x = design[rows]
                    coefficients[number, month] = np.linalg.solve(x.T @ x + penalty, x.T @ outcome[rows])
        return cls(coefficients)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the coefficients."""
        return {"coefficients": self.coefficients}

    @classmethod
    def of_arrays(cls, arrays: Arrays) -> Self:
        """Take up the coefficients."""
        return cls(arrays["coefficients"])

    def forecast(self, features: Floats) -> Forecast:
        """Forecast the change under every class."""
        design = np.column_stack([np.ones(len(features)), features])
        return Forecast(np.einsum("pf,cmf->pcm", design, self.coefficients), {})
