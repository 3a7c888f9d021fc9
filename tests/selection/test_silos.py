"""Silos answer with sums that give what the pooled patients give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from projection import Projector
from projection.distributed import DistributedProjector, silo_of
from projection.endpoints import ENDPOINTS, GRID
from reference_db.episodes import Episodes
from reference_db.harmonise import episodes as harmonised
from reference_db.small_cells import SMALL_CELL
from reference_db.sources.simulated import simulate
from reference_db.vocabulary import Treatment
from selection.features import FEATURE_NAMES
from selection.patient import PatientOfInterest
from selection.silos import Hub

WEIGHTS = dict.fromkeys(FEATURE_NAMES, 1.0)

POIS = [
    PatientOfInterest(age=34, phenotype="RRMS", edss=2.5, sex="female", years_since_onset=5, relapses_12m=1),
    PatientOfInterest(age=51, phenotype="SPMS", edss=5.5, gd_lesions=0, t2_lesions=">20", prior_treatment="none"),
]


@dataclass(frozen=True)
class Database:
    """Episodes as a projector takes them."""

    version: str
    episodes: Episodes

    def attachment(self, name: str) -> bytes | None:
        return None


@pytest.fixture(scope="module")
def originals() -> Episodes:
    simulated = simulate(seed=3, scale=0.08)
    table = harmonised(simulated.tables, simulated.sources)
    return Episodes(table, {source.name: source for source in simulated.sources})


def _silos(originals: Episodes, *, exact: bool = True) -> Hub:
    parts = [rows.reset_index(drop=True) for _, rows in originals.table.groupby("source")]
    return Hub([silo_of(Episodes(part, originals.sources), secret=b"s" * 32, exact=exact) for part in parts])


@pytest.mark.parametrize("poi", POIS, ids=["relapsing", "progressive"])
def test_without_suppression_silos_equal_the_pooled_patients(originals: Episodes, poi: PatientOfInterest) -> None:
    apart = DistributedProjector(_silos(originals), WEIGHTS).project(poi, k=60)
    pooled = DistributedProjector(Hub([silo_of(originals, exact=True)]), WEIGHTS).project(poi, k=60)
    np.testing.assert_array_equal(apart.number, pooled.number)
    assert (apart.number >= 60).any()
    np.testing.assert_allclose(apart.edss, pooled.edss, rtol=1e-9)
    np.testing.assert_allclose(apart.probabilities, pooled.probabilities, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("poi", POIS, ids=["relapsing", "progressive"])
def test_sums_give_what_the_projector_of_the_service_gives(originals: Episodes, poi: PatientOfInterest) -> None:
    """The same patients of reference, the nearest of the pooled database, through the estimator of the service."""
    # Levels that are unknown count as their class's spread there and as everybody's here: leave that feature out.
    weights = WEIGHTS | {"prior_treatment": 0.0}
    hub = _silos(originals)
    found = DistributedProjector(hub, weights).project(poi, k=60)
    central = Projector(Database("pooled", originals))
    np.testing.assert_allclose(hub.standard.mean, central.selector.scaling.mean, rtol=1e-10)
    np.testing.assert_allclose(hub.standard.spread, central.selector.scaling.spread, rtol=1e-8)
    compared = 0
    for position, treatment in enumerate(Treatment):
        n = int(found.number[position])
        if n < 30:
            continue
        (answer,) = central.project(poi, k=n, weights=weights, classes=[treatment], estimator="local").classes
        assert answer.edss is not None
        assert answer.n == n
        np.testing.assert_allclose(found.edss[position], answer.edss.expected.value, rtol=1e-8)
        for name, curve in answer.probabilities.items():
            at = ENDPOINTS.index(name)
            np.testing.assert_allclose(found.probabilities[position, at], curve.value, atol=1e-8)
            compared += 1
    assert compared > 10


def test_a_silo_keeps_sums_over_few_patients_to_itself(originals: Episodes) -> None:
    """Not even under masks: other silos may have nobody in the group."""
    poi = POIS[0].model_copy(update={"gd_lesions": 1})
    table = originals.table
    rarely_known = table["gd_lesions"].where(np.arange(len(table)) % 12 == 0)
    hub = _silos(Episodes(table.assign(gd_lesions=rarely_known), originals.sources), exact=False)
    question = DistributedProjector(hub, WEIGHTS).question(poi)
    step = np.full(len(Treatment), 59)
    withheld, unknown = 0, 0
    for silo in hub.silos:
        aggregates = silo._aggregates
        known = aggregates.moments().count
        # Scaled to a count that is moved.
        assert ((known == 0) | (known >= SMALL_CELL / 2)).all()
        unknown += int((known == 0).any())
        counts = aggregates.counts(question)
        assert ((counts == 0) | (counts >= SMALL_CELL)).all()
        told = aggregates.outcomes(question, step)
        for number in (told.number, told.known):
            assert ((number == 0) | (number >= SMALL_CELL)).all()
        assert not told.total[told.known == 0].any()
        nobody = told.number == 0
        assert not any(part[nobody].any() for part in (told.known, told.ends))
        withheld += int(nobody.sum())
    assert withheld > len(hub.silos)
    assert unknown


def test_probabilities_start_at_zero_and_never_fall(originals: Episodes) -> None:
    found = DistributedProjector(_silos(originals), WEIGHTS).project(POIS[0], k=60)
    assert found.probabilities.shape == (len(Treatment), 8, len(GRID))
    shown = found.probabilities[~np.isnan(found.probabilities).any(axis=2)]
    assert len(shown)
    np.testing.assert_allclose(shown[:, 0], 0.0, atol=1e-12)
    assert (np.diff(shown, axis=1) >= -1e-12).all()


def test_by_the_rule_silos_say_nearly_what_they_would_without(originals: Episodes) -> None:
    """Classes of a few dozen patients here; on the default release a third of this (docs/validation.md)."""
    exact = DistributedProjector(_silos(originals), WEIGHTS).project(POIS[0], k=60)
    moved = DistributedProjector(_silos(originals, exact=False), WEIGHTS).project(POIS[0], k=60)
    assert np.nanmean(np.abs(moved.edss - exact.edss)) < 0.25
    assert set(moved.edss[:, 0][~np.isnan(moved.edss[:, 0])]) == {POIS[0].edss}
    assert np.nanmean(np.abs(moved.probabilities - exact.probabilities)) < 0.1
    shown = moved.probabilities[~np.isnan(moved.probabilities).any(axis=2)]
    assert len(shown)
    assert ((shown >= 0) & (shown <= 1)).all()
    assert (np.diff(shown, axis=1) >= -1e-12).all()
