"""What hub and silos tell each other: questions one way, sums and counts the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]


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

    Differences are features of the patients of reference minus those of the patient of interest.

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
    def added(cls, parts: Sequence[GroupSums]) -> Self:
        """Add the sums of silos up."""
        return cls(*(np.sum([getattr(part, field.name) for part in parts], axis=0) for field in fields(cls)))
