"""Adjusted p-values and pooled imputations, against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from cdss.evaluation.analysis.effect import Effect, t_interval
from cdss.evaluation.analysis.missing import imputed, pooled, sensitivity
from cdss.evaluation.analysis.multiplicity import adjusted_p_values

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=8)


@given(p_values)
def test_holm_is_step_down_bonferroni(p: list[float]) -> None:
    order = np.argsort(p, kind="stable")
    expected = np.empty(len(p))
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, p[i] * (len(p) - rank)))
        expected[i] = largest
    np.testing.assert_allclose(adjusted_p_values(p, method="holm"), expected, atol=1e-12)


@given(p_values)
def test_no_method_lowers_a_p_value_and_hochberg_is_never_above_holm(p: list[float]) -> None:
    holm, hochberg = adjusted_p_values(p, method="holm"), adjusted_p_values(p, method="hochberg")
    assert all(h <= o + 1e-12 for h, o in zip(hochberg, holm, strict=True))
    for method in ("holm", "hochberg", "hierarchical"):
        assert all(a >= o - 1e-12 for a, o in zip(adjusted_p_values(p, method=method), p, strict=True))


def test_holm_and_hochberg_agree_with_statsmodels() -> None:
    p = [0.012, 0.04, 0.0004, 0.5, 0.03, 0.04]
    for mine, theirs in (("holm", "holm"), ("hochberg", "simes-hochberg")):
        np.testing.assert_allclose(adjusted_p_values(p, method=mine), multipletests(p, method=theirs)[1])


def test_a_hierarchy_ends_at_the_first_failure() -> None:
    assert adjusted_p_values([0.01, 0.2, 0.001], method="hierarchical") == (0.01, 0.2, 0.2)
    adjusted = adjusted_p_values([math.nan, 0.01], method="hierarchical")
    assert math.isnan(adjusted[0])
    assert adjusted[1] == 1.0


def test_what_was_not_analysed_stays_out_of_the_count() -> None:
    adjusted = adjusted_p_values([0.01, math.nan, 0.02], method="holm")
    assert adjusted[0] == pytest.approx(0.02)
    assert math.isnan(adjusted[1])


def effect(value: float, error: float, degrees: float = 7.0) -> Effect:
    lower, upper, p = t_interval(value, error, degrees, 0.05)
    return Effect("mean difference", value, lower, upper, error, degrees, p, 10, 10, 9, 0.0, "m")


def test_pooling_follows_rubin() -> None:
    effects = [effect(value, 2.0, 20.0) for value in (1.0, 2.0, 3.0)]
    together = pooled(effects, alpha=0.05)
    total = 4.0 + (1 + 1 / 3) * 1.0
    share = (1 + 1 / 3) / total
    of_data = 21 / 23 * 20 * (1 - share)
    assert together.value == pytest.approx(2.0)
    assert together.standard_error == pytest.approx(math.sqrt(total))
    assert together.degrees_of_freedom == pytest.approx(1 / (share**2 / 2 + 1 / of_data))


def test_equal_imputations_pool_to_themselves() -> None:
    together = pooled([effect(1.0, 2.0)] * 5, alpha=0.05)
    assert together.standard_error == pytest.approx(2.0)


def test_imputing_at_random_removes_the_bias_of_complete_cases() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(4000, 1))
    use = rng.random(4000) < 0.5
    outcome = 2.0 * x[:, 0] + rng.normal(size=4000)
    observed = np.where(x[:, 0] > 0.3, np.nan, outcome)
    assert abs(np.nanmean(observed)) > 0.3
    means = [imputed(observed, x, use, rng=rng).mean() for _ in range(10)]
    assert np.mean(means) == pytest.approx(0.0, abs=0.1)
    kept = imputed(observed, x, use, rng=rng)
    np.testing.assert_array_equal(kept[np.isfinite(observed)], observed[np.isfinite(observed)])


def test_shifts_move_the_effect_by_the_missing_share_of_the_arm() -> None:
    rng = np.random.default_rng(7)
    use = np.arange(200) % 2 == 0
    outcome = rng.normal(size=200)
    outcome[(rng.random(200) < 0.2) & use] = np.nan
    share = np.isnan(outcome).sum() / use.sum()

    def fit(filled: np.ndarray) -> Effect:
        return effect(float(filled[use].mean() - filled[~use].mean()), 1.0)

    at_random, worse = sensitivity(
        outcome, rng.normal(size=(200, 2)), use, fit=fit, shifts=[0.0, 5.0], imputations=5, alpha=0.05, rng=rng
    )
    assert worse.effect.value - at_random.effect.value == pytest.approx(5.0 * share)
