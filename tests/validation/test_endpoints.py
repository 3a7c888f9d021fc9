"""Trial endpoints against other implementations, and the published rule as a table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter, KaplanMeierFitter
from scipy.optimize import minimize
from scipy.stats import nbinom
from sksurv.linear_model import CoxPHSurvivalAnalysis

from validation.endpoints import Effect, hazard_ratio, mean_rate, rate_ratio, survival_at_end, trial_effects
from validation.material import Material
from validation.outcomes import TimeToEvent, outcomes
from validation.replication import Replication, compare, replicated_trials, resampled_arms


def _counts(n: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    treated = np.repeat([0.0, 1.0], n // 2)
    exposure = rng.uniform(0.5, 2.0, n)
    mean = 0.8 * np.where(treated == 1, 0.5, 1.0) * exposure
    return rng.poisson(mean * rng.gamma(1.5, 1 / 1.5, n)).astype(float), treated, exposure


def test_rate_ratio_is_the_maximum_of_the_negative_binomial_likelihood() -> None:
    counts, treated, exposure = _counts()

    def loss(parameters: np.ndarray) -> float:
        mean = np.exp(parameters[0] + parameters[1] * treated) * exposure
        size = np.exp(parameters[2])
        return -float(nbinom.logpmf(counts, size, size / (size + mean)).sum())

    best = minimize(loss, np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-8, "maxiter": 4000})
    value, lower, upper = rate_ratio(counts, treated, exposure)
    assert value == pytest.approx(np.exp(best.x[1]), rel=1e-3)
    assert lower < value < upper


def test_counts_without_extra_spread_are_taken_as_poisson() -> None:
    counts = np.tile([1.0, 1.0, 1.0, 0.0], 30)
    treated = np.repeat([0.0, 1.0], 60)
    value, lower, upper = rate_ratio(counts, treated, np.ones(120))
    assert value == pytest.approx(1.0)
    assert np.isfinite([lower, upper]).all()


def test_counts_as_spread_as_poisson_get_its_interval() -> None:
    """The negative binomial ends at its limit there, with an interval that would be too wide."""
    treated = np.repeat([0.0, 1.0], 200)
    counts = np.zeros(400)
    counts[:12], counts[200:204] = 1.0, 1.0
    value, lower, upper = rate_ratio(counts, treated, np.ones(400))
    error = np.sqrt(1 / 12 + 1 / 4)
    assert value == pytest.approx(4 / 12, rel=1e-3)
    assert lower == pytest.approx(np.exp(np.log(1 / 3) - 1.96 * error), rel=1e-3)
    assert upper == pytest.approx(np.exp(np.log(1 / 3) + 1.96 * error), rel=1e-3)


def test_mean_rate_holds_the_rate() -> None:
    counts, _, exposure = _counts()
    rate, lower, upper = mean_rate(counts, exposure)
    assert rate == pytest.approx(counts.sum() / exposure.sum())
    assert 0 < lower < rate < upper


def _times(grid: float = 3.0) -> tuple[TimeToEvent, np.ndarray]:
    rng = np.random.default_rng(5)
    treated = np.repeat([0.0, 1.0], 150)
    months = np.ceil(rng.exponential(np.where(treated == 1, 40, 20)) / grid) * grid
    return TimeToEvent(np.minimum(months, 24.0), months <= 24), treated


@pytest.mark.parametrize("grid", [3.0, 0.01])
def test_hazard_ratio_against_other_implementations(grid: float) -> None:
    """With many ties and with none."""
    times, treated = _times(grid)
    record = np.array(list(zip(times.event, times.months, strict=True)), dtype=[("e", bool), ("t", float)])
    other = CoxPHSurvivalAnalysis(ties="efron").fit(treated[:, None], record)
    value, lower, upper = hazard_ratio(times, treated)
    assert value == pytest.approx(float(np.exp(other.coef_[0])), rel=1e-4)
    table = pd.DataFrame({"months": times.months, "event": times.event, "treated": treated})
    fitted = CoxPHFitter().fit(table, "months", "event")
    expected = np.exp(fitted.confidence_intervals_.to_numpy()[0])
    assert (lower, upper) == pytest.approx(tuple(expected), rel=1e-4)


def test_a_hazard_ratio_without_events_in_one_arm_has_no_end() -> None:
    times, treated = _times()
    none = TimeToEvent(times.months, times.event & (treated == 0))
    value, lower, upper = hazard_ratio(none, treated)
    assert value < 1e-6
    assert lower < 1e-12
    assert upper > 1e3


def test_survival_at_the_end_against_lifelines() -> None:
    times, _ = _times()
    fitted = KaplanMeierFitter().fit(times.months, times.event)
    survival, error = survival_at_end(times)
    assert survival == pytest.approx(float(fitted.survival_function_.iloc[-1, 0]))
    n = len(times.months)
    assert error == pytest.approx(np.sqrt(survival * (1 - survival) / n), rel=1e-6)  # nobody is lost before the end


def test_every_trial_with_a_control_arm_has_its_endpoints(material: Material) -> None:
    effects = trial_effects(material.original)
    assert {effect.trial for effect in effects} == {"CLARITY", "AFFIRM", "CONFIRM"}
    assert "SENTINEL" not in {effect.trial for effect in effects}
    assert {effect.arm for effect in effects if effect.trial == "CONFIRM"} == {
        "dimethyl fumarate 240 mg twice daily",
        "glatiramer acetate 20 mg daily",
    }
    affirm = {effect.endpoint: effect for effect in effects if effect.trial == "AFFIRM"}
    assert affirm["relapse rate"].value < 0.7
    assert affirm["relapse rate"].control == pytest.approx(_rate(material, "AFFIRM", "placebo"))


def _rate(material: Material, trial: str, arm: str) -> float:
    table = material.original.table
    found = outcomes(material.original)
    rows = ((table["source"] == trial) & (table["arm"] == arm)).to_numpy()
    return float(found.relapses[rows].sum() / found.years[rows].sum())


def test_observation_of_relapses_and_worsening_ends_where_the_schedule_does(material: Material) -> None:
    found = outcomes(material.original)
    follow_up = np.minimum(material.original.table["follow_up_months"].to_numpy(), 24)
    assert (found.relapse.months <= follow_up).all()
    assert (found.worsening_24w.months <= 24).all()
    assert found.worsening_12w.event.sum() >= found.worsening_24w.event.sum()
    assert ((found.relapses > 0) == found.relapse.event).all()


def _effect(value: float, lower: float, upper: float) -> Effect:
    return Effect("T", "a", "relapse rate", "rate ratio", value, lower, upper, 1.0, 1.0, 1.0, 50)


@pytest.mark.parametrize(
    ("original", "synthetic", "direction", "inside", "conclusion"),
    [
        ((0.5, 0.4, 0.7), (0.55, 0.45, 0.75), True, True, True),
        ((0.5, 0.4, 0.7), (0.75, 0.6, 0.9), True, False, True),
        ((0.8, 0.6, 0.98), (0.9, 0.7, 1.1), True, True, False),
        ((0.9, 0.7, 1.2), (1.1, 0.8, 1.3), False, True, True),
        ((0.5, 0.4, 0.7), None, False, False, False),
    ],
    ids=["replicated", "outside", "significance lost", "other side", "not estimable"],
)
def test_the_published_rule(
    original: tuple[float, float, float],
    synthetic: tuple[float, float, float] | None,
    direction: bool,
    inside: bool,
    conclusion: bool,
) -> None:
    made = [_effect(*synthetic)] if synthetic is not None else []
    (one,) = compare([_effect(*original)], made)
    assert (one.same_direction, one.inside, one.same_conclusion) == (direction, inside, conclusion)
    assert one.replicated == (direction and inside and conclusion)
    assert replicated_trials([one]) == {"T": one.replicated}


def test_one_lost_endpoint_loses_the_trial() -> None:
    kept = Replication(_effect(0.5, 0.4, 0.7), _effect(0.5, 0.4, 0.7))
    lost = Replication(_effect(0.5, 0.4, 0.7), None)
    assert replicated_trials([kept, lost, kept]) == {"T": False}


def test_resampling_keeps_every_arm_as_large(material: Material) -> None:
    table = material.original.table
    drawn = resampled_arms(table, np.random.default_rng(0))
    assert drawn.groupby(["source", "arm"]).size().equals(table.groupby(["source", "arm"]).size())
