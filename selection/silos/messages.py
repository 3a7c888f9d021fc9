"""What hub and silos tell each other: questions one way, sums and counts the other, as `masking` hides them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from reference_db.errors import CdssError
from selection.criteria import LARGEST_DISTANCE

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

RADII: Floats = np.round(np.arange(1, 201) * LARGEST_DISTANCE / 200.0, 6)
"""Radii at which silos count and describe, and no others: a radius a hair wider is not answered."""


class SiloError(CdssError):
    """Silos cannot answer together, or were asked what they do not answer."""


@dataclass(frozen=True, slots=True)
class FeatureMoments:
    """Count, sum and sum of squares of each feature column in natural units, shape (columns,) each."""

    count: Floats
    total: Floats
    square: Floats


@dataclass(frozen=True, slots=True)
class Standard:
    """How all silos standardise features, agreed from everybody's moments.

    Attributes
    ----------
    mean, spread : ndarray, shape (columns,)
    expected_square : ndarray, shape (columns,)
        What an unknown standardised feature counts as when squared.
    """

    mean: Floats
    spread: Floats
    expected_square: Floats


@dataclass(frozen=True, slots=True)
class Question:
    """A patient of interest as silos see one: standardised features and their weights, no name and no history.

    Attributes
    ----------
    columns : ndarray, shape (columns,)
        Standardised; NaN where unknown.
    weights : ndarray, shape (columns,)
        Of the squared differences; 0 where unknown, summing to 1 over the features.
    group : int
        Code of the hard criterion that patients of reference must share; -1 for none.
    """

    columns: Floats
    weights: Floats
    group: int


@dataclass(frozen=True, slots=True)
class GroupSums:
    """Sums over the patients of reference of each class; they add up over silos.

    Differences are standardised features of the patients of reference minus those of one point, which silos put at
    everybody's mean: so the same group gives the same sums, whoever the patient of interest is.

    Attributes
    ----------
    number : ndarray, shape (classes,)
    first : ndarray, shape (classes, features)
        Of differences.
    second : ndarray, shape (classes, features, features)
        Of products of differences.
    outcome_number, outcome_total : ndarray, shape (classes, outcomes)
        Patients whose outcome is known, and its sum over them.
    outcome_first : ndarray, shape (classes, outcomes, features)
        Of differences, over the patients whose outcome is known.
    outcome_cross : ndarray, shape (classes, outcomes, features)
        Of outcome times differences.
    code_number : ndarray, shape (classes, endpoints, codes)
        Patients by the step and kind of the end of their observation.
    code_first : ndarray, shape (classes, endpoints, codes, features)
        Of differences, by the same.
    """

    number: Floats
    first: Floats
    second: Floats
    outcome_number: Floats
    outcome_total: Floats
    outcome_first: Floats
    outcome_cross: Floats
    code_number: Floats
    code_first: Floats

    @classmethod
    def none(cls, classes: int, features: int, outcomes: int, endpoints: int, codes: int) -> Self:
        """Return the sums over nobody."""
        shapes = (
            (),
            (features,),
            (features, features),
            (outcomes,),
            (outcomes,),
            (outcomes, features),
            (outcomes, features),
            (endpoints, codes),
            (endpoints, codes, features),
        )
        return cls(*(np.zeros((classes, *shape)) for shape in shapes))

    def flat(self) -> Floats:
        """Return all sums in one row."""
        return np.concatenate([getattr(self, field.name).ravel() for field in fields(self)])

    def filled(self, row: Floats) -> GroupSums:
        """Return sums of the same shapes from `flat`."""
        parts = [getattr(self, field.name) for field in fields(self)]
        ends = np.cumsum([part.size for part in parts])
        split = np.split(row, ends[:-1])
        return GroupSums(*(values.reshape(part.shape) for values, part in zip(split, parts, strict=True)))

    def about(self, shift: Floats) -> GroupSums:
        """Return the sums of differences from a point further on.

        Parameters
        ----------
        shift : ndarray, shape (features,)
            By how much; NaN for a feature that is to be left out, whose differences are 0 then.
        """
        known = ~np.isnan(shift)
        by = np.where(known, shift, 0.0)
        first = self.first - self.number[:, None] * by
        crossed = first[:, :, None] * by
        second = self.second - crossed.transpose(0, 2, 1) - self.first[:, :, None] * by
        return replace(
            self,
            first=first * known,
            second=second * (known[:, None] & known),
            outcome_first=(self.outcome_first - self.outcome_number[:, :, None] * by) * known,
            outcome_cross=(self.outcome_cross - self.outcome_total[:, :, None] * by) * known,
            code_first=(self.code_first - self.code_number[:, :, :, None] * by) * known,
        )
