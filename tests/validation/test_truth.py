"""The yardstick of the truth knows how wrong it is, and intervals are judged with that in mind."""

from __future__ import annotations

import numpy as np

from reference_db.episodes import Episodes
from reference_db.harmonise import episodes as harmonised
from reference_db.sources.simulated import simulate
from reference_db.vocabulary import Treatment
from validation.recordings import recorded_worsening
from validation.truth import _held, yardstick


def test_the_yardstick_finds_the_mean_given_the_features_and_its_own_error() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(4000, 3))
    features[rng.random((4000, 3)) < 0.05] = np.nan
    mean = np.nan_to_num(features[:, 0]) + np.maximum(np.nan_to_num(features[:, 1]), 0.0)
    asked = np.arange(2000)
    found = yardstick(features, (mean + rng.normal(0, 1.0, 4000))[:, None], asked, rng=rng)
    error = float(np.sqrt(((found.value[:, 0] - mean[asked]) ** 2).mean()))
    assert error < 0.4
    assert 0.5 < found.error / error < 1.5


def test_intervals_widened_by_the_yardsticks_error_hold_it_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(size=20_000)
    value = truth + rng.normal(0, 0.2, 20_000)
    measured = truth + rng.normal(0, 0.1, 20_000)
    half = 1.96 * 0.2
    assert abs(_held(value, value - half, value + half, measured, 0.1).mean() - 0.95) < 0.006
    assert abs(_held(value, value - half, value + half, truth, 0.0).mean() - 0.95) < 0.006


def test_worsening_is_recorded_of_the_same_patients_under_each_class() -> None:
    simulated = simulate(seed=1, scale=0.01)
    table = harmonised(simulated.tables, simulated.sources)
    original = Episodes(table, {source.name: source for source in simulated.sources})
    classes = (Treatment.NATALIZUMAB, Treatment.UNTREATED)
    again = {"seed": 1, "scale": 0.01}
    found = recorded_worsening(again, original, classes, np.random.default_rng(0))
    assert found is not None
    assert found.shape == (len(table), 2)
    treated, untreated = found.mean(axis=0)
    assert 0.05 < treated < untreated < 0.4
    # Not of other originals, whoever says so.
    other = Episodes(table.assign(age=table["age"] + 1.0), original.sources)
    assert recorded_worsening(again, other, classes, np.random.default_rng(0)) is None
