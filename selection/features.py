"""Features of patients as numbers: standardised columns, and what is unknown in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.episodes import Episodes
from reference_db.schema import EDSS_HISTORY, edss_column
from reference_db.vocabulary import Phenotype, PriorTreatment, Sex, T2Load
from selection.patient import PatientOfInterest

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of the similarity.

    Attributes
    ----------
    name : str
        As users weigh it; the field of `PatientOfInterest` where there is one of the same meaning.
    label : str
        As it is printed.
    unit : str
        Unit, empty for categories.
    levels : tuple of str
        Values of a category, each a column of its own; empty for a number.
    """

    name: str
    label: str
    unit: str = ""
    levels: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.levels) or 1


FEATURES: tuple[Feature, ...] = (
    Feature("age", "Age", "years"),
    Feature("sex", "Sex", levels=tuple(Sex)),
    Feature("phenotype", "Phenotype", levels=tuple(Phenotype)),
    Feature("years_since_onset", "Time since onset", "years"),
    Feature("edss", "EDSS", "points"),
    Feature("edss_change_12m", "Change of EDSS over the last 12 months", "points"),
    Feature("relapses_12m", "Relapses in the last 12 months"),
    Feature("relapses_24m", "Relapses in the last 24 months"),
    Feature("gd_lesions", "Gadolinium-enhancing lesions"),
    Feature("t2_lesions", "T2 lesions", "bins"),
    Feature("prior_treatment", "Previous treatment", levels=tuple(PriorTreatment)),
)
"""Every feature, in the order in which it is shown."""

FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)

COLUMN_FEATURE: NDArray[np.intp] = np.repeat(np.arange(len(FEATURES)), [feature.width for feature in FEATURES])
"""For each column, the position of its feature in `FEATURES`."""

NUMERIC: NDArray[np.bool_] = np.array([not FEATURES[i].levels for i in COLUMN_FEATURE])
"""For each column, whether it holds a number rather than a level."""

_FIRST_COLUMN = {
    feature.name: sum(before.width for before in FEATURES[:position]) for position, feature in enumerate(FEATURES)
}


def first_column(feature: str) -> int:
    """Return the position of the first column of a feature, its only one when it is a number."""
    return _FIRST_COLUMN[feature]


_T2_RANK = {load.value: float(rank) for rank, load in enumerate(T2Load)}


def columns_of(values: Mapping[str, pd.Series], rows: int) -> Floats:
    """Lay features out as columns: numbers as they are, one 0/1 column per level, NaN where unknown.

    Parameters
    ----------
    values : mapping of str to Series
        Values of each feature by name, in natural units; T2 lesions as ranks of `T2Load`.
    rows : int
        Number of patients.

    Returns
    -------
    ndarray, shape (rows, columns)
        Counts of enhancing lesions, which are very skew, as log(1 + count).
    """
    parts = []
    for feature in FEATURES:
        if feature.levels:
            codes = pd.Categorical(values[feature.name], categories=list(feature.levels)).codes
            part = (codes[:, None] == np.arange(feature.width)).astype(np.float64)
            part[codes < 0] = np.nan
        else:
            part = pd.array(np.asarray(values[feature.name]), dtype="Float64").to_numpy(np.float64, na_value=np.nan)
            part = (np.log1p(part) if feature.name == "gd_lesions" else part)[:, None]
        parts.append(part)
    return np.concatenate(parts, axis=1) if rows else np.empty((0, len(COLUMN_FEATURE)))


def columns_of_episodes(episodes: Episodes) -> Floats:
    """Lay out the features at the baseline of every episode: shape (patients, columns), NaN where unknown."""
    table = episodes.table
    change = table[edss_column(0)] - table[EDSS_HISTORY]
    return columns_of(
        {
            **{name: table[name] for name in FEATURE_NAMES if name in table.columns},
            "edss": table[edss_column(0)],
            "edss_change_12m": change,
            "t2_lesions": table["t2_lesions"].map(_T2_RANK),
        },
        len(table),
    )


def columns_of_patients(patients: Sequence[PatientOfInterest]) -> Floats:
    """Lay out the features of patients of interest: shape (patients, columns), NaN where unknown."""
    columns = np.full((len(patients), len(COLUMN_FEATURE)), np.nan)
    for row, patient in zip(columns, patients, strict=True):
        past = patient.edss_a_year_ago
        load = patient.t2_load
        known: dict[str, object] = {
            "age": patient.age,
            "sex": patient.sex,
            "phenotype": patient.phenotype,
            "years_since_onset": patient.years_since_onset,
            "edss": patient.edss,
            "edss_change_12m": None if past is None else patient.edss - past,
            "relapses_12m": patient.relapses_12m,
            "relapses_24m": patient.relapses_24m,
            "gd_lesions": None if patient.gd_lesions is None else np.log1p(patient.gd_lesions),
            "t2_lesions": None if load is None else _T2_RANK[load],
            "prior_treatment": patient.prior_treatment,
        }
        at = 0
        for feature in FEATURES:
            value = known[feature.name]
            if value is not None and feature.levels:
                row[at : at + feature.width] = 0.0
                row[at + feature.levels.index(str(value))] = 1.0
            elif value is not None:
                row[at] = value
            at += feature.width
    return columns


@dataclass(frozen=True, slots=True)
class Scaling:
    """Centre and spread of each column, learned from the reference database.

    Numbers are divided by their standard deviation. The columns of a category are divided so that two patients of
    different levels are, over the category as a whole, on average as far apart as two patients drawn at random are
    in a number: every feature weighs the same before weights are applied.

    Attributes
    ----------
    mean, spread : ndarray, shape (columns,)
    """

    mean: Floats
    spread: Floats

    @classmethod
    def of(cls, columns: Floats) -> Scaling:
        """Learn the scaling from the columns of the reference database."""
        known = ~np.isnan(columns)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, columns, 0.0).sum(axis=0) / count
        variance = np.where(known, (columns - mean) ** 2, 0.0).sum(axis=0) / count
        per_feature = np.bincount(COLUMN_FEATURE, weights=variance)[COLUMN_FEATURE]
        spread = np.sqrt(np.where(NUMERIC, variance, per_feature))
        # A column that never varies tells no patients apart.
        return cls(mean, np.where(spread > 0, spread, 1.0))

    def apply(self, columns: Floats) -> Floats:
        """Return standardised columns; NaN stays NaN."""
        return (columns - self.mean) / self.spread
