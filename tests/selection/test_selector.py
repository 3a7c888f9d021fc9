"""Selection against brute force in double precision, and its answers to odd questions."""

# ruff: noqa: ANN001, ANN201 - called by pytest, which knows no types

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_db.errors import InvalidInput
from reference_db.vocabulary import Phenotype, Treatment
from selection import Criteria, Selector, learn_weights, parse_criteria, parse_patient
from selection.distance import column_weights, question, stored
from selection.features import COLUMN_FEATURE, FEATURE_NAMES, FEATURES, NUMERIC, Scaling, columns_of_patients
from selection.index import ClassIndex, Searched, nearest_of_classes
from tests.episodes import MemoryRelease, random_episodes

POI = {
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
OTHER = {"age": 50, "phenotype": "RRMS", "edss": 4.0, "relapses_24m": 2}


@pytest.fixture(scope="module")
def selector(small_release):
    return Selector(small_release)


def brute_force(selector, patient, weights):
    """Squared distance to every patient, feature by feature as documented."""
    q = selector.scaling.apply(columns_of_patients([patient]))[0]
    x = selector.columns
    first = [int(np.flatnonzero(i == COLUMN_FEATURE)[0]) for i in range(len(FEATURES))]
    used = {f.name: weights[f.name] for i, f in enumerate(FEATURES) if not np.isnan(q[first[i]])}
    squared = np.zeros(len(x))
    for column, feature in enumerate(FEATURES[i] for i in COLUMN_FEATURE):
        if feature.name not in used:
            continue
        weight = used[feature.name] / sum(used.values())
        for rows in selector.release.episodes.rows_by_treatment.values():
            known = ~np.isnan(x[rows, column])
            spread = 1.0 if NUMERIC[column] else (x[rows, column][known] ** 2).mean()
            unknown_term = q[column] ** 2 + spread
            squared[rows] += weight * np.where(known, (q[column] - x[rows, column]) ** 2, unknown_term)
    return squared


@pytest.mark.parametrize("patient", [POI, OTHER], ids=["full", "sparse"])
@pytest.mark.parametrize("weights", [{}, {"age": 5, "gd_lesions": 3, "edss": 0}], ids=["default", "own"])
def test_equal_to_brute_force(selector, patient, weights):
    patient = parse_patient(patient)
    found = selector.select(patient, weights=weights, k=100)
    squared = brute_force(selector, patient, found.weights)
    for part in found.classes:
        rows = selector.release.episodes.rows_by_treatment[part.treatment]
        expected = rows[np.lexsort((rows, squared[rows]))][:100]
        assert np.allclose(part.distance**2, squared[expected], atol=1e-12)
        assert np.array_equal(np.sort(part.rows), np.sort(expected))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(0, 3))
def test_ties_are_kept_in_order_of_rows(seed, k, decimals):
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=(120, len(COLUMN_FEATURE))), decimals - 1)  # few values: many ties
    q = np.round(rng.normal(size=(3, len(COLUMN_FEATURE))), decimals - 1)
    weights = column_weights(dict.fromkeys(FEATURE_NAMES, 1.0), q)
    eligible = rng.random(120) < 0.7
    searched = [Searched.of(ClassIndex(np.arange(120), x), eligible)]
    found = nearest_of_classes(searched, *question(q, weights), k)
    for one in range(3):
        z = stored(x)
        exact = question(q, weights)[1][one] - z @ question(q, weights)[0][one]
        order = [row for row in np.lexsort((np.arange(120), exact.round(12))) if eligible[row]][:k]
        got = found.rows[one, 0][found.rows[one, 0] >= 0]
        assert np.allclose(exact[got], exact[order], atol=1e-12)
        assert len(set(got)) == len(order)


def test_an_unknown_feature_of_a_reference_patient_counts_as_a_random_one():
    rng = np.random.default_rng(1)
    x = Scaling.of(rng.normal(size=(5000, len(COLUMN_FEATURE)))).apply(rng.normal(size=(5000, len(COLUMN_FEATURE))))
    q = np.zeros((1, len(COLUMN_FEATURE))) + 0.7
    blank = np.full((1, len(COLUMN_FEATURE)), np.nan)
    only_age = column_weights({name: float(name == "age") for name in FEATURE_NAMES}, q)
    asked, constant = question(q, only_age)
    typical = (constant - stored(x) @ asked[0]).mean()
    unknown = constant - stored(np.concatenate([blank, x]))[0] @ asked[0]
    assert unknown == pytest.approx(typical, rel=0.1)


def test_who_may_be_found_is_kept_of_one_question_and_not_taken_for_another(small_release):
    questions = [
        (patient, criteria, classes)
        for criteria in ({}, {"calipers": {"age": 5}}, {"same": ["phenotype", "sex"]}, {"source_kinds": ["trial"]})
        for patient in (POI, {**POI, "sex": "male"}, {**POI, "phenotype": "SPMS"})
        for classes in (None, [Treatment.NATALIZUMAB, Treatment.UNTREATED])
    ]
    asked_before = Selector(small_release)
    for _ in range(2):
        for patient, criteria, classes in questions:
            poi, hard = parse_patient(patient), parse_criteria(criteria)
            kept = asked_before.select(poi, criteria=hard, classes=classes, k=50)
            fresh = Selector(small_release).select(poi, criteria=hard, classes=classes, k=50)
            for a, b in zip(kept.classes, fresh.classes, strict=True):
                assert (a.treatment, a.n_eligible, a.refusal) == (b.treatment, b.n_eligible, b.refusal)
                assert np.array_equal(a.rows, b.rows)


def test_weights_are_ratios(selector):
    patient = parse_patient(POI)
    once = selector.select(patient, weights=dict.fromkeys(FEATURE_NAMES, 1.0))
    twice = selector.select(patient, weights=dict.fromkeys(FEATURE_NAMES, 2.0))
    for a, b in zip(once.classes, twice.classes, strict=True):
        assert np.array_equal(a.rows, b.rows)
        assert np.allclose(a.distance, b.distance)


def test_a_row_does_not_find_itself(selector):
    rows = np.array([0, 5, 17])
    options = {
        "k": 50,
        "weights": selector.default_weights,
        "classes": tuple(Treatment),
        "criteria": Criteria(largest_distance=9),
    }
    found = selector.matches_of_rows(rows, **options)
    for position, row in enumerate(rows):
        assert row not in found.rows[position]
        assert (found.rows[position] >= 0).all()


def test_calipers_and_criteria_bound_who_is_found(selector):
    patient = parse_patient(POI)
    criteria = Criteria(same=("phenotype", "sex"), source_kinds=("registry",), calipers={"age": 4, "edss": 0.5})
    table = selector.release.episodes.table
    found = selector.select(patient, criteria=criteria)
    chosen = table.iloc[np.concatenate([part.rows for part in found.classes])]
    assert len(chosen)
    assert (chosen["sex"] == "female").all()
    assert (chosen["source_kind"] == "registry").all()
    assert (chosen["age"] - 34).abs().max() <= 4
    assert (chosen["edss_0"] - 2.5).abs().max() <= 0.5


def test_a_phenotype_is_never_pooled_with_another():
    selector = Selector(MemoryRelease(random_episodes(2000, phenotype=None)))
    found = selector.select(parse_patient({"age": 55, "phenotype": "PPMS", "edss": 5.0}))
    table = selector.release.episodes.table
    for part in found.classes:
        assert set(table["phenotype"].iloc[part.rows]) <= {Phenotype.PPMS.value}


def test_too_few_patients_are_refused_with_the_reason(selector):
    cis = selector.select(parse_patient({"age": 80, "phenotype": "CIS", "edss": 2.0}))
    assert all("meet the criteria" in part.refusal for part in cis.classes)
    far = selector.select(parse_patient({"age": 90, "phenotype": "RRMS", "edss": 9.5, "relapses_12m": 10}))
    assert all("similar enough" in part.refusal or "extrapolated" in part.refusal for part in far.classes)


@pytest.mark.parametrize(
    ("patient", "answered"),
    [
        (
            {"age": 40, "edss": 4.0, "history": [{"months": -12, "edss": 2.0}], "prior_treatment": "high efficacy"},
            True,
        ),
        ({"age": 40, "edss": 2.0, "relapses_12m": 4}, True),
        ({"age": 86, "edss": 2.0}, False),
        ({"age": 90, "edss": 2.0}, False),
        ({"age": 40, "edss": 10.0}, False),
    ],
    ids=["a bad year", "many relapses", "older than most", "much older than anybody", "more disabled than anybody"],
)
def test_the_unusual_is_answered_and_what_would_be_extrapolated_is_refused(selector, patient, answered):
    found = selector.select(parse_patient({"phenotype": "RRMS", **patient}))
    for part in found.classes:
        assert (part.refusal is None) == answered
        assert answered or "extrapolated" in part.refusal or "similar enough" in part.refusal


def test_a_caliper_on_an_unknown_feature_is_a_refusal_with_its_reason(selector):
    found = selector.select(parse_patient(OTHER), criteria=Criteria(calipers={"years_since_onset": 3}))
    assert all("not known" in part.refusal and part.n_eligible == 0 for part in found.classes)


def test_k_larger_than_the_class_gives_the_class(selector):
    found = selector.select(parse_patient(POI), k=5000, criteria=Criteria(largest_distance=50))
    for part in found.classes:
        assert len(part.rows) == part.n_eligible < 5000


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"weights": dict.fromkeys(FEATURE_NAMES, 0)}, "weights"),
        ({"weights": {name: float(name == "years_since_onset") for name in FEATURE_NAMES}}, "weights"),
        ({"weights": {"height": 1}}, "weights.height"),
        ({"weights": {"age": -1}}, "weights.age"),
        ({"weights": {"age": float("nan")}}, "weights.age"),
        ({"k": 1}, "k"),
        ({"classes": ["aspirin"]}, "classes"),
        ({"classes": []}, "classes"),
        ({"criteria": Criteria(same=("sex",))}, "criteria.same"),
    ],
)
def test_options_that_cannot_be_used_are_named(selector, options, field):
    with pytest.raises(InvalidInput) as caught:
        selector.select(parse_patient(OTHER), **options)
    assert [problem.field for problem in caught.value.problems] == [field]


def test_classes_are_known_by_any_name_and_keep_their_order(selector):
    found = selector.select(parse_patient(POI), classes=["Tysabri", "L03AB07", "anti-CD20"])
    assert [part.treatment for part in found.classes] == [
        Treatment.BETA_INTERFERON,
        Treatment.NATALIZUMAB,
        Treatment.ANTI_CD20,
    ]


def test_criteria_from_outside_are_checked():
    assert parse_criteria({"source_kinds": ["trial"]}).source_kinds == ("trial",)
    with pytest.raises(InvalidInput) as caught:
        parse_criteria({"same": ["age"], "colour": 1, "calipers": {"age": -3}, "source_kinds": []})
    fields = {problem.field for problem in caught.value.problems}
    assert fields == {"criteria.same", "criteria.colour", "criteria.calipers", "criteria.source_kinds"}


def test_learned_weights_are_read_from_the_release():
    episodes = random_episodes(300)
    own = dict.fromkeys(FEATURE_NAMES, 1.0)
    release = MemoryRelease(episodes, attachments={"feature_weights.json": json.dumps(own).encode()})
    assert Selector(release).default_weights == own


def test_weights_follow_prognosis(small_release):
    weights = learn_weights(small_release.episodes)
    assert sum(weights.values()) == pytest.approx(1, abs=1e-5)
    # In these episodes age drives worsening and recent relapses drive relapses; sex drives nothing.
    assert weights["age"] > 5 * weights["sex"]
    assert weights["relapses_12m"] > 5 * weights["sex"]
    assert weights["phenotype"] == 0.0
