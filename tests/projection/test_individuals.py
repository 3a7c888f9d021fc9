from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from projection.individuals import MOST_COURSES, lesion_curves, single_courses
from reference_db.schema import MRI_MONTHS, edss_column, relapse_column
from reference_db.small_cells import FINE_STEP, ROUNDING, SMALL_CELL, CellKeys
from selection.patient import parse_patient
from selection.selector import Selection, Selector
from tests.episodes import MemoryRelease, random_episodes

RELEASE = MemoryRelease(random_episodes(2400))
EPISODES = RELEASE.episodes
KEYS = CellKeys.of(RELEASE.version, len(EPISODES))
POI = parse_patient({"age": 34, "phenotype": "RRMS", "edss": 2.5, "relapses_12m": 1})


@pytest.fixture(scope="module")
def selection() -> Selection:
    return Selector(RELEASE).select(POI)


def test_courses_are_those_of_patients_of_reference(selection: Selection) -> None:
    drawn = single_courses(EPISODES, selection)
    assert [one.treatment for one in drawn] == [one.treatment.value for one in selection.classes]
    for one, chosen in zip(drawn, selection.classes, strict=True):
        assert SMALL_CELL <= len(one.edss) <= MOST_COURSES
        np.testing.assert_array_equal(one.edss[:, 0], POI.edss)
        change = EPISODES.edss[chosen.rows] - EPISODES.edss[chosen.rows, :1]
        possible = np.clip(POI.edss + change, 0, 10)
        for course in one.edss:
            seen = np.isfinite(course)
            assert (possible[:, seen] == course[seen]).all(axis=1).any()
        assert len(one.relapse_months) == len(one.relapse_patients)


def test_the_sample_reaches_from_the_nearest_to_the_furthest(selection: Selection) -> None:
    everybody = single_courses(EPISODES, selection, most=10_000)[0]
    sample = single_courses(EPISODES, selection)[0]
    np.testing.assert_array_equal(sample.edss[0], everybody.edss[0])
    np.testing.assert_array_equal(sample.edss[-1], everybody.edss[-1])


def test_a_relapse_stands_in_the_middle_of_its_interval(selection: Selection) -> None:
    table = EPISODES.table.copy()
    for month in (3, 6, 9, 12, 15, 18, 21, 24, 30, 36, 48, 60):
        table[relapse_column(month)] = table[relapse_column(month)].where(table[relapse_column(month)].isna(), 0)
    table.loc[:, relapse_column(24)] = table[relapse_column(24)].where(table[relapse_column(24)].isna(), 1)
    one = single_courses(type(EPISODES)(table, EPISODES.sources), selection)[0]
    assert set(one.relapse_months) == {22.5}


def test_what_too_few_share_is_not_drawn(selection: Selection) -> None:
    few = [replace(one, rows=one.rows[: SMALL_CELL - 1]) for one in selection.classes]
    assert single_courses(EPISODES, replace(selection, classes=tuple(few))) == []
    assert lesion_curves(EPISODES, replace(selection, classes=tuple(few)), KEYS) == {}
    refused = [replace(one, refusal="too few") for one in selection.classes]
    assert single_courses(EPISODES, replace(selection, classes=tuple(refused))) == []
    table = EPISODES.table.copy()
    first = selection.classes[0].rows
    table.loc[first[SMALL_CELL - 1 :], edss_column(12)] = np.nan
    sparse = single_courses(type(EPISODES)(table, EPISODES.sources), selection)[0]
    assert np.isnan(sparse.edss[:, sparse.months == 12]).all()


def test_lesions_are_means_with_intervals_over_those_scanned(selection: Selection) -> None:
    curves = lesion_curves(EPISODES, selection, KEYS)
    for chosen in selection.classes:
        for curve, counts in (
            (curves[chosen.treatment.value].enhancing, EPISODES.gd[chosen.rows]),
            (curves[chosen.treatment.value].new_t2, EPISODES.new_t2[chosen.rows]),
        ):
            assert tuple(curve.months) == MRI_MONTHS
            n = (~np.isnan(counts)).sum(axis=0)
            shown = np.isfinite(curve.value)
            np.testing.assert_array_equal(shown, n >= SMALL_CELL)
            np.testing.assert_allclose(curve.value[shown], np.nanmean(counts[:, shown], axis=0), atol=FINE_STEP / 2)
            assert (curve.lower[shown] <= curve.value[shown]).all()
            assert (curve.value[shown] <= curve.upper[shown]).all()
            assert (np.abs(curve.n[shown] - n[shown]) < ROUNDING + n[shown] / 4).all()


def test_the_interval_of_lesions_covers_the_truth() -> None:
    rng = np.random.default_rng(3)
    table = EPISODES.table
    mean, covered, repetitions = 0.8, 0, 400
    for _ in range(repetitions):
        rows = np.arange(120)
        counts = np.full((len(table), len(MRI_MONTHS)), np.nan)
        counts[rows, 0] = rng.negative_binomial(1.0, 1 / (1 + mean), size=len(rows))
        curve = _curve(counts[rows])
        covered += curve[0] <= mean <= curve[1]
    # 95 % nominal; a skew count at n = 120 loses a little. Binomial bounds of 400 repetitions around 0.94.
    assert 0.91 <= covered / repetitions <= 0.97


def _curve(counts: np.ndarray) -> tuple[float, float]:
    from projection.individuals import _mean_counts

    curve = _mean_counts(counts, np.uint64(1))
    return float(curve.lower[0]), float(curve.upper[0])
