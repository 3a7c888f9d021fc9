"""Scores of predictions against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from validation.outcomes import TimeToEvent
from validation.scores import (
    RISK_MONTHS,
    calibration_groups,
    calibration_slope,
    net_benefit,
    quantile_crps,
    risk_scores,
)


@given(st.floats(-5, 5), st.floats(-5, 5))
def test_the_score_of_a_single_value_is_its_absolute_error(outcome: float, value: float) -> None:
    found = quantile_crps(np.array([outcome]), np.full((5, 1), value))
    assert found[0] == pytest.approx(abs(outcome - value))


def test_honest_quantiles_score_better_than_any_shifted_ones() -> None:
    rng = np.random.default_rng(0)
    outcome = rng.normal(size=4000)
    quantiles = np.quantile(rng.normal(size=100_000), (0.1, 0.25, 0.5, 0.75, 0.9))[:, None]
    honest = quantile_crps(outcome, np.tile(quantiles, 4000)).mean()
    for other in (quantiles + 0.5, quantiles * 0.3, quantiles * 3):
        assert quantile_crps(outcome, np.tile(other, 4000)).mean() > honest
    assert honest == pytest.approx(0.2337 * 2.0**0.5 * 1.7 / 1.0, rel=0.25)  # near the normal's 0.5642 x 1


def _followed(n: int = 3000) -> tuple[TimeToEvent, np.ndarray, np.ndarray]:
    """Patients all followed beyond 24 months, with their true risks."""
    rng = np.random.default_rng(2)
    hazard = np.exp(rng.normal(-3.2, 0.8, n))
    months = rng.exponential(1 / hazard)
    risk = -np.expm1(-hazard[:, None] * RISK_MONTHS)
    return TimeToEvent(np.minimum(months, 60), months <= 60), risk, months


def test_without_censoring_the_scores_are_the_plain_ones() -> None:
    times, risk, months = _followed()
    happened = (months[:, None] <= RISK_MONTHS).astype(float)
    found = risk_scores(times, risk, happened.mean(axis=0))
    brier = ((happened - risk) ** 2).mean(axis=0)
    flat = ((happened - happened.mean(axis=0)) ** 2).mean(axis=0)
    expected = np.trapezoid(brier, RISK_MONTHS) / 18
    assert found.brier == pytest.approx(expected, rel=1e-6)
    assert found.skill == pytest.approx(1 - expected / (np.trapezoid(flat, RISK_MONTHS) / 18), rel=1e-6)
    assert found.auc == pytest.approx(roc_auc_score(happened[:, -1], risk[:, -1]), rel=1e-6)
    assert found.events == int(happened[:, -1].sum())
    assert found.expected_over_observed == pytest.approx(risk[:, -1].mean() / happened[:, -1].mean())
    assert 0.5 < found.concordance < 1


def test_whoever_completes_two_years_counts_as_free_of_the_event() -> None:
    """Trials end at month 24: their patients must not be unknown there."""
    times, risk, _ = _followed()
    ended = TimeToEvent(np.minimum(times.months, 24.0), times.event & (times.months <= 24))
    population = risk.mean(axis=0)
    assert risk_scores(ended, risk, population).brier == pytest.approx(
        risk_scores(times, risk, population).brier, rel=1e-6
    )


def test_calibration_slope_of_true_risks_is_one_and_of_exaggerated_ones_below() -> None:
    times, risk, _ = _followed(6000)
    until = TimeToEvent(np.minimum(times.months, 24), times.event & (times.months <= 24))
    assert calibration_slope(until, risk[:, -1]) == pytest.approx(1.0, abs=0.1)
    log = np.log(-np.log1p(-risk[:, -1]))
    exaggerated = -np.expm1(-np.exp(2 * log - log.mean()))
    assert calibration_slope(until, exaggerated) == pytest.approx(0.5, abs=0.07)
    assert np.isnan(calibration_slope(until, np.full(6000, 0.3)))


def test_calibration_groups_follow_the_truth() -> None:
    times, risk, _ = _followed(6000)
    for row in calibration_groups(times, risk[:, -1]):
        assert abs(row["predicted"] - row["observed"]) < 4 * row["error"]


def test_net_benefit_without_censoring_is_its_definition() -> None:
    times, risk, months = _followed()
    happened = months <= 24
    thresholds = np.array([0.1, 0.3, 0.5])
    expected = [
        ((risk[:, -1] > t) & happened).mean() - ((risk[:, -1] > t) & ~happened).mean() * t / (1 - t)
        for t in thresholds
    ]
    np.testing.assert_allclose(net_benefit(times, risk[:, -1], thresholds), expected, atol=1e-12)
    assert net_benefit(times, np.zeros(len(months)), thresholds).tolist() == [0.0, 0.0, 0.0]
