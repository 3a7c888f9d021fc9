"""The change of the EDSS as a model: missing visits, and patients of reference unlike the patient of interest."""

# ruff: noqa: ANN001, ANN201 - called by pytest, which knows no types

import numpy as np
import pytest

from projection.composite import Composition, Departure
from projection.endpoints import ENDPOINTS, GRID, Endpoints
from projection.heterogeneity import NONE
from projection.outcome_model import fit_outcome_model
from projection.standardised import Standardised
from projection.trajectories import composed_courses, levels

PATIENTS, K = 4000, 400


def courses(change, predictors=None, rows=None):
    """Fit the model to changes of one source and class and project a patient with all predictors at 0."""
    predictors = np.zeros((len(change), 1)) if predictors is None else predictors
    nothing = np.zeros(len(change))
    step, event = (np.full((len(change), len(ENDPOINTS)), 8, dtype=kind) for kind in (np.int8, np.bool_))
    one = np.zeros(len(change), dtype=np.intp)
    endpoints = Endpoints(step, event, change, nothing, nothing + 2.0)
    model = fit_outcome_model(endpoints, predictors, one, one, one, 1, avatars=0.0)
    rows = np.arange(K)[None] if rows is None else rows
    group = Standardised(np.ones(rows.shape), np.ones((*rows.shape, 1)), np.ones((1, 1)))
    own, predicted = np.array([3.0]), np.zeros((1, len(GRID)))
    # A class of which nothing is known: the patients of reference alone.
    nobody = np.zeros((1, len(GRID))), np.full((1, len(GRID)), np.inf)
    no_gap, no_source = np.zeros((1, predictors.shape[1])), np.zeros((1, 1))
    no_departure = Departure(np.zeros(len(ENDPOINTS)), np.zeros(len(GRID)), 0.0, np.zeros(1), np.zeros(1))
    by = Composition(
        no_departure,
        1.0,
        np.zeros((1, 2 + len(ENDPOINTS), 3)),
        model.shared,
        no_gap,
        no_gap,
        no_source,
        no_source,
        NONE,
    )
    near = levels(rows, group, model.change)
    found, weight = composed_courses(own, predicted, near, group, *nobody, by, model.change.variance)
    assert weight[0] == 1.0
    return found, model


def walks(rng, patients=PATIENTS):
    change = np.cumsum(rng.normal(0.05, 0.3, (patients, len(GRID))), axis=1)
    change[:, 0] = 0.0
    return change


def test_without_missing_visits_it_is_the_mean_and_its_standard_error():
    change = walks(np.random.default_rng(0))
    found, _ = courses(change)
    assert found.value[0] == pytest.approx(3.0 + change[:K].mean(axis=0))
    assert found.error[0, 1:] == pytest.approx(change[:K, 1:].std(axis=0, ddof=1) / np.sqrt(K), rel=0.01)
    assert (found.number == K).all()


def test_those_who_leave_when_they_worsen_are_not_forgotten():
    change = walks(np.random.default_rng(1))
    seen = change.copy()
    for step in range(1, len(GRID)):
        seen[change[:, step - 1] > 0.4, step] = np.nan
        seen[np.isnan(seen[:, step - 1]), step] = np.nan
    at = 8
    truth = 3.0 + change[:K, at].mean()
    found, _ = courses(seen)
    assert 3.0 + np.nanmean(seen[:K, at]) < truth - 0.4
    assert found.value[0, at] == pytest.approx(truth, abs=2.0 * found.error[0, at])
    assert found.number[0, at] == (~np.isnan(seen[:K, at])).sum()
    # What is not seen is not known: the interval is wider than that of complete data.
    assert found.error[0, at] > 1.2 * courses(change)[0].error[0, at]


def test_a_course_does_not_jump_where_other_patients_are_seen():
    rng = np.random.default_rng(2)
    level = rng.normal(0.0, 1.0, (PATIENTS, 1))
    change = np.tile(level, (1, len(GRID)))
    change[:, 0] = 0.0
    change[:, 1:] += rng.normal(0, 0.05, (PATIENTS, len(GRID) - 1))
    # The patients who did badly are seen at every other visit only.
    change[np.ix_((level[:, 0] > 0), np.arange(1, len(GRID), 2))] = np.nan
    change[:, 1] = np.where(np.isnan(change[:, 1]), level[:, 0], change[:, 1])
    plain = np.nanmean(change[:K], axis=0)
    found, _ = courses(change)
    assert np.abs(np.diff(plain[2:])).min() > 0.5
    assert np.abs(np.diff(found.value[0, 2:])).max() < 0.1


def test_months_that_too_few_were_seen_at_are_not_given():
    change = walks(np.random.default_rng(3))
    change[:, 9:] = np.nan
    change[:5, 9] = 1.0
    found, _ = courses(change)
    assert np.isnan(found.value[0, 9:]).all()
    assert np.isnan(found.quantiles[:, 0, 9:]).all()
    assert not np.isnan(found.value[0, :9]).any()


def test_what_a_feature_is_worth_is_learned_and_taken_out():
    rng = np.random.default_rng(4)
    predictors = rng.normal(size=(PATIENTS, 1))
    change = walks(rng) + 0.5 * predictors
    change[:, 0] = 0.0
    unlike = np.argsort(predictors[:, 0])[None, -K:]
    found, model = courses(change, predictors, unlike)
    assert model.change.coefficients[0, 0, 8] == pytest.approx(0.5, abs=0.05)
    like = 3.0 + 0.05 * 8
    assert (3.0 + change[unlike[0], 8].mean()) > like + 0.5
    assert found.value[0, 8] == pytest.approx(like, abs=0.15)
