"""What every model of outcomes is: trained from episodes, kept as plain arrays, asked for forecasts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from projection.endpoints import Endpoints

Floats = NDArray[np.float64]
Arrays = Mapping[str, NDArray[Any]]

EVENTS: tuple[str, ...] = ("worsening_24w", "relapse")
"""Events that models forecast."""


@dataclass(frozen=True, slots=True)
class Training:
    """What a model learns from.

    Attributes
    ----------
    features : ndarray, shape (patients, covariates)
        As `projection.engines.design.covariates` returns them.
    treatment : ndarray of int, shape (patients,)
        Position of each patient's class in the vocabulary.
    endpoints : Endpoints
    rng : Generator
    """

    features: Floats
    treatment: NDArray[np.intp]
    endpoints: Endpoints
    rng: np.random.Generator

    def of(self, rows: NDArray[np.intp]) -> Training:
        """Return some patients to learn from."""
        all_of = self.endpoints
        endpoints = Endpoints(
            all_of.step[rows], all_of.event[rows], all_of.change[rows], all_of.relapses[rows], all_of.years[rows]
        )
        return Training(self.features[rows], self.treatment[rows], endpoints, self.rng)


@dataclass(frozen=True, slots=True)
class Forecast:
    """Forecasts under every class on the months of `design.MONTHS`.

    Attributes
    ----------
    change : ndarray or None, shape (patients, classes, months)
        Expected change of EDSS since baseline; None for models of events only.
    events : mapping of str to ndarray, shape (patients, classes, months)
        Probability of each event by each month.
    """

    change: Floats | None
    events: Mapping[str, Floats]


class Model(Protocol):
    """A model of outcomes."""

    @classmethod
    def train(cls, training: Training) -> Self:
        """Learn from episodes."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything that was learned, as arrays of numbers."""

    @classmethod
    def of_arrays(cls, arrays: Arrays) -> Self:
        """Take up what `arrays` returned."""

    def forecast(self, features: Floats) -> Forecast:
        """Forecast patients under every class; features as `Training` holds them."""
