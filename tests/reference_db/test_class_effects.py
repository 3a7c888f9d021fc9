"""Coefficients of the potential outcomes: true on average in every class, and nothing of a patient in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reference_db.class_effects import NUMBERS, class_effects
from reference_db.errors import InvalidInput
from reference_db.harmonise import episodes
from reference_db.sources.simulated import simulate
from reference_db.vocabulary import Treatment
from reference_db.warehouse import read_bkp, write_bkp


@pytest.fixture(scope="module")
def bkp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small warehouse of simulated originals with their truth."""
    made = simulate(seed=4, scale=0.05)
    path = tmp_path_factory.mktemp("bkp") / "simulated"
    write_bkp(path, made.tables, made.sources, potential_outcomes=made.potential_outcomes)
    return path


def test_the_mean_of_every_class_is_the_true_one(bkp: Path) -> None:
    effects = class_effects(bkp)
    assert effects is not None
    warehouse = read_bkp(bkp)
    truth = warehouse.potential_outcomes
    assert truth is not None
    features = episodes(warehouse.tables, warehouse.sources).rename(columns={"edss_0": "edss"})
    classes = tuple(Treatment)
    expected = effects.expected(features, classes)
    for j, treatment in enumerate(classes):
        rows = truth[truth["treatment"] == treatment]
        assert expected.edss_change[:, j].mean() == pytest.approx((rows["edss_24"] - rows["edss_0"]).mean(), abs=0.01)
        assert expected.relapse_rate[:, j].mean() == pytest.approx(rows["relapses_24"].mean() / 2.0, rel=0.05)
        risk = -np.expm1(-24.0 * expected.worsening_rate[:, j])
        assert risk.mean() == pytest.approx(rows["worsening_risk_24"].mean(), rel=0.05)


def test_effects_differ_between_patients_as_they_truly_do(bkp: Path) -> None:
    """What natalizumab spares, against nothing, is predicted better by the features than by its mean alone."""
    effects = class_effects(bkp)
    assert effects is not None
    warehouse = read_bkp(bkp)
    assert warehouse.potential_outcomes is not None
    truth = warehouse.potential_outcomes.pivot_table("relapses_24", "patient_id", "treatment")
    spared = (truth["placebo or untreated"] - truth["natalizumab"]).loc[warehouse.tables.patients["patient_id"]]
    features = episodes(warehouse.tables, warehouse.sources).rename(columns={"edss_0": "edss"})
    rates = effects.expected(features, (Treatment.UNTREATED, Treatment.NATALIZUMAB)).relapse_rate * 2.0
    assert np.corrcoef(rates[:, 0] - rates[:, 1], spared)[0, 1] > 0.3


def test_nothing_but_coefficients_leaves(bkp: Path) -> None:
    effects = class_effects(bkp)
    assert effects is not None
    assert set(effects.coefficients) == set(Treatment)
    for values in effects.coefficients.values():
        assert values.shape == (3, len(effects.columns))
    assert effects.patients > 100 * len(effects.columns) / 2
    assert set(vars(effects)) == {"coefficients", "columns", "centre", "spread", "patients"}


def test_unknown_numbers_and_far_ones_stay_within_what_is_known(bkp: Path) -> None:
    effects = class_effects(bkp)
    assert effects is not None
    features = pd.DataFrame({name: [np.nan, 1e6] for name in NUMBERS})
    features = features.assign(sex="female", phenotype="RRMS", prior_treatment=pd.NA)
    found = effects.expected(features, (Treatment.ANTI_CD20,))
    for values in (found.edss_change, found.relapse_rate, found.worsening_rate):
        assert np.isfinite(values).all()


def test_originals_without_a_truth_give_none_and_no_originals_are_refused(bkp: Path, tmp_path: Path) -> None:
    made = read_bkp(bkp)
    write_bkp(tmp_path / "real", made.tables, made.sources)
    assert class_effects(tmp_path / "real") is None
    with pytest.raises(InvalidInput):
        class_effects(tmp_path / "nothing")
