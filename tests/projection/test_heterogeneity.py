"""Variance between sources: found when there is some, near nothing when there is none, and cancelled where shared."""

# ruff: noqa: ANN001, ANN201 - called by pytest, which knows no types

import dataclasses
from dataclasses import replace

import numpy as np
import pytest

from projection.endpoints import ENDPOINTS, GRID, Endpoints
from projection.heterogeneity import _Levels, _shared
from projection.outcome_model import fit_outcome_model
from projection.standardised import Standardised, source_weights
from projection.within_sources import ridge_of_class

ROWS, SOURCES, CLASSES = 12_000, 20, 2


def made_up(deviation, *, common=True, seed=0, short=0, apart=0.0, first_events=0):
    """A model of two classes from 20 sources, whose change of EDSS and relapse rate deviate by given spreads."""
    rng = np.random.default_rng(seed)
    source, treatment = rng.integers(0, SOURCES, ROWS), rng.integers(0, CLASSES, ROWS)
    drawn = rng.normal(0, 1, (CLASSES, SOURCES))
    if common:
        drawn[1] = drawn[0]
    drawn = (drawn - drawn.mean(axis=1, keepdims=True)) / drawn.std(axis=1, keepdims=True)
    shift = drawn[treatment, source]
    # Sources differ in what they enrol: the third feature tells them apart and is worth nothing.
    features = np.column_stack([rng.normal(size=(ROWS, 2)), drawn[0][source] + rng.normal(0, 0.3, ROWS)])
    noise = rng.normal(0, 0.5, (ROWS, 1))
    change = np.repeat(features[:, :1] * 0.2 + deviation * shift[:, None] + noise, len(GRID), axis=1)
    change[:, 0] = 0.0
    years = np.full(ROWS, 2.0)
    relapses = rng.poisson(0.5 * 2 * np.exp(deviation * shift)).astype(float)
    step = np.full((ROWS, len(ENDPOINTS)), 8, dtype=np.int8)
    event = rng.random((ROWS, len(ENDPOINTS))) < 0.3
    if short:
        # The first sources see nothing after month 18, and differ; the others, who do, are alike.
        step[:] = 6
        risk = np.where(source < short, 0.3 + apart * np.where(source % 2, 1, -1), 0.3)
        event = rng.random((ROWS, len(ENDPOINTS))) < risk[:, None]
        step[~event & (source >= short)[:, None]] = 8
    # The first sources know one phenotype only, in which three times as many have the event; nobody else knows it.
    phenotype = np.where(source < first_events, 0, 1)
    event |= (source < first_events)[:, None] & (rng.random(event.shape) < 0.6)
    endpoints = Endpoints(step, event, change, relapses, years)
    return fit_outcome_model(endpoints, features, source, treatment, phenotype, CLASSES, avatars=0.0)


@pytest.mark.parametrize(("spread", "ridge"), [(0.1, 100.0), (0.03, 1111.0), (0.0, 20_000.0)])
def test_effects_of_classes_are_shrunk_as_much_as_they_are_alike(spread, ridge):
    rng = np.random.default_rng(0)
    scatters, crosses = np.empty((20, 8, 8)), np.empty((20, 8, 3))
    for one in range(20):
        x = rng.normal(size=(600, 8)) @ rng.normal(size=(8, 8))
        outcomes = x @ rng.normal(0, spread, (8, 3)) + rng.normal(size=(600, 3))
        scatters[one], crosses[one] = x.T @ x, x.T @ outcomes
    assert ridge_of_class(scatters, crosses, np.ones(3), np.ones((20, 3))) == pytest.approx(ridge, rel=0.25)


def events_of_classes(rng, rows, risks, log_ratio):
    """Events of patients of several classes, of whom a feature multiplies the hazard under each by the same ratio."""
    treatment = np.arange(rows) % len(risks)
    feature = rng.normal(size=(rows, 1))
    hazard = -np.log1p(-np.asarray(risks))[treatment] * np.exp(log_ratio * feature[:, 0])
    month = rng.exponential(24.0 / hazard)
    event = np.repeat((month < 24.0)[:, None], len(ENDPOINTS), axis=1)
    step = np.where(event, np.searchsorted(GRID, np.minimum(month, 24.0))[:, None], 8).astype(np.int8)
    change = np.repeat(0.2 * feature, len(GRID), axis=1) + rng.normal(0.0, 0.5, (rows, len(GRID)))
    relapses = rng.poisson(2.0 * np.asarray(risks)[treatment] * np.exp(log_ratio * feature[:, 0])).astype(float)
    return Endpoints(step, event, change, relapses, np.full(rows, 2.0)), feature, treatment


def test_effects_on_events_are_shared_as_ratios_of_hazards():
    """As differences of probabilities they would seem to differ from class to class, which shrinks nothing."""
    risks = (0.05, 0.12, 0.3, 0.45)
    endpoints, feature, treatment = events_of_classes(np.random.default_rng(0), 24_000, risks, 0.4)
    one = np.zeros(24_000, dtype=np.intp)
    model = fit_outcome_model(endpoints, feature, one, treatment, one, 4, avatars=0.0)
    relapse = ENDPOINTS.index("relapse") * len(GRID) + 8
    found = model.events[:, 0, relapse]
    assert found == pytest.approx(np.full(4, 0.4), abs=0.06)
    assert np.ptp(found) < 0.06
    assert model.rate[:, 0] == pytest.approx(np.full(4, 0.4), abs=0.06)
    # A Cox regression would have one over the root of the events.
    error = np.sqrt(model.shared[2 + ENDPOINTS.index("relapse"), 0, 0])
    assert error == pytest.approx(1.0 / np.sqrt(endpoints.event[:, 0].sum()), rel=0.2)


def test_a_class_without_events_takes_over_what_features_are_worth_in_others():
    endpoints, feature, treatment = events_of_classes(np.random.default_rng(1), 12_000, (0.001, 0.3, 0.3), 0.4)
    one = np.zeros(12_000, dtype=np.intp)
    model = fit_outcome_model(endpoints, feature, one, treatment, one, 3, avatars=0.0)
    assert model.events[0, 0, ENDPOINTS.index("relapse") * len(GRID) + 8] == pytest.approx(0.4, abs=0.08)


def test_every_patient_twice_with_sampling_counted_twice_is_every_patient_once():
    endpoints, feature, treatment = events_of_classes(np.random.default_rng(2), 3_000, (0.1, 0.3), 0.4)
    one = np.zeros(3_000, dtype=np.intp)
    single = fit_outcome_model(endpoints, feature, one, treatment, one, 2, avatars=0.0)
    twice = Endpoints(*(np.concatenate([array, array]) for array in dataclasses.astuple(endpoints)))
    doubled = fit_outcome_model(
        twice, *(np.concatenate([array, array]) for array in (feature, one, treatment, one)), 2, avatars=1.0
    )
    assert doubled.events == pytest.approx(single.events, abs=1e-9)
    assert doubled.change.coefficients == pytest.approx(single.change.coefficients, abs=1e-9)
    assert doubled.uncertainty == pytest.approx(single.uncertainty, rel=1e-6)


def test_nothing_is_found_where_sources_agree():
    found = made_up(0.0).heterogeneity
    assert found.edss[1, 8] < 0.03**2
    assert found.rate[1] < 0.08**2
    assert found.events[1, :, 8].max() < 0.15**2


def test_what_is_between_sources_is_found_though_a_feature_tells_them_apart():
    model = made_up(0.3)
    found = model.heterogeneity
    assert np.sqrt(found.edss[1, 8]) == pytest.approx(0.3, rel=0.2)
    assert np.sqrt(found.rate[1]) == pytest.approx(0.3, rel=0.25)
    assert np.allclose(model.change.coefficients[:, :, 8], [0.2, 0.0, 0.0], atol=0.03)


def test_sources_are_compared_at_a_month_that_most_of_them_reach():
    """Of twenty sources twelve end at month 18: compared at month 24, the eight others would pass for all."""
    assert made_up(0.0, short=12, apart=0.2).heterogeneity.events[1, 0, 8] > 0.05


def test_what_a_phenotype_is_worth_does_not_pass_for_a_difference_between_sources():
    """Four of twenty sources know a phenotype that the others do not: they are alike, and so are the others."""
    found = made_up(0.0, first_events=4).heterogeneity
    assert found.events[:2, :, 8].max() < 0.15**2


def test_a_phenotype_whose_sources_differ_does_not_widen_the_others():
    short = made_up(0.0, short=12, apart=0.25, first_events=12).heterogeneity.events[:, 0, 8]
    assert short[0] > 0.05
    assert short[1] < 0.3 * short[0]


def test_what_sources_have_in_common_under_all_classes_is_told_apart():
    assert made_up(0.3).heterogeneity.shared_edss > 0.9
    assert made_up(0.3, common=False).heterogeneity.shared_edss < 0.5


def test_sources_that_are_alike_do_not_hide_what_they_have_in_common():
    """Two classes meet in registries that hardly differ; each has trials of its own, which do."""
    rng = np.random.default_rng(0)
    mean = np.full((2, 1, 220, 1), np.nan)
    mean[:, 0, :100, 0] = rng.normal(0, 0.1, 100)
    mean[0, 0, 100:160, 0], mean[1, 0, 160:, 0] = rng.normal(0, 1.0, (2, 60))
    levels = _Levels(mean, np.where(np.isnan(mean), np.nan, 1e-6))
    assert _shared(levels)[0] == pytest.approx(1.0, abs=0.01)


def test_sources_are_weighed_towards_their_mix_the_more_they_differ():
    member = np.ones((1, 40))
    sources = np.zeros((1, 40, 2))
    sources[0, :30, 0] = sources[0, 30:, 1] = 1
    mix = np.array([[0.2, 0.8]])
    shares = [
        float(source_weights(member, sources, mix, ratio)[0, :30].sum() / 40) for ratio in (0.0, 0.05, 1.0, 1e6)
    ]
    assert shares[0] == pytest.approx(30 / 40)
    assert shares[-1] == pytest.approx(0.2, abs=1e-4)
    assert shares == sorted(shares, reverse=True)
    assert source_weights(member, sources, mix, 0.05).sum() == pytest.approx(40)


def test_an_estimate_whose_sources_are_those_of_the_population_takes_none_of_the_variance():
    sources = np.zeros((2, 40, 4))
    sources[0, :, 0] = 1
    sources[1, np.arange(40), np.arange(40) % 4] = 1
    group = Standardised(np.ones((2, 40)), sources, np.full((2, 4), 0.25))
    away = group.away_of(np.ones((2, 40, 1), dtype=np.bool_))
    assert np.allclose((away**2).sum(axis=2)[:, 0], [0.75**2 + 3 * 0.25**2, 0.0])


def test_corrected_intervals_widen_and_plain_ones_count_patients_only(small_release):
    from projection import Projector
    from selection import parse_patient

    projector = Projector(small_release)
    poi = parse_patient({"age": 40, "phenotype": "RRMS", "edss": 3.0})
    before = {e: projector.project(poi, estimator=e).classes[0].edss.expected for e in ("corrected", "plain")}
    model = projector.outcomes.model
    between = replace(model.heterogeneity, edss=model.heterogeneity.edss + 4.0)
    projector.outcomes.model = replace(model, heterogeneity=between)
    after = {e: projector.project(poi, estimator=e).classes[0].edss.expected for e in ("corrected", "plain")}
    assert after["corrected"].upper[8] > before["corrected"].upper[8] + 0.02
    assert after["plain"].upper[8] == before["plain"].upper[8]


def test_synthetic_patients_are_worth_less_than_patients(small_release):
    from projection import Projector
    from selection import parse_patient

    poi = parse_patient({"age": 40, "phenotype": "RRMS", "edss": 3.0})
    widths = []
    for avatars in (0.0, 1.0):
        part = Projector(small_release, avatars=avatars).project(poi).classes[0]
        curves = (part.edss.expected, part.probabilities["relapse"])
        widths.append([(curve.upper - curve.lower)[8] for curve in curves])
    assert (np.array(widths[1]) > 1.1 * np.array(widths[0])).all()
