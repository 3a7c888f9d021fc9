"""The exact nearest patients of reference, per treatment class.

One FAISS index per class over ``[x, x^2]`` in single precision finds candidates; their distances are then computed in
double precision, ordered by distance and row, and cut to k. Candidates are fetched until rounding in single
precision cannot have hidden a nearer patient, so the answer equals a search in double precision, ties included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import faiss
import numpy as np
from numpy.typing import NDArray

from reference_db.vocabulary import Treatment
from selection.distance import Floats, stored

Indices = NDArray[np.intp]
Booleans = NDArray[np.bool_]

_MARGIN = 24
"""Candidates fetched beyond k at first."""

_ROUNDING = 64 * float(np.finfo(np.float32).eps)
"""Bound of the rounding of an inner product, relative to the sum of the sizes of its terms."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest rows of each question, nearest first.

    Attributes
    ----------
    rows : ndarray of int, shape (questions, k)
        Rows of the episode table; -1 where there are no more.
    squared : ndarray, shape (questions, k)
        Squared distances; infinity where there are no more.
    """

    rows: Indices
    squared: Floats


class ClassIndex:
    """The patients of one treatment class.

    Parameters
    ----------
    rows : ndarray of int
        Rows of the class in the episode table.
    columns : ndarray, shape (rows, columns)
        Their standardised features, NaN where unknown.
    """

    def __init__(self, rows: Indices, columns: Floats) -> None:
        self.rows = rows
        self.stored = np.ascontiguousarray(stored(columns))
        self._index = faiss.IndexFlatIP(self.stored.shape[1])
        self._index.add(np.ascontiguousarray(self.stored, dtype=np.float32))
        # Largest size of each stored column: bounds the rounding of any inner product with it.
        self.largest = np.abs(self.stored).max(axis=0) if len(rows) else np.zeros(self.stored.shape[1])

    def __len__(self) -> int:
        return len(self.rows)

    def candidates(
        self, questions: NDArray[np.float32], fetch: int, seen: _SeenRows | None
    ) -> tuple[NDArray[np.float32], Indices]:
        """Return the largest inner products in single precision, largest first, and where in the class they are.

        Parameters
        ----------
        questions : ndarray of float32, shape (questions, 2 columns)
        fetch : int
            No more than are eligible.
        seen : _SeenRows or None
            What lets FAISS see the eligible rows only; None when all are.
        """
        scores, local = self._index.search(questions, fetch, params=None if seen is None else seen.parameters)
        return scores, local


@dataclass(frozen=True, slots=True)
class Searched:
    """One class and who in it may be found.

    Attributes
    ----------
    index : ClassIndex or GroupedIndex
    eligible : ndarray of bool, shape (rows of the class,), or None
        None when everybody may.
    number : int
        How many patients may.
    seen : _SeenRows or None
        The same for FAISS.
    """

    index: ClassIndex | GroupedIndex
    eligible: Booleans | None
    number: int
    seen: _SeenRows | None = None

    @classmethod
    def of(cls, index: ClassIndex | GroupedIndex, eligible: Booleans | None) -> Searched:
        """Count who may be found."""
        open_to = None if eligible is None or eligible.all() else eligible
        if isinstance(index, GroupedIndex):
            return cls(index, open_to, index.patients(open_to))
        if open_to is None:
            return cls(index, None, len(index))
        return cls(index, open_to, int(np.count_nonzero(open_to)), _SeenRows(open_to))


def nearest_of_classes(
    searched: Sequence[Searched], questions: Floats, constants: Floats, k: int, *, without: Indices | None = None
) -> Neighbours:
    """Find the k nearest patients of each question in each of several classes, which are looked at together.

    Parameters
    ----------
    searched : sequence of Searched
    questions, constants : ndarray, shapes (questions, 2 columns) and (questions,)
        As `selection.distance.question` returns them.
    k : int
        Patients wanted; fewer come back from a class that has fewer.
    without : ndarray of int, shape (questions,), optional
        Row of the episode table that each question must not find: itself.

    Returns
    -------
    Neighbours
        Shapes (questions, classes, k).
    """
    shape = (len(questions), len(searched), k)
    found = Neighbours(np.full(shape, -1, dtype=np.intp), np.full(shape, np.inf))
    indices = []
    for position, each in enumerate(searched):
        if isinstance(each.index, GroupedIndex):
            one = each.index.nearest(questions, constants, k, eligible=each.eligible, without=without)
            found.rows[:, position], found.squared[:, position] = one.rows, one.squared
        else:
            indices.append(each.index)
    if len(indices) < len(searched):
        return found
    number = np.array([each.number for each in searched], dtype=np.intp)
    # Pairs of a question and a class, all questions of one class together.
    of_class = np.repeat(np.arange(len(searched)), len(questions))
    of_question = np.tile(np.arange(len(questions)), len(searched))
    open_pairs = np.flatnonzero(number[of_class] > 0)
    slack = _ROUNDING * np.abs(questions) @ np.array([index.largest for index in indices]).T
    single = np.ascontiguousarray(questions, dtype=np.float32)
    fetch = k + _MARGIN
    while len(open_pairs):
        at, asking = of_class[open_pairs], of_question[open_pairs]
        rows, squared, furthest = _fetched(searched, indices, single, questions, constants, at, asking, fetch)
        rows, squared = _nearest_first(rows, squared, k + (without is not None))
        everybody = number[at] <= fetch
        last = squared[np.arange(len(at)), np.minimum(number[at], squared.shape[1]) - 1]
        # Whatever was not fetched is at least that far away.
        sure = everybody | (last < constants[asking] - furthest - slack[asking, at])
        if without is not None:
            own = rows == without[asking][:, None]
            # Moved behind the others, the own row is cut off, or blanked where there are no others.
            order, line = np.argsort(own, axis=1, kind="stable"), np.arange(len(own))[:, None]
            rows, squared = np.where(own, -1, rows)[line, order], np.where(own, np.inf, squared)[line, order]
        width = min(k, rows.shape[1])
        done = (asking[sure], at[sure], slice(0, width))
        found.rows[done], found.squared[done] = rows[sure, :width], squared[sure, :width]
        open_pairs = open_pairs[~sure]
        fetch *= 4
    return found


def _fetched(
    searched: Sequence[Searched],
    indices: Sequence[ClassIndex],
    single: NDArray[np.float32],
    questions: Floats,
    constants: Floats,
    at: Indices,
    asking: Indices,
    fetch: int,
) -> tuple[Indices, Floats, Floats]:
    """Return rows and squared distances of candidates, (pairs, fetch), and the inner product of the furthest."""
    rows = np.full((len(at), fetch), -1, dtype=np.intp)
    columns = np.empty((len(at), fetch, questions.shape[1]))
    furthest = np.empty(len(at))
    width = np.empty(len(at), dtype=np.intp)
    ends = [0, *(np.flatnonzero(at[1:] != at[:-1]) + 1).tolist(), len(at)]
    for first, last in pairwise(ends):
        each, index = searched[at[first]], indices[at[first]]
        width[first:last] = few = min(fetch, each.number)
        scores, local = index.candidates(single[asking[first:last]], few, each.seen)
        # Into its place at once; "clip" only keeps numpy from making a copy before.
        index.rows.take(local, out=rows[first:last, :few], mode="clip")
        index.stored.take(local, axis=0, out=columns[first:last, :few], mode="clip")
        columns[first:last, few:] = 0.0
        furthest[first:last] = scores[:, -1]
    # Not by BLAS, which may round equal rows differently: ties would be lost.
    squared = constants[asking][:, None] - np.einsum("pc,pkc->pk", questions[asking], columns)
    squared[np.arange(fetch) >= width[:, None]] = np.inf
    return rows, np.maximum(squared, 0.0), furthest


def _nearest_first(rows: Indices, squared: Floats, number: int) -> tuple[Indices, Floats]:
    """Return the nearest candidates of each pair, nearest first and equally near ones by row.

    Nobody is as far away as anybody who is there.
    """
    order = squared.argsort(axis=1, kind="stable")
    line = np.arange(0, squared.size, squared.shape[1])[:, None]
    ordered = squared.take(order + line)
    if (ordered[:, 1:] == ordered[:, :-1]).any():
        order = np.lexsort((rows, squared))
    place = (order + line)[:, :number]
    return rows.take(place), squared.take(place)


class GroupedIndex:
    """Exact search in which each patient counts once, by the nearest of their baselines.

    The nearest rows would hold few patients many times over, so distances to all baselines of the class are computed
    and reduced to the smallest of each patient before the nearest are taken.

    Parameters
    ----------
    rows, columns
        As `ClassIndex` takes them; the baselines of one patient stand together.
    patient : ndarray of int, shape (rows,)
        Patient of each baseline.
    """

    def __init__(self, rows: Indices, columns: Floats, patient: Indices) -> None:
        self.rows = rows
        self.stored = stored(columns)
        self._patient = patient
        self._starts = np.flatnonzero(np.diff(patient, prepend=-1))

    def __len__(self) -> int:
        return len(self.rows)

    def patients(self, eligible: Booleans | None) -> int:
        """Count the patients of whom a baseline is eligible; all of them without."""
        if eligible is None or not len(self):
            return len(self._starts)
        return int(np.count_nonzero(np.logical_or.reduceat(eligible, self._starts)))

    def nearest(
        self,
        questions: Floats,
        constants: Floats,
        k: int,
        *,
        eligible: Booleans | None = None,
        without: Indices | None = None,
    ) -> Neighbours:
        """Find the nearest baseline of each of the k nearest patients; arguments as `ClassIndex.nearest` takes them.

        `without` names patients here: all baselines of that patient are left out.
        """
        found = Neighbours(np.full((len(questions), k), -1, dtype=np.intp), np.full((len(questions), k), np.inf))
        if not len(self) or not len(questions):
            return found
        squared = np.maximum(constants[:, None] - questions @ self.stored.T, 0.0)
        if eligible is not None:
            squared[:, ~eligible] = np.inf
        if without is not None:
            squared[self._patient[None, :] == without[:, None]] = np.inf
        smallest = np.minimum.reduceat(squared, self._starts, axis=1)
        patients = self._patient[self._starts]
        order = np.lexsort((np.broadcast_to(patients, smallest.shape), smallest))[:, :k]
        chosen = np.take_along_axis(smallest, order, axis=1)
        group = np.repeat(np.arange(len(self._starts)), np.diff([*self._starts, len(self.rows)]))
        for one, (groups, distances) in enumerate(zip(order, chosen, strict=True)):
            # The first baseline of the patient that has the smallest distance.
            hit = np.flatnonzero(squared[one] == smallest[one, group])
            of_group = np.full(len(self._starts), -1, dtype=np.intp)
            of_group[group[hit[::-1]]] = hit[::-1]
            width = len(groups)
            near = np.isfinite(distances)
            found.rows[one, :width] = np.where(near, self.rows[of_group[groups]], -1)
            found.squared[one, :width] = distances
        return found


class _SeenRows:
    """Let FAISS see only the eligible rows; keeps what its parameters point to alive.

    A run of rows is skipped to faster than a set of them.
    """

    def __init__(self, eligible: Booleans) -> None:
        first, last = int(eligible.argmax()), len(eligible) - int(eligible[::-1].argmax())
        if last - first == np.count_nonzero(eligible):
            self._selector: faiss.IDSelector = faiss.IDSelectorRange(first, last)
        else:
            self._bits = np.packbits(eligible, bitorder="little")
            self._selector = faiss.IDSelectorBitmap(len(self._bits), faiss.swig_ptr(self._bits))
        self.parameters = faiss.SearchParameters()
        self.parameters.sel = self._selector


def class_indices(
    rows_by_treatment: Mapping[Treatment, Indices], columns: Floats, patient: Indices | None
) -> dict[Treatment, ClassIndex | GroupedIndex]:
    """Build the index of every class from the standardised columns of all rows.

    Parameters
    ----------
    rows_by_treatment : mapping of Treatment to ndarray of int
    columns : ndarray, shape (rows, columns)
    patient : ndarray of int, optional
        Patient of each row, when a patient may have several.
    """
    if patient is None:
        return {treatment: ClassIndex(rows, columns[rows]) for treatment, rows in rows_by_treatment.items()}
    return {
        treatment: GroupedIndex(rows, columns[rows], patient[rows]) for treatment, rows in rows_by_treatment.items()
    }
