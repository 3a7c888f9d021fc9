"""What one silo contributes, before it is masked: counts by radius and sums over groups, by the rule of the silo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selection.silos.messages import (
    RADII,
    FeatureMoments,
    FeatureSums,
    Floats,
    Integers,
    OutcomeSums,
    Question,
    Standard,
)
from selection.silos.rule import Described, Rule


@dataclass(frozen=True)
class SiloPatients:
    """What a silo holds, per patient.

    Attributes
    ----------
    columns : ndarray, shape (patients, columns)
        Features in natural units, NaN where unknown.
    treatment : ndarray of int, shape (patients,)
        Position of the class.
    group : ndarray of int, shape (patients,)
        Code of the hard criterion.
    outcomes : ndarray, shape (patients, outcomes)
        NaN where unknown.
    codes : ndarray of int, shape (patients, endpoints)
        Step and kind of the end of observation, joined into one number, 2 * step + kind.
    """

    columns: Floats
    treatment: Integers
    group: Integers
    outcomes: Floats
    codes: Integers


class Aggregates:
    """Computes what a silo contributes.

    Parameters
    ----------
    patients : SiloPatients
    classes : int
        Number of treatment classes.
    n_codes : int
        Number of values that codes may take.
    regressed : ndarray of int
        Columns whose differences are summed.
    rule : Rule
    """

    def __init__(
        self, patients: SiloPatients, *, classes: int, n_codes: int, regressed: Integers, rule: Rule
    ) -> None:
        self._patients = patients
        self._classes, self._n_codes, self._regressed = classes, n_codes, regressed
        self._rule = rule
        self._standardised = np.empty((0, 0))
        self._stored = np.empty((0, 0))

    @property
    def columns(self) -> int:
        """How many columns features have."""
        return int(self._patients.columns.shape[1])

    @property
    def nobody(self) -> OutcomeSums:
        """Sums over nobody, in the shapes of the others."""
        outcomes, endpoints, classes = self._patients.outcomes.shape[1], self._patients.codes.shape[1], self._classes
        shapes = (), (outcomes,), (outcomes,), (endpoints, self._n_codes)
        return OutcomeSums(*(np.zeros((classes, *shape)) for shape in shapes))

    @property
    def no_features(self) -> FeatureSums:
        """Sums of the features of nobody, in the shapes of the others."""
        outcomes, endpoints, f = self._patients.outcomes.shape[1], self._patients.codes.shape[1], len(self._regressed)
        shapes = (f,), (f, f), (outcomes, f), (outcomes, f), (endpoints, self._n_codes, f)
        return FeatureSums(*(np.zeros((self._classes, *shape)) for shape in shapes))

    def moments(self) -> FeatureMoments:
        """Return the moments of each feature; of those known in too few patients, none.

        Of patients chosen as for any group: who joins the silo would be the difference of two starts.
        """
        group = self._rule.described(np.arange(len(self._patients.columns)), 0)
        columns = self._patients.columns[group.rows]
        known = ~np.isnan(columns)
        values = np.where(known, columns, 0.0)
        count = known.sum(axis=0).astype(np.float64)
        # Where few are unknown they count as the others here do.
        few_unknown = len(columns) - count < group.smallest
        scale = group.scale * np.where(few_unknown, len(columns) / np.maximum(count, 1.0), 1.0)
        scale = np.where(count >= group.smallest, scale, 0.0)
        return FeatureMoments(*(scale * sums for sums in (count, values.sum(axis=0), (values**2).sum(axis=0))))

    def adopt(self, standard: Standard) -> None:
        """Standardise as the hub says."""
        columns = (self._patients.columns - standard.mean) / standard.spread
        unknown = np.isnan(columns)
        known = np.where(unknown, 0.0, columns)
        self._standardised = columns
        self._stored = np.concatenate([known, np.where(unknown, standard.expected_square, known**2)], axis=1)

    def counts(self, question: Question) -> Floats:
        """Return how many patients of each class are within each of `RADII`, (classes, radii); small counts as 0."""
        distance, eligible = self._distances(question), self._eligible(question)
        within = np.zeros((self._classes, len(RADII)))
        for position in range(self._classes):
            rows = np.flatnonzero(eligible & (self._patients.treatment == position))
            rows = rows[np.argsort(distance[rows], kind="stable")]
            within[position] = self._rule.counts(rows, np.searchsorted(distance[rows], RADII, side="right"))
        return within

    def outcomes(self, question: Question, step: Integers) -> OutcomeSums:
        """Return what became of the patients within the radius of each class.

        Parameters
        ----------
        question : Question
        step : ndarray of int, shape (classes,)
            Positions in `RADII`.
        """
        found = self.nobody
        for position, group in enumerate(self._groups(question, step)):
            if not len(group.rows):
                continue
            found.number[position] = group.number
            values = self._patients.outcomes[group.rows]
            exact = (~np.isnan(values)).sum(axis=0)
            known = group.scale * exact + group.deviations(len(exact))
            total = group.scale * np.nansum(values, axis=0) + group.deviations(len(exact))
            shown = (exact >= group.smallest) & (known >= group.clearly)
            found.known[position] = np.where(shown, known, 0.0)
            found.total[position] = np.where(shown, total, 0.0)
            for endpoint, codes in enumerate(self._patients.codes[group.rows].T):
                # Moved so that the number up to a step is moved as much: deviations do not add up along a curve.
                moved = np.diff(group.deviations(self._n_codes // 2, 2), axis=0, prepend=0.0)
                ended = np.bincount(codes, minlength=self._n_codes)
                found.ends[position, endpoint] = group.scale * ended + moved.ravel()
        return found

    def known_sums(self, question: Question, step: Integers) -> tuple[Floats, Floats]:
        """Return count and sum of the known differences within the radius of each class, (classes, features)."""
        count = np.zeros((self._classes, len(self._regressed)))
        total = np.zeros_like(count)
        for position, differences in enumerate(self._differences(question, step)):
            count[position] = (~np.isnan(differences)).sum(axis=0)
            total[position] = np.nansum(differences, axis=0)
        return count, total

    def features(self, question: Question, step: Integers, unknown: Floats) -> FeatureSums:
        """Return the sums of differences within the radius of each class.

        Parameters
        ----------
        question : Question
        step : ndarray of int, shape (classes,)
            Positions in `RADII`.
        unknown : ndarray, shape (classes, features)
            What an unknown difference counts as: the mean of the known ones over all silos.
        """
        found = self.no_features
        for position, group in enumerate(self._groups(question, step)):
            differences = self._differences(question, step)[position]
            differences = np.where(np.isnan(differences), unknown[position], differences)
            outcomes = self._patients.outcomes[group.rows]
            found.first[position] = differences.sum(axis=0)
            found.second[position] = differences.T @ differences
            found.known_first[position] = (~np.isnan(outcomes)).astype(np.float64).T @ differences
            found.cross[position] = np.nan_to_num(outcomes).T @ differences
            for endpoint, codes in enumerate(self._patients.codes[group.rows].T):
                np.add.at(found.ends_first[position, endpoint], codes, differences)
        return found

    def _differences(self, question: Question, step: Integers) -> list[Floats]:
        """Return the differences of the patients of each class from the patient of interest, NaN where unknown."""
        own = question.columns[self._regressed]
        return [self._standardised[np.ix_(one.rows, self._regressed)] - own for one in self._groups(question, step)]

    def _distances(self, question: Question) -> Floats:
        known = np.where(np.isnan(question.columns), 0.0, question.columns)
        asked = np.concatenate([2 * question.weights * known, -question.weights])
        constant = float((question.weights * known**2).sum())
        return np.asarray(np.sqrt(np.maximum(constant - self._stored @ asked, 0.0)), dtype=np.float64)

    def _eligible(self, question: Question) -> NDArray[np.bool_]:
        if question.group < 0:
            return np.ones(len(self._patients.group), dtype=np.bool_)
        return np.asarray(self._patients.group == question.group, dtype=np.bool_)

    def _groups(self, question: Question, step: Integers) -> list[Described]:
        """Return whom the silo describes of each class."""
        distance, eligible = self._distances(question), self._eligible(question)
        return [
            self._rule.described(np.flatnonzero(near & (self._patients.treatment == position)), at)
            for position, (at, near) in enumerate((int(at), eligible & (distance <= RADII[at])) for at in step)
        ]
