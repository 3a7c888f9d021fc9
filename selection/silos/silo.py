"""One silo: patients who stay where they are, and the sums they may be part of.

A class of which a silo has fewer patients of reference than the threshold is answered as if there were none, and so
is an outcome that is known of fewer: a sum over few patients says too much about each. Within a class that is
answered, tables of events by step hold small numbers, and neither counts nor sums are moved: who asks a silo must
be trusted not to take differences, or the silo must hold synthetic patients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reference_db.small_cells import SMALL_CELL
from selection.silos.messages import FeatureMoments, Floats, GroupSums, Integers, Question, Standard


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
        Step and kind of the end of observation, joined into one number.
    """

    columns: Floats
    treatment: Integers
    group: Integers
    outcomes: Floats
    codes: Integers


class Silo:
    """Answers a hub with aggregates.

    Parameters
    ----------
    patients : SiloPatients
    classes : int
        Number of treatment classes.
    n_codes : int
        Number of values that codes may take.
    regressed : ndarray of int
        Columns whose differences are summed.
    threshold : int
        Fewest patients behind any sum; 1 gives everything.
    """

    def __init__(
        self,
        patients: SiloPatients,
        *,
        classes: int,
        n_codes: int,
        regressed: Integers,
        threshold: int = SMALL_CELL,
    ) -> None:
        self._patients = patients
        self._classes, self._n_codes, self._regressed = classes, n_codes, regressed
        self._threshold = threshold
        self._standardised = np.empty((0, 0))
        self._stored = np.empty((0, 0))

    def moments(self) -> FeatureMoments:
        """Return the moments of each feature; of those known in too few patients, none."""
        known = ~np.isnan(self._patients.columns)
        values = np.where(known, self._patients.columns, 0.0)
        count = known.sum(axis=0).astype(np.float64)
        shown = count >= self._threshold
        return FeatureMoments(*(np.where(shown, sums, 0.0) for sums in (count, values.sum(0), (values**2).sum(0))))

    def adopt(self, standard: Standard) -> None:
        """Standardise as the hub says."""
        columns = (self._patients.columns - standard.mean) / standard.spread
        unknown = np.isnan(columns)
        known = np.where(unknown, 0.0, columns)
        self._standardised = columns
        self._stored = np.concatenate([known, np.where(unknown, standard.expected_square, known**2)], axis=1)

    def counts(self, question: Question, radii: Floats) -> Floats:
        """Return how many patients of each class are within each radius, (classes, radii); small counts as 0."""
        distance = self._distances(question)
        within = np.zeros((self._classes, len(radii)))
        for position in range(self._classes):
            of_class = np.sort(distance[self._eligible(question) & (self._patients.treatment == position)])
            within[position] = np.searchsorted(of_class, radii, side="right")
        return np.where(within >= self._threshold, within, 0.0)

    def known_sums(self, question: Question, radius: Floats) -> tuple[Floats, Floats]:
        """Return count and sum of the known differences within the radius of each class, (classes, features).

        None of a feature that is known in too few patients.
        """
        count = np.zeros((self._classes, len(self._regressed)))
        total = np.zeros_like(count)
        differences = self._standardised[:, self._regressed] - question.columns[self._regressed]
        for position, rows in enumerate(self._members(question, radius)):
            known = ~np.isnan(differences[rows])
            known &= known.sum(axis=0) >= self._threshold
            count[position] = known.sum(axis=0)
            total[position] = np.where(known, differences[rows], 0.0).sum(axis=0)
        return count, total

    def sums(self, question: Question, radius: Floats, unknown: Floats) -> GroupSums:
        """Return the sums of outcomes and differences within the radius of each class.

        Parameters
        ----------
        question : Question
        radius : ndarray, shape (classes,)
        unknown : ndarray, shape (classes, features)
            What an unknown difference counts as: the mean of the known ones over all silos.
        """
        patients, f = self._patients, len(self._regressed)
        outcomes, endpoints = patients.outcomes.shape[1], patients.codes.shape[1]
        shape = self._classes
        found = GroupSums(
            np.zeros(shape),
            np.zeros((shape, f)),
            np.zeros((shape, f, f)),
            np.zeros((shape, outcomes)),
            np.zeros((shape, outcomes)),
            np.zeros((shape, outcomes, f)),
            np.zeros((shape, outcomes, f)),
            np.zeros((shape, endpoints, self._n_codes)),
            np.zeros((shape, endpoints, self._n_codes, f)),
        )
        for position, rows in enumerate(self._members(question, radius)):
            if not len(rows):
                continue
            differences = self._standardised[np.ix_(rows, self._regressed)] - question.columns[self._regressed]
            differences = np.where(np.isnan(differences), unknown[position], differences)
            found.number[position] = len(rows)
            found.first[position] = differences.sum(axis=0)
            found.second[position] = differences.T @ differences
            known = ~np.isnan(patients.outcomes[rows])
            known &= known.sum(axis=0) >= self._threshold
            seen = known.astype(np.float64)
            value = np.where(known, patients.outcomes[rows], 0.0)
            found.outcome_number[position] = seen.sum(axis=0)
            found.outcome_total[position] = value.sum(axis=0)
            found.outcome_first[position] = seen.T @ differences
            found.outcome_cross[position] = value.T @ differences
            for endpoint in range(endpoints):
                codes = patients.codes[rows, endpoint]
                found.code_number[position, endpoint] = np.bincount(codes, minlength=self._n_codes)
                np.add.at(found.code_first[position, endpoint], codes, differences)
        return found

    def _distances(self, question: Question) -> Floats:
        known = np.where(np.isnan(question.columns), 0.0, question.columns)
        asked = np.concatenate([2 * question.weights * known, -question.weights])
        constant = float((question.weights * known**2).sum())
        return np.asarray(np.sqrt(np.maximum(constant - self._stored @ asked, 0.0)), dtype=np.float64)

    def _eligible(self, question: Question) -> NDArray[np.bool_]:
        if question.group < 0:
            return np.ones(len(self._patients.group), dtype=np.bool_)
        return np.asarray(self._patients.group == question.group, dtype=np.bool_)

    def _members(self, question: Question, radius: Floats) -> list[NDArray[np.intp]]:
        """Return the patients of reference of each class; none where they are fewer than the threshold."""
        distance, eligible = self._distances(question), self._eligible(question)
        members = [
            np.flatnonzero(eligible & (self._patients.treatment == position) & (distance <= radius[position]))
            for position in range(self._classes)
        ]
        return [rows if len(rows) >= self._threshold else rows[:0] for rows in members]
