"""Cumulative probabilities of events: Kaplan-Meier, and its correction for what patients of reference differ in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from projection.local_regression import LocalRegression
from projection.survival import (
    at_risk,
    kaplan_meier,
    log_log_interval,
    pseudo_values,
    shifted,
    slope_of_log_log,
    tally,
)
from reference_db.small_cells import SMALL_CELL

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Probabilities:
    """Probabilities of an event by each step, for groups and endpoints.

    Attributes
    ----------
    value, lower, upper, error, number : ndarray, shape (groups, endpoints, grid)
        Probability, its 95 % interval and standard error, and the patients at risk; NaN from the step on at which
        fewer than the small-cell threshold are at risk.
    restricted_error : ndarray, shape (groups, endpoints)
        Standard error of the restricted mean time without the event, in months; NaN when it was not asked for.
    repeated, restricted_repeated : ndarray, shapes (groups, endpoints, grid) and (groups, endpoints)
        Part of the squared errors that stands for what a synthetic database is off by, the same way in all classes.
    """

    value: Floats
    lower: Floats
    upper: Floats
    error: Floats
    number: Floats
    restricted_error: Floats
    repeated: Floats
    restricted_repeated: Floats

    @classmethod
    def where_enough(
        cls, value: Floats, lower: Floats, upper: Floats, error: Floats, number: Floats, repeated: Floats
    ) -> Probabilities:
        """Return probabilities up to where the threshold is at risk; restricted means are left to the caller.

        Once too few were at risk, what comes after rests on them too.
        """
        shown = np.minimum.accumulate(number, axis=2) >= SMALL_CELL
        value, lower, upper, error, number = (
            np.where(shown, array, np.nan) for array in (value, lower, upper, error, number)
        )
        of_endpoint = number.shape[:2]
        return cls(value, lower, upper, error, number, np.full(of_endpoint, np.nan), repeated, np.zeros(of_endpoint))


def probabilities(
    codes: NDArray[np.intp],
    regression: LocalRegression,
    months: Floats,
    *,
    between: Floats,
    between_event_free: Floats,
    corrected: bool,
    restricted_to: int | None = None,
) -> Probabilities:
    """Estimate probabilities for groups of patients of reference.

    Parameters
    ----------
    codes : ndarray of int, shape (groups, k, endpoints)
        Step and event of each patient as `survival.code` joins them.
    regression : LocalRegression
        Its weights say who is in the group; weights other than 0 and 1 weigh the curves.
    months : ndarray, shape (grid,)
        Months of the steps.
    between : ndarray, shape (groups or 1, endpoints, grid)
        Variance between sources on the scale of log(-log S); the uncorrected curve does not use it.
    between_event_free : ndarray, shape (groups or 1, endpoints)
        The same for the restricted mean time without the event.
    corrected : bool
        Whether to correct by regression of the pseudo-values on the features that still differ. Without it, and with
        weights of 0 and 1, this is the Kaplan-Meier estimate with Greenwood's variance.
    restricted_to : int, optional
        Step up to which the error of the restricted mean time is wanted.
    """
    grid = len(months)
    weights = regression.weights
    groups, k = weights.shape
    endpoints = codes.shape[2]
    shape = (groups, endpoints)
    placed = (codes + 2 * grid * np.arange(groups * endpoints).reshape(groups, 1, endpoints)).ravel()

    def counted(of_patient: Floats) -> Floats:
        return tally(placed, 0, shape, grid, np.repeat(of_patient.ravel(), endpoints))

    member = (weights > 0).astype(np.float64)
    each = counted(member)
    numbers = at_risk(each)
    plain = bool((weights == member).all())
    curve = kaplan_meier(each if plain else counted(weights))
    survival = curve.survival
    error = np.sqrt(curve.greenwood) * survival
    restricted_error = np.full(shape, np.nan)
    if corrected or not plain or restricted_to is not None:
        contribution = pseudo_values(curve)
        smoother = regression.smoother(np.ones((groups, 1, k)))
        concentration = regression.concentration(smoother)
        share = smoother[:, 0]
        value = _summed(counted(share), contribution)
        squares = counted(share**2)
        deviation = contribution - value[:, :, None, None, :]
        taken = regression.degrees_of_freedom(numbers[:, :1, 0])[:, :, None]
        widened = numbers[:, :, :1] / np.maximum(numbers[:, :, :1] - taken, 1.0)
        if restricted_to is not None:
            lengths = np.diff(months[: restricted_to + 1])
            area = np.einsum("gesxt,t->gesx", deviation[..., :restricted_to], lengths)
            sampled = np.einsum("gesx,gesx->ge", squares, area**2) * widened[:, :, 0]
            restricted_error = np.sqrt(sampled + between_event_free * concentration)
    if corrected or not plain:
        variance = _summed(squares, deviation**2) * widened
        error = np.sqrt(variance + between * unit_of_log_log(survival) ** 2 * concentration[:, :, None])
        moved = shifted(survival, 1.0 - value - survival)
        # A probability that the correction makes smaller keeps its relative error, not its absolute one.
        kept = np.divide(1.0 - moved, 1.0 - survival, out=np.ones_like(moved), where=survival < 1.0)
        error *= np.minimum(kept, 1.0)
        # Corrections at neighbouring steps may differ by a hair; nobody who had the event gets rid of it.
        survival = np.minimum.accumulate(moved, axis=2)
        lower, upper = limits(survival, error, numbers, months)
    else:
        lower, upper = log_log_interval(survival, error, numbers)
    lower[:, :, 0], upper[:, :, 0] = 0.0, 0.0
    repeated = np.zeros((*shape, grid))
    estimate = Probabilities.where_enough(1.0 - survival, lower, upper, error, numbers, repeated)
    return replace(estimate, restricted_error=restricted_error)


def limits(survival: Floats, error: Floats, number: Floats, months: Floats) -> tuple[Floats, Floats]:
    """Return the 95 % limits of corrected probabilities of an event, from the standard errors of the survival.

    By the log(-log) transformation; no upper limit is below that of nobody having had the event. Where an estimate is
    about as small as its error the transformation has no end (of .001, give or take .01, it would say up to 1):
    beyond a factor of e on the cumulative hazard the upper limit goes on along its tangent.
    """
    lower, upper = log_log_interval(survival, error, number, growth=_along_tangent)
    upper = np.maximum(upper, _upper_of_none(number, months))
    lower[:, :, 0], upper[:, :, 0] = 0.0, 0.0
    return lower, upper


def _along_tangent(half: Floats) -> Floats:
    return np.where(half > 1.0, np.e * half, np.exp(np.minimum(half, 1.0)))


def unit_of_log_log(survival: Floats) -> Floats:
    """Return how far one step on the log(-log) scale moves a probability."""
    slope = slope_of_log_log(survival)
    return np.divide(1.0, slope, out=np.zeros_like(slope), where=slope > 0)


def _upper_of_none(number: Floats, months: Floats) -> Floats:
    """Return the upper 95 % limit of a probability when nobody had the event: the exact one for a constant rate.

    A correction that makes a probability small makes its error small too; yet no estimate is more certain than if
    nobody had had the event among those who were observed, on average, until then.
    """
    exposure = (number[..., 1:] * np.diff(months)).cumsum(axis=-1)
    observed = np.maximum(exposure / months[1:], 1.0)
    limit: Floats = np.concatenate([np.zeros_like(number[..., :1]), 1.0 - 0.025 ** (1.0 / observed)], axis=-1)
    return limit


def at_least_parts(found: Probabilities, composite: int, parts: Sequence[int]) -> Probabilities:
    """Keep a composite endpoint at least as probable as each of its parts.

    A composite is observed in those in whom all of its parts are, which are fewer patients, and others. Estimated
    apart it can come out below a part, which no group of patients can show. Where it does, the part is the better
    estimate: whoever had the part had the composite (the lower Frechet bound of the probability of a union).

    Parameters
    ----------
    found : Probabilities
    composite : int
        Position of the composite among the endpoints.
    parts : sequence of int
        Positions of its parts. A part counts on after the last step at which it may be shown: probabilities of having
        had an event do not fall.

    Returns
    -------
    Probabilities
        The composite's value and limits are nowhere below those of a part; where a part that may be shown takes its
        place, so do that part's errors. Its numbers stay those in whom all parts are observed, and it is NaN where it
        was. Errors of restricted means stay as they are.
    """
    value, lower, upper = raised_to_parts(np.array([found.value, found.lower, found.upper]), composite, parts)
    hidden = np.isnan(found.value[:, composite])
    which = np.array([composite, *parts])
    values = found.value[:, which]
    binding = which[np.where(np.isnan(values), -1.0, values).argmax(axis=1)]
    group, step = np.arange(len(binding))[:, None], np.arange(binding.shape[1])

    def of_binding(array: Floats) -> Floats:
        taken = array.copy()
        taken[:, composite] = np.where(hidden, array[:, composite], array[group, binding, step])
        return taken

    error, repeated = of_binding(found.error), of_binding(found.repeated)
    return replace(found, value=value, lower=lower, upper=upper, error=error, repeated=repeated)


def raised_to_parts(probability: Floats, composite: int, parts: Sequence[int]) -> Floats:
    """Return probabilities, or their limits, with those of a composite at least those of its parts.

    Parameters
    ----------
    probability : ndarray, shape (..., endpoints, grid)
        NaN where it may not be shown; a composite that may not be shown stays so.
    composite, parts
        As `at_least_parts` takes them.
    """
    raised = probability.copy()
    known = np.fmax.accumulate(np.fmax.reduce(probability[..., list(parts), :], axis=-2), axis=-1)
    # Of a number and NaN this is NaN, and a part that is not known raises nothing.
    least = np.where(np.isnan(known), -np.inf, known)
    raised[..., composite, :] = np.maximum(probability[..., composite, :], least)
    return raised


def _summed(weights: Floats, contribution: Floats) -> Floats:
    """Sum what patients of each kind contribute: shapes (..., grid, 2) and (..., grid, 2, grid) give (..., grid)."""
    kinds = weights.shape[-2] * weights.shape[-1]
    flat = contribution.reshape(*contribution.shape[:-3], kinds, contribution.shape[-1])
    summed: Floats = np.matmul(weights.reshape(*weights.shape[:-2], 1, kinds), flat)[..., 0, :]
    return summed
