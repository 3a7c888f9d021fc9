"""Kaplan-Meier curves of many groups at once, on a discrete grid.

Time is the grid of months, so a group is fully described by how many patients had the event, and how many stopped
being observed, at each step; curves, intervals and pseudo-values are computed from those counts for all groups
together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

Z95: float = float(ndtri(0.975))
"""Standard normal quantile of a two-sided 95 % interval."""

_WIDEST = 30.0
"""Largest shift on the log(-log) scale: beyond it probabilities are 0 or 1 in double precision."""


@dataclass(frozen=True, slots=True)
class KaplanMeier:
    """Curves of groups.

    Attributes
    ----------
    at_risk, events : ndarray, shape (..., grid)
        Sums of weights (numbers of patients, without weights) at risk and with the event at each step.
    survival : ndarray, shape (..., grid)
        Probability of no event up to and including each step.
    """

    at_risk: Floats
    events: Floats
    survival: Floats

    @property
    def greenwood(self) -> Floats:
        """Greenwood's sum: the variance of the logarithm of the survival."""
        return np.cumsum(_ratio(self.events, self.at_risk * (self.at_risk - self.events)), axis=-1)

    def interval(self) -> tuple[Floats, Floats]:
        """Return the 95 % interval of the probability of an event, by the log(-log) transformation.

        Before the first event the transformation has nothing to say; there the upper bound is the exact one of no
        event among the patients at risk.
        """
        return log_log_interval(self.survival, np.sqrt(self.greenwood) * self.survival, self.at_risk)


def greenwood_expected(survival: Floats, at_risk: Floats) -> Floats:
    """Return Greenwood's variance of curves as it is expected when these are the true ones.

    Parameters
    ----------
    survival : ndarray, shape (..., grid)
        Expected probability of no event by each step.
    at_risk : ndarray, shape (..., grid)
        Patients observed at each step; where nobody is, as if one was.
    """
    odds = survival[..., :-1] / np.maximum(survival[..., 1:], 1e-9) - 1.0
    variance: Floats = np.zeros(np.broadcast_shapes(survival.shape, at_risk.shape))
    np.cumsum(odds / np.maximum(at_risk[..., 1:], 1.0), axis=-1, out=variance[..., 1:])
    variance[..., 1:] *= survival[..., 1:] ** 2
    return variance


def code(step: NDArray[np.int8], event: NDArray[np.bool_]) -> Integers:
    """Join step and event into one number, 2 * step + event."""
    return 2 * step.astype(np.intp) + event


def tally(
    codes: Integers, groups: Integers | int, shape: tuple[int, ...], grid: int, weights: Floats | None
) -> Floats:
    """Sum weights per group and code: shape (*shape, grid, 2), the last axis being end of observation and event.

    Parameters
    ----------
    codes : ndarray of int
        As `code` joins them.
    groups : ndarray of int or 0
        Group of each code, in the flat order of `shape`; 0 where it is in the codes, 2 * grid to a group.
    shape : tuple of int
        Shape of the groups.
    grid : int
        Number of steps.
    weights : ndarray, optional
        Weight of each patient; 1 each without.
    """
    size = math.prod(shape) * grid * 2
    flat = np.bincount(groups * (grid * 2) + codes, weights=weights, minlength=size)
    return flat.astype(np.float64).reshape(*shape, grid, 2)


def kaplan_meier(counts: Floats) -> KaplanMeier:
    """Return the curves of groups from their `tally`.

    Step 0 is the baseline: nobody has an event there, and who was observed no further leaves there.

    References
    ----------
    Kaplan and Meier, J Am Stat Assoc 1958, doi 10.1080/01621459.1958.10501452.
    """
    remaining, events = at_risk(counts), counts[..., 1]
    survival = (1.0 - _ratio(events, remaining)).cumprod(axis=-1, dtype=np.float64)
    return KaplanMeier(remaining, events, survival)


def at_risk(counts: Floats) -> Floats:
    """Return the sum of weights still observed at each step, from the `tally` of groups."""
    leaving = counts[..., 0] + counts[..., 1]
    remaining: Floats = leaving[..., ::-1].cumsum(axis=-1)[..., ::-1]
    return remaining


def pseudo_values(curve: KaplanMeier) -> Floats:
    """Return what one patient of each kind contributes to the curve of the probability of an event.

    The infinitesimal jackknife: ``F(t) + n dF(t)/dw_i`` for a patient i of weight w_i. The mean over the patients of
    a group is the Kaplan-Meier estimate itself, and a regression of these values on features is a regression for
    censored outcomes.

    Returns
    -------
    ndarray, shape (..., grid of the patient, 2, grid of the curve)
        By the patient's step and whether it is an event.

    References
    ----------
    Andersen, Klein and Rosthoj, Biometrika 2003, doi 10.1093/biomet/90.1.15; Jaeckel's infinitesimal jackknife as in
    Therneau and Grambsch, Modeling Survival Data, 2000.
    """
    grid = curve.survival.shape[-1]
    number = curve.at_risk[..., :1]
    hazard = _ratio(curve.events, curve.at_risk)
    jump = _ratio(np.ones_like(hazard), curve.at_risk * (1.0 - hazard))
    compensator = np.cumsum(hazard * jump, axis=-1)
    step, time = np.arange(grid)[:, None], np.arange(grid)
    scale = (number * curve.survival)[..., None, :]
    left = (1.0 - curve.survival)[..., None, :] - scale * compensator.take(np.minimum(step, time), axis=-1)
    values = np.empty((*left.shape[:-1], 2, grid))
    values[..., 0, :] = left
    np.add(left, scale * (jump[..., None] * (step <= time)), out=values[..., 1, :])
    return values


def _up_to_widest(half: Floats) -> Floats:
    return np.exp(np.minimum(half, _WIDEST))


def log_log_interval(
    survival: Floats, error: Floats, number: Floats, *, growth: Callable[[Floats], Floats] = _up_to_widest
) -> tuple[Floats, Floats]:
    """Return the 95 % interval of probabilities of an event from the standard errors of the survival.

    Parameters
    ----------
    survival, error : ndarray
        Probability of no event by each time and its standard error.
    number : ndarray
        Patients behind it; used where nobody or everybody had the event.
    growth : callable, optional
        Gives the ratio of the cumulative hazard at the upper limit to the estimated one, from half the width of the
        interval on the log(-log) scale; by default its exponential.
    """
    inner = _between(survival)
    safe = np.where(inner, survival, 0.5)
    logarithm = np.log(safe)
    half = Z95 * error / (safe * -logarithm)
    exact = 1.0 - 0.025 ** (1.0 / np.maximum(number, 1.0))
    few = survival > 0.5
    lower = np.where(inner, 1.0 - np.exp(logarithm / _up_to_widest(half)), np.where(few, 0.0, 1.0 - exact))
    upper = np.where(inner, 1.0 - np.exp(logarithm * growth(half)), np.where(few, exact, 1.0))
    return lower, upper


def slope_of_log_log(survival: Floats) -> Floats:
    """Return the size of the derivative of log(-log S) in S; 0 at the ends, where it is infinite."""
    inner = _between(survival)
    safe = np.where(inner, survival, 0.5)
    return np.where(inner, 1.0 / (safe * -np.log(safe)), 0.0)


def shifted(survival: Floats, shift: Floats) -> Floats:
    """Move probabilities of no event by a correction, so that they stay between 0 and 1.

    A correction downwards shrinks the probability of no event by a factor, and one upwards that of an event; both
    equal the correction itself while it is small. Where nobody or everybody had the event nothing is moved.
    """
    inner = _between(survival)
    safe = np.where(inner, survival, 0.5)
    more_events = safe * np.exp(np.minimum(shift, 0.0) / safe)
    fewer_events = 1.0 - (1.0 - safe) * np.exp(-np.maximum(shift, 0.0) / (1.0 - safe))
    return np.where(inner, np.where(shift < 0, more_events, fewer_events), survival)


def restricted_mean(survival: Floats, months: Floats, horizon: float) -> Floats:
    """Return the mean time without event up to a horizon: the area under the curve of steps.

    Parameters
    ----------
    survival : ndarray, shape (..., grid)
    months : ndarray, shape (grid,)
    horizon : float
        A month of the grid.
    """
    until = int(np.searchsorted(months, horizon))
    area: Floats = (survival[..., :until] * np.diff(months[: until + 1])).sum(axis=-1)
    return area


def _between(survival: Floats) -> NDArray[np.bool_]:
    """Tell where some, and not all, had the event, beyond rounding."""
    return (survival > 1e-12) & (survival < 1.0 - 1e-12)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Divide, with 0 where nothing is left to divide by."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 1e-12)
