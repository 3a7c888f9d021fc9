"""Every visit as a baseline: rows that satisfy the schema, and patients who count once."""

# ruff: noqa: ANN001, ANN201 - called by pytest, which knows no types

import numpy as np
import pytest

from projection import Projector
from projection.endpoints import endpoints_of
from reference_db.schema import check_episodes
from reference_db.vocabulary import Treatment
from selection import Criteria, Selector, parse_patient
from selection.baselines import every_visit
from selection.distance import column_weights, question, stored
from selection.features import columns_of_patients

POI = parse_patient({"age": 40, "sex": "female", "phenotype": "RRMS", "edss": 3.0, "relapses_12m": 0})


@pytest.fixture(scope="module")
def selector(small_release):
    return Selector(small_release, every_visit=True)


@pytest.fixture(scope="module")
def baselines(small_release):
    return every_visit(small_release.episodes)


def test_later_baselines_satisfy_the_schema_and_have_two_years_behind_them(baselines, small_release):
    table = check_episodes(baselines.episodes.table)
    later = baselines.month > 0
    assert len(table) > len(small_release.episodes)
    assert (table["follow_up_months"][later] >= 24).all()
    assert (np.diff(baselines.patient) >= 0).all()
    assert set(baselines.patient[~later]) == set(range(len(small_release.episodes)))


def test_a_later_baseline_is_the_same_course_seen_from_there(baselines, small_release):
    at = int(np.flatnonzero(baselines.month == 12)[0])
    row, own = baselines.episodes.table.iloc[at], small_release.episodes.table.iloc[baselines.patient[at]]
    assert row["age"] == own["age"] + 1
    assert row["edss_0"] == own["edss_12"]
    assert row["edss_m12"] == own["edss_0"] or np.isnan(own["edss_0"])
    assert row["edss_12"] == own["edss_24"] or np.isnan(own["edss_24"])
    assert row["relapses_12m"] == own[[f"relapses_{m}" for m in (3, 6, 9, 12)]].sum()
    assert row["relapses_3"] == own["relapses_15"]
    # The original grid has one interval from month 24 to 30: seen from month 12, from 12 to 15 and from 15 to 18.
    assert (row["relapses_15"], row["relapses_18"]) == (0, own["relapses_30"])
    assert row["new_t2_12"] is own["new_t2_24"] or row["new_t2_12"] == own["new_t2_24"]


def test_relapses_are_neither_lost_nor_counted_twice(baselines, small_release):
    found = endpoints_of(baselines.episodes)
    own = small_release.episodes.relapses
    for at in np.flatnonzero(baselines.month == 12)[:50]:
        months_13_to_36 = own[baselines.patient[at], 4:10]
        assert found.relapses[at] == np.nansum(months_13_to_36)


def test_each_patient_counts_once_by_the_nearest_baseline(selector):
    found = selector.select(POI, k=100)
    columns = selector.scaling.apply(columns_of_patients([POI]))
    asked, constant = question(columns, column_weights(found.weights, columns))
    for part in found.classes:
        rows = selector.episodes.rows_by_treatment[part.treatment]
        squared = constant[0] - stored(selector.columns[rows]) @ asked[0]
        nearest = {}
        for row, distance in zip(rows, squared, strict=True):
            patient = selector.patient[row]
            nearest[patient] = min(nearest.get(patient, np.inf), distance)
        expected = np.sort(list(nearest.values()))[:100]
        assert len(set(selector.patient[part.rows])) == len(part.rows) == 100
        assert np.allclose(part.distance**2, expected, atol=1e-12)
        for row, distance in zip(part.rows, part.distance, strict=True):
            assert distance**2 == pytest.approx(nearest[selector.patient[row]], abs=1e-12)


def test_leaving_out_removes_every_baseline_of_the_patient(selector):
    several = np.flatnonzero(np.bincount(selector.patient)[selector.patient] > 1)[:5]
    found = selector.matches_of_rows(
        several,
        k=60,
        weights=selector.default_weights,
        classes=tuple(Treatment),
        criteria=Criteria(largest_distance=9),
    )
    for row, neighbours in zip(several, found.rows, strict=True):
        assert selector.patient[row] not in selector.patient[neighbours[neighbours >= 0]]


def test_projections_from_every_visit_are_complete(small_release):
    projector = Projector(small_release, every_visit=True)
    answer = projector.project(POI)
    assert all(part.refusal is None for part in answer.classes)
    (of_row,) = projector.project_rows([3], classes=["natalizumab"])
    assert of_row.classes[0].edss is not None
