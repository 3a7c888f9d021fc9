"""Variance between sources: found when there is some, near nothing when there is none, and cancelled where shared."""

# ruff: noqa: ANN001, ANN201 - called by pytest, which knows no types

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
    assert ridge_of_class(scatters, crosses, np.ones(3)) == pytest.approx(ridge, rel=0.25)


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
    concentration = group.concentration(group.smoother(np.ones((2, 1, 40))))
    assert np.allclose(concentration[:, 0], [0.75**2 + 3 * 0.25**2, 0.0])


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
