"""The one disease model of all simulated sources, in steps of four weeks, vectorised over patients.

Disability has three parts: a lasting one, which progression raises steadily and relapses raise by what they leave
behind; a transient one, the part of a relapse that recovers; and a slow fluctuation of the patient's state that comes
and goes over months (first-order autoregressive). Relapses come at a rate with a personal frailty, falling with age
and with distance from recent activity; new lesions come at a rate with a frailty of their own that shares the first.
A treatment multiplies the rates of relapses, progression and lesions, the more so the younger and the more active the
patient.

All chance enters through `Chance`, uniform numbers drawn before the first step, so that the same patient can be
followed under every treatment with the same luck.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reference_db.sources.simulated.distributions import gamma_frailty
from reference_db.sources.simulated.parameters import Effect, parameters

Array = NDArray[np.float64]

STEP_DAYS = 28
STEP_YEARS = STEP_DAYS / 365.25

HIGHEST_DISABILITY = 9.5

_WEAKEST_EFFECT, _STRONGEST_EFFECT = 0.0, 3.0
"""Bounds of the exponent of treatment effects."""


@dataclass(frozen=True)
class Traits:
    """What a patient brings, one value per patient.

    Attributes
    ----------
    lasting, transient : ndarray
        Disability at baseline that stays, and that is still recovering, in EDSS points.
    fluctuation, fluctuation_sd : ndarray
        How far from its usual level the patient's state stands at baseline, and usually stands.
    relapse_u, lesion_u, progression_u, enhancement_u : ndarray
        Rank of the patient's frailties, probabilities in (0, 1); the last is the readiness of lesions to enhance.
    relapse_rate, progression_slope, lesion_rate : ndarray
        Natural rates at frailty 1, per year, covariates included.
    modification, worsening_modification : ndarray
        Exponents of treatment effects, on relapses and lesions and on what makes disability last: 1 is the average
        patient's, more is a stronger effect.
    """

    lasting: Array
    transient: Array
    fluctuation: Array
    fluctuation_sd: Array
    relapse_u: Array
    lesion_u: Array
    progression_u: Array
    enhancement_u: Array
    relapse_rate: Array
    progression_slope: Array
    lesion_rate: Array
    modification: Array
    worsening_modification: Array

    def __len__(self) -> int:
        return len(self.lasting)


@dataclass(frozen=True)
class Regime:
    """Rates of each patient under the treatment of the moment, per year.

    `residual_probability` is that of a relapse leaving a lasting deficit.
    """

    relapse_rate: Array
    progression_slope: Array
    lesion_rate: Array
    residual_probability: Array


@dataclass(frozen=True)
class Chance:
    """The luck of each patient in each step: arrays of (patients, steps).

    The first three are uniform on (0, 1), `fluctuation` is standard normal.
    """

    relapse: NDArray[np.float32]
    peak: NDArray[np.float32]
    residual: NDArray[np.float32]
    fluctuation: NDArray[np.float32]

    @classmethod
    def draw(cls, patients: int, steps: int, rng: np.random.Generator) -> Chance:
        """Draw the luck of `patients` over `steps`."""
        shape = (patients, steps)
        return cls(
            relapse=rng.random(shape, dtype=np.float32),
            peak=rng.random(shape, dtype=np.float32),
            residual=rng.random(shape, dtype=np.float32),
            fluctuation=rng.standard_normal(shape, dtype=np.float32),
        )


@dataclass
class Course:
    """What happened, filled step by step.

    Attributes
    ----------
    lasting, transient, fluctuation : ndarray, shape (patients, steps + 1)
        Parts of disability at the end of each step; the first column is baseline.
    relapse : ndarray of bool, shape (patients, steps)
    """

    lasting: NDArray[np.float32]
    transient: NDArray[np.float32]
    fluctuation: NDArray[np.float32]
    relapse: NDArray[np.bool_]

    @classmethod
    def begin(cls, traits: Traits, steps: int) -> Course:
        """Return the course at baseline."""
        n = len(traits)
        course = cls(
            lasting=np.empty((n, steps + 1), dtype=np.float32),
            transient=np.empty((n, steps + 1), dtype=np.float32),
            fluctuation=np.empty((n, steps + 1), dtype=np.float32),
            relapse=np.zeros((n, steps), dtype=np.bool_),
        )
        course.lasting[:, 0] = traits.lasting
        course.transient[:, 0] = traits.transient
        course.fluctuation[:, 0] = traits.fluctuation
        return course


def regime(traits: Traits, effect: Effect, *, relapse_shape: float, lesion_shape: float) -> Regime:
    """Return the rates of each patient under a treatment, with the shapes of the frailties under it."""
    p = parameters()
    m, worsening = traits.modification, traits.worsening_modification
    return Regime(
        relapse_rate=traits.relapse_rate * gamma_frailty(traits.relapse_u, relapse_shape) * effect.relapse_ratio**m,
        progression_slope=traits.progression_slope
        * gamma_frailty(traits.progression_u, p["progression_shape"])
        * effect.progression_ratio**worsening,
        lesion_rate=traits.lesion_rate * gamma_frailty(traits.lesion_u, lesion_shape) * effect.lesion_ratio**m,
        residual_probability=np.minimum(p["residual_probability"] * effect.residual_ratio**worsening, 1.0),
    )


def recency(years: Array | float) -> Array:
    """Return the factor on the relapse rate after some years: the excess of recent activity fades, age adds up."""
    p = parameters()
    boost = 1.0 + p["relapse_recent_boost"] * np.exp(-np.asarray(years) / p["relapse_recent_decay"])
    return np.asarray(boost * np.exp((p["relapse_age_slope"] + p["relapse_duration_slope"]) * np.asarray(years)))


def advance(course: Course, step: int, traits: Traits, rates: Regime, chance: Chance) -> None:
    """Carry every patient through one step of four weeks, writing into `course`."""
    p = parameters()
    hazard = rates.relapse_rate * recency((step + 0.5) * STEP_YEARS) * STEP_YEARS
    relapse = chance.relapse[:, step] < -np.expm1(-hazard)
    if step:
        relapse &= ~course.relapse[:, step - 1]
    course.relapse[:, step] = relapse
    fading = np.float32(np.exp(-STEP_DAYS / p["relapse_recovery"]))
    lasting = course.lasting[:, step] + (rates.progression_slope * STEP_YEARS).astype(np.float32)
    transient = course.transient[:, step] * fading
    hit = np.flatnonzero(relapse)
    peak, kept = relapse_impact(chance.peak[hit, step], chance.residual[hit, step], rates.residual_probability[hit])
    lasting[hit] += kept
    transient[hit] += peak - kept
    np.minimum(lasting, HIGHEST_DISABILITY, out=lasting)
    course.lasting[:, step + 1] = lasting
    course.transient[:, step + 1] = transient
    memory = np.exp(-STEP_DAYS / p["fluctuation_time"])
    course.fluctuation[:, step + 1] = memory * course.fluctuation[:, step] + (
        traits.fluctuation_sd * np.sqrt(1.0 - memory**2) * chance.fluctuation[:, step]
    )


def relapse_impact(
    peak_u: NDArray[np.float32], residual_u: NDArray[np.float32], residual_probability: Array
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return how much a relapse raises disability at its peak, and how much of that stays."""
    p = parameters()
    peak = p["relapse_peak_minimum"] - p["relapse_peak_mean"] * np.log1p(-peak_u * 0.9999)
    minimum = p["residual_share_minimum"]
    share = np.where(
        residual_u < residual_probability, minimum + (1.0 - minimum) * residual_u / residual_probability, 0.0
    )
    return peak.astype(np.float32), (peak * share).astype(np.float32)


def follow(traits: Traits, rates: Regime, chance: Chance) -> Course:
    """Return the course of every patient under one regime from baseline to the last step."""
    steps = chance.relapse.shape[1]
    course = Course.begin(traits, steps)
    for step in range(steps):
        advance(course, step, traits, rates, chance)
    return course


def modification(age: Array, activity: Array, *, usual_activity: float, per_activity: float) -> Array:
    """Return the exponent of treatment effects: weaker with age (from 38 years), stronger with recent activity.

    Parameters
    ----------
    age : ndarray
    activity : ndarray
        Relapses in 12 months, plus one for an enhancing lesion; more than 4 count as 4.
    usual_activity : float
        At which the exponent is 1.
    per_activity : float
        By how much the exponent rises per unit of activity.
    """
    exponent = (
        1.0
        + parameters()["effect_modification_age"] * (age - 38.0)
        + per_activity * (np.minimum(activity, 4.0) - usual_activity)
    )
    return np.clip(exponent, _WEAKEST_EFFECT, _STRONGEST_EFFECT)
