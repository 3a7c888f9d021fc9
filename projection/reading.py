"""A curve read at one month, or, where that is withheld, at the latest month before it: nothing is extrapolated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from projection.result import Curve, Estimate


@dataclass(frozen=True, slots=True)
class Reading:
    """What a curve says at one month of its grid.

    Attributes
    ----------
    month : int
        After baseline.
    estimate : Estimate
        In the unit of the curve; `n` is that of the month, 0 where it is not known.
    """

    month: int
    estimate: Estimate


def latest_shown(curve: Curve | None, by: float) -> Reading | None:
    """Return the value of the latest month at which a curve is shown, up to a month.

    Trials end before what happens late could be confirmed, so a class may be withheld at the month that is asked for
    and known until a little before. Whoever shows what comes back says its month.

    Parameters
    ----------
    curve : Curve or None
        None where the class has no such outcome.
    by : float
        The month that is asked for; none later is looked at.

    Returns
    -------
    Reading or None
        None where no month after 0 has a value with both limits: at 0 nothing has happened yet.

    Examples
    --------
    >>> months, nothing = np.array([0.0, 12.0, 18.0, 24.0]), np.nan
    >>> value = np.array([0.0, 0.05, 0.07, nothing])
    >>> latest_shown(Curve(months, value, value / 2, value * 2, np.array([90, 60, 35, 0.0])), 24)
    Reading(month=18, estimate=Estimate(value=0.07, lower=0.035, upper=0.14, n=35))
    """
    if curve is None:
        return None
    shown = (curve.months > 0) & (curve.months <= by)
    for values in (curve.value, curve.lower, curve.upper):
        shown = shown & np.isfinite(values)
    found = np.flatnonzero(shown)
    if not found.size:
        return None
    at = found[-1]
    value, lower, upper = (float(values[at]) for values in (curve.value, curve.lower, curve.upper))
    n = float(curve.n[at])
    return Reading(int(curve.months[at]), Estimate(value, lower, upper, int(n) if np.isfinite(n) else 0))
