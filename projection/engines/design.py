"""What models of outcomes see of a patient: standardised features, phenotype and treatment class, without gaps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reference_db.vocabulary import Treatment
from selection.features import COLUMN_FEATURE, NUMERIC

Floats = NDArray[np.float64]

MONTHS: Floats = np.array([0.0, 3.0, 6.0, 9.0, 12.0, 15.0, 18.0, 21.0, 24.0])
"""Months that models project."""

CLASSES: tuple[Treatment, ...] = tuple(Treatment)


def covariates(columns: Floats) -> Floats:
    """Return features for models: shape (patients, covariates).

    An unknown feature stands at its mean over the reference database, and a column beside it says that it is unknown.

    Parameters
    ----------
    columns : ndarray, shape (patients, columns)
        Standardised features, NaN where unknown.
    """
    first = np.flatnonzero(np.diff(COLUMN_FEATURE, prepend=-1))
    return np.concatenate([np.nan_to_num(columns), np.isnan(columns[:, first]).astype(np.float64)], axis=1)


def with_class(features: Floats, treatment: NDArray[np.intp]) -> Floats:
    """Add one 0/1 column per treatment class."""
    return np.concatenate([features, np.eye(len(CLASSES))[treatment]], axis=1)


def under_every_class(features: Floats) -> Floats:
    """Repeat patients under each class in turn: shape (patients * classes, covariates + classes)."""
    patients = len(features)
    return with_class(np.repeat(features, len(CLASSES), axis=0), np.tile(np.arange(len(CLASSES)), patients))


NUMBER_OF_COVARIATES: int = len(NUMERIC) + len(np.unique(COLUMN_FEATURE))
"""Columns that `covariates` returns."""
