"""Single patients of reference as they may be drawn: a sample of courses, and what scans found over time.

The patients are synthetic: no course is that of a person. Still nothing is drawn that fewer than the small-cell
threshold of patients share, and of a class only a sample of fixed size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from projection.result import Curve
from projection.survival import Z95
from reference_db.episodes import Episodes
from reference_db.schema import EDSS_MONTHS, EDSS_SCALE, MRI_MONTHS, RELAPSE_MONTHS
from reference_db.small_cells import (
    FINE_STEP,
    SMALL_CELL,
    CellKeys,
    deviations,
    is_shown,
    rounded,
    rounded_counts,
    without_deviation,
)
from selection.selector import Selection

Floats = NDArray[np.float64]

MOST_COURSES = 30
"""Courses of one class that are drawn at most."""

FEWEST_VISITS, SOON = 2, 24
"""Visits with an EDSS that a drawn course has within so many months."""


@dataclass(frozen=True, slots=True)
class SingleCourses:
    """Courses of single patients of reference of one class, seen from the patient of interest.

    Attributes
    ----------
    treatment : str
    months : ndarray, shape (grid,)
    edss : ndarray, shape (patients, grid)
        EDSS of the patient of interest plus each patient's change since baseline, within the scale; NaN where it was
        not observed, and for everybody in months in which too few patients of reference of the class were.
    relapse_months : ndarray, shape (relapses,)
        Middle of the interval of every relapse of the sample.
    relapse_patients : ndarray of int, shape (relapses,)
        Row of `edss` that had it.
    """

    treatment: str
    months: Floats
    edss: Floats
    relapse_months: Floats
    relapse_patients: NDArray[np.intp]


def single_courses(episodes: Episodes, selection: Selection, *, most: int = MOST_COURSES) -> list[SingleCourses]:
    """Return a sample of the courses of every class that is not refused.

    Parameters
    ----------
    episodes : Episodes
        Of the release that the selection was made on.
    selection : Selection
        As `DisclosedProjector.select` makes it where the answer leaves.
    most : int
        Courses per class, at least `SMALL_CELL`. Patients seen at least twice after baseline within the first two
        years are sampled evenly from the nearest to the furthest, so that the sample is neither better nor worse
        matched than the class.

    Returns
    -------
    list of SingleCourses
        In the order of the selection; without classes of which there are too few courses to draw.
    """
    months = np.asarray(EDSS_MONTHS, dtype=np.float64)
    ends = np.asarray(RELAPSE_MONTHS, dtype=np.float64)
    middles = ends - np.diff(ends, prepend=0.0) / 2
    drawn = []
    for chosen in selection.classes:
        if chosen.refusal is not None:
            continue
        seen = ~np.isnan(episodes.edss[chosen.rows])
        enough = is_shown(seen.sum(axis=0))
        followed = np.flatnonzero(seen[:, (months > 0) & (months <= SOON) & enough].sum(axis=1) >= FEWEST_VISITS)
        if not bool(is_shown(len(followed))):
            continue
        ranks = np.linspace(0, len(followed) - 1, min(max(most, SMALL_CELL), len(followed))).round()
        rows = chosen.rows[followed[ranks.astype(np.intp)]]
        change = episodes.edss[rows] - episodes.edss[rows, :1]
        edss = np.where(enough, np.clip(selection.poi.edss + change, EDSS_SCALE[0], EDSS_SCALE[-1]), np.nan)
        patients, intervals = np.nonzero(np.nan_to_num(episodes.relapses[rows]) > 0)
        within = middles[intervals] <= months[enough].max(initial=0.0)
        drawn.append(
            SingleCourses(chosen.treatment.value, months, edss, middles[intervals[within]], patients[within])
        )
    return drawn


@dataclass(frozen=True, slots=True)
class LesionCurves:
    """Lesions on the scans of the patients of reference of one class.

    Attributes
    ----------
    treatment : str
    enhancing : Curve
        Mean number of gadolinium-enhancing lesions per scan.
    new_t2 : Curve
        Mean number of T2 lesions that are new or enlarging since the scheduled scan before.
    """

    treatment: str
    enhancing: Curve
    new_t2: Curve


def lesion_curves(episodes: Episodes, selection: Selection, keys: CellKeys) -> Mapping[str, LesionCurves]:
    """Return what scans found over time, per class that is not refused.

    Parameters
    ----------
    episodes : Episodes
        Of the release that the selection was made on.
    selection : Selection
        As `DisclosedProjector.select` makes it where the answer leaves.
    keys : CellKeys
        Of the release; they decide how counts are rounded.

    Returns
    -------
    mapping of str to LesionCurves
        Plain means over the patients of reference who were scanned, not corrected for what they differ in; NaN in
        months in which too few were. Intervals are taken on the logarithm with the spread between patients as it is
        (counts of lesions are skew); without any lesion the upper bound is the exact Poisson one.
    """
    curves = {}
    for chosen in selection.classes:
        if chosen.refusal is None and bool(is_shown(len(chosen.rows))):
            key = keys.key(chosen.rows)
            curves[chosen.treatment.value] = LesionCurves(
                chosen.treatment.value,
                _mean_counts(episodes.gd[chosen.rows], keys.derived(key, "enhancing lesions")),
                _mean_counts(episodes.new_t2[chosen.rows], keys.derived(key, "new T2 lesions")),
            )
    return curves


def _mean_counts(counts: Floats, key: np.uint64) -> Curve:
    """Return the mean of each column of counts, shape (patients, months), with its interval."""
    observed = ~np.isnan(counts)
    n = observed.sum(axis=0)
    shown = is_shown(n)
    some = np.maximum(n, 1)
    mean = np.where(observed, counts, 0.0).sum(axis=0) / some
    variance = (np.where(observed, counts - mean, 0.0) ** 2).sum(axis=0) / np.maximum(n - 1, 1)
    positive = mean > 0
    relative = np.divide(np.sqrt(variance / some), mean, out=np.zeros_like(mean), where=positive)
    half = np.exp(Z95 * relative)
    upper = np.where(positive, mean * half, -np.log(0.025) / some)
    value, low, high = (np.where(shown, rounded(part, FINE_STEP), np.nan) for part in (mean, mean / half, upper))
    each = key + (np.arange(len(n), dtype=np.uint64) << np.uint64(16))
    months = np.asarray(MRI_MONTHS, dtype=np.float64)
    # Those who were scanned are a share of a group whose number is moved: the same share of the moved number.
    told = rounded_counts(n * (1.0 + deviations(key) / len(counts)), without_deviation(each))
    numbers = np.where(shown, np.nan_to_num(told, nan=SMALL_CELL), 0.0)
    return Curve(months, value, low, high, numbers)
