"""What hub and silos tell each other: questions one way, sums and counts the other, as `masking` hides them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeVar

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
class OutcomeSums:
    """What became of the patients of reference of each class, in sums that add up over silos.

    Attributes
    ----------
    number : ndarray, shape (classes,)
    known, total : ndarray, shape (classes, outcomes)
        Patients whose outcome is known, and its sum over them.
    ends : ndarray, shape (classes, endpoints, codes)
        Patients by the step and kind of the end of their observation.
    """

    number: Floats
    known: Floats
    total: Floats
    ends: Floats


@dataclass(frozen=True, slots=True)
class FeatureSums:
    """Sums of differences of features, of the patients of reference of each class minus the patient of interest.

    Whoever knows what one patient is like finds in them what became of that patient: exact silos tell them only.

    Attributes
    ----------
    first : ndarray, shape (classes, features)
        Of differences.
    second : ndarray, shape (classes, features, features)
        Of products of differences.
    known_first : ndarray, shape (classes, outcomes, features)
        Of differences, over the patients whose outcome is known.
    cross : ndarray, shape (classes, outcomes, features)
        Of outcome times differences.
    ends_first : ndarray, shape (classes, endpoints, codes, features)
        Of differences, by the step and kind of the end of observation.
    """

    first: Floats
    second: Floats
    known_first: Floats
    cross: Floats
    ends_first: Floats


Sums = TypeVar("Sums", OutcomeSums, FeatureSums)


def flat(sums: OutcomeSums | FeatureSums) -> Floats:
    """Return all sums in one row."""
    return np.concatenate([getattr(sums, field.name).ravel() for field in fields(sums)])


def filled(like: Sums, row: Floats) -> Sums:
    """Return the sums of one row, in the shapes of others."""
    parts = [getattr(like, field.name) for field in fields(like)]
    split = np.split(row, np.cumsum([part.size for part in parts])[:-1])
    return type(like)(*(values.reshape(part.shape) for values, part in zip(split, parts, strict=True)))
