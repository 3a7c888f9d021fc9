"""What a projection is: values only. Computing, printing, drawing and serialising are done elsewhere.

Every number that describes a group carries the number of patients behind it and a 95 % interval. A value that may
not be shown (too few patients, not observed by any source) is NaN here and null in JSON. The field names are those of
the HTTP interface: a `Projection` is serialised as it stands. The classes have no slots: orjson takes twice the time
to read an object that has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval and the number of patients behind it."""

    value: float
    lower: float
    upper: float
    n: int


@dataclass(frozen=True)
class Curve:
    """A value on a grid of months after baseline with its pointwise 95 % interval.

    Attributes
    ----------
    months, value, lower, upper, n : ndarray, shape (grid,)
        `n` counts the patients observed (means) or at risk (probabilities) at each month. Probabilities are shares
        from 0 to 1 of patients who have had the event, and start at month 0 with 0.
    """

    months: Array
    value: Array
    lower: Array
    upper: Array
    n: Array


@dataclass(frozen=True)
class EdssCourse:
    """EDSS projected on the grid, with the two uncertainties that must not be confused.

    Attributes
    ----------
    expected : Curve
        Expected EDSS of patients like this one, with the interval of that expectation.
    p10, p25, median, p75, p90 : ndarray, shape (grid,)
        Quantiles of the individual courses: where single patients ended.
    """

    expected: Curve
    p10: Array
    p25: Array
    median: Array
    p75: Array
    p90: Array


@dataclass(frozen=True)
class ClassProjection:
    """What became of the patients of reference under one treatment class.

    Attributes
    ----------
    treatment : str
        The class, as in `reference_db.vocabulary.Treatment`.
    n_eligible : int
        Patients of the class that met the hard criteria.
    n : int
        Patients of reference used.
    refusal : str or None
        Why there is no projection; then every outcome is None and `probabilities` is empty.
    edss : EdssCourse or None
    probabilities : mapping of str to Curve
        Cumulative probability of an event since baseline. Keys among ``worsening_24w``, ``worsening_12w``, ``pira``,
        ``raw``, ``improvement``, ``relapse``, ``new_lesions``, ``loss_of_neda3``.
    annualised_relapse_rate : Estimate or None
        Relapses per patient-year over 24 months.
    sources : mapping of str to int
        Patients of reference per source; sources below the small-cell threshold are merged under ``other``.
    """

    treatment: str
    n_eligible: int
    n: int
    refusal: str | None
    edss: EdssCourse | None
    probabilities: Mapping[str, Curve]
    annualised_relapse_rate: Estimate | None
    sources: Mapping[str, int]


@dataclass(frozen=True)
class Projection:
    """The answer to one patient of interest.

    Attributes
    ----------
    release : str
        Version of the release that answered.
    k : int
        Patients of reference asked for per class.
    weights : mapping of str to float
        Weight of each feature in the similarity.
    classes : tuple of ClassProjection
        One per class asked for, in the fixed order of the vocabulary; never ranked.
    caveats : tuple of str
        What every reader must know: research prototype, descriptive and not causal.
    baselines : str
        When patients of reference were compared, as `selection.criteria.BASELINES` names it.
    """

    release: str
    k: int
    weights: Mapping[str, float]
    classes: tuple[ClassProjection, ...]
    caveats: tuple[str, ...]
    baselines: str = "start"


@dataclass(frozen=True)
class Contrast:
    """What differs between two classes for one patient of interest, over 24 months.

    Attributes
    ----------
    treatment : str
        The class that is compared.
    refusal : str or None
        Why there is no comparison; then every difference is None.
    n : int
        Patients of reference under the class; `Contrasts.n` counts those under the class it is compared with.
    edss : Estimate or None
        Difference in expected EDSS at 24 months, in points; negative when lower under the class.
    risks : mapping of str to Estimate
        Difference in the probability of each event by 24 months, from -1 to 1. Keys as in
        `ClassProjection.probabilities`.
    event_free_months : mapping of str to Estimate
        Difference in restricted mean time without the event, in months out of 24; positive when longer.
    hazard_ratios : mapping of str to Estimate
        Hazard under the class divided by the hazard under the reference class.
    """

    treatment: str
    refusal: str | None
    n: int
    edss: Estimate | None
    risks: Mapping[str, Estimate]
    event_free_months: Mapping[str, Estimate]
    hazard_ratios: Mapping[str, Estimate]


@dataclass(frozen=True)
class Contrasts:
    """Classes compared with one chosen class, in the fixed order of the vocabulary; never ranked.

    Attributes
    ----------
    release : str
        Version of the release that answered.
    reference : str
        The class that the others are compared with.
    n : int
        Patients of reference under it.
    estimator : str
        ``plain``, ``corrected`` or ``overlap``.
    contrasts : tuple of Contrast
    caveats : tuple of str
    baselines : str
        As `Projection` has it.
    """

    release: str
    reference: str
    n: int
    estimator: str
    contrasts: tuple[Contrast, ...]
    caveats: tuple[str, ...]
    baselines: str = "start"
