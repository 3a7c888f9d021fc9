"""What is computed in few passes over arrays, against the definition written out."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from projection.endpoints import ENDPOINTS, GRID, NEDA3, NEDA3_PARTS
from projection.event_curves import _moved
from projection.figures import Figures
from projection.probabilities import limits, raised_to_parts, unit_of_log_log
from projection.survival import Z95, shifted, slope_of_log_log
from projection.trajectories import QUANTILES, individual_quantiles

SEEDS = st.integers(0, 10_000)


@given(SEEDS)
def test_quantiles_of_courses_are_those_of_the_observed_ones_within_the_scale(seed: int) -> None:
    rng = np.random.default_rng(seed)
    start, change = rng.uniform(0, 10, (2, 3)), rng.normal(0, 4, (2, 3, 20))
    observed = rng.random((2, 3, 20)) < rng.choice([0.0, 0.1, 0.8], (2, 3, 1))
    found = individual_quantiles(start, change, observed, observed.sum(axis=2).astype(np.float64))
    for at in np.ndindex(2, 3):
        courses = np.clip(start[at] + change[at], 0, 10)[observed[at]]
        expected = np.quantile(courses, QUANTILES) if len(courses) else np.full(len(QUANTILES), np.nan)
        np.testing.assert_allclose(found[:, *at], expected, atol=1e-12)


@given(SEEDS)
def test_curves_are_moved_by_hazards_in_proportion_downwards_and_by_the_first_step_upwards(seed: int) -> None:
    rng = np.random.default_rng(seed)
    curve = np.concatenate([np.ones((4, 1, 1)), np.sort(rng.random((4, 1, 6)))[..., ::-1]], axis=2)
    curve[3, 0, -1] = 0.0
    shift = np.array([-9.0, -0.3, 0.0, 1.7])[:, None, None] * np.ones(7)
    first_step = shifted(curve, -np.maximum(shift, 0.0) * unit_of_log_log(curve))
    expected = np.where(shift < 0, curve ** np.exp(np.maximum(shift, -5.0)), first_step)
    np.testing.assert_allclose(_moved(curve, shift), expected, atol=1e-13)


@given(SEEDS)
def test_upper_limits_go_on_along_the_tangent_beyond_a_factor_of_e(seed: int) -> None:
    rng = np.random.default_rng(seed)
    survival = np.concatenate([np.ones((3, 2, 1)), np.sort(rng.beta(8, 1, (3, 2, 5)))[..., ::-1]], axis=2)
    error, number = rng.uniform(0, 0.2, survival.shape), np.full(survival.shape, 1e9)
    lower, upper = limits(survival, error, number, GRID[:6])
    half, hazard = (Z95 * error * slope_of_log_log(survival))[..., 1:], -np.log(survival[..., 1:])
    ratio = np.where(half > 1, np.e * half, np.exp(np.minimum(half, 1)))
    np.testing.assert_allclose(upper[..., 1:], 1 - np.exp(-hazard * ratio), atol=1e-7)
    np.testing.assert_allclose(lower[..., 1:], 1 - np.exp(-hazard * np.exp(-np.minimum(half, 30))), atol=1e-7)
    assert not upper[..., 0].any()
    assert not lower[..., 0].any()


@given(SEEDS)
def test_a_composite_is_raised_to_parts_that_are_known_and_stays_unknown(seed: int) -> None:
    rng = np.random.default_rng(seed)
    given_ = rng.random((3, len(ENDPOINTS), 5))
    given_[rng.random(given_.shape) < 0.3] = np.nan
    found = raised_to_parts(given_, NEDA3, NEDA3_PARTS)
    np.testing.assert_array_equal(np.delete(found, NEDA3, axis=1), np.delete(given_, NEDA3, axis=1))
    for group, step in np.ndindex(3, 5):
        own, before = given_[group, NEDA3, step], given_[group, list(NEDA3_PARTS), : step + 1]
        expected = np.nan if np.isnan(own) else np.nanmax(np.append(before, own))
        np.testing.assert_equal(found[group, NEDA3, step], expected)


def test_results_are_cut_out_of_the_arrays_they_belong_to() -> None:
    rng, groups = np.random.default_rng(0), 3
    course, events = rng.random((4, groups, len(GRID))), rng.random((4, groups, len(ENDPOINTS), len(GRID)))
    quantiles, rates = rng.random((5, groups, len(GRID))), np.array([[1.0, np.nan, 3.0]] * 3 + [[40.0, np.nan, 60.0]])
    known = rng.random((groups, len(ENDPOINTS))) < 0.5
    found = list(Figures(course, quantiles, events, rates, known).outcomes())
    for group, (edss, probabilities, rate) in enumerate(found):
        assert np.array_equal(edss.expected.upper, course[2, group])
        assert np.array_equal(edss.p90, quantiles[4, group])
        assert list(probabilities) == [name for name, told in zip(ENDPOINTS, known[group], strict=True) if told]
        for name, curve in probabilities.items():
            drawn = [curve.value, curve.lower, curve.upper, curve.n]
            assert np.array_equal(drawn, events[:, group, ENDPOINTS.index(name)])
        assert (rate is None) == (group == 1)
    assert found[2][2] is not None
    assert (found[2][2].value, found[2][2].n) == (3.0, 60)
