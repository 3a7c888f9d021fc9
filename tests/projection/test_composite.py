"""Composite estimates against simulations whose truth is known, and what they must satisfy."""

# ruff: noqa: ANN001, ANN201 - called by pytest, which knows no types

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projection.activity import composed_rates, departure_of_rates, rate_parts
from projection.class_outcomes import ClassOutcomes
from projection.composite import EDSS, EVENTS, Composition, Departure, departure_of, forms_along
from projection.endpoints import ENDPOINTS, GRID, HORIZON
from projection.event_curves import EventParts, composed_events, departure_of_events, event_parts
from projection.heterogeneity import NONE
from projection.probabilities import limits
from projection.standardised import SourceMix, Standardised
from projection.survival import greenwood_expected

AT = int(np.searchsorted(GRID, HORIZON))
K, OF_CLASS, STEPS = 200, 2000, len(GRID)
NOTHING = np.zeros((1, 1))
NO_RATE = np.zeros(1), np.ones(1), np.zeros(1)


def composition(groups, departure=0.0, shared=0.0, sampling=1.0):
    nothing = np.zeros((groups, 1))
    one, grid = np.ones(1), np.ones(STEPS)
    known = Departure(departure * one, departure * grid, departure, shared * one, shared * grid)
    between = replace(NONE, events=NONE.events[:, :1], event_free=NONE.event_free[:, :1])
    return Composition(
        known, sampling, np.zeros((groups, 3, 3)), np.zeros((3, 1, 1)), nothing, nothing, nothing, nothing, between
    )


def curve_of(hazard):
    return np.exp(-hazard[..., None] * GRID / HORIZON)


def neighbourhoods(seed, groups=4000, departure=0.05, classes=1):
    """Groups of 200 whose cumulative hazard departs from that of their class, sampled step by step."""
    rng = np.random.default_rng(seed)
    poi = np.repeat(np.arange(groups // classes), classes)
    shared = rng.normal(size=groups // classes)[poi]
    away = np.sqrt(departure) * (np.sqrt(0.5) * shared + np.sqrt(0.5) * rng.normal(size=groups))
    hazard = rng.uniform(0.08, 0.5, groups)
    truth, expected = curve_of(hazard * np.exp(away)), curve_of(hazard)
    observed = sampled(rng, truth, K)
    near, at_risk = observed
    number = at_risk[:, None]
    of_class = np.full_like(number, OF_CLASS)
    variance = greenwood_expected(expected[:, None], number)
    whole = greenwood_expected(expected[:, None], of_class)
    parts = EventParts(near[:, None], expected[:, None], number, variance, whole, number, of_class)
    return parts, 1.0 - truth[:, AT], poi


def sampled(rng, truth, number):
    """Draw Kaplan-Meier curves of patients followed to the end."""
    left = np.full(len(truth), number)
    at_risk = [left]
    for step in range(1, truth.shape[1]):
        at_risk.append(left)
        left = left - rng.binomial(left, 1.0 - truth[:, step] / truth[:, step - 1])
    survivors = np.stack([*at_risk[1:], left], axis=1)
    return survivors / number, np.stack(at_risk, axis=1).astype(float)


@pytest.mark.parametrize("departure", [0.0, 0.02, 0.08])
def test_how_far_neighbourhoods_depart_is_found(departure):
    parts, _, poi = neighbourhoods(1, departure=departure, classes=4)
    found, shared = departure_of_events(parts, 1.0, NOTHING, poi)
    assert found[0] == pytest.approx(departure, rel=0.12, abs=0.008)
    # Half of it is the neighbourhood's under every class.
    assert shared[0] == pytest.approx(departure / 2, rel=0.2, abs=0.006)


def test_what_sources_and_effects_explain_is_no_departure():
    """Neighbourhoods rest on other sources than their class, which differ whoever the neighbours are."""
    parts, _, poi = neighbourhoods(7, departure=0.03)
    assert departure_of_events(parts, 1.0, NOTHING, poi)[0][0] > 0.025
    assert departure_of_events(parts, 1.0, NOTHING + 0.03, poi)[0][0] < 0.007


@pytest.mark.parametrize("departure", [0.0, 0.02, 0.08])
def test_composed_is_nearer_to_the_truth_than_either_part_and_says_by_how_much(departure):
    parts, truth, _ = neighbourhoods(2, departure=departure)
    found, weight = composed_events(parts, composition(len(truth), departure))
    value, error = found.value[:, 0, AT], found.error[:, 0, AT]
    parts_alone = (1.0 - part[:, 0, AT] for part in (parts.near, parts.expected))
    squares = [np.mean((one - truth) ** 2) for one in (value, *parts_alone)]
    assert squares[0] <= 1.001 * min(squares) + 1e-5
    held = np.mean((found.lower[:, 0, AT] <= truth) & (truth <= found.upper[:, 0, AT]))
    # Where nothing departs, the class is better than it claims to be: here it has no sampling error.
    assert 0.935 <= held <= (1.0 if departure == 0 else 0.965)
    if departure:
        assert np.mean((value - truth) ** 2 / error**2) == pytest.approx(1.0, abs=0.2)
    assert np.nanmin(np.diff(found.value, axis=2)) >= -1e-12
    assert ((weight > 0) & (weight < 1)).all()


def test_avatars_of_the_same_originals_are_not_taken_for_a_departure():
    """Ten for each original are no ten patients: what their few originals are off by is no neighbourhood's own."""
    parts, _, poi = neighbourhoods(6, departure=0.0)
    ten_times = replace(parts, near_variance=parts.near_variance / 10.0, class_variance=parts.class_variance / 10.0)
    assert departure_of_events(ten_times, 1.0, NOTHING, poi)[0][0] > 0.012
    assert departure_of_events(ten_times, 10.0, NOTHING, poi)[0][0] < 0.008


@pytest.mark.parametrize("risk", [1e-6, 0.001, 0.01, 0.1, 0.4])
def test_a_risk_that_is_small_beside_its_error_is_not_up_to_everything(risk):
    survival = np.full((1, 1, STEPS), 1.0 - risk)
    number = np.full_like(survival, 200.0)
    errors = np.array([0.0001, 0.001, 0.01, 0.02, 0.03])
    limit = np.array([limits(survival, np.full_like(survival, one), number, GRID)[1][0, 0, AT] for one in errors])
    assert (np.diff(limit) >= 0).all()
    assert (limit >= risk + 1.95 * np.minimum(errors, 0.1)).all()
    assert (limit <= risk + np.e * 1.97 * errors + 0.02).all()


def groups_with_relapses(seed, groups=3000, departure=0.05, dispersion=2.0):
    """Groups of 200 whose relapse rate departs from that of their class; relapses scatter more than by chance."""
    rng = np.random.default_rng(seed)
    expected = rng.uniform(0.1, 0.6, groups)
    truth = expected * np.exp(rng.normal(0.0, np.sqrt(departure), groups))
    years = rng.uniform(0.5, 2.0, (groups, K))
    mean = truth[:, None] * years
    relapses = rng.negative_binomial(mean / (dispersion - 1.0), 1.0 / dispersion).astype(float)
    group = Standardised(np.ones((groups, K)), np.ones((groups, K, 1)), np.ones((groups, 1)))
    none = np.zeros(groups)
    grid = np.zeros((groups, STEPS))
    whole = ClassOutcomes(
        grid, grid, grid, grid, expected, none + dispersion, none + 1e6, none[:, None], np.ones((groups, 1))
    )
    return rate_parts(relapses, years, group, none, whole, none), truth


@pytest.mark.parametrize("departure", [0.0, 0.02, 0.08])
def test_rates_are_composed_like_risks(departure):
    parts, truth = groups_with_relapses(8, departure=departure)
    nothing = np.zeros(len(truth))
    # Relative to the rate, of a logarithm that departs by so much.
    relative = np.exp(2.0 * departure) - 2.0 * np.exp(departure / 2.0) + 1.0
    assert departure_of_rates(parts, 1.0, nothing, np.arange(len(truth))) == pytest.approx(
        relative, rel=0.15, abs=0.006
    )
    found = composed_rates(parts, composition(len(truth), relative))
    squares = [np.mean((one - truth) ** 2) for one in (found.value, parts.near, parts.expected)]
    assert squares[0] <= 1.02 * min(squares) + 1e-7
    if departure:
        held = np.mean((found.lower <= truth) & (truth <= found.upper))
        assert 0.935 <= held <= 0.97


def test_rates_of_groups_without_relapses_stay_above_none_where_the_class_has_some():
    parts, _ = groups_with_relapses(9, groups=1)
    nothing = replace(parts, near=np.zeros(1), exposure=np.array([300.0]))
    found = composed_rates(nothing, composition(1, 0.05))
    assert 0.0 < found.lower[0] < found.value[0] < parts.expected[0]
    # Of nobody else anything is known: the exact limit of none.
    alone = replace(nothing, expected=np.zeros(1), near_variance=np.zeros(1), class_variance=np.full(1, np.inf))
    found = composed_rates(alone, composition(1, 0.05))
    assert (found.value[0], found.lower[0]) == (0.0, 0.0)
    assert found.upper[0] == pytest.approx(-np.log(0.025) / 300.0)


def test_patients_of_reference_weigh_more_the_further_neighbourhoods_depart():
    parts, _, _ = neighbourhoods(3, groups=50)
    weights = [composed_events(parts, composition(50, departure))[1] for departure in (0.0, 0.05, 0.5, 50.0)]
    assert (np.diff(weights, axis=0) > 0).all()
    assert weights[-1].min() > 0.98


def test_what_is_learned_of_a_neighbourhood_is_shared_between_classes_only_where_it_is():
    rng = np.random.default_rng(0)
    poi = np.repeat(np.arange(3000), 3)
    own = rng.normal(size=(9000, 1))
    counts, nothing = np.ones((9000, 1)), np.zeros((9000, 1))
    assert departure_of(own, nothing, counts, poi)[1][0] == pytest.approx(0.0, abs=0.03)
    common = rng.normal(size=(3000, 1))[poi]
    variance, shared = departure_of(common, nothing, counts, poi)
    assert shared[0] == pytest.approx(variance[0], rel=0.02)


def test_a_class_of_few_leaves_the_patients_of_reference_to_themselves():
    codes = np.zeros((1, K, 1), dtype=np.intp) + 2 * AT
    codes[0, :20, 0] = 2 * 4 + 1
    group = Standardised(np.ones((1, K)), np.ones((1, K, 1)), np.ones((1, 1)))
    nothing, grid = np.zeros((1, 1, STEPS)), np.zeros((1, STEPS))
    nobody = ClassOutcomes(nothing + 1.0, nothing, grid, grid + np.inf, *NO_RATE, np.zeros((1, 1)), np.ones((1, 1)))
    parts = event_parts(codes, group, nothing, nobody, nothing)
    found, weight = composed_events(parts, composition(1, 0.1))
    assert weight[0, 0] == 1.0
    assert found.value[0, 0, AT] == pytest.approx(0.1)
    assert found.error[0, 0, AT] == pytest.approx(np.sqrt(0.1 * 0.9 / K))


@given(st.floats(-3.0, 3.0))
def test_a_low_risk_is_corrected_by_a_factor_and_never_comes_out_as_none(shift):
    """Added as a probability, a correction took patients of low risk to none."""
    codes = np.zeros((1, K, 1), dtype=np.intp) + 2 * AT
    codes[0, :10, 0] = 2 * 4 + 1
    group = Standardised(np.ones((1, K)), np.ones((1, K, 1)), np.ones((1, 1)))
    by = np.full((1, 1, STEPS), shift)
    grid = np.zeros((1, STEPS))
    nobody = ClassOutcomes(by * 0 + 1.0, by * 0, grid, grid + np.inf, *NO_RATE, np.zeros((1, 1)), np.ones((1, 1)))
    near = event_parts(codes, group, by, nobody, by).near[0, 0, AT]
    if shift <= 0:
        assert np.log(near) == pytest.approx(np.exp(shift) * np.log(0.95))
    else:
        # Upwards, the first step only.
        assert 1.0 - near == pytest.approx(0.05 + shift * 0.95 * -np.log(0.95), abs=0.012)


def test_the_error_of_the_restricted_mean_is_that_of_repeated_samples():
    rng = np.random.default_rng(4)
    truth = np.repeat(curve_of(np.array([0.4])), 4000, axis=0)
    near, at_risk = sampled(rng, truth, K)
    area = (near[:, :AT] * np.diff(GRID[: AT + 1])).sum(axis=1)
    number = np.full((1, 1, STEPS), 1e12)
    expected, own = truth[:1, None], at_risk.mean(axis=0)[None, None]
    parts = EventParts(near[:1, None], expected, own, greenwood_expected(expected, own), number * np.inf, own, own)
    found, _ = composed_events(parts, composition(1, 0.1), restricted_to=AT)
    assert found.restricted_error[0, 0] == pytest.approx(area.std(), rel=0.03)


def test_two_estimates_have_in_common_what_both_take_over():
    by = composition(2)
    by = replace(
        by,
        shared_coefficients=np.array([[[9.0]], [[9.0]], [[1.0]]]),
        near_gap=np.array([[1.0], [2.0]]),
        class_gap=np.array([[3.0], [4.0]]),
        near_away=np.array([[0.5, -0.5], [0.2, -0.2]]),
        class_away=np.array([[0.1, -0.1], [0.1, -0.1]]),
    )
    sources, features, departure = by.in_common(np.array([1.0, 0.5]), (0, 1), EVENTS.start)
    assert sources == pytest.approx(2 * 0.5 * 0.15)
    assert features == pytest.approx(1.0 * 3.0)
    assert departure == 0.0
    weight = np.array([[1.0], [0.5]])
    assert (by.variance_along_gap(weight, EVENTS) == 0).all()
    by = replace(by, forms=forms_along(np.tile([[1.0, 0.0, 2.0]], (2, 1, 1)), by.near_gap, by.class_gap))
    assert by.variance_along_gap(weight, EDSS)[:, 0] == pytest.approx([1.0, 9.0])
    assert by.variance_along_gap(weight, EVENTS)[:, 0] == pytest.approx([2.0, 18.0])
    assert by.of_step()[1][:, 2] == pytest.approx([8.0, 8.0])
    assert by.of_step()[0] == pytest.approx([2 * 0.4**2, 2 * 0.1**2])


def test_the_mix_of_sources_follows_features_and_sums_to_one():
    rng = np.random.default_rng(5)
    feature = rng.normal(size=(6000, 1))
    chance = 1 / (1 + np.exp(-feature[:, 0]))
    source = (rng.random(6000) < chance).astype(int)
    phenotype = np.zeros(6000, dtype=np.intp)
    mix = SourceMix.of(np.eye(2)[source], feature, phenotype, 2)
    asked = np.array([[-1.0], [0.0], [1.0], [40.0]])
    shares = mix.of_patients(asked, np.zeros(4, dtype=np.intp))
    assert shares.sum(axis=1) == pytest.approx(np.ones(4))
    assert shares[:3, 1] == pytest.approx(1 / (1 + np.exp(-asked[:3, 0])), abs=0.04)
    assert shares[3].tolist() == [0.0, 1.0]
    # Of a phenotype that nobody has nothing is known.
    assert mix.of_patients(asked, np.ones(4, dtype=np.intp)).sum() == 0.0


def test_visits_of_one_patient_are_not_several_patients(small_release):
    from projection import Projector

    starts, visits = (Projector(small_release, every_visit=every) for every in (False, True))
    assert len(visits.selector.episodes) > 1.2 * len(starts.selector.episodes)
    found = [one.outcomes._classes.at_risk[:, :, :, 0] for one in (starts, visits)]
    known = (found[0] > 0) & (found[1] > 0)
    assert (found[1][known] <= 1.1 * found[0][known]).all()


def test_the_release_learns_how_far_neighbourhoods_depart(small_release):
    from projection import Projector

    learned = Projector(small_release).outcomes._departure
    assert learned.events.shape == (len(ENDPOINTS),)
    assert (learned.events >= 0).all()
    assert learned.events.max() > 0
    assert (learned.shared_events <= learned.events + 1e-12).all()
