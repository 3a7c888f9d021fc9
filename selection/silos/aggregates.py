"""What one silo contributes, before it is masked: counts by radius and sums over groups, by the rule of the silo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from selection.silos.messages import RADII, FeatureMoments, Floats, GroupSums, Integers, Question, Standard
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
    def nobody(self) -> GroupSums:
        """Sums over nobody, in the shapes of the others."""
        outcomes, endpoints = self._patients.outcomes.shape[1], self._patients.codes.shape[1]
        return GroupSums.none(self._classes, len(self._regressed), outcomes, endpoints, self._n_codes)

    def moments(self) -> FeatureMoments:
        """Return the moments of each feature; of those known in too few patients, none.

        Of patients chosen as for any group: who joins the silo would be the difference of two starts.
        """
        group = self._rule.described(np.arange(len(self._patients.columns)), 0, "moments")
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

    def known_sums(self, question: Question, step: Integers) -> tuple[Floats, Floats]:
        """Return count and sum of the known differences within the radius of each class, (classes, features).

        Parameters
        ----------
        question : Question
        step : ndarray of int, shape (classes,)
            Positions in `RADII`.
        """
        count = np.zeros((self._classes, len(self._regressed)))
        total = np.zeros_like(count)
        for position, group in enumerate(self._groups(question, step, "known")):
            differences = self._differences(group)
            known = ~np.isnan(differences)
            count[position] = group.scale * known.sum(axis=0)
            total[position] = group.scale * np.nan_to_num(differences).sum(axis=0) + group.deviations(known.shape[1])
            total[position, ~known.any(axis=0)] = 0.0
        return count, total

    def sums(self, question: Question, step: Integers, unknown: Floats) -> GroupSums:
        """Return the sums of outcomes and differences within the radius of each class.

        Parameters
        ----------
        question : Question
        step : ndarray of int, shape (classes,)
            Positions in `RADII`.
        unknown : ndarray, shape (classes, features)
            What an unknown difference counts as: the mean of the known ones over all silos.
        """
        found = self.nobody
        for position, group in enumerate(self._groups(question, step, "sums")):
            if not len(group.rows):
                continue
            differences = self._differences(group)
            filled = np.where(np.isnan(differences).any(axis=0), unknown[position], 0.0)
            differences = np.where(np.isnan(differences), filled, differences)
            found.number[position] = group.number
            found.first[position] = group.scale * differences.sum(axis=0) + _moves(group, filled, len(filled))
            of_products = _moves(group, filled, len(filled), len(filled))
            of_products = (of_products + of_products.T) / np.sqrt(2)
            found.second[position] = group.scale * (differences.T @ differences) + of_products
            self._add_outcomes(found, position, group, differences, filled)
            self._add_ends(found, position, group, differences, filled)
        return found

    def _add_outcomes(
        self, found: GroupSums, position: int, group: Described, differences: Floats, filled: Floats
    ) -> None:
        """Add what became of a group, month by month; nothing of months at which it is known of few."""
        outcomes = self._patients.outcomes[group.rows]
        seen = (~np.isnan(outcomes)).astype(np.float64)
        value = np.nan_to_num(outcomes)
        months, features = outcomes.shape[1], differences.shape[1]
        number = group.scale * seen.sum(axis=0) + group.deviations(months)
        shown = (seen.sum(axis=0) >= group.smallest) & (number >= group.clearly)
        total = group.scale * value.sum(axis=0) + group.deviations(months)
        first = group.scale * (seen.T @ differences) + _moves(group, filled, months, features)
        cross = group.scale * (value.T @ differences) + _moves(group, filled, months, features)
        found.outcome_number[position] = np.where(shown, number, 0.0)
        found.outcome_total[position] = np.where(shown, total, 0.0)
        found.outcome_first[position] = np.where(shown[:, None], first, 0.0)
        found.outcome_cross[position] = np.where(shown[:, None], cross, 0.0)

    def _add_ends(
        self, found: GroupSums, position: int, group: Described, differences: Floats, filled: Floats
    ) -> None:
        """Add how many of a group end their observation at each step, and how.

        A sum is moved so that the sum of all up to its step is moved as much: deviations do not add up along a curve.
        """
        steps, features = self._n_codes // 2, differences.shape[1]
        for endpoint in range(self._patients.codes.shape[1]):
            codes = self._patients.codes[group.rows, endpoint]
            number = np.bincount(codes, minlength=self._n_codes)
            first = np.zeros((self._n_codes, features))
            np.add.at(first, codes, differences)
            moved = np.diff(group.deviations(steps, 2), axis=0, prepend=0.0)
            moved_first = np.diff(_moves(group, filled, steps, 2, features), axis=0, prepend=0.0)
            found.code_number[position, endpoint] = group.scale * number + moved.ravel()
            found.code_first[position, endpoint] = group.scale * first + moved_first.reshape(self._n_codes, features)

    def _differences(self, group: Described) -> Floats:
        """Return the differences of patients from everybody's mean, NaN where unknown.

        Where few are unknown they count as the others here do, and where few are known all are unknown: what the hub
        says of the unknown is never multiplied by a small number.
        """
        differences = np.clip(self._standardised[np.ix_(group.rows, self._regressed)], -group.largest, group.largest)
        known = ~np.isnan(differences)
        count = known.sum(axis=0)
        mean = np.where(known, differences, 0.0).sum(axis=0) / np.maximum(count, 1)
        few_unknown = len(group.rows) - count < group.smallest
        differences = np.where(known | ~few_unknown, differences, mean)
        return np.where((count < group.smallest) & ~few_unknown, np.nan, differences)

    def _distances(self, question: Question) -> Floats:
        known = np.where(np.isnan(question.columns), 0.0, question.columns)
        asked = np.concatenate([2 * question.weights * known, -question.weights])
        constant = float((question.weights * known**2).sum())
        return np.asarray(np.sqrt(np.maximum(constant - self._stored @ asked, 0.0)), dtype=np.float64)

    def _eligible(self, question: Question) -> NDArray[np.bool_]:
        if question.group < 0:
            return np.ones(len(self._patients.group), dtype=np.bool_)
        return np.asarray(self._patients.group == question.group, dtype=np.bool_)

    def _groups(self, question: Question, step: Integers, purpose: str) -> list[Described]:
        """Return whom the silo describes of each class."""
        distance, eligible = self._distances(question), self._eligible(question)
        return [
            self._rule.described(np.flatnonzero(near & (self._patients.treatment == position)), at, purpose)
            for position, (at, near) in enumerate((int(at), eligible & (distance <= RADII[at])) for at in step)
        ]


def _moves(group: Described, filled: Floats, *shape: int) -> Floats:
    """Return deviations of sums of differences: of what is known and of how many are unknown, each its own."""
    return group.deviations(*shape) + filled * group.deviations(*shape)
