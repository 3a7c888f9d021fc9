"""The totals of an arm are steady, and what happens to a patient keeps its law."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from projection import confirmed_worsening
from reference_db.schema import LongTables
from reference_db.sources.simulated.designs import arms
from reference_db.sources.simulated.luck import balanced
from reference_db.sources.simulated.parameters import calibrated
from reference_db.sources.simulated.trials import simulate_arm


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([2, 4, 8]), st.integers(100, 300), st.integers(1, 8))
def test_totals_are_nearer_to_their_mean_than_chance_brings_them(
    seed: int, candidates: int, places: int, summaries: int
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.exponential(size=(candidates, places, summaries)) * rng.uniform(0.1, 50.0, summaries)
    chosen = balanced(values, rng)
    assert set(chosen) <= set(range(candidates))
    total = values[chosen, np.arange(places)].sum(axis=0)
    by_chance = values.std(axis=(0, 1)) * np.sqrt(places)
    # The walk leaves about as many standard deviations as there are summaries; chance would leave sqrt(places).
    assert np.sqrt((((total - values.mean(axis=0).sum(axis=0)) / by_chance) ** 2).mean()) < 0.9


def test_every_candidate_is_as_likely_to_be_enrolled() -> None:
    """Also the one to whom something rare happens."""
    rng = np.random.default_rng(5)
    values = np.zeros((4, 12, 2))
    values[2, 3] = (10.0, 1.0)
    values[:, :, 1] += np.linspace(0.0, 1.0, 12)
    enrolled = np.bincount([balanced(values, rng)[3] for _ in range(2000)], minlength=4)
    assert stats.chisquare(enrolled).pvalue > 0.001


def test_candidates_must_pair() -> None:
    with pytest.raises(ValueError, match="3 candidates do not pair"):
        balanced(np.zeros((3, 10, 1)), np.random.default_rng(0))


def _worsened_and_relapses(tables: LongTables) -> tuple[int, np.ndarray]:
    wide = tables.visits.pivot(index="patient_id", columns="day", values="edss")
    days = np.broadcast_to(wide.columns.to_numpy(dtype=np.float64), wide.shape)
    counts = tables.relapses.groupby("patient_id").size().reindex(wide.index, fill_value=0).to_numpy()
    return int(confirmed_worsening(wide.to_numpy(), days, weeks=12).event.sum()), counts


def test_an_arm_is_steady_and_its_patients_are_as_before() -> None:
    arm = next(arm for arm in arms() if arm.code == "CLA-PBO")

    def trial(seed: int, candidates: int) -> tuple[int, np.ndarray]:
        rng = np.random.default_rng(seed)
        found = simulate_arm(arm, n=arm.n, first_number=1, calibration=calibrated(), rng=rng, candidates=candidates)
        return _worsened_and_relapses(found.tables)

    free = [trial(seed, 1) for seed in range(16)]
    steady = [trial(seed, 16) for seed in range(16)]
    spread = [np.std([counts.sum() for _, counts in found]) for found in (free, steady)]
    assert spread[1] < 0.5 * spread[0]
    assert np.std([worsened for worsened, _ in steady]) < 0.6 * np.std([worsened for worsened, _ in free])
    mean = [np.mean([worsened for worsened, _ in found]) for found in (free, steady)]
    error = np.std([worsened for worsened, _ in free], ddof=1) / 4.0
    assert abs(mean[0] - mean[1]) < 4.0 * error
    # Distribution of relapses between patients: 0, 1, 2, 3 or more.
    table = [
        np.bincount(np.minimum(np.concatenate([c for _, c in found]), 3), minlength=4) for found in (free, steady)
    ]
    assert stats.chi2_contingency(table).pvalue > 0.001
