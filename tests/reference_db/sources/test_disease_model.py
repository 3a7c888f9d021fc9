"""The disease model: its parts against their definitions and the published figures, the truth against simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_db.schema import EDSS_SCALE
from reference_db.sources.simulated import SimulatedSources, simulate
from reference_db.sources.simulated.designs import arms
from reference_db.sources.simulated.disease import Chance, follow, modification
from reference_db.sources.simulated.distributions import (
    discrete_quantile,
    gamma_frailty,
    hurdle_counts,
    maximum_entropy,
)
from reference_db.sources.simulated.observation import on_scale, rate_edss, t2_bins
from reference_db.sources.simulated.parameters import calibrated, parameters
from reference_db.sources.simulated.potential_outcomes import expected_outcomes, lasting_rise_probability
from reference_db.sources.simulated.published import csv_rows
from reference_db.sources.simulated.trials import arm_regime, simulate_arm
from reference_db.vocabulary import T2Load, Treatment


@given(st.floats(0.0, 10.0))
def test_every_disability_has_its_place_on_the_scale(disability: float) -> None:
    rated = float(on_scale(np.array([disability]))[0])
    assert rated in EDSS_SCALE
    assert abs(rated - disability) <= 0.5


def test_two_raters_agree_as_often_as_published() -> None:
    """Noseworthy et al. 1990: 69 % perfect agreement, at least 92 % within one step."""
    rng = np.random.default_rng(1)
    state = rng.uniform(1.0, 3.5, 200_000)
    first, second = rate_edss(state, rng), rate_edss(state, rng)
    assert np.mean(first == second) == pytest.approx(0.69, abs=0.03)
    assert np.mean(np.abs(first - second) <= 0.5) > 0.92


@given(st.floats(1.0, 4.5), st.floats(0.5, 1.8))
def test_maximum_entropy_has_the_moments_asked_for(mean: float, sd: float) -> None:
    scale = tuple(step for step in EDSS_SCALE if step <= 6.0)
    if sd**2 > 0.6 * mean * (6.0 - mean) or sd > 0.7 * min(mean, 6.0 - mean):
        return
    probability = maximum_entropy(scale, mean, sd)
    values = np.array(scale)
    assert probability @ values == pytest.approx(mean, abs=1e-4)
    assert np.sqrt(probability @ values**2 - mean**2) == pytest.approx(sd, abs=1e-3)


def test_hurdle_counts_have_the_moments_asked_for() -> None:
    counts = np.arange(61)
    probability = hurdle_counts(1.6, 3.81, 0.41, 60)
    mean = probability @ counts
    assert 1.0 - probability[0] == pytest.approx(0.41)
    assert mean == pytest.approx(1.6, rel=0.03)
    assert np.sqrt(probability @ counts**2 - mean**2) == pytest.approx(3.81, rel=0.06)


@pytest.mark.parametrize("shape", [0.15, 0.5, 1.0, 4.0])
def test_frailties_have_mean_one_and_the_variance_of_their_shape(shape: float) -> None:
    frailty = gamma_frailty((np.arange(400_000) + 0.5) / 400_000, shape)
    assert frailty.mean() == pytest.approx(1.0, rel=0.02)
    assert frailty.var() == pytest.approx(1.0 / shape, rel=0.06)


def test_discrete_quantiles_follow_their_probabilities() -> None:
    drawn = discrete_quantile((0.0, 1.0, 4.0), np.array([0.2, 0.5, 0.3]), (np.arange(1000) + 0.5) / 1000)
    assert [np.mean(drawn == value) for value in (0.0, 1.0, 4.0)] == pytest.approx([0.2, 0.5, 0.3], abs=0.002)


@given(st.integers(0, 200))
def test_bins_of_t2_lesions_are_those_of_the_vocabulary(count: int) -> None:
    assert t2_bins(np.array([float(count)]), known=np.array([True]))[0] == T2Load.of_count(count).value


def test_treatment_works_less_with_age_and_more_with_activity() -> None:
    young, old = modification(np.array([25.0, 60.0]), np.array([1.0, 1.0]), usual_activity=1.4, per_activity=0.2)
    calm, active = modification(np.array([38.0, 38.0]), np.array([0.0, 3.0]), usual_activity=1.4, per_activity=0.2)
    assert young > old
    assert active > calm


def test_the_same_luck_under_a_stronger_treatment_is_never_worse() -> None:
    """Common random numbers: a relapse under the drug would have come under placebo, but for refractoriness."""
    placebo = next(arm for arm in arms() if arm.code == "AFF-PBO")
    drug = next(arm for arm in arms() if arm.code == "AFF-NAT")
    made = simulate_arm(placebo, n=3000, first_number=1, calibration=calibrated(), rng=np.random.default_rng(3))
    traits = made.cohort.traits
    chance = Chance.draw(3000, 26, np.random.default_rng(4))
    without = follow(traits, arm_regime(placebo, traits, calibrated()), chance)
    treated = follow(traits, arm_regime(drug, traits, calibrated()), chance)
    assert treated.relapse.sum() < 0.5 * without.relapse.sum()
    assert (treated.lasting[:, -1] <= without.lasting[:, -1] + 1e-5).mean() > 0.97


def test_expected_outcomes_are_the_mean_of_simulated_courses() -> None:
    arm = next(arm for arm in arms() if arm.code == "AFF-PBO")
    n = 20_000
    made = simulate_arm(arm, n=n, first_number=1, calibration=calibrated(), rng=np.random.default_rng(5))
    traits = made.cohort.traits
    rates = arm_regime(arm, traits, calibrated())
    truth = expected_outcomes(traits, rates, edss=made.cohort.edss, days_per_month=28.0)
    course = follow(traits, rates, Chance.draw(n, 24, np.random.default_rng(6)))
    assert truth["relapses_24"].mean() == pytest.approx(course.relapse.sum(axis=1).mean(), rel=0.02)
    assert truth["relapse_risk_24"].mean() == pytest.approx(course.relapse.any(axis=1).mean(), rel=0.02)
    end = course.lasting[:, -1] + course.transient[:, -1]
    assert truth["edss_24"].mean() == pytest.approx(end.mean(), abs=0.06)
    rise = np.where(made.cohort.edss == 0.0, 1.5, np.where(made.cohort.edss < 6.0, 1.0, 0.5))
    risen = course.lasting[:, -1] - course.lasting[:, 0] >= rise
    assert truth["worsening_risk_24"].mean() == pytest.approx(risen.mean(), abs=0.015)
    high = truth["worsening_risk_24"] > truth["worsening_risk_24"].quantile(0.9)
    assert risen[high].mean() > 3 * risen[~high].mean()


@given(st.floats(0.1, 3.0), st.floats(0.01, 2.0))
def test_the_probability_of_a_lasting_rise_falls_with_the_rise(rise: float, relapses: float) -> None:
    small, large = lasting_rise_probability(np.array([rise, rise + 0.5]), np.array([relapses, relapses]))
    assert 0.0 <= large <= small <= 1.0 - np.exp(-relapses) + 1e-6


def test_potential_outcomes_differ_between_patients(full_small: SimulatedSources) -> None:
    truth = full_small.potential_outcomes.pivot_table(
        index="patient_id", columns="treatment", values="relapse_risk_24"
    )
    gain = truth[Treatment.UNTREATED.value] - truth[Treatment.NATALIZUMAB.value]
    assert gain.std() > 0.05
    assert (gain > 0).mean() > 0.99


@pytest.fixture(scope="module")
def full_small() -> SimulatedSources:
    return simulate(seed=9, scale=0.05)


def test_every_parameter_has_a_source_in_the_bibliography() -> None:
    known = {row["source_key"] for row in csv_rows("bibliography.csv")}
    for name in (
        "parameters.csv",
        "published_baseline.csv",
        "published_outcomes.csv",
        "class_effects.csv",
        "registry_design.csv",
        "registry_phenotypes.csv",
    ):
        assert {row["source_key"] for row in csv_rows(name)} <= known, name


def test_every_parameter_is_used() -> None:
    """A parameter that no code reads would be a claim without effect."""
    from importlib import resources

    folder = resources.files("reference_db.sources.simulated")
    code = "".join(path.read_text() for path in folder.iterdir() if path.name.endswith(".py"))
    assert [name for name in parameters() if f'"{name}"' not in code] == []


def schedule(table: pd.DataFrame, source: str, patients: pd.DataFrame) -> set[int]:
    known = set(patients.loc[patients["source"] == source, "patient_id"])
    return set(table.loc[table["patient_id"].isin(known), "day"])


def test_schedules_are_those_of_the_trials(full_small: SimulatedSources) -> None:
    tables = full_small.tables
    weeks = {0, 84, 168, 252, 336}
    assert schedule(tables.visits, "ADVANCE", tables.patients) == weeks
    assert schedule(tables.mri, "ADVANCE", tables.patients) == {0, 168, 336}
    assert schedule(tables.visits, "CLARITY", tables.patients) >= {0, 91, 168, 672}
    assert schedule(tables.mri, "AFFIRM", tables.patients) == {0, 364, 728}
    assert schedule(tables.mri, "ASCEND", tables.patients) == {0, 168, 336, 504, 672}
    assert tables.patients.query("source == 'ADVANCE'")["last_day"].max() == 336


def test_mri_subsets_and_phenotypes_are_those_of_the_trials() -> None:
    tables = simulate(seed=2, scale=0.2).tables
    patients = tables.patients.set_index("patient_id")
    scanned = patients.index.isin(tables.mri["patient_id"].unique())
    share = pd.Series(scanned).groupby(patients["source"].to_numpy()).mean()
    assert share["DEFINE"] == pytest.approx(0.44, abs=0.02)
    assert share["CONFIRM"] == pytest.approx(0.48, abs=0.02)
    assert share["CLARITY"] == 1.0
    by_source = patients.groupby("source")["phenotype"].unique().map(set)
    assert by_source["ASCEND"] == {"SPMS"}
    assert by_source["REFLEX"] == by_source["ORACLE-MS"] == {"CIS"}
    assert by_source["AFFIRM"] == {"RRMS"}
    assert by_source["OFSEP"] == {"CIS", "RRMS", "SPMS", "PPMS"}


def test_a_second_attack_ends_the_trials_of_a_first_event(full_small: SimulatedSources) -> None:
    tables = full_small.tables
    oracle = tables.patients.query("source == 'ORACLE-MS'").set_index("patient_id")
    relapses = tables.relapses[tables.relapses["patient_id"].isin(oracle.index)]
    assert (relapses.groupby("patient_id").size() == 1).all()
    assert (relapses.set_index("patient_id")["day"] == oracle["last_day"].reindex(relapses["patient_id"])).all()


def test_registry_treats_by_indication_and_switches(full_small: SimulatedSources) -> None:
    tables = simulate(seed=3, scale=0.3).tables
    patients = tables.patients.query("source == 'OFSEP' and phenotype == 'RRMS'").set_index("patient_id")
    activity = patients.groupby("arm")["relapses_12m"].mean()
    assert activity[Treatment.NATALIZUMAB.value] > activity[Treatment.TERIFLUNOMIDE.value]
    assert activity[Treatment.NATALIZUMAB.value] > activity[Treatment.UNTREATED.value]
    treatments = tables.treatments[tables.treatments["patient_id"].isin(patients.index)]
    assert (treatments.groupby("patient_id").size() > 1).mean() > 0.2
    last = patients["last_day"] / 365.25
    assert last.max() <= 10.1
    gaps = (
        tables.visits[tables.visits["patient_id"].isin(patients.index)].groupby("patient_id")["day"].diff().dropna()
    )
    assert gaps.std() > 60
    counted = tables.mri[tables.mri["patient_id"].isin(patients.index)]["new_t2_lesions"].isna().mean()
    assert counted > 0.4
