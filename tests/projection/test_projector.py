"""Projections: their parts against numpy and lifelines, and clear answers to odd questions."""

# ruff: noqa: ANN001, ANN201 - called by pytest, which knows no types

import json

import numpy as np
import orjson
import pytest
from lifelines import KaplanMeierFitter

from projection import Projector
from projection.endpoints import ENDPOINTS, GRID
from reference_db.errors import InvalidInput
from reference_db.vocabulary import Treatment
from selection import Criteria, parse_patient
from selection.explanation import sources_of
from selection.features import FEATURE_NAMES

POI = parse_patient(
    {
        "age": 34,
        "sex": "female",
        "phenotype": "RRMS",
        "years_since_onset": 5,
        "edss": 2.5,
        "relapses_12m": 1,
        "gd_lesions": 0,
        "t2_lesions": "10-20",
        "prior_treatment": "none",
        "history": [{"months": -12, "edss": 2.0}],
    }
)
LEAST = parse_patient({"age": 45, "phenotype": "RRMS", "edss": 3.5})


@pytest.fixture(scope="module")
def projector(small_release):
    return Projector(small_release)


@pytest.mark.parametrize("estimator", ["corrected", "local", "plain"])
def test_no_probability_contradicts_another_or_is_too_certain(projector, estimator):
    """NEDA-3 is lost at least as often as each of its parts happens, though its patients are fewer and others."""
    for answer in projector.project_many([POI, LEAST], estimator=estimator):
        for part in answer.classes:
            lost = part.probabilities["loss_of_neda3"]
            for name in ("worsening_24w", "relapse", "new_lesions"):
                curve = part.probabilities[name]
                assert not (lost.value < curve.value).any()
                assert not (lost.lower < curve.lower).any()
                assert not (lost.upper < curve.upper).any()
            for curve in part.probabilities.values():
                # Nobody is that certain that nothing happens: the limit of no event in all patients of reference.
                assert not (curve.upper[1:] < 1.0 - 0.025 ** (1.0 / part.n)).any() or estimator == "plain"
            seen = ~np.isnan(lost.value)
            assert (np.diff(lost.value[seen]) >= 0).all()
            assert ((lost.lower <= lost.value) & (lost.value <= lost.upper))[seen].all()


def curves_of(part):
    return [part.edss.expected, *part.probabilities.values()]


@pytest.mark.parametrize("poi", [POI, LEAST], ids=["full", "least"])
def test_every_class_is_projected_in_order(projector, poi):
    answer = projector.project(poi)
    assert [part.treatment for part in answer.classes] == [t.value for t in Treatment]
    for part in answer.classes:
        assert part.refusal is None
        assert 150 < part.n <= 200
        assert sum(part.sources.values()) == part.n
        assert part.edss.expected.value[0] == poi.edss
        assert set(part.probabilities) == set(ENDPOINTS)
        for curve in curves_of(part):
            seen = ~np.isnan(curve.value)
            assert (curve.lower[seen] <= curve.value[seen] + 1e-12).all()
            assert (curve.value[seen] <= curve.upper[seen] + 1e-12).all()
            assert np.array_equal(seen, ~np.isnan(curve.n))
            assert (curve.n[seen] >= 10).all()
        for curve in part.probabilities.values():
            seen = ~np.isnan(curve.value)
            assert curve.value[0] == 0
            assert (np.diff(curve.value[seen]) >= 0).all()
            assert ((curve.value[seen] >= 0) & (curve.value[seen] <= 1)).all()
        ordered = np.stack([part.edss.p10, part.edss.p25, part.edss.median, part.edss.p75, part.edss.p90])
        assert (np.diff(ordered[:, ~np.isnan(ordered[0])], axis=0) >= 0).all()


def test_plain_estimates_equal_numpy_and_lifelines(projector):
    answer = projector.project(POI, estimator="plain")
    chosen = projector.selector.select(POI)
    for part, selected in zip(answer.classes, chosen.classes, strict=True):
        change = projector.endpoints.change[selected.rows]
        number = (~np.isnan(change)).sum(axis=0)
        for month in np.flatnonzero(number >= 10):
            seen = change[~np.isnan(change[:, month]), month]
            assert part.edss.expected.value[month] == pytest.approx(POI.edss + seen.mean(), abs=1e-12)
            single = np.clip(POI.edss + seen, 0, 10)
            assert part.edss.p10[month] == pytest.approx(np.quantile(single, 0.1), abs=1e-12)
            assert part.edss.median[month] == pytest.approx(np.median(single), abs=1e-12)
        for name, curve in part.probabilities.items():
            months, event = projector.endpoints.months(name)
            fitted = KaplanMeierFitter().fit(months[selected.rows], event[selected.rows], timeline=GRID)
            seen = ~np.isnan(curve.value)
            survival = fitted.survival_function_.to_numpy()[:, 0]
            interval = fitted.confidence_interval_survival_function_.to_numpy()
            assert np.allclose(curve.value[seen], 1 - survival[seen], atol=1e-8)
            inner = seen & (survival < 1) & (survival > 0)
            assert np.allclose(curve.lower[inner], 1 - interval[inner, 1], atol=1e-8)
            assert np.allclose(curve.upper[inner], 1 - interval[inner, 0], atol=1e-8)
        relapses, years = projector.endpoints.relapses[selected.rows], projector.endpoints.years[selected.rows]
        assert part.annualised_relapse_rate.value == pytest.approx(relapses.sum() / years.sum())


def test_many_at_once_equal_one_by_one(projector):
    together = projector.project_many([POI, LEAST, POI])
    for poi, answer in zip([POI, LEAST, POI], together, strict=True):
        alone = projector.project(poi)
        for a, b in zip(answer.classes, alone.classes, strict=True):
            for left, right in zip(curves_of(a), curves_of(b), strict=True):
                assert np.allclose(left.value, right.value, equal_nan=True, atol=1e-10)
                assert np.allclose(left.upper, right.upper, equal_nan=True, atol=1e-10)


def test_a_patient_of_the_database_is_left_out_of_their_own_projection(projector):
    row = 7
    (answer,) = projector.project_rows([row], classes=["natalizumab"])
    own = projector.selector.release.episodes.table.iloc[row]
    assert answer.classes[0].edss.expected.value[0] == own["edss_0"]
    others = projector.selector.matches_of_rows(
        np.array([row]),
        k=200,
        weights=projector.selector.default_weights,
        classes=[Treatment(own["treatment"])],
        criteria=Criteria(),
    )
    assert row not in others.rows


def test_refusals_carry_no_figures(projector):
    answer = projector.project(parse_patient({"age": 80, "phenotype": "CIS", "edss": 2.0}))
    for part in answer.classes:
        assert "at least 30 are needed" in part.refusal
        assert (part.edss, part.probabilities, part.annualised_relapse_rate) == (None, {}, None)


def test_only_similar_patients_are_used_when_the_class_is_small(projector):
    answer = projector.project(POI, k=5000, criteria=Criteria(source_kinds=("trial",)))
    for part in answer.classes:
        assert part.n <= part.n_eligible
        assert part.edss.expected.n[0] == part.n


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"estimator": "best"}, "estimator"),
        ({"k": 0}, "k"),
        ({"classes": ["water"]}, "classes"),
        ({"weights": dict.fromkeys(FEATURE_NAMES, 0.0)}, "weights"),
    ],
)
def test_what_cannot_be_asked_is_named(projector, options, field):
    with pytest.raises(InvalidInput) as caught:
        projector.project(POI, **options)
    assert caught.value.problems[0].field == field


def test_an_answer_is_json_as_it_stands(projector):
    text = orjson.dumps(projector.project(POI), option=orjson.OPT_SERIALIZE_NUMPY)
    answer = json.loads(text)
    assert answer["classes"][0]["edss"]["expected"]["value"][0] == 2.5
    assert {"release", "k", "weights", "classes", "caveats"} <= set(answer)


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ({"A": 100, "B": 50}, {"A": 100, "B": 50}),
        ({"A": 100, "B": 6, "C": 5}, {"A": 100, "other": 11}),
        ({"A": 100, "B": 50, "C": 3}, {"A": 100, "other": 53}),
        ({"A": 40, "B": 3}, {"other": 43}),
    ],
)
def test_small_sources_are_merged_until_none_can_be_told(counts, shown):
    names = np.repeat(list(counts), list(counts.values()))
    assert sources_of(names) == shown
