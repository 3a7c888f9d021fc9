"""The small-cell rule: what may be shown about a group of patients, by whatever door.

1. A figure that rests on fewer than `SMALL_CELL` patients is withheld.
2. A count that is given out is moved by the *deviations* of the patients counted, each of them -1, 0 or +1 and
   always the same (standard deviation of the whole: .8 times the root of the count), and withheld too where that
   makes it small. However many groups somebody asks for that differ by the same few patients, the mean of the
   differences is the number of these patients with their deviations, never their number alone. Then it is rounded
   to a multiple of `ROUNDING`, up or down at random with the right mean. What decides is a *cell key*, the sum of
   the keys of the patients counted: the same patients always give the same figure, so asking again teaches nothing,
   and two groups that differ by one patient are rounded independently, so the place where an answer jumps while a
   filter is moved does not tell the count.
3. Shares are rounded to `SHARE_STEP`, so that one patient's event cannot be read off a curve.
4. Means are given out with a small deviation, which the cell key decides like the rounding of a count: an exact mean
   on a scale of steps tells over how many patients it is, and two exact means of groups that differ by one patient
   tell what that patient's value is.
5. In a breakdown, small groups are merged; when what is merged is still small, the smallest group shown joins it.
6. Of every group whose outcomes or features are described, `LEFT_OUT` patients are left out. The cell key decides
   which: the same patients always, and others as soon as one patient joins or leaves. What two answers differ by is
   then the work of up to twice as many patients as were left out, whatever the figure: a mean, the width of its
   interval, a quantile, a ratio of hazards. Figures are given to the precision at which they are read.

Cell keys: Fraser and Wooton, "A proposed method for confidentialising tabular output to protect against
differencing", UNECE work session on statistical data confidentiality, 2005. Rounding alone does not stop somebody who
averages tens of different overlapping questions; the deviations, which do not average out, stop it for counts. Means
can be averaged still: limits of rate and the audit trail are there for that, and the patients are synthetic.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

SMALL_CELL = 10
"""Fewest patients behind any figure that leaves the reference database."""

ROUNDING = 5
"""Counts are given out as multiples of this."""

SHARE_STEP = 0.01
"""Shares and probabilities are given out as multiples of this."""

MEAN_DEVIATION = 0.03
"""Largest deviation of a mean on the scale of disability, in points: a third of what is read off it."""

RATE_DEVIATION = 0.01
"""Largest deviation of a rate, in events a year."""

LEFT_OUT = 5
"""Patients left out of every group that is described."""

POINT_STEP = 0.1
"""Quantiles of disability, and means and quartiles of features in their units, are given out as multiples of this."""

FINE_STEP = 0.01
"""Ratios, standardised differences, distances and lesions per scan are given out as multiples of this."""

OTHER = "other"
"""Name under which small groups of a breakdown are merged."""

HIDDEN_START = 3
"""By how much a moved count must exceed the threshold: where a widened filter is first answered is no count then."""

Keys = NDArray[np.uint64]

_ALL = 2**64 - 1
_DEVIATION = np.uint64(0xFFFF)
"""Part of a key that holds the deviation, as a signed number of 16 bits: sums of keys hold the sums of deviations."""


def is_shown(counts: ArrayLike) -> NDArray[np.bool_]:
    """Tell which counts are large enough for the figures behind them to be shown.

    Parameters
    ----------
    counts : array_like of int
        Patients behind each figure.

    Returns
    -------
    ndarray of bool
        Same shape; False where the figure must be withheld.
    """
    return np.asarray(counts) >= SMALL_CELL


def rounded_counts(counts: ArrayLike, keys: ArrayLike) -> NDArray[np.float64]:
    """Return counts as they may be given out: moved, NaN when small, otherwise a multiple of `ROUNDING`.

    Parameters
    ----------
    counts : array_like of int
    keys : array_like of uint64
        Cell key of each count, from `CellKeys`.

    Returns
    -------
    ndarray of float
        Same shape; less than `ROUNDING` from the count with its deviation, which it equals in the mean over keys.

    Examples
    --------
    >>> rounded_counts([9, 12, 14, 14], np.arange(4, dtype=np.uint64) << np.uint64(16))
    array([nan, nan, 15., 15.])
    """
    exact = np.asarray(counts, dtype=np.float64)
    moved = exact + deviations(keys)
    lower = np.floor(moved / ROUNDING) * ROUNDING
    up = _uniform(np.asarray(keys, dtype=np.uint64)) * ROUNDING < moved - lower
    shown = is_shown(exact) & (moved >= SMALL_CELL + HIDDEN_START)
    return np.where(shown, np.maximum(lower + ROUNDING * up, SMALL_CELL), np.nan)


def rounded_count(count: float, key: int) -> float:
    """Return a single count as `rounded_counts` gives it out: in plain numbers, which takes a tenth of the time."""
    deviation = ((key & 0xFFFF) ^ 0x8000) - 0x8000
    moved = count + deviation
    if count < SMALL_CELL or moved < SMALL_CELL + HIDDEN_START:
        return math.nan
    mixed = (key + 0x9E3779B97F4A7C15) & _ALL
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _ALL
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _ALL
    uniform = ((mixed ^ (mixed >> 31)) >> 11) / 2.0**53
    lower = math.floor(moved / ROUNDING) * ROUNDING
    return float(max(lower + ROUNDING * (uniform * ROUNDING < moved - lower), SMALL_CELL))


def deviations(keys: ArrayLike) -> NDArray[np.float64]:
    """Return by how much the counts of groups are moved: the sum of what their patients' keys hold.

    Parameters
    ----------
    keys : array_like of uint64
        Cell keys, from `CellKeys`.
    """
    signed = np.asarray(keys, dtype=np.uint64).astype(np.uint16).view(np.int16)
    return np.asarray(signed, dtype=np.float64)


def without_deviation(keys: ArrayLike) -> Keys:
    """Return cell keys that round and do not move, for what is no exact count any more."""
    return np.asarray(keys, dtype=np.uint64) & ~_DEVIATION


def rounded_shares(shares: ArrayLike, counts: ArrayLike) -> NDArray[np.float64]:
    """Return shares as they may be given out: NaN on fewer than `SMALL_CELL` patients, otherwise in whole per cent.

    Parameters
    ----------
    shares : array_like of float
        From 0 to 1.
    counts : array_like of int
        Patients behind each.
    """
    steps = np.round(np.asarray(shares, dtype=np.float64) / SHARE_STEP)
    return np.where(is_shown(counts), steps / round(1 / SHARE_STEP), np.nan)


def deviated(values: ArrayLike, keys: ArrayLike, largest: float) -> NDArray[np.float64]:
    """Return means as they may be given out: moved by up to a largest deviation, the same for the same cell key.

    Parameters
    ----------
    values : array_like of float
    keys : array_like of uint64
        Cell key of each, from `CellKeys`; the limits of one interval share that of their mean.
    largest : float
        In the unit of the values.
    """
    uniform = _uniform(np.asarray(keys, dtype=np.uint64))
    moved: NDArray[np.float64] = np.asarray(values, dtype=np.float64) + largest * (2.0 * uniform - 1.0)
    return moved


def rounded(values: ArrayLike, step: float) -> NDArray[np.float64]:
    """Return figures to the precision at which they are read: multiples of a step, NaN where there is none.

    Examples
    --------
    >>> rounded([2.3456, 0.04], 0.1)
    array([2.3, 0. ])
    """
    steps = round(1 / step)
    nearest: NDArray[np.float64] = np.round(np.asarray(values, dtype=np.float64) * steps) / steps
    return nearest


def merged(counts: Mapping[str, int]) -> dict[str, int]:
    """Return a breakdown whose groups are all large enough, in the same order, small ones under `OTHER` at the end.

    A breakdown that is small as a whole is empty.

    Examples
    --------
    >>> merged({"A": 150, "B": 45, "C": 5})
    {'A': 150, 'other': 50}
    """
    kept = {name: count for name, count in counts.items() if count >= SMALL_CELL}
    rest = sum(count for count in counts.values() if count < SMALL_CELL)
    while 0 < rest < SMALL_CELL and kept:
        smallest = min(kept, key=lambda name: kept[name])
        rest += kept.pop(smallest)
    if rest >= SMALL_CELL:
        kept[OTHER] = kept.get(OTHER, 0) + rest
    return kept


@dataclass(frozen=True)
class CellKeys:
    """The keys of the patients of one release.

    Attributes
    ----------
    of_rows : ndarray of uint64, shape (rows,)
        Read-only. Rows of one patient have one key, so that a group is known by its patients.
    """

    of_rows: Keys

    @classmethod
    def of(cls, version: str, patients: int) -> CellKeys:
        """Draw the keys of a release: the same for every process that serves it.

        Parameters
        ----------
        version : str
            Name of the release.
        patients : int
            Rows of its episode table.
        """
        seed = int.from_bytes(hashlib.sha256(f"cell keys of {version}".encode()).digest()[:8])
        rng = np.random.default_rng(seed)
        keys = rng.integers(0, 2**64, size=patients, dtype=np.uint64) & ~_DEVIATION
        keys |= rng.integers(-1, 2, size=patients, dtype=np.int16).view(np.uint16)
        keys.flags.writeable = False
        return cls(keys)

    def of_patients(self, patient: NDArray[np.intp] | None) -> CellKeys:
        """Return the keys of rows of which several may be of one patient; these same keys when each is its own."""
        if patient is None:
            return self
        keys = self.of_rows[patient]
        keys.flags.writeable = False
        return CellKeys(keys)

    def key(self, rows: ArrayLike) -> np.uint64:
        """Return the cell key of a group of patients: row numbers, or one truth value per row."""
        return np.uint64(self.of_rows[np.asarray(rows)].sum(dtype=np.uint64))

    def keys(self, groups: Sequence[NDArray[np.intp]]) -> Keys:
        """Return the cell key of each of several groups, given as row numbers."""
        ends = np.cumsum([len(rows) for rows in groups])
        summed = np.zeros(ends[-1] + 1, dtype=np.uint64)
        np.cumsum(self.of_rows.take(np.concatenate(groups)), out=summed[1:])
        # Sums beyond the largest number start again from 0, and so do their differences.
        keys: Keys = np.diff(summed[np.concatenate([[0], ends])])
        return keys

    def count(self, rows: ArrayLike) -> float:
        """Return how many patients a group has, as it may be given out; NaN when that is withheld."""
        chosen = self.of_rows[np.asarray(rows)]
        return float(rounded_counts(len(chosen), chosen.sum(dtype=np.uint64)))

    def left_out(self, rows: ArrayLike, *, wanted: int = 0) -> NDArray[np.bool_]:
        """Tell which patients of several groups are left out of what is said about them: `LEFT_OUT` of each.

        Parameters
        ----------
        rows : array_like of int, shape (..., patients)
            One group along the last axis, in any order; -1 where a group has no more patients.
        wanted : int
            How many were asked for. The same group is thinned otherwise for another number: answers do not stay the
            same where there are no more patients, which would tell how many there are.

        Returns
        -------
        ndarray of bool
            Same shape; of a group of no more than `LEFT_OUT` patients, all.
        """
        rows = np.asarray(rows)
        member = rows >= 0
        if rows.shape[-1] <= LEFT_OUT:
            return member
        keys = np.where(member, self.of_rows[rows], np.uint64(0))
        group = keys.sum(axis=-1, keepdims=True, dtype=np.uint64) + np.uint64(wanted << 16)
        drawn = np.where(member, _uniform(keys ^ (group * np.uint64(0x9E3779B97F4A7C15))), np.inf)
        last = np.partition(drawn, LEFT_OUT - 1, axis=-1)[..., LEFT_OUT - 1 : LEFT_OUT]
        return (drawn <= last) & member

    def derived(self, key: np.uint64, label: str) -> np.uint64:
        """Return the key of a part of a group that is defined by the group itself and a label."""
        return np.uint64((int(key) + _offset(label)) % 2**64)

    def derived_from(self, keys: ArrayLike, labels: Sequence[str]) -> Keys:
        """Return the keys of `derived` of several groups and labels, shape (groups, labels)."""
        return np.asarray(keys, dtype=np.uint64)[:, None] + _offsets(tuple(labels))


@lru_cache(maxsize=4096)
def _offset(label: str) -> int:
    """Return how far the keys of parts with this label are from those of their groups; `_uniform` mixes the sum."""
    return int.from_bytes(hashlib.blake2b(label.encode(), digest_size=6).digest()) << 16


@lru_cache(maxsize=256)
def _offsets(labels: tuple[str, ...]) -> Keys:
    offsets = np.array([_offset(label) for label in labels], dtype=np.uint64)
    offsets.flags.writeable = False
    return offsets


def _uniform(keys: Keys) -> NDArray[np.float64]:
    """Map keys to 0 <= u < 1 so that keys which differ little give unrelated numbers (SplitMix64)."""
    with np.errstate(over="ignore"):
        mixed = keys + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    uniform: NDArray[np.float64] = (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53
    return uniform
