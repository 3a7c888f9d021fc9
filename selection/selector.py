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
from reference_db.vocabulary import Treatment, treatment_named
from selection.baselines import every_visit as from_every_visit
from selection.criteria import BASELINES, REACH, Criteria
from selection.distance import Floats, checked_weights, column_weights, question
from selection.eligibility import MOST_KEPT, Eligibility, Shared, shared_by
from selection.features import Scaling, columns_of_episodes, columns_of_patients, first_column
from selection.index import Indices, Searched, class_indices, nearest_of_classes
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
    reached : ndarray of bool, shape (patients, classes, k)
        Which of them are within `criteria.REACH`: most must be.
    """

    columns: Floats
    rows: Indices
    distance: Floats
    n_eligible: Indices
    reached: NDArray[np.bool_]


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
        self._eligibility = Eligibility(episodes, self.columns, self.scaling)
        by_phenotype = {
            treatment: rows[np.argsort(self._eligibility.codes["phenotype"][rows], kind="stable")]
            for treatment, rows in episodes.rows_by_treatment.items()
        }
        self._indices = class_indices(by_phenotype, self.columns, self.patient)
        self._kept: dict[tuple[object, ...], list[Searched]] = {}
        self.natural = natural
        self._reach = {name: np.ascontiguousarray(natural[:, first_column(name)]) for name in REACH}

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
        per_column = column_weights(weights, columns)
        if not per_column.any(axis=1).all():
            raise InvalidInput.of(
                "weights", "no feature with a weight above 0 is known for this patient: add another"
            )
        shared = [shared_by(patient, criteria) for patient in patients]
        return self._matches(columns, shared, None, per_column, k=k, classes=classes, criteria=criteria)

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
        shared = [self._eligibility.shared_by_row(int(row), criteria) for row in rows]
        own = rows if self.patient is None else self.patient[rows]
        columns = self.columns[rows]
        per_column = column_weights(weights, columns)
        return self._matches(columns, shared, own, per_column, k=k, classes=classes, criteria=criteria)

    @property
    def baselines(self) -> str:
        """What a row is, as `criteria.BASELINES` names it."""
        return BASELINES[0] if self.patient is None else BASELINES[1]

    def rows_within(self, selection: Selection) -> list[Indices]:
        """Return, per class of a selection, the patients within its caliper on the distance, used or not.

        One row per patient, the first within it where rows are baselines.
        """
        columns = self.scaling.apply(columns_of_patients([selection.poi]))
        per_column = column_weights(selection.weights, columns)
        questions, constants = question(columns, per_column)
        shared = shared_by(selection.poi, selection.criteria)
        found = [np.empty(0, dtype=np.intp) for _ in selection.classes]
        for position, part in enumerate(selection.classes):
            index = self._indices[part.treatment]
            eligible = self._eligibility.among(part.treatment, index.rows, shared, selection.criteria)
            if per_column.any():
                restricted = self._eligibility.within_calipers(columns[0], index.rows, eligible, selection.criteria)
                distance = np.sqrt(np.maximum(constants[0] - index.stored @ questions[0], 0.0))
                within = distance <= selection.criteria.largest_distance
                rows = index.rows[within if restricted is None else within & restricted]
                found[position] = self.one_per_patient(rows)
        return found

    def one_per_patient(self, rows: Indices) -> Indices:
        """Return the first of the rows of each patient; all of them where each is a patient."""
        if self.patient is None:
            return rows
        _, first = np.unique(self.patient[rows], return_index=True)
        return rows[np.sort(first)]

    def _matches(
        self,
        columns: Floats,
        shared: Sequence[Shared],
        without: Indices | None,
        per_column: Floats,
        *,
        k: int,
        classes: Sequence[Treatment],
        criteria: Criteria,
    ) -> Matches:
        if criteria.baselines not in (BASELINES[0], self.baselines):
            raise InvalidInput.of(
                "criteria.baselines", f"{criteria.baselines} is not what is held here", self.baselines
            )
        shape = (len(columns), len(classes))
        rows = np.full((*shape, k), -1, dtype=np.intp)
        squared = np.full((*shape, k), np.inf)
        n_eligible = np.zeros(shape, dtype=np.intp)
        questions, constants = question(columns, per_column)
        comparable = per_column.sum(axis=1) > 0
        groups: dict[Shared, list[int]] = {}
        for position, key in enumerate(shared):
            groups.setdefault(key, []).append(position)
        for key, members in groups.items():
            at = np.array(members)
            ask = at[comparable[at]]
            # Calipers are around each patient of interest; without any, all are asked together.
            for one in np.split(ask, np.arange(1, len(ask))) if criteria.calipers else [ask]:
                if not len(one):
                    continue
                searched = self._searched(classes, columns[one[0]], key, criteria)
                n_eligible[one] = [each.number for each in searched]
                found = nearest_of_classes(
                    searched, questions[one], constants[one], k, without=None if without is None else without[one]
                )
                rows[one], squared[one] = found.rows, found.squared
        distance = np.sqrt(squared)
        far = distance > criteria.largest_distance
        rows[far], distance[far] = -1, np.inf
        return Matches(columns, rows, distance, n_eligible, self.reached(columns, rows))

    def _searched(
        self, classes: Sequence[Treatment], poi: Floats, shared: Shared, criteria: Criteria
    ) -> Sequence[Searched]:
        """Return who may be found in each class; kept as long as no caliper makes it one of many questions."""
        asked = (tuple(classes), criteria.same, shared, frozenset(criteria.source_kinds))
        found = None if criteria.calipers else self._kept.get(asked)
        if found is None:
            found = []
            for treatment in classes:
                index = self._indices[treatment]
                eligible = self._eligibility.among(treatment, index.rows, shared, criteria)
                eligible = self._eligibility.within_calipers(poi, index.rows, eligible, criteria)
                found.append(Searched.of(index, eligible))
            if not criteria.calipers:
                if len(self._kept) >= MOST_KEPT:
                    self._kept.clear()
                self._kept[asked] = found
        return found

    def reached(self, columns: Floats, rows: Indices) -> NDArray[np.bool_]:
        """Tell which patients of reference are within `criteria.REACH` of each patient of interest.

        Parameters
        ----------
        columns : ndarray, shape (patients, columns)
            Standardised features of the patients of interest.
        rows : ndarray of int, shape (patients, classes, k)
            -1 where there are no more.
        """
        within: NDArray[np.bool_] = rows >= 0
        for name, widest in REACH.items():
            at = first_column(name)
            own = columns[:, at] * self.scaling.spread[at] + self.scaling.mean[at]
            within &= np.abs(self._reach[name].take(rows) - own[:, None, None]) <= widest + 1e-9
        return within

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
        rows, distance, reached = (each[position] for each in (matches.rows, matches.distance, matches.reached))
        number = (rows >= 0).sum(axis=1)
        near = is_within_reach(number, reached.sum(axis=1)).tolist()
        parts = []
        for at, (treatment, n, n_eligible) in enumerate(
            zip(classes, number.tolist(), matches.n_eligible[position].tolist(), strict=True)
        ):
            reason = refusal(treatment, n=n, n_eligible=n_eligible, criteria=criteria)
            # Whoever was found comes first.
            found: slice | NDArray[np.bool_] = slice(n)
            if reason is None and not near[at]:
                reason, found = beyond_reach(treatment), reached[at]
            parts.append(ClassSelection(treatment, rows[at, found], distance[at, found], n_eligible, reason))
        return Selection(poi, self.release.version, k, weights, criteria, tuple(parts))


def refusal(treatment: Treatment, *, n: int, n_eligible: int, criteria: Criteria, fewest: int = FEWEST) -> str | None:
    """Say why nothing may be projected for a class, or None when it may."""
    if n >= fewest:
        return None
    shown = str(n_eligible) if is_shown(n_eligible) else "fewer than 10"
    if n_eligible < fewest:
        unknown = "; a feature that is not known is within no caliper" if criteria.calipers else ""
        return f"{shown} patients under {treatment} meet the criteria; at least {fewest} are needed{unknown}"
    similar = str(n) if is_shown(n) else "fewer than 10"
    return (
        f"of {shown} patients under {treatment}, {similar} are similar enough (distance up to "
        f"{criteria.largest_distance:g}); at least {fewest} are needed"
    )


def is_within_reach(n: Indices, reached: Indices) -> NDArray[np.bool_]:
    """Tell whether most of n patients of reference are within `criteria.REACH`."""
    return np.asarray(2 * reached > n)


def beyond_reach(treatment: Treatment) -> str:
    """Say that a projection would be extrapolated."""
    return (
        f"most of the nearest patients under {treatment} are more than {REACH['age']:g} years of age or "
        f"{REACH['edss']:g} points of EDSS away: a projection would be extrapolated"
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
