"""The yardstick of the truth knows how wrong it is, and intervals are judged with that in mind."""

from __future__ import annotations

import numpy as np
import pytest

from projection import Projector
from reference_db.episodes import Episodes
from reference_db.harmonise import episodes as harmonised
from reference_db.sources.simulated import simulate
from reference_db.vocabulary import Treatment
from validation.material import Material
from validation.projections import CLASSES, MEASURES, Database, Task, contrast_all, patients_of_interest
from validation.recordings import recorded_worsening
from validation.truth import COVERAGE, _held, contrasts_beside, coverage_range, yardstick


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


def test_a_small_database_tells_the_truth_of_the_classes_that_it_knows() -> None:
    rng = np.random.default_rng(4)
    features, values = rng.normal(size=(200, 3)), rng.normal(size=(200, 2))
    features[:, 2] = np.nan
    values[5:, 1] = np.nan
    found = yardstick(features, values, np.arange(20), rng=rng)
    assert np.isfinite(found.value[:, 0]).all()
    assert np.isnan(found.value[:, 1]).all()


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
    # Followed for five years, nearly everybody is known to have worsened or not.
    assert np.isnan(found).mean() < 0.02
    treated, untreated = np.nanmean(found, axis=0)
    assert 0.05 < treated < untreated < 0.4
    # Not of other originals, whoever says so.
    other = Episodes(table.assign(age=table["age"] + 1.0), original.sources)
    assert recorded_worsening(again, other, classes, np.random.default_rng(0)) is None


def test_comparisons_are_held_to_the_differences_of_the_truth() -> None:
    """What two classes have in common cancels, in what is answered and in the error of the yardstick."""
    rng = np.random.default_rng(2)
    n, classes = 4000, len(CLASSES)
    reference, at = CLASSES.index(Treatment.UNTREATED), CLASSES.index(Treatment.NATALIZUMAB)
    truth = rng.uniform(0.2, 0.4, (n, classes))
    common = rng.normal(0, 0.3, (n, 1))
    halves = np.stack([truth + common + rng.normal(0, 0.01, (n, classes)) for _ in range(2)])
    difference = truth[:, at] - truth[:, reference] + rng.normal(0, 0.05, n)
    answered = np.full((3, n, classes, len(MEASURES)), np.nan)
    relapse = MEASURES.index("relapse")
    answered[:, :, at, relapse] = difference + 1.96 * 0.05 * np.array([[0.0], [-1.0], [1.0]])
    (row,) = contrasts_beside(answered, {"relapse": halves})
    assert (row["outcome"], row["treatment"], row["n"]) == ("relapse", Treatment.NATALIZUMAB.value, n)
    assert abs(float(row["coverage"] or 0.0) - 0.95) < 0.012
    assert abs(float(row["rmse"] or 0.0) - 0.05) < 0.002
    # A hazard ratio of 0.5 answered as it is.
    probability = np.full((n, classes), 0.4)
    probability[:, at] = 1.0 - np.sqrt(0.6)
    answered[:, :, at, MEASURES.index("hazard_relapse")] = np.log([[0.5], [0.4], [0.6]])
    rows = contrasts_beside(answered, {"relapse": np.stack([probability] * 2)})
    row = next(one for one in rows if one["outcome"] == "hazard_relapse")
    assert abs(float(row["bias"] or 0.0)) < 1e-9


def test_a_release_is_asked_for_its_comparisons(material: Material) -> None:
    patients = patients_of_interest(material.original.table.iloc[:3])
    answered = contrast_all(Task("synthetic", material.synthetic, patients, avatars=1.0), jobs=1)
    untreated, treated = CLASSES.index(Treatment.UNTREATED), CLASSES.index(Treatment.NATALIZUMAB)
    assert np.isnan(answered[:, :, untreated]).all()
    projector = Projector(Database("synthetic", material.synthetic), avatars=1.0)
    for i, patient in enumerate(patients):
        part = next(one for one in projector.contrast(patient).contrasts if one.treatment == Treatment.NATALIZUMAB)
        assert part.edss is not None
        found = [part.edss.value, part.risks["relapse"].lower, np.log(part.hazard_ratios["relapse"].upper)]
        places = [(0, "edss"), (1, "relapse"), (2, "hazard_relapse")]
        there = [answered[end, i, treated, MEASURES.index(name)] for end, name in places]
        np.testing.assert_allclose(there, found, rtol=1e-5)


def test_honest_intervals_of_few_patients_are_not_missed_by_chance() -> None:
    """Intervals of a patient are held together; a share of .95 must be in range in nearly every sample of so many."""
    rng = np.random.default_rng(0)
    for patients in (50, 200, 5000):
        lowest, highest = coverage_range(patients)
        shares = (rng.random((2000, patients)) < 0.95).mean(axis=1)
        assert ((shares >= lowest) & (shares <= highest)).mean() > 0.98
        # Intervals of half the width hold two thirds.
        assert lowest > 0.68 + 2.0 * np.sqrt(0.68 * 0.32 / patients)
    assert coverage_range(10**9) == (pytest.approx(COVERAGE[0], abs=1e-4), pytest.approx(COVERAGE[1], abs=1e-4))
