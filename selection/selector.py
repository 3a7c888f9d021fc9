"""From a patient of interest to the patients of reference of every treatment class."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reference_db.episodes import Episodes
from reference_db.errors import FieldProblem, InvalidInput
from reference_db.small_cells import is_shown
from reference_db.vocabulary import Phenotype, PriorTreatment, Sex, Treatment, treatment_named
from selection.baselines import every_visit as from_every_visit
from selection.criteria import Criteria
from selection.distance import Floats, checked_weights, column_weights, question
from selection.features import (
    FEATURES,
    Scaling,
    columns_of_episodes,
    columns_of_patients,
)
from selection.index import Booleans, Indices, class_indices
from selection.patient import PatientOfInterest
from selection.weights import WEIGHTS_FILE, learn_weights

DEFAULT_K = 200
"""Patients of reference per class; chosen by the known truth of the simulation (decision 0009)."""

K_RANGE = (30, 5000)

FEWEST = 30
"""Fewest patients of reference from which anything is projected."""


class ReferenceRelease(Protocol):
    """What selection needs of a release."""

    @property
    def version(self) -> str:
        """Name of the release."""

    @property
    def episodes(self) -> Episodes:
        """Its episodes."""

    def attachment(self, name: str) -> bytes | None:
        """Return a further file of the release; None when it has none of that name."""


@dataclass(frozen=True, slots=True)
class ClassSelection:
    """The patients of reference of one class.

    Attributes
    ----------
    treatment : Treatment
    rows : ndarray of int
        Rows of the episode table, nearest first.
    distance : ndarray
        Their distances, in standard deviations per feature.
    n_eligible : int
        Patients of the class that met the hard criteria.
    refusal : str or None
        Why nothing may be projected from them.
    """

    treatment: Treatment
    rows: Indices
    distance: Floats
    n_eligible: int
    refusal: str | None


@dataclass(frozen=True, slots=True)
class Selection:
    """The patients of reference of one patient of interest, per class in the order of the vocabulary."""

    poi: PatientOfInterest
    release: str
    k: int
    weights: Mapping[str, float]
    criteria: Criteria
    classes: tuple[ClassSelection, ...]


@dataclass(frozen=True, slots=True)
class Matches:
    """The patients of reference of many patients of interest, as arrays.

    Attributes
    ----------
    columns : ndarray, shape (patients, columns)
        Standardised features of the patients of interest, NaN where unknown.
    rows : ndarray of int, shape (patients, classes, k)
        Rows of the episode table, nearest first; -1 where there are no more within the caliper.
    distance : ndarray, shape (patients, classes, k)
        In standard deviations per feature; infinity where there are no more.
    n_eligible : ndarray of int, shape (patients, classes)
    """

    columns: Floats
    rows: Indices
    distance: Floats
    n_eligible: Indices


class Selector:
    """Exact selection of patients of reference from a release.

    Parameters
    ----------
    release : ReferenceRelease
        Its attachment ``feature_weights.json`` holds the default weights; without it they are learned here.
    every_visit : bool
        Whether every informative visit is a baseline, a patient counting once per class by the nearest of them; or
        only the start of the treatment.

    Attributes
    ----------
    episodes : Episodes
        Of the release, or one row per baseline.
    patient : ndarray of int or None
        Patient of each row, when rows are baselines.
    default_weights : mapping of str to float
        Weight of every feature, learned for prognostic relevance.
    natural, columns : ndarray, shape (patients, columns)
        Features of the patients of the database as `selection.features.columns_of` lays them out, and standardised.
    scaling : Scaling
        How they were standardised.
    """

    def __init__(self, release: ReferenceRelease, *, every_visit: bool = False) -> None:
        self.release = release
        kept = release.attachment(WEIGHTS_FILE)
        learned = json.loads(kept) if kept is not None else learn_weights(release.episodes)
        baselines = from_every_visit(release.episodes) if every_visit else None
        episodes = self.episodes = release.episodes if baselines is None else baselines.episodes
        self.patient = None if baselines is None else baselines.patient
        self.default_weights: dict[str, float] = checked_weights(learned, dict.fromkeys(learned, 0.0))
        natural = columns_of_episodes(episodes)
        self.scaling = Scaling.of(natural)
        self.columns = self.scaling.apply(natural)
        table = episodes.table
        self._codes: dict[str, NDArray[np.int8]] = {
            "phenotype": _codes(table["phenotype"].to_numpy(), tuple(Phenotype)),
            "sex": _codes(table["sex"].to_numpy(), tuple(Sex)),
            "prior_treatment": _codes(table["prior_treatment"].to_numpy(), tuple(PriorTreatment)),
        }
        self._source_kind = table["source_kind"].to_numpy().astype(str)
        by_phenotype = {
            treatment: rows[np.argsort(self._codes["phenotype"][rows], kind="stable")]
            for treatment, rows in episodes.rows_by_treatment.items()
        }
        self._indices = class_indices(by_phenotype, self.columns, self.patient)
        self.natural = natural

    def select(
        self,
        poi: PatientOfInterest,
        *,
        k: int | None = None,
        weights: Mapping[str, float] | None = None,
        classes: Sequence[Treatment | str] | None = None,
        criteria: Criteria | None = None,
    ) -> Selection:
        """Find the patients of reference of one patient of interest.

        Parameters
        ----------
        poi : PatientOfInterest
        k : int, optional
            Patients wanted per class, 30 to 5000; 200 by default.
        weights : mapping of str to float, optional
            Weights that replace the default ones, by feature, 0 to 1000; 0 ignores the feature.
        classes : sequence of Treatment or str, optional
            Classes, molecules, brands or ATC codes; all nine classes by default.
        criteria : Criteria, optional

        Raises
        ------
        InvalidInput
            For k, weights, classes or criteria that cannot be used.
        """
        used = checked_k(k)
        chosen = checked_classes(classes)
        complete = checked_weights(weights or {}, self.default_weights)
        criteria = criteria or Criteria()
        found = self.matches([poi], k=used, weights=complete, classes=chosen, criteria=criteria)
        return self.selection_of(found, 0, poi, k=used, weights=complete, classes=chosen, criteria=criteria)

    def matches(
        self,
        patients: Sequence[PatientOfInterest],
        *,
        k: int,
        weights: Mapping[str, float],
        classes: Sequence[Treatment],
        criteria: Criteria,
    ) -> Matches:
        """Find the patients of reference of many patients of interest at once; arguments as `select` checked them.

        Raises
        ------
        InvalidInput
            When a patient has none of the features that weigh, or lacks one that a criterion needs.
        """
        columns = self.scaling.apply(columns_of_patients(patients))
        if not column_weights(weights, columns).any(axis=1).all():
            raise InvalidInput.of(
                "weights", "no feature with a weight above 0 is known for this patient: add another"
            )
        shared = [
            tuple(_code_of(patient, name) for name in criteria.same) for patient in patients
        ]  # which criteria each patient sets
        return self._matches(columns, shared, None, k=k, weights=weights, classes=classes, criteria=criteria)

    def matches_of_rows(
        self,
        rows: Indices,
        *,
        k: int,
        weights: Mapping[str, float],
        classes: Sequence[Treatment],
        criteria: Criteria,
    ) -> Matches:
        """Find the patients of reference of patients who are in the database themselves.

        Every row of the patient is left out. `rows` are rows of `episodes`; other arguments as `select` checked them.
        """
        shared = [tuple(int(self._codes[name][row]) for name in criteria.same) for row in rows]
        own = rows if self.patient is None else self.patient[rows]
        return self._matches(
            self.columns[rows], shared, own, k=k, weights=weights, classes=classes, criteria=criteria
        )

    def count_within(self, selection: Selection) -> Indices:
        """Count, per class of a selection, the patients within its caliper on the distance, used or not."""
        columns = self.scaling.apply(columns_of_patients([selection.poi]))
        per_column = column_weights(selection.weights, columns)
        questions, constants = question(columns, per_column)
        shared = tuple(_code_of(selection.poi, name) for name in selection.criteria.same)
        counts = np.zeros(len(selection.classes), dtype=np.intp)
        for position, part in enumerate(selection.classes):
            index = self._indices[part.treatment]
            eligible = self._eligible(index.rows, shared, selection.criteria)
            ask = np.flatnonzero(per_column.sum(axis=1) > 0)
            for _, restricted in self._restrictions(ask, columns, index.rows, eligible, selection.criteria):
                within = constants[0] - index.stored @ questions[0] <= selection.criteria.largest_distance**2
                counts[position] = int((within if restricted is None else within & restricted).sum())
        return counts

    def _matches(
        self,
        columns: Floats,
        shared: Sequence[tuple[int, ...]],
        without: Indices | None,
        *,
        k: int,
        weights: Mapping[str, float],
        classes: Sequence[Treatment],
        criteria: Criteria,
    ) -> Matches:
        shape = (len(columns), len(classes))
        rows = np.full((*shape, k), -1, dtype=np.intp)
        squared = np.full((*shape, k), np.inf)
        n_eligible = np.zeros(shape, dtype=np.intp)
        per_column = column_weights(weights, columns)
        questions, constants = question(columns, per_column)
        comparable = per_column.sum(axis=1) > 0
        groups: dict[tuple[int, ...], list[int]] = {}
        for position, key in enumerate(shared):
            groups.setdefault(key, []).append(position)
        for key, members in groups.items():
            at = np.array(members)
            ask = at[comparable[at]]
            for position, treatment in enumerate(classes):
                index = self._indices[treatment]
                eligible = self._eligible(index.rows, key, criteria)
                for one, restricted in self._restrictions(ask, columns, index.rows, eligible, criteria):
                    n_eligible[one, position] = len(index) if restricted is None else int(restricted.sum())
                    found = index.nearest(
                        questions[one],
                        constants[one],
                        k,
                        eligible=restricted,
                        without=None if without is None else without[one],
                    )
                    rows[one, position], squared[one, position] = found.rows, found.squared
        distance = np.sqrt(squared)
        far = distance > criteria.largest_distance
        rows[far], distance[far] = -1, np.inf
        return Matches(columns, rows, distance, n_eligible)

    def _eligible(self, rows: Indices, key: tuple[int, ...], criteria: Criteria) -> Booleans | None:
        """Tell which patients of a class meet the hard criteria; None when all do."""
        eligible: Booleans = np.ones(len(rows), dtype=np.bool_)
        for name, code in zip(criteria.same, key, strict=True):
            eligible = eligible & (self._codes[name][rows] == code)
        if len(set(criteria.source_kinds)) == 1:
            eligible = eligible & (self._source_kind[rows] == criteria.source_kinds[0].value)
        return None if eligible.all() else eligible

    def _restrictions(
        self, asked: Indices, columns: Floats, rows: Indices, eligible: Booleans | None, criteria: Criteria
    ) -> list[tuple[Indices, Booleans | None]]:
        """Split questions by who is within their calipers; without calipers they are asked together."""
        if not criteria.calipers:
            return [(asked, eligible)] if len(asked) else []
        parts: list[tuple[Indices, Booleans | None]] = []
        for one in asked:
            within: Booleans = np.ones(len(rows), dtype=np.bool_) if eligible is None else eligible
            for name, caliper in criteria.calipers.items():
                column = _COLUMN[name]
                gap = np.abs(self.columns[rows, column] - columns[one, column]) * self.scaling.spread[column]
                within = within & (gap <= caliper + 1e-9)
            parts.append((np.array([one]), within))
        return parts

    def selection_of(
        self,
        matches: Matches,
        position: int,
        poi: PatientOfInterest,
        *,
        k: int,
        weights: Mapping[str, float],
        classes: Sequence[Treatment],
        criteria: Criteria,
    ) -> Selection:
        """Return the selection of one of the patients that were matched together."""
        parts = []
        for at, treatment in enumerate(classes):
            found = matches.rows[position, at] >= 0
            n, n_eligible = int(found.sum()), int(matches.n_eligible[position, at])
            reason = refusal(treatment, n=n, n_eligible=n_eligible, criteria=criteria)
            rows, distance = matches.rows[position, at, found], matches.distance[position, at, found]
            parts.append(ClassSelection(treatment, rows, distance, n_eligible, reason))
        return Selection(poi, self.release.version, k, weights, criteria, tuple(parts))


_COLUMN: dict[str, int] = {
    feature.name: sum(before.width for before in FEATURES[:position]) for position, feature in enumerate(FEATURES)
}


def refusal(treatment: Treatment, *, n: int, n_eligible: int, criteria: Criteria) -> str | None:
    """Say why nothing may be projected for a class, or None when it may."""
    if n >= FEWEST:
        return None
    shown = str(n_eligible) if is_shown(n_eligible) else "fewer than 10"
    if n_eligible < FEWEST:
        unknown = "; a feature that is not known is within no caliper" if criteria.calipers else ""
        return f"{shown} patients under {treatment} meet the criteria; at least {FEWEST} are needed{unknown}"
    similar = str(n) if is_shown(n) else "fewer than 10"
    return (
        f"of {shown} patients under {treatment}, {similar} are similar enough (distance up to "
        f"{criteria.largest_distance:g}); at least {FEWEST} are needed"
    )


def checked_k(k: int | None) -> int:
    """Return the number of patients of reference, the default when none is asked for.

    Raises
    ------
    InvalidInput
        When it is out of range.
    """
    if k is None:
        return DEFAULT_K
    if not K_RANGE[0] <= k <= K_RANGE[1]:
        raise InvalidInput.of("k", f"{k} is out of range", f"{K_RANGE[0]} to {K_RANGE[1]} patients")
    return int(k)


def checked_classes(classes: Sequence[Treatment | str] | None) -> tuple[Treatment, ...]:
    """Return treatment classes in the order of the vocabulary, all of them when none is asked for.

    Raises
    ------
    InvalidInput
        For a name that is no class, molecule, brand or ATC code.
    """
    if classes is None:
        return tuple(Treatment)
    named = {name: treatment_named(str(name)) for name in classes}
    problems = [
        FieldProblem("classes", f"{str(name)[:40]!r} is not a treatment", ", ".join(Treatment))
        for name, treatment in named.items()
        if treatment is None
    ]
    if not classes:
        problems.append(FieldProblem("classes", "is empty", ", ".join(Treatment)))
    if problems:
        raise InvalidInput(problems)
    return tuple(treatment for treatment in Treatment if treatment in named.values())


def _codes(values: NDArray[np.object_], levels: tuple[str, ...]) -> NDArray[np.int8]:
    codes = np.full(len(values), -1, dtype=np.int8)
    for code, level in enumerate(levels):
        codes[values == str(level)] = code
    return codes


_LEVELS: dict[str, tuple[str, ...]] = {
    "phenotype": tuple(Phenotype),
    "sex": tuple(Sex),
    "prior_treatment": tuple(PriorTreatment),
}


def _code_of(patient: PatientOfInterest, name: str) -> int:
    """Return the level of a feature that patients of reference must share.

    Raises
    ------
    InvalidInput
        When the patient of interest does not have it.
    """
    value = getattr(patient, name)
    if value is None:
        raise InvalidInput.of("criteria.same", f"{name} is not known for this patient: give it or leave it out")
    return _LEVELS[name].index(value)
