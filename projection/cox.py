"""Cox regression of two groups on the grid: the hazard ratio."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MOST_STEPS = 50
_FLATTEST = 20.0
"""Log hazard ratio beyond which one group has no events to speak of and the ratio has no estimate."""


def log_hazard_ratio(first: Floats, second: Floats) -> tuple[float, float]:
    """Return the log hazard ratio of the first group against the second and its standard error.

    Parameters
    ----------
    first, second : ndarray, shape (grid, 2)
        Patients of each group by step: end of observation, event; as `projection.survival.tally` counts them.

    Returns
    -------
    tuple of float
        NaN twice when a group has no event, where the ratio cannot be estimated.

    References
    ----------
    Efron's handling of ties: J Am Stat Assoc 1977, doi 10.1080/01621459.1977.10480613.
    """
    events_1, events_0 = first[:, 1], second[:, 1]
    if not (events_1.any() and events_0.any()):
        return np.nan, np.nan
    at_risk_1, at_risk_0 = (np.cumsum(group.sum(axis=1)[::-1])[::-1] for group in (first, second))
    tied = (events_1 + events_0).astype(np.intp)
    step = np.repeat(np.arange(len(tied)), tied)
    within = np.concatenate([np.arange(number) / number for number in tied if number])
    left_1 = at_risk_1[step] - within * events_1[step]
    left_0 = at_risk_0[step] - within * events_0[step]
    coefficient = 0.0
    for _ in range(_MOST_STEPS):
        share = 1.0 / (1.0 + left_0 / np.where(left_1 > 0, left_1, np.inf) * np.exp(-coefficient))
        share = np.where(left_1 > 0, share, 0.0)
        information = float((share * (1.0 - share)).sum())
        if information <= 0.0:
            return np.nan, np.nan
        change = float(events_1.sum() - share.sum()) / information
        coefficient += float(np.clip(change, -2.0, 2.0))
        if abs(coefficient) > _FLATTEST:
            return np.nan, np.nan
        if abs(change) < 1e-12:
            break
    return coefficient, information**-0.5
