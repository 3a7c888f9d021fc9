"""Models kept as arrays against the libraries that trained them, and their answers in the form of a projection."""

# ruff: noqa: ANN001, ANN201 - called by pytest, which knows no types

import io

import numpy as np
import pandas as pd
import pytest

from projection.endpoints import ENDPOINTS, endpoints_of
from projection.engines import ENGINES, ENGINES_FILE, ModelProjector, train_engines
from projection.engines import boosting as boosting_room
from projection.engines.design import CLASSES, MONTHS, covariates, under_every_class, with_class
from projection.engines.hazards import _FOREST, Cox, SurvivalForest, _observed, breslow
from projection.engines.model import EVENTS, Training
from reference_db.errors import InvalidInput
from reference_db.vocabulary import Treatment
from selection import parse_patient
from selection.features import Scaling, columns_of_episodes
from tests.episodes import MemoryRelease, random_episodes
from validation.projections import patients_of_interest

POI = parse_patient({"age": 34, "sex": "female", "phenotype": "RRMS", "edss": 2.5, "relapses_12m": 1})


@pytest.fixture(scope="module")
def episodes():
    return random_episodes(800, seed=4)


@pytest.fixture(scope="module")
def training(episodes):
    natural = columns_of_episodes(episodes)
    order = {t.value: number for number, t in enumerate(CLASSES)}
    treatment = episodes.table["treatment"].map(order).to_numpy(dtype=np.intp)
    features = covariates(Scaling.of(natural).apply(natural))
    return Training(features, treatment, endpoints_of(episodes), np.random.default_rng(0))


@pytest.fixture(scope="module")
def release(episodes):
    return MemoryRelease(episodes, attachments={ENGINES_FILE: train_engines(episodes, seed=1)})


def test_boosted_trees_answer_as_scikit_learn(training):
    from sklearn.ensemble import HistGradientBoostingRegressor

    features, outcome, patients = boosting_room._rows(training)
    features = with_class(features, training.treatment[patients])
    model = HistGradientBoostingRegressor(**boosting_room._PARAMETERS, random_state=3).fit(features, outcome)
    found = boosting_room._boosted(features, outcome, 3).total(features)[:, 0]
    assert np.allclose(found, model.predict(features), atol=1e-10)


def test_a_forest_answers_as_scikit_survival(training):
    from sksurv.ensemble import RandomSurvivalForest
    from sksurv.util import Surv

    training = Training(training.features, training.treatment, training.endpoints, np.random.default_rng(5))
    again = np.random.default_rng(5)
    forest = SurvivalForest.train(training)
    same = Training(training.features, training.treatment, training.endpoints, again)
    features, months, event = _observed(same, EVENTS[0], 4000)
    seed = int(again.integers(2**31))
    model = RandomSurvivalForest(**_FOREST, random_state=seed).fit(features, Surv.from_arrays(event, months))
    chosen = training.features[:20]
    expected = np.stack([f(MONTHS[1:]) for f in model.predict_cumulative_hazard_function(under_every_class(chosen))])
    found = forest.forecast(chosen).events[EVENTS[0]].reshape(-1, len(MONTHS))
    assert np.allclose(found[:, 1:], 1 - np.exp(-expected), atol=1e-8)


def test_cox_answers_as_lifelines(training):
    from lifelines import CoxPHFitter

    found = Cox.train(training)
    features, months, event = _observed(training, "relapse", None)
    varying = np.flatnonzero(features.std(axis=0) > 1e-9)
    table = pd.DataFrame(features[:, varying]).rename(columns=str).assign(months=months, event=event)
    fitted = CoxPHFitter(penalizer=0.01).fit(table, "months", "event")
    e = EVENTS.index("relapse")
    assert np.allclose(found.coefficients[e][varying], fitted.params_.to_numpy(), atol=1e-8)
    # lifelines' baseline hazard is Breslow's too.
    hazard = fitted.baseline_cumulative_hazard_.iloc[:, 0]
    expected = [hazard[hazard.index <= month].max() for month in MONTHS[1:]]
    assert np.allclose(found.hazard[e][1:], expected, rtol=1e-6)


def test_breslow_without_covariates_is_nelson_and_aalen():
    months, event = np.array([3.0, 3.0, 6.0, 9.0]), np.array([True, False, True, False])
    assert np.allclose(breslow(np.ones(4), months, event)[:4], [0, 1 / 4, 1 / 4 + 1 / 2, 3 / 4])


def test_population_change_is_the_mean_of_the_class(release, episodes):
    answer = ModelProjector(release, "population change").project(POI, classes=["natalizumab"])
    rows = episodes.rows_by_treatment[Treatment.NATALIZUMAB]
    change = (episodes.edss - episodes.edss[:, :1])[rows, 8]
    assert answer.classes[0].edss.expected.value[8] == pytest.approx(POI.edss + np.nanmean(change))


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_answers_in_the_form_of_a_projection(release, engine):
    projector = ModelProjector(release, engine)
    first, second = projector.project_many([POI, parse_patient({"age": 60, "phenotype": "RRMS", "edss": 6.0})])
    assert [part.treatment for part in first.classes] == [t.value for t in Treatment]
    for part in (*first.classes, *second.classes):
        assert part.refusal is None
        assert part.edss is not None or part.probabilities
        assert set(part.probabilities) <= set(ENDPOINTS)
        if part.edss is not None:
            assert np.isfinite(part.edss.expected.value).all()
        for curve in part.probabilities.values():
            assert curve.value[0] == pytest.approx(0, abs=1e-12)
            assert (np.diff(curve.value) >= -1e-12).all()
            assert (curve.value < 1).all()
    assert first.classes[0].edss is None or first.classes[0].edss.expected.value[0] == POI.edss


def test_engines_learn_what_matters(release):
    young, old = (parse_patient({"age": age, "phenotype": "RRMS", "edss": 3.0}) for age in (20, 64))
    for engine in ("ridge", "boosting, one model"):
        projector = ModelProjector(release, engine)
        low, high = (projector.project(p, classes=["anti-CD20"]).classes[0] for p in (young, old))
        assert high.edss.expected.value[8] > low.edss.expected.value[8] + 0.3
    calm, active = (parse_patient({"age": 40, "phenotype": "RRMS", "edss": 3.0, "relapses_12m": n}) for n in (0, 4))
    for engine in ("Cox", "survival forest", "survival boosting"):
        projector = ModelProjector(release, engine)
        low, high = (projector.project(p, classes=["anti-CD20"]).classes[0] for p in (calm, active))
        assert high.probabilities["relapse"].value[8] > low.probabilities["relapse"].value[8]


def test_what_is_kept_is_numbers_only_and_the_same_for_the_same_seed(release, episodes):
    kept = release.attachment(ENGINES_FILE)
    with np.load(io.BytesIO(kept), allow_pickle=False) as arrays:
        assert all(arrays[name].dtype.kind in "fiu" for name in arrays.files)
    assert train_engines(episodes, seed=1) == kept


def test_a_phenotype_that_was_not_learned_is_refused(release):
    answer = ModelProjector(release, "ridge").project(parse_patient({"age": 50, "phenotype": "PPMS", "edss": 5.0}))
    assert all(part.refusal and part.edss is None for part in answer.classes)


def test_unknown_engines_and_releases_without_models_are_named(release, episodes):
    with pytest.raises(InvalidInput, match="not known"):
        ModelProjector(release, "oracle")
    with pytest.raises(InvalidInput, match="without models"):
        ModelProjector(MemoryRelease(episodes), "ridge")


def test_the_band_of_a_model_holds_the_courses_that_it_has_not_seen(release, episodes):
    other = random_episodes(800, seed=11)
    found = 0
    for engine in ("last EDSS", "ridge", "boosting, one model"):
        projector = ModelProjector(release, engine)
        patients = patients_of_interest(other.table.iloc[:300])
        held = []
        for row, answer in enumerate(projector.project_many(patients)):
            (part,) = [c for c in answer.classes if c.treatment == other.table["treatment"].iloc[row]]
            outcome = other.edss[row, 8]
            if part.edss is not None and not np.isnan(outcome) and not np.isnan(part.edss.p10[8]):
                assert np.isnan(part.edss.expected.lower).all()
                held.append(part.edss.p10[8] - 0.25 <= outcome <= part.edss.p90[8] + 0.25)
        found += len(held)
        assert 0.72 < np.mean(held) < 0.96
        assert "states no interval" in answer.caveats[-1]
    assert found > 300


def test_what_leaves_of_a_model_is_rounded(release):
    exact, shown = (ModelProjector(release, "population change", disclosed=d).project(POI) for d in (False, True))
    assert any(part.n % 5 for part in exact.classes)
    for part in shown.classes:
        assert part.n % 5 == 0
        assert set(part.edss.expected.n % 5) == {0}
        percent = part.probabilities["relapse"].value * 100
        np.testing.assert_allclose(percent, np.round(percent), atol=1e-9)
