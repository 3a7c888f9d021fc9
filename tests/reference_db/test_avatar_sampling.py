"""The formula of the weights, the mixing and the draws, against their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from reference_db.avatar.margins import normal_scores, restore_margins
from reference_db.avatar.neighbours import nearest_records
from reference_db.avatar.quantiles import GROUP, column_margins, smoothed_quantiles
from reference_db.avatar.sampling import Donors, donor_weights, draw_levels, limited, mix_numbers


def test_weights_follow_the_published_formula() -> None:
    """Against the formula written record by record, on the same random numbers."""
    distances = 3 + np.random.default_rng(0).gamma(2, size=(50, 7))
    fast = donor_weights(distances, least=0.0, limit=1.0, rng=np.random.default_rng(5))
    rng = np.random.default_rng(5)
    orders = rng.permuted(np.broadcast_to(np.arange(1.0, 8), (50, 7)), axis=1)
    exponentials = rng.exponential(size=(50, 7))
    for row in range(50):
        weight = [1 / distances[row, j] * exponentials[row, j] * 2 ** -orders[row, j] for j in range(7)]
        assert fast[row] == pytest.approx(np.array(weight) / sum(weight))


@settings(max_examples=60, deadline=None)
@given(
    k=st.integers(1, 40),
    limit=st.floats(0.01, 1.0),
    seed=st.integers(0, 10_000),
    zeros=st.integers(0, 3),
)
def test_limited_weights_are_convex_under_the_limit_and_keep_their_order(
    k: int, limit: float, seed: int, zeros: int
) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.exponential(size=(20, k)) ** 4
    weights[:, : min(zeros, k - 1)] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    bounded = limited(weights, limit)
    assert bounded.sum(axis=1) == pytest.approx(1)
    assert bounded.min() >= 0
    assert bounded.max() <= max(limit, 1 / k) + 1e-9
    order = np.argsort(weights, axis=1, kind="stable")
    assert (np.diff(np.take_along_axis(bounded, order, axis=1), axis=1) >= -1e-12).all()


@pytest.mark.parametrize(("least", "shares"), [(0.0, [0.5, 0.5, 0.0]), (0.5, [0.45, 0.45, 0.1])])
def test_duplicates_at_distance_zero_share_the_weight(least: float, shares: list[float]) -> None:
    distances = np.array([[0.0, 0.0, 1.0]] * 2000)
    weights = donor_weights(distances, least=least, limit=1.0, rng=np.random.default_rng(0))
    assert weights.mean(axis=0) == pytest.approx(shares, abs=0.06)
    alike = donor_weights(np.zeros((5, 4)), least=least, limit=0.3, rng=np.random.default_rng(0))
    assert alike.sum(axis=1) == pytest.approx(1)


def test_means_are_weighted_means_of_the_observed() -> None:
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(30, 4)) + 1e6
    numbers[rng.random((30, 4)) < 0.3] = np.nan
    numbers[:, 3] = np.nan
    rows = rng.integers(0, 30, size=(12, 6))
    weights = rng.dirichlet(np.ones(6), size=12)
    mixed = mix_numbers(numbers, Donors(rows, weights), residual=0.0, rng=rng)
    for avatar in range(12):
        for column in range(4):
            lent = numbers[rows[avatar], column]
            known = ~np.isnan(lent)
            expected = np.average(lent[known], weights=weights[avatar][known]) if known.any() else np.nan
            assert mixed[avatar, column] == pytest.approx(expected, nan_ok=True)


def test_the_residual_restores_the_covariance_of_the_donors() -> None:
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(6, 3)) @ rng.normal(size=(3, 3))
    weights = rng.dirichlet(np.ones(6))
    many = 40_000
    donors = Donors(np.tile(np.arange(6), (many, 1)), np.tile(weights, (many, 1)))
    mixed = mix_numbers(numbers, donors, residual=1.0, rng=rng)
    assert mixed.mean(axis=0) == pytest.approx(weights @ numbers, abs=0.05)
    assert np.cov(mixed.T) == pytest.approx(np.cov(numbers.T, aweights=weights, bias=True), abs=0.12)


@pytest.mark.parametrize("as_often", [False, True])
def test_levels_are_drawn_by_weight_among_those_known(as_often: bool) -> None:
    codes = np.array([[0, -1], [1, 2], [1, -1]], dtype=np.int32)
    many = 20_000
    donors = Donors(np.tile([0, 1, 2], (many, 1)), np.tile([0.5, 0.2, 0.3], (many, 1)))
    drawn = draw_levels(codes, donors, np.random.default_rng(0), as_often=as_often)
    assert (drawn[:, 0] == 0).mean() == pytest.approx(0.5, abs=0.02)
    assert (drawn[:, 1] == 2).all()
    nobody = Donors(np.array([[0, 2]] * 5), np.full((5, 2), 0.5))
    assert (draw_levels(codes[:, 1:], nobody, np.random.default_rng(0), as_often=as_often) == -1).all()


@pytest.mark.parametrize("dimensions", [1, 4, 30])
def test_neighbours_against_brute_force(dimensions: int) -> None:
    points = np.random.default_rng(0).normal(size=(200, dimensions))
    points[5] = points[6] = points[7]
    found, distances = nearest_records(points, points, 9, others_of=np.arange(200))
    whole = cdist(points, points)
    np.fill_diagonal(whole, np.inf)
    assert distances == pytest.approx(np.sort(whole, axis=1)[:, :9], abs=1e-6)
    assert (found != np.arange(200)[:, None]).all()
    assert np.take_along_axis(whole, found, axis=1) == pytest.approx(distances, abs=1e-6)


def test_no_restored_value_rests_on_fewer_than_a_group() -> None:
    """Moving one original, even the largest, moves no quantile by much more than its share of a group."""
    values = np.random.default_rng(0).normal(size=83)
    levels = np.linspace(0, 1, 200)
    before = smoothed_quantiles(values, levels)
    values[values.argmax()] += 100
    after = smoothed_quantiles(values, levels)
    assert np.abs(after - before).max() <= 1.3 * 100 / GROUP
    assert after.max() < values.max()


def test_smoothed_quantiles_keep_the_mean_of_a_long_tail() -> None:
    values = np.random.default_rng(0).exponential(size=60) ** 3
    levels = (np.arange(6000) + 0.5) / 6000
    assert smoothed_quantiles(values, levels).mean() == pytest.approx(values.mean(), rel=1e-3)


def test_restored_rare_counts_keep_their_mean_on_their_grid() -> None:
    rng = np.random.default_rng(0)
    numbers = rng.poisson(0.1, size=(1000, 1)).astype(float)
    means = []
    for _ in range(20):
        mixed = normal_scores(numbers, series=(), rng=rng) + rng.normal(scale=0.3, size=numbers.shape)
        restored = restore_margins(mixed, column_margins(numbers, (1.0,)), rng)
        assert set(np.unique(restored)) <= {0.0, 1.0, 2.0, 3.0}
        means.append(restored.mean())
    assert np.mean(means) == pytest.approx(numbers.mean(), rel=0.03)


def test_a_rare_count_keeps_its_spread_and_not_its_highest_value() -> None:
    """The mean of the five highest of a count that is mostly 0 would leave two thirds of its standard deviation."""
    rng = np.random.default_rng(0)
    numbers = np.repeat([0.0, 1.0, 2.0, 9.0], [50, 7, 2, 1])[:, None]
    spreads, means, highest = [], [], []
    for _ in range(300):
        restored = restore_margins(rng.normal(size=numbers.shape), column_margins(numbers, (1.0,)), rng)
        spreads.append(restored.std())
        means.append(restored.mean())
        highest.append(restored.max())
    assert np.median(spreads) == pytest.approx(numbers.std(), rel=0.2)
    assert np.mean(means) == pytest.approx(numbers.mean(), rel=0.05)
    assert max(highest) <= 9
    assert np.mean(np.array(highest) == 9) < 0.15
    few = restore_margins(rng.normal(size=(6, 1)), column_margins(numbers[-6:] * (numbers[-6:] > 1), (1.0,)), rng)
    assert few.max() > 1


def test_a_label_of_few_levels_goes_with_numbers_as_before() -> None:
    """A mid-rank for each level would leave .55 of it: the label is ordered by what goes with it."""
    rng = np.random.default_rng(0)
    number = rng.normal(size=(2000, 1))
    label = (number + rng.normal(size=number.shape) > 0.8).astype(float)
    nobody = np.full_like(number, np.nan)
    scores = normal_scores(np.hstack([number, label, nobody]), series=(), labels=(1, 2), rng=rng)
    assert scores[label[:, 0] == 1, 1].min() > scores[label[:, 0] == 0, 1].max()
    assert np.corrcoef(scores[:, :2].T)[0, 1] == pytest.approx(np.sqrt(0.5), abs=0.08)


def test_levels_at_the_edge_are_drawn_as_often_as_the_originals_have_them() -> None:
    """Those at the edge are neighbours of few: of 100 records in 1,000 only a twentieth of the donors."""
    rng = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], [890, 100, 10]).astype(np.int32)[:, None]
    chance = np.where(np.arange(1000) < 890, 1.0, 0.5)
    rows = rng.choice(1000, size=(20_000, 8), p=chance / chance.sum())
    donors = Donors(rows, rng.dirichlet(np.ones(8), size=20_000))
    plain, favoured = (np.bincount(draw_levels(codes, donors, rng, as_often=way)[:, 0]) for way in (False, True))
    assert plain[1] / 20_000 == pytest.approx(0.053, abs=0.006)
    assert favoured / 20_000 == pytest.approx([0.89, 0.1, 0.01], abs=0.006)
