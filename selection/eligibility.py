"""Which patients of the database may be patients of reference: hard criteria and calipers, as masks over a class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reference_db.episodes import Episodes
from reference_db.errors import InvalidInput
from reference_db.vocabulary import Phenotype, PriorTreatment, Sex, Treatment
from selection.criteria import Criteria
from selection.features import Floats, Scaling, first_column
from selection.patient import PatientOfInterest

Booleans = NDArray[np.bool_]
Indices = NDArray[np.intp]
Shared = tuple[int, ...]
"""Levels of the features that patients of reference must share with the patient of interest."""

MOST_KEPT = 1000
"""Masks that are kept: all that hard criteria without calipers can ask for are fewer."""

_LEVELS: dict[str, tuple[str, ...]] = {
    "phenotype": tuple(Phenotype),
    "sex": tuple(Sex),
    "prior_treatment": tuple(PriorTreatment),
}


class Eligibility:
    """The patients of a database as hard criteria and calipers see them.

    Parameters
    ----------
    episodes : Episodes
    columns : ndarray, shape (patients, columns)
        Their standardised features.
    scaling : Scaling
        How they were standardised.
    """

    def __init__(self, episodes: Episodes, columns: Floats, scaling: Scaling) -> None:
        table = episodes.table
        self.codes = {name: _codes(table[name].to_numpy(), levels) for name, levels in _LEVELS.items()}
        self._source_kind = table["source_kind"].to_numpy().astype(str)
        self._columns, self._spread = columns, scaling.spread
        self._kept: dict[tuple[object, ...], Booleans | None] = {}

    def shared_by_row(self, row: int, criteria: Criteria) -> Shared:
        """Return what must be shared with a patient of the database."""
        return tuple(int(self.codes[name][row]) for name in criteria.same)

    def among(self, treatment: Treatment, rows: Indices, shared: Shared, criteria: Criteria) -> Booleans | None:
        """Tell which patients of a class meet the hard criteria; None when all do.

        Parameters
        ----------
        treatment : Treatment
        rows : ndarray of int
            Rows of the class, the same at every call.
        shared : tuple of int
        criteria : Criteria
        """
        asked = (treatment, criteria.same, shared, frozenset(criteria.source_kinds))
        if asked not in self._kept:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            eligible: Booleans = np.ones(len(rows), dtype=np.bool_)
            for name, code in zip(criteria.same, shared, strict=True):
                eligible = eligible & (self.codes[name][rows] == code)
            if len(set(criteria.source_kinds)) == 1:
                eligible = eligible & (self._source_kind[rows] == criteria.source_kinds[0].value)
            eligible.flags.writeable = False
            self._kept[asked] = None if eligible.all() else eligible
        return self._kept[asked]

    def within_calipers(
        self, poi: Floats, rows: Indices, eligible: Booleans | None, criteria: Criteria
    ) -> Booleans | None:
        """Tell who of those who meet the hard criteria is within the calipers of a patient of interest.

        Parameters
        ----------
        poi : ndarray, shape (columns,)
            Standardised features of the patient of interest.
        rows : ndarray of int
            Rows of the class.
        eligible : ndarray of bool or None
            Who meets the hard criteria; None when everybody does.
        criteria : Criteria

        Returns
        -------
        ndarray of bool or None
            `eligible` itself without calipers.
        """
        for name, caliper in criteria.calipers.items():
            column = first_column(name)
            gap = np.abs(self._columns[rows, column] - poi[column]) * self._spread[column]
            within = gap <= caliper + 1e-9
            eligible = within if eligible is None else eligible & within
        return eligible


def shared_by(patient: PatientOfInterest, criteria: Criteria) -> Shared:
    """Return what must be shared with a patient of interest.

    Raises
    ------
    InvalidInput
        When the patient of interest does not have it.
    """
    shared = []
    for name in criteria.same:
        value = getattr(patient, name)
        if value is None:
            raise InvalidInput.of("criteria.same", f"{name} is not known for this patient: give it or leave it out")
        shared.append(_LEVELS[name].index(value))
    return tuple(shared)


def _codes(values: NDArray[np.object_], levels: tuple[str, ...]) -> NDArray[np.int8]:
    codes = np.full(len(values), -1, dtype=np.int8)
    for code, level in enumerate(levels):
        codes[values == str(level)] = code
    return codes
