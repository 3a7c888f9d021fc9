"""Distances and associations against their definitions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import ks_2samp

from reference_db.episodes import Episodes
from validation.discrimination import discriminators, fold_areas
from validation.material import Material
from validation.multivariate import rank_correlations, slope
from validation.univariate import distance
from validation.variables import as_numbers

samples = arrays(np.float64, st.integers(12, 60), elements=st.integers(0, 6).map(float))


@given(samples, samples)
def test_distances_of_few_levels_are_those_of_their_shares(first: np.ndarray, second: np.ndarray) -> None:
    levels = np.union1d(first, second)
    p = np.array([(first == level).mean() for level in levels])
    q = np.array([(second == level).mean() for level in levels])
    found = distance(first, second)
    assert found.hellinger == pytest.approx(np.sqrt(((np.sqrt(p) - np.sqrt(q)) ** 2).sum() / 2), abs=1e-7)
    assert found.separation == pytest.approx(np.abs(p - q).sum() / 2)
    assert 0 <= found.hellinger <= 1


@given(samples)
def test_a_sample_is_at_no_distance_from_itself(sample: np.ndarray) -> None:
    found = distance(sample, sample)
    assert found.hellinger == pytest.approx(0, abs=1e-7)
    assert found.separation == 0


def test_distances_of_many_values() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=400), rng.normal(0.5, 1.5, size=300)
    found = distance(first, second)
    assert found.separation == pytest.approx(ks_2samp(first, second).statistic)
    assert found.mean_shift == pytest.approx((second.mean() - first.mean()) / first.std())
    assert found.spread_ratio == pytest.approx(second.std() / first.std())
    assert distance(first, rng.normal(size=300)).hellinger < found.hellinger


def test_rank_correlations_are_spearmans_within_one_source(material: Material) -> None:
    table = material.original.table
    one = Episodes(table[table["source"] == "OFSEP"].reset_index(drop=True), material.original.sources)
    found, names, pairs = rank_correlations(one)
    numbers = as_numbers(one)
    # Ranks are taken over all known values of a variable, so the oracle is exact where both are always known.
    full = [name for name in ("age", "edss_0", "relapses_12m", "follow_up_months") if numbers[name].notna().all()]
    at = [names.index(name) for name in full]
    expected = numbers[full].corr(method="spearman").to_numpy()
    np.testing.assert_allclose(found[np.ix_(at, at)], expected, atol=1e-12)
    assert (pairs[np.ix_(at, at)] == len(one)).all()


def test_slope_tells_what_is_kept() -> None:
    original = np.array([0.5, -0.3, 0.1])
    assert slope(original, original * 0.7) == pytest.approx(0.7)
    assert slope(np.zeros(3), original) is None


def test_discriminators_tell_what_can_be_told_and_nothing_else() -> None:
    rng = np.random.default_rng(1)
    first = pd.DataFrame(rng.normal(size=(150, 3)))
    shifted = pd.DataFrame(rng.normal([2.5, 0, 0], size=(150, 3)))
    for make in discriminators(0, trees=40).values():
        assert fold_areas(make, first, shifted, folds=3, rng=rng).mean() > 0.9
        same = fold_areas(make, first, pd.DataFrame(rng.normal(size=(150, 3))), folds=3, rng=rng).mean()
        assert 0.35 < same < 0.65
