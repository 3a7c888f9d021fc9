"""The exact nearest patients of reference, per treatment class.

One FAISS index per class over ``[x, x^2]`` in single precision finds candidates; their distances are then computed in
double precision, ordered by distance and row, and cut to k. Candidates are fetched until rounding in single
precision cannot have hidden a nearer patient, so the answer equals a search in double precision, ties included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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
    """Exact search among the patients of one treatment class.

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
        self._last_seen: tuple[Booleans, _SeenRows] | None = None
        # Largest size of each stored column: bounds the rounding of any inner product with it.
        self._largest = np.abs(self.stored).max(axis=0) if len(rows) else np.zeros(self.stored.shape[1])

    def __len__(self) -> int:
        return len(self.rows)

    def nearest(
        self,
        questions: Floats,
        constants: Floats,
        k: int,
        *,
        eligible: Booleans | None = None,
        without: Indices | None = None,
    ) -> Neighbours:
        """Find the k nearest patients of each question.

        Parameters
        ----------
        questions, constants : ndarray, shapes (questions, 2 columns) and (questions,)
            As `selection.distance.question` returns them.
        k : int
            Patients wanted; fewer come back when the class has fewer.
        eligible : ndarray of bool, shape (rows of the class,), optional
            Which patients may be found.
        without : ndarray of int, shape (questions,), optional
            Row of the episode table that each question must not find: itself.
        """
        allowed = len(self) if eligible is None else int(np.count_nonzero(eligible))
        found = Neighbours(np.full((len(questions), k), -1, dtype=np.intp), np.full((len(questions), k), np.inf))
        if not allowed or not len(questions):
            return found
        seen = self._seen(eligible) if eligible is not None and allowed < len(self) else None
        slack = _ROUNDING * (np.abs(questions) @ self._largest)
        single = np.ascontiguousarray(questions, dtype=np.float32)
        open_questions = np.arange(len(questions))
        wanted = min(k + (without is not None), allowed)
        fetch = min(k + _MARGIN, allowed)
        while len(open_questions):
            scores, local = self._index.search(
                single[open_questions], fetch, params=None if seen is None else seen.parameters
            )
            squared = self._squared(questions[open_questions], constants[open_questions], local)
            rows = self.rows[local]
            order = np.lexsort((rows, squared))[:, :wanted]
            squared, rows = np.take_along_axis(squared, order, axis=1), np.take_along_axis(rows, order, axis=1)
            # Whatever was not fetched is at least that far away.
            beyond = constants[open_questions] - scores[:, -1] - slack[open_questions]
            sure = (squared[:, -1] < beyond) | (fetch >= allowed)
            done = open_questions[sure]
            self._keep(found, done, rows[sure], squared[sure], None if without is None else without[done])
            open_questions = open_questions[~sure]
            fetch = min(4 * fetch, allowed)
        return found

    def _seen(self, eligible: Booleans) -> _SeenRows:
        """Return what lets FAISS see the eligible rows only; that of the last mask is kept."""
        kept = self._last_seen
        if kept is None or kept[0] is not eligible or eligible.flags.writeable:
            kept = self._last_seen = (eligible, _SeenRows(eligible))
        return kept[1]

    def _squared(self, questions: Floats, constants: Floats, local: Indices) -> Floats:
        products: Floats = np.einsum("qc,qkc->qk", questions, self.stored.take(local, axis=0))
        return np.maximum(constants[:, None] - products, 0.0)

    @staticmethod
    def _keep(found: Neighbours, at: Indices, rows: Indices, squared: Floats, without: Indices | None) -> None:
        if without is not None:
            own = rows == without[:, None]
            # Moved behind the others, the own row is cut off, or blanked where there are no others.
            order = np.argsort(own, axis=1, kind="stable")
            rows = np.take_along_axis(np.where(own, -1, rows), order, axis=1)
            squared = np.take_along_axis(np.where(own, np.inf, squared), order, axis=1)
        width = min(found.rows.shape[1], rows.shape[1])
        found.rows[at, :width] = rows[:, :width]
        found.squared[at, :width] = squared[:, :width]


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
