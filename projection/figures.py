"""Figures of groups as arrays, from which results are made at the end.

What is done to every figure, such as rounding, is done to the arrays: the eighty curves of a projection are made only
once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from projection.endpoints import ENDPOINTS, GRID
from projection.estimates import Estimates
from projection.result import Curve, EdssCourse, Estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figures:
    """What is told of groups: one group is the patients of reference of one patient of interest under one class.

    Attributes
    ----------
    course : ndarray, shape (4, groups, grid)
        Expected EDSS, its lower and upper limit, and the patients observed.
    quantiles : ndarray, shape (quantiles, groups, grid)
        Of the individual courses.
    events : ndarray, shape (4, groups, endpoints, grid)
        Probability of each event, its lower and upper limit, and the patients at risk.
    rates : ndarray, shape (4, groups)
        Annualised relapse rate, its lower and upper limit, and the patients observed; NaN where it is not told.
    known : ndarray of bool, shape (groups, endpoints)
        Whether anything is known of an endpoint after the baseline; no other is told.
    """

    course: Floats
    quantiles: Floats
    events: Floats
    rates: Floats
    known: NDArray[np.bool_]

    @classmethod
    def of(cls, estimates: Estimates) -> Figures:
        """Lay out what was estimated."""
        courses, events, rates = estimates.courses, estimates.probabilities, estimates.rates
        return cls(
            np.array([courses.value, *courses.interval(), courses.number]),
            courses.quantiles,
            np.array([events.value, events.lower, events.upper, events.number]),
            np.array([rates.value, rates.lower, rates.upper, rates.number]),
            np.asarray((~np.isnan(events.value[:, :, 1:])).any(axis=2)),
        )

    def outcomes(self) -> Iterator[tuple[EdssCourse, dict[str, Curve], Estimate | None]]:
        """Give the results of each group: the course of the EDSS, probabilities of events, and the relapse rate."""
        courses = map(EdssCourse, map(Curve, repeat(GRID), *self.course), *self.quantiles)
        curves = map(Curve, repeat(GRID), *self.events.reshape(4, -1, len(GRID)))
        of_endpoints = zip(*[curves] * len(ENDPOINTS), strict=True)
        rates = zip(*self.rates.tolist(), strict=True)
        for course, events, known, (rate, lower, upper, n) in zip(
            courses, of_endpoints, self.known.tolist(), rates, strict=True
        ):
            told = zip(ENDPOINTS, events, known, strict=True)
            yield (
                course,
                {name: curve for name, curve, is_known in told if is_known},
                None if math.isnan(rate) else Estimate(rate, lower, upper, int(n)),
            )
