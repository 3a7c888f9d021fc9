"""Adjusted p-values of the secondary endpoints, so that together they err at the level of the protocol at most."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def adjusted_p_values(p: Sequence[float], *, method: str) -> tuple[float, ...]:
    """Return p-values adjusted for their number.

    Parameters
    ----------
    p : sequence of float
        In the order of the protocol; NaN where an endpoint could not be analysed: it stays NaN, and ends a hierarchy.
    method : str
        ``holm`` (step-down), ``hochberg`` (step-up), or ``hierarchical``: each endpoint is tested at the full level
        as long as all before it were significant, so that the adjusted value is the largest so far.

    References
    ----------
    Holm S. Scand J Stat 1979;6:65-70. Hochberg Y. Biometrika 1988;75:800-802, doi 10.1093/biomet/75.4.800.
    """
    values = np.asarray(p, dtype=np.float64)
    if method == "hierarchical":
        largest = np.maximum.accumulate(np.where(np.isnan(values), 1.0, values)) if len(values) else values
        return tuple(math.nan if math.isnan(value) else float(high) for value, high in zip(p, largest, strict=True))
    adjusted = np.full(len(values), np.nan)
    known = np.flatnonzero(np.isfinite(values))
    rising = known[np.argsort(values[known], kind="stable")]
    remaining = np.arange(len(rising), 0, -1)
    multiplied = np.minimum(values[rising] * remaining, 1.0)
    if method == "holm":
        adjusted[rising] = np.maximum.accumulate(multiplied)
    else:
        adjusted[rising] = np.minimum.accumulate(multiplied[::-1])[::-1]
    return tuple(float(value) for value in adjusted)
