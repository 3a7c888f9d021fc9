"""Statistics of the calibration against their oracles."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from validation.calibration.outcomes import hazard_ratio, kaplan_meier


def survival_data(seed: int, n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    event = np.where(rng.random(n) < 0.7, np.ceil(rng.exponential(400, n)), np.inf)
    return event, np.ceil(rng.uniform(50, 700, n))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([168.0, 336.0, 672.0]))
def test_kaplan_meier_is_that_of_lifelines(seed: int, horizon: float) -> None:
    from lifelines import KaplanMeierFitter

    event, last = survival_data(seed)
    time = np.minimum(event, last)
    oracle = KaplanMeierFitter().fit(time, event <= last).predict(horizon)
    assert kaplan_meier(event, last, horizon) == pytest.approx(1.0 - float(oracle), abs=1e-9)


def test_hazard_ratio_is_that_of_lifelines() -> None:
    from lifelines import CoxPHFitter

    rng = np.random.default_rng(3)
    first = (rng.exponential(300, 250), np.full(250, 500.0))
    second = (rng.exponential(600, 250), np.full(250, 500.0))
    ratio, error = hazard_ratio(first, second, 500.0)
    data = pd.DataFrame(
        {
            "time": np.minimum(np.concatenate([first[0], second[0]]), 500.0),
            "event": np.concatenate([first[0], second[0]]) <= 500.0,
            "group": np.repeat([1, 0], 250),
        }
    )
    oracle = CoxPHFitter().fit(data, "time", "event")
    assert ratio == pytest.approx(float(oracle.hazard_ratios_["group"]), rel=1e-4)
    assert error == pytest.approx(float(oracle.standard_errors_["group"]), rel=1e-3)


def test_hazard_ratio_without_events_is_unknown() -> None:
    nobody = (np.full(10, np.inf), np.full(10, 100.0))
    assert np.isnan(hazard_ratio(nobody, nobody, 100.0)[0])
