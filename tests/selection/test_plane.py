from __future__ import annotations

import numpy as np
import pytest

from reference_db.small_cells import ROUNDING, SMALL_CELL, CellKeys
from selection.features import COLUMN_FEATURE, FEATURE_NAMES, columns_of_episodes
from selection.patient import parse_patient
from selection.plane import CELL, FeaturePlane
from tests.episodes import random_episodes

EPISODES = random_episodes(1500, phenotype=None)
PLANE = FeaturePlane.of(columns_of_episodes(EPISODES))
KEYS = CellKeys.of("test", len(EPISODES))
EVERYBODY = np.arange(len(EPISODES))


def test_the_plane_holds_what_varies_most() -> None:
    centred = PLANE.points - PLANE.points.mean(axis=0)
    variance = (centred**2).mean(axis=0)
    assert variance[0] >= variance[1]
    assert abs(np.corrcoef(PLANE.points.T)[0, 1]) < 1e-6
    natural = columns_of_episodes(EPISODES)
    # The principal axes by another road: singular values of the standardised table.
    standard = np.nan_to_num(natural - PLANE.centre) / PLANE.spread
    singular = np.linalg.svd(standard, compute_uv=False)
    np.testing.assert_allclose(variance * len(EPISODES), singular[:2] ** 2, rtol=1e-6)


def test_a_patient_stands_where_one_alike_in_the_database_stands() -> None:
    row = EPISODES.table.iloc[3]
    known = {name: row[name] for name in ("age", "sex", "phenotype", "years_since_onset") if row[name] is not None}
    patient = parse_patient({**known, "edss": row["edss_0"]})
    natural = np.full((1, len(COLUMN_FEATURE)), np.nan)
    kept = np.isin(COLUMN_FEATURE, [FEATURE_NAMES.index(name) for name in (*known, "edss")])
    natural[0, kept] = columns_of_episodes(EPISODES)[3, kept]
    expected = (np.nan_to_num(natural - PLANE.centre) / PLANE.spread) @ PLANE.loadings
    np.testing.assert_allclose(PLANE.place([patient]), expected)


def test_axes_are_named_by_what_loads_on_them() -> None:
    axis = PLANE.axes[0]
    heaviest = int(np.abs(PLANE.loadings[:, 0]).argmax())
    assert axis.high[0][0] == FEATURE_NAMES[COLUMN_FEATURE[heaviest]]
    names = [name for name, _ in (*axis.low, *axis.high)]
    assert len(names) == len(set(names)) <= 4


def test_squares_with_too_few_patients_are_left_out() -> None:
    x, y, count = PLANE.density(EVERYBODY, KEYS)
    assert count.shape == (len(y), len(x))
    shown = count[np.isfinite(count)]
    assert shown.min() >= SMALL_CELL
    assert set(shown % ROUNDING) == {0.0}
    for (row, column), said in np.ndenumerate(count):
        inside = (np.abs(PLANE.points - (x[column], y[row])) <= CELL / 2).all(axis=1).sum()
        moved = 5 * np.sqrt(max(inside, 1) * 2 / 3)
        assert abs(inside - said) < ROUNDING + 1 + moved if np.isfinite(said) else inside < SMALL_CELL + 1 + moved


@pytest.mark.parametrize("number", [0, SMALL_CELL - 1])
def test_too_few_patients_are_not_placed(number: int) -> None:
    assert len(PLANE.scatter(EVERYBODY[:number], KEYS)) == 0
    x, _, count = PLANE.density(EVERYBODY[:number], KEYS)
    assert not np.isfinite(count).any()
    assert len(x) == 0 or number


def test_patients_are_moved_a_little_and_always_the_same_way() -> None:
    rows = EVERYBODY[:50]
    placed = PLANE.scatter(rows, KEYS)
    moved = np.abs(placed - PLANE.points[rows])
    assert 0 < moved.max() <= CELL / 4
    np.testing.assert_array_equal(placed, PLANE.scatter(rows, KEYS))
