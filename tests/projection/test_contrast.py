"""Contrasts against lifelines and scikit-survival, and what they must satisfy."""

# ruff: noqa: ANN001, ANN201 - called by pytest, which knows no types

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.utils import restricted_mean_survival_time

from projection import Projector
from projection.contrast import CONTRAST_ESTIMATORS, _overlap, _variance
from projection.cox import log_hazard_ratio
from projection.endpoints import ENDPOINTS, GRID
from projection.survival import code, tally
from reference_db.errors import InvalidInput
from reference_db.vocabulary import Treatment
from selection import parse_patient

POI = parse_patient({"age": 34, "sex": "female", "phenotype": "RRMS", "edss": 2.5, "relapses_12m": 1})


@pytest.fixture(scope="module")
def projector(small_release):
    return Projector(small_release)


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_hazard_ratio_equals_lifelines(seed):
    rng = np.random.default_rng(seed)
    group = (rng.random(120) < 0.5).astype(float)
    step = rng.integers(1, 9, 120).astype(np.int8)
    event = rng.random(120) < 0.3 + 0.3 * group
    zeros = np.zeros(120, dtype=np.intp)
    counts = [tally(code(step, event)[group == g], zeros[group == g], (1,), len(GRID), None)[0] for g in (1, 0)]
    found = log_hazard_ratio(*counts)
    table = pd.DataFrame({"t": GRID[step], "e": event, "g": group})
    fitted = CoxPHFitter().fit(table, "t", "e", fit_options={"precision": 1e-22, "r_precision": 0.0})
    assert found[0] == pytest.approx(fitted.params_["g"], abs=1e-8)
    assert found[1] == pytest.approx(fitted.standard_errors_["g"], abs=1e-8)


def test_a_group_without_events_has_no_hazard_ratio():
    some, none = np.zeros((len(GRID), 2)), np.zeros((len(GRID), 2))
    some[3, 1], some[8, 0], none[8, 0] = 5, 20, 25
    assert np.isnan(log_hazard_ratio(some, none)).all()


def test_plain_contrasts_are_differences_of_plain_projections(projector):
    answer = projector.contrast(POI, reference="glatiramer acetate", estimator="plain")
    projected = {p.treatment: p for p in projector.project(POI, estimator="plain").classes}
    other = projected["glatiramer acetate"]
    chosen = {part.treatment: part for part in projector.selector.select(POI).classes}
    assert [c.treatment for c in answer.contrasts] == [t.value for t in Treatment if t != "glatiramer acetate"]
    for contrast in answer.contrasts:
        own = projected[contrast.treatment]
        assert contrast.edss.value == pytest.approx(own.edss.expected.value[8] - other.edss.expected.value[8])
        for name, risk in contrast.risks.items():
            difference = own.probabilities[name].value[8] - other.probabilities[name].value[8]
            assert risk.value == pytest.approx(difference)
        months, event = projector.endpoints.months("relapse")
        area = [
            restricted_mean_survival_time(KaplanMeierFitter().fit(months[rows], event[rows]), t=24)
            for rows in (chosen[Treatment(contrast.treatment)].rows, chosen[Treatment.GLATIRAMER_ACETATE].rows)
        ]
        assert contrast.event_free_months["relapse"].value == pytest.approx(area[0] - area[1], abs=1e-8)


def test_what_a_synthetic_database_adds_to_every_class_cancels_between_them(small_release, projector):
    of_patients = Projector(small_release, avatars=0.0)
    alone = [p.project(POI, classes=[Treatment.NATALIZUMAB]).classes[0] for p in (of_patients, projector)]
    together = [p.contrast(POI, classes=[Treatment.NATALIZUMAB]).contrasts[0] for p in (of_patients, projector)]
    course = [(part.edss.expected.upper - part.edss.expected.lower)[8] for part in alone]
    assert course[1] > 1.2 * course[0]

    pairs = [[c.edss, *c.risks.values(), *c.event_free_months.values()] for c in together]
    for patients, synthetic in zip(*pairs, strict=True):
        # Groups of different scatter do not have all of it in common, and the whole class weighs a little more.
        width = patients.upper - patients.lower
        assert 0.9 * width <= synthetic.upper - synthetic.lower <= 1.25 * width
        assert synthetic.value == pytest.approx(patients.value, abs=0.15 * width)


def test_what_two_estimates_have_in_common_may_be_most_of_their_error():
    both = np.array([2.0, 2.0])
    assert _variance(both, np.zeros(2), 1.5) == pytest.approx(1.0)
    assert _variance(both, np.ones(2), 0.0) == pytest.approx(2.0)
    assert _variance(both, np.zeros(2), 5.0) == 0.0


@pytest.mark.parametrize("estimator", CONTRAST_ESTIMATORS)
def test_contrasts_find_the_stronger_treatment(projector, estimator):
    answer = projector.contrast(POI, reference="beta interferon", estimator=estimator)
    last = next(c for c in answer.contrasts if c.treatment == Treatment.S1P_MODULATOR)
    assert last.edss.value < 0
    assert last.risks["relapse"].value < 0
    assert last.event_free_months["relapse"].value > 0
    assert last.hazard_ratios["relapse"].value < 1
    for estimate in (last.edss, *last.risks.values(), *last.hazard_ratios.values()):
        assert estimate.lower <= estimate.value <= estimate.upper
    assert set(last.risks) <= set(ENDPOINTS)


def test_overlap_weights_balance_the_features(projector):
    rng = np.random.default_rng(0)
    rows = rng.permutation(3000)
    age = projector.selector.columns[rows, 0]
    pair = rows[age + rng.normal(size=3000) > 0.3][:400], rows[age + rng.normal(size=3000) < -0.3][:400]
    (first, w1), (second, w2) = _overlap(projector.outcomes, pair)
    features = projector.outcomes.known_features
    before = features(first).mean(axis=0) - features(second).mean(axis=0)
    after = np.average(features(first), axis=0, weights=w1) - np.average(features(second), axis=0, weights=w2)
    assert np.abs(before).max() > 0.5
    assert np.abs(after).max() < 0.05


def test_without_a_reference_class_nothing_is_compared(projector):
    answer = projector.contrast(parse_patient({"age": 80, "phenotype": "CIS", "edss": 2.0}))
    assert answer.n == 0
    assert all(c.refusal and c.edss is None and not c.risks for c in answer.contrasts)


@pytest.mark.parametrize(("options", "field"), [({"estimator": "x"}, "estimator"), ({"reference": "x"}, "classes")])
def test_what_cannot_be_asked_is_named(projector, options, field):
    with pytest.raises(InvalidInput) as caught:
        projector.contrast(POI, **options)
    assert caught.value.problems[0].field == field
