"""Kaplan-Meier curves against lifelines and scikit-survival, and their pseudo-values against the jackknife."""

# ruff: noqa: ANN001, ANN201 - called by pytest, which knows no types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter
from lifelines.utils import restricted_mean_survival_time

from projection.endpoints import GRID
from projection.survival import (
    code,
    greenwood_expected,
    kaplan_meier,
    log_log_interval,
    pseudo_values,
    restricted_mean,
    shifted,
    tally,
)

STEPS = len(GRID)


def random_groups(seed, groups=4, k=150):
    rng = np.random.default_rng(seed)
    step = rng.integers(0, STEPS, (groups, k)).astype(np.int8)
    event = (rng.random((groups, k)) < 0.4) & (step > 0)
    return step, event


def curves(step, event, weights=None):
    group = np.broadcast_to(np.arange(len(step))[:, None], step.shape).ravel()
    weights = None if weights is None else weights.ravel()
    return kaplan_meier(tally(code(step, event).ravel(), group, (len(step),), STEPS, weights))


@pytest.mark.parametrize("seed", range(5))
def test_curve_and_interval_equal_lifelines(seed):
    step, event = random_groups(seed)
    found = curves(step, event)
    lower, upper = found.interval()
    for group in range(len(step)):
        fitted = KaplanMeierFitter().fit(GRID[step[group]], event[group], timeline=GRID)
        interval = fitted.confidence_interval_survival_function_.to_numpy()
        survival = fitted.survival_function_.to_numpy()[:, 0]
        inner = (survival < 1) & (survival > 0)
        assert np.allclose(found.survival[group], survival, atol=1e-12)
        assert np.allclose(1 - upper[group][inner], interval[inner, 0], atol=1e-10)
        assert np.allclose(1 - lower[group][inner], interval[inner, 1], atol=1e-10)


def test_weighted_curve_equals_lifelines():
    step, event = random_groups(7, groups=1)
    weights = np.random.default_rng(1).integers(1, 5, step.shape).astype(float)
    fitted = KaplanMeierFitter().fit(GRID[step[0]], event[0], weights=weights[0], timeline=GRID)
    survival = fitted.survival_function_.to_numpy()[:, 0]
    assert np.allclose(curves(step, event, weights).survival[0], survival, atol=1e-12)


def test_restricted_mean_equals_lifelines():
    step, event = random_groups(3, groups=1)
    fitted = KaplanMeierFitter().fit(GRID[step[0]], event[0])
    expected = restricted_mean_survival_time(fitted, t=24)
    assert restricted_mean(curves(step, event).survival, GRID, 24.0)[0] == pytest.approx(expected, abs=1e-8)


def test_pseudo_values_average_to_the_curve_and_follow_its_derivative():
    step, event = random_groups(2, groups=1, k=80)
    curve = curves(step, event)
    values = pseudo_values(curve)[0][step[0].astype(int), event[0].astype(int)]
    assert np.allclose(values.mean(axis=0), 1 - curve.survival[0], atol=1e-12)
    for patient in (0, 11, 40):
        heavier = np.ones(step.shape)
        heavier[0, patient] += 1e-6
        derivative = (curve.survival[0] - curves(step, event, heavier).survival[0]) / 1e-6
        assert np.allclose(values[patient], 1 - curve.survival[0] + step.shape[1] * derivative, atol=1e-3)


def test_no_event_has_an_upper_bound_and_all_events_a_lower_one():
    lower, upper = log_log_interval(np.array([1.0, 0.0]), np.zeros(2), np.array([30.0, 30.0]))
    assert lower[0] == 0
    assert upper[0] == pytest.approx(1 - 0.025 ** (1 / 30))  # Clopper-Pearson
    assert upper[1] == 1
    assert lower[1] == pytest.approx(0.025 ** (1 / 30))


@given(st.floats(0, 1), st.floats(-3, 3))
def test_corrections_never_leave_the_range_and_keep_their_sign(survival, shift):
    moved = float(shifted(np.array([survival]), np.array([shift]))[0])
    assert 0 <= moved <= 1
    if 0 < survival < 1:
        assert (moved - survival) * np.sign(shift) >= -1e-12


def test_small_corrections_are_added_as_they_are():
    moved = shifted(np.array([0.7, 0.7]), np.array([0.001, -0.001]))
    assert np.allclose(moved, [0.701, 0.699], atol=1e-5)


@given(st.integers(0, 1000))
def test_the_expected_variance_of_an_observed_curve_is_greenwoods(seed):
    curve = curves(*random_groups(seed))
    certain = curve.survival > 1e-6
    expected = greenwood_expected(curve.survival, curve.at_risk)
    observed = curve.greenwood * curve.survival**2
    assert np.allclose(expected[certain], observed[certain], rtol=1e-9, atol=1e-12)
