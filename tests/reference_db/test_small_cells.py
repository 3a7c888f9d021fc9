"""The small-cell rule, and attempts to get round it by filtering and differencing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from reference_db.small_cells import (
    OTHER,
    ROUNDING,
    SMALL_CELL,
    CellKeys,
    is_shown,
    merged,
    rounded_counts,
    rounded_shares,
)

counts = st.integers(0, 30_000)
keys = st.integers(0, 2**64 - 1)


@given(count=counts, key=keys)
def test_small_counts_are_withheld_and_others_rounded(count: int, key: int) -> None:
    shown = float(rounded_counts(count, np.uint64(key)))
    if count < SMALL_CELL:
        assert np.isnan(shown)
    else:
        assert shown % ROUNDING == 0
        assert abs(shown - count) < ROUNDING
        assert shown >= SMALL_CELL


@pytest.mark.parametrize("count", [11, 13, 57, 1002])
def test_rounding_is_right_in_the_mean(count: int) -> None:
    draws = rounded_counts(
        np.full(50_000, count), np.random.default_rng(1).integers(0, 2**64, 50_000, dtype=np.uint64)
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


def _feasible_sizes(groups: list[np.ndarray], shown: list[float], target: np.ndarray) -> tuple[int, int]:
    """Return the least and greatest size of a group that agree with every figure given out, by integer programming.

    The attacker knows the rule, every filter and which patients could meet it, but not who exists: unknowns are the
    numbers of patients in every cell of the finest table.
    """
    rows, lower, upper = [], [], []
    for group, figure in zip(groups, shown, strict=True):
        rows.append(group.astype(float))
        lower.append(0.0 if np.isnan(figure) else max(figure - ROUNDING + 1, SMALL_CELL))
        upper.append(SMALL_CELL - 1.0 if np.isnan(figure) else figure + ROUNDING - 1)
    constraint = LinearConstraint(np.array(rows), np.array(lower), np.array(upper))
    extremes = []
    for sign in (1.0, -1.0):
        solved = milp(
            sign * target.astype(float),
            constraints=constraint,
            integrality=np.ones(len(target)),
            bounds=Bounds(0, 1000),
            options={"time_limit": 5.0},
        )
        assert solved.success, solved.message
        extremes.append(round(sign * solved.fun))
    return extremes[0], extremes[1]


@given(seed=st.integers(0, 2**32 - 1), hidden=st.integers(1, SMALL_CELL - 1), questions=st.integers(5, 40))
@settings(max_examples=40, deadline=None)
def test_a_small_cell_cannot_be_recovered_by_filtering_and_differencing(
    seed: int, hidden: int, questions: int
) -> None:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, 60, size=12)
    sizes[0] = hidden
    cell_of_patient = np.repeat(np.arange(12), sizes)
    cells = CellKeys.of(f"r1-{seed}", len(cell_of_patient))
    target = np.arange(12) == 0
    groups = [target, np.ones(12, dtype=np.bool_), ~target]
    for _ in range(questions):
        group = rng.random(12) < rng.random()
        groups += [group | target, group & ~target]
    shown = [cells.count(group[cell_of_patient]) for group in groups]
    least, greatest = _feasible_sizes(groups, shown, target)
    assert least <= hidden <= greatest
    assert greatest > least


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_moving_a_filter_does_not_show_where_one_patient_is(seed: int) -> None:
    """With plain rounding an answer jumps exactly when the count passes a half: that place would tell the count."""
    cells = CellKeys.of(f"r1-{seed}", 60)
    shown = np.array([cells.count(np.arange(size)) for size in range(SMALL_CELL, 60)])
    exact = np.arange(SMALL_CELL, 60)
    jumps = exact[1:][np.diff(shown) > 0]
    assert len(set(jumps % ROUNDING)) > 1 or len(jumps) < 3
