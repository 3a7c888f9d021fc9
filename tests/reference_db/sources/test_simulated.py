"""Simulated sources: sizes, determinism, schema, class table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from reference_db.harmonise import episodes
from reference_db.schema import LongTables, check_long_tables
from reference_db.sources.simulated import SimulatedSources, simulate
from reference_db.vocabulary import Treatment

BKP = {
    Treatment.BETA_INTERFERON: (1533, 1805),
    Treatment.DIMETHYL_FUMARATE: (962, 1715),
    Treatment.NATALIZUMAB: (1712, 3179),
    Treatment.CLADRIBINE: (868, 900),
    Treatment.GLATIRAMER_ACETATE: (517, 875),
    Treatment.TERIFLUNOMIDE: (269, 926),
    Treatment.ANTI_CD20: (490, 1658),
    Treatment.S1P_MODULATOR: (386, 1559),
}
"""Patients with active disease per class: trials and high-definition cohort, then with the mother cohort."""


@pytest.fixture(scope="module")
def full() -> SimulatedSources:
    return simulate(seed=11)


def test_sizes_are_those_of_the_sources(full: SimulatedSources) -> None:
    patients = full.tables.patients
    by_source = patients.groupby("source").size()
    assert len(patients) == 25_726
    assert by_source["OFSEP-HD"] == 2_842
    assert by_source["OFSEP"] == 15_962
    trials = patients[~patients["source"].str.startswith("OFSEP")]
    assert len(trials) == 6_922
    assert trials.groupby(["source", "arm"]).ngroups == 18


def test_long_tables_keep_the_schema(full: SimulatedSources) -> None:
    check_long_tables(full.tables)


def test_class_table_of_active_disease_is_exact(full: SimulatedSources) -> None:
    table = episodes(full.tables, full.sources)
    active = (table["relapses_12m"] >= 1) | (table["gd_lesions"].fillna(0) >= 1)
    counted = table[(table["source_kind"] == "trial") | active]
    for treatment, (without_mother, with_mother) in BKP.items():
        of_class = counted[counted["treatment"] == treatment.value]
        assert (of_class["source"] != "OFSEP").sum() == without_mother
        assert len(of_class) == with_mother


def test_same_seed_same_tables() -> None:
    one, two, other = simulate(seed=5, scale=0.02), simulate(seed=5, scale=0.02), simulate(seed=6, scale=0.02)
    for name in ("patients", "visits", "relapses", "mri", "treatments"):
        pd.testing.assert_frame_equal(getattr(one.tables, name), getattr(two.tables, name))
        assert not getattr(one.tables, name).equals(getattr(other.tables, name))
    pd.testing.assert_frame_equal(one.potential_outcomes, two.potential_outcomes)


def test_scaling_keeps_every_arm() -> None:
    patients = simulate(seed=1, scale=0.02).tables.patients
    sizes = patients.groupby(["source", "arm"]).size()
    assert len(sizes) == 36
    assert sizes.min() == 60


@pytest.mark.parametrize("scale", [0.0, -1.0, 1.5])
def test_impossible_scale_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="scale"):
        simulate(seed=1, scale=scale)


def test_potential_outcomes_hold_every_class_for_every_patient(full: SimulatedSources) -> None:
    truth = full.potential_outcomes
    assert len(truth) == 25_726 * len(Treatment)
    assert not truth.duplicated(["patient_id", "treatment"]).any()
    mean = truth.groupby("treatment")["relapse_risk_24"].mean()
    assert mean.idxmax() == Treatment.UNTREATED.value
    assert truth["relapse_risk_24"].between(0.0, 1.0).all()


def test_what_sources_would_have_recorded_is_of_the_same_patients_on_one_class_for_five_years() -> None:
    simulated = simulate(seed=1, scale=0.01, candidates=1)
    patients, unit = simulated.tables.patients, {one.name: one.days_per_month for one in simulated.sources}

    def under(treatment: Treatment, seed: int) -> LongTables:
        return simulated.recorded_under(treatment, np.random.default_rng(seed))

    untreated, again, lucky, treated = (
        under(*asked)
        for asked in (
            (Treatment.UNTREATED, 0),
            (Treatment.UNTREATED, 0),
            (Treatment.UNTREATED, 1),
            (Treatment.NATALIZUMAB, 0),
        )
    )
    shared = [name for name in treated.patients.columns if name != "last_day"]
    pd.testing.assert_frame_equal(treated.patients[shared], patients[shared])
    # Nobody leaves: one treatment from the first day to the last, beyond month 60 of every source.
    assert set(treated.treatments["treatment"]) == {Treatment.NATALIZUMAB.value}
    assert (treated.treatments["start_day"] == 0).all()
    assert (treated.patients["last_day"] > 60 * patients["source"].map(unit)).all()
    last_visit = treated.visits.groupby("patient_id")["day"].max().reindex(patients["patient_id"]).to_numpy()
    assert (last_visit > 48 * patients["source"].map(unit)).mean() > 0.95
    # What is known at the start stays; luck afterwards is another with another state of the generator only.
    tables = (simulated.tables.visits, untreated.visits)
    begun = [visits[visits["day"] == 0].set_index("patient_id")["edss"] for visits in tables]
    pd.testing.assert_series_equal(begun[1].sort_index(), begun[0].reindex(begun[1].index).sort_index())
    pd.testing.assert_frame_equal(untreated.relapses, again.relapses)
    assert not untreated.visits["edss"].equals(lucky.visits["edss"])
    # The class that they are recorded under is the one that acts.
    assert len(treated.relapses) < 0.6 * len(untreated.relapses)
