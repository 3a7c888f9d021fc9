"""The small-cell rule, and attempts to get round it by filtering and differencing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_db.small_cells import (
    HIDDEN_START,
    OTHER,
    ROUNDING,
    SMALL_CELL,
    CellKeys,
    deviations,
    is_shown,
    merged,
    rounded_count,
    rounded_counts,
    rounded_shares,
    without_deviation,
)

counts = st.integers(0, 30_000)
keys = st.integers(0, 2**48 - 1).map(lambda key: key << 16)
"""Of patients whose deviations add up to nothing."""


@given(count=counts, key=keys)
def test_small_counts_are_withheld_and_others_rounded(count: int, key: int) -> None:
    shown = float(rounded_counts(count, np.uint64(key)))
    if count < SMALL_CELL + HIDDEN_START:
        assert np.isnan(shown)
    else:
        assert shown % ROUNDING == 0
        assert abs(shown - count) < ROUNDING
        assert shown >= SMALL_CELL


@given(count=st.floats(0, 300), key=st.integers(0, 2**64 - 1))
def test_a_single_count_is_given_out_as_one_of_many(count: float, key: int) -> None:
    assert rounded_count(count, key) == pytest.approx(rounded_counts(count, np.uint64(key)).item(), nan_ok=True)


@pytest.mark.parametrize("count", [13, 17, 57, 1002])
def test_rounding_is_right_in_the_mean(count: int) -> None:
    draws = rounded_counts(
        np.full(50_000, count),
        without_deviation(np.random.default_rng(1).integers(0, 2**64, 50_000, dtype=np.uint64)),
    )
    assert draws.mean() == pytest.approx(count, abs=0.06)


@given(share=st.floats(0, 1), count=counts)
def test_shares_are_whole_per_cent_or_withheld(share: float, count: int) -> None:
    shown = float(rounded_shares(share, count))
    if is_shown(count):
        assert abs(shown - share) <= 0.005 + 1e-12
        assert shown * 100 == pytest.approx(round(shown * 100), abs=1e-9)
    else:
        assert np.isnan(shown)


@given(st.dictionaries(st.sampled_from("ABCDEFGH"), st.integers(0, 40)))
def test_no_group_of_a_breakdown_is_small_and_none_can_be_had_from_the_total(groups: dict[str, int]) -> None:
    shown = merged(groups)
    assert all(count >= SMALL_CELL for count in shown.values())
    hidden = [count for name, count in groups.items() if name not in shown and count]
    if sum(groups.values()) >= SMALL_CELL:
        assert sum(shown.values()) == sum(groups.values())
        # The total less what is shown tells the sum of the hidden groups: never a small one.
        assert not hidden or shown[OTHER] >= SMALL_CELL
        assert len(hidden) != 1
    else:
        assert shown == {}


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_the_same_patients_always_give_the_same_figure(data: st.DataObject) -> None:
    cells = CellKeys.of("r1-abc", 500)
    rows = np.array(data.draw(st.lists(st.integers(0, 499), unique=True)), dtype=np.intp)
    mask = np.zeros(500, dtype=np.bool_)
    mask[rows] = True
    figures = [cells.count(rows), cells.count(rows[::-1]), cells.count(mask), CellKeys.of("r1-abc", 500).count(rows)]
    np.testing.assert_array_equal(figures, figures[0])


def test_deviations_of_groups_are_the_sums_of_those_of_their_patients() -> None:
    cells = CellKeys.of("r1-abc", 5000)
    single = deviations(cells.of_rows)
    assert set(single) == {-1.0, 0.0, 1.0}
    assert abs(single.mean()) < 0.05
    for rows in (np.arange(5000), np.arange(7), np.arange(100, 4000, 3)):
        assert float(deviations(cells.key(rows))) == single[rows].sum()
        assert float(deviations(cells.derived(cells.key(rows), "a part"))) == single[rows].sum()


def test_a_small_cell_cannot_be_recovered_by_averaging_differences() -> None:
    """Many different groups with and without the same few patients: the mean difference tells how many these are with
    their deviations. Whoever takes that for their number is right as often as by chance among the next numbers."""
    rng = np.random.default_rng(1)
    right, tried = 0, 0
    for release in range(60):
        hidden = int(rng.integers(1, SMALL_CELL))
        cells = CellKeys.of(f"r1-{release}", 400)
        target, others = np.arange(hidden), np.arange(hidden, 400)
        differences = []
        for _ in range(150):
            group = rng.permutation(others)[: rng.integers(60, 300)]
            differences.append(cells.count(np.concatenate([target, group])) - cells.count(group))
        mean = float(np.mean(differences))
        assert abs(mean - hidden - deviations(cells.key(target))) < 1.2
        right += round(mean) == hidden
        tried += 1
    assert right / tried < 0.45


def test_where_a_widened_filter_is_first_answered_does_not_tell_the_count() -> None:
    """Whoever widens a filter patient by patient and takes the first answer for the threshold is mostly wrong."""
    first = []
    for release in range(200):
        cells = CellKeys.of(f"r1-{release}", 40)
        first.append(next(size for size in range(40) if cells.count(np.arange(size)) >= SMALL_CELL))
    assert min(first) >= SMALL_CELL
    assert np.bincount(first).max() < 60


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_moving_a_filter_does_not_show_where_one_patient_is(seed: int) -> None:
    """With plain rounding an answer jumps exactly when the count passes a half: that place would tell the count."""
    cells = CellKeys.of(f"r1-{seed}", 60)
    shown = np.array([cells.count(np.arange(size)) for size in range(SMALL_CELL, 60)])
    exact = np.arange(SMALL_CELL, 60)
    jumps = exact[1:][np.diff(shown) > 0]
    assert len(set(jumps % ROUNDING)) > 1 or len(jumps) < 3


def test_keys_of_several_groups_are_those_of_each() -> None:
    keys, rng = CellKeys.of("r1", 500), np.random.default_rng(3)
    groups = [np.sort(rng.choice(500, size, replace=False)) for size in (0, 200, 1, 0, 57, 0)]
    assert keys.keys(groups).tolist() == [int(keys.key(rows)) for rows in groups]
