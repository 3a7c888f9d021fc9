"""Variance between sources: found when there is some, near nothing when there is none."""

# ruff: noqa: ANN001, ANN201 - called by pytest, which knows no types

import numpy as np
import pytest

from projection.endpoints import ENDPOINTS, Endpoints
from projection.estimates import Outcomes
from projection.heterogeneity import heterogeneity_of
from projection.local_regression import LocalRegression
from reference_db.vocabulary import Treatment

ROWS, SOURCES = 6000, 20


def made_up(deviation, seed=0):
    """Endpoints of one class from 20 sources, whose change of EDSS and relapse rate deviate by given spreads."""
    rng = np.random.default_rng(seed)
    source = rng.integers(0, SOURCES, ROWS)
    drawn = rng.normal(0, 1, SOURCES)
    shift = ((drawn - drawn.mean()) / drawn.std())[source]
    features = rng.normal(size=(ROWS, 3))
    change = np.repeat(
        (features[:, :1] * 0.2 + deviation * shift[:, None] + rng.normal(0, 0.5, (ROWS, 1))), 13, axis=1
    )
    years = np.full(ROWS, 2.0)
    relapses = rng.poisson(0.5 * 2 * np.exp(deviation * shift)).astype(float)
    step = np.full((ROWS, len(ENDPOINTS)), 8, dtype=np.int8)
    event = rng.random((ROWS, len(ENDPOINTS))) < 0.3
    return Endpoints(step, event, change, relapses, years), features, source, {Treatment.NATALIZUMAB: np.arange(ROWS)}


def test_nothing_is_found_where_sources_agree():
    found = heterogeneity_of(*made_up(0.0))
    assert found.edss[8] < 0.02**2
    assert found.rate < 0.08**2
    assert found.events[:, 8].max() < 0.1**2


def test_what_is_between_sources_is_found():
    found = heterogeneity_of(*made_up(0.3))
    assert np.sqrt(found.edss[8]) == pytest.approx(0.3, rel=0.2)
    assert np.sqrt(found.rate) == pytest.approx(0.3, rel=0.25)


def test_an_estimate_from_one_source_takes_the_whole_variance():
    sources = np.zeros((2, 40, 4))
    sources[0, :, 0] = 1
    sources[1, np.arange(40), np.arange(40) % 4] = 1
    regression = LocalRegression.around(np.zeros((2, 40, 1)), sources, np.ones((2, 40)), np.inf)
    concentration = regression.concentration(regression.smoother(np.ones((2, 1, 40))))
    assert np.allclose(concentration[:, 0], [1, 1 / 4])


def test_corrected_intervals_widen_and_plain_ones_count_patients_only(small_release):
    from projection import Projector
    from selection import parse_patient

    projector = Projector(small_release)
    poi = parse_patient({"age": 40, "phenotype": "RRMS", "edss": 3.0})
    before = {e: projector.project(poi, estimator=e).classes[0].edss.expected for e in ("corrected", "plain")}
    outcomes: Outcomes = projector.outcomes
    between = outcomes.heterogeneity
    outcomes.heterogeneity = type(between)(between.edss + 0.2, between.events, between.event_free, between.rate)
    after = {e: projector.project(poi, estimator=e).classes[0].edss.expected for e in ("corrected", "plain")}
    assert after["corrected"].upper[8] > before["corrected"].upper[8] + 0.2
    assert after["plain"].upper[8] == before["plain"].upper[8]
