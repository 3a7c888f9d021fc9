"""A small database with its avatars, for every test of this folder."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from reference_db.avatar.episodes import anonymise_episodes
from reference_db.episodes import Episodes
from reference_db.harmonise import episodes as harmonised
from reference_db.schema import LongTables
from reference_db.sources.simulated import simulate
from reference_db.warehouse import Warehouse
from validation.material import Material, gather_episodes

TRIALS = ("AFFIRM", "CLARITY", "CONFIRM", "SENTINEL")
REGISTRY, PATIENTS, SMALLEST_ARM = "OFSEP", 1600, 60


@pytest.fixture(scope="session")
def originals() -> Warehouse:
    """Half of the patients of some trials, and some of a registry: every arm large enough to be anonymised."""
    simulated = simulate(seed=5, scale=0.5)
    patients = simulated.tables.patients
    registry = patients[patients["source"] == REGISTRY].sample(PATIENTS, random_state=0)
    registry = registry[registry.groupby("arm")["patient_id"].transform("size") >= SMALLEST_ARM]
    chosen = patients["source"].isin(TRIALS) | patients["patient_id"].isin(registry["patient_id"])
    kept = patients[chosen].reset_index(drop=True)
    names = set(kept["patient_id"])
    tables = {
        name: table[table["patient_id"].isin(names)].reset_index(drop=True)
        for name, table in (
            ("visits", simulated.tables.visits),
            ("relapses", simulated.tables.relapses),
            ("mri", simulated.tables.mri),
            ("treatments", simulated.tables.treatments),
        )
    }
    truth = simulated.potential_outcomes
    return Warehouse(
        LongTables(patients=kept, **tables),
        tuple(source for source in simulated.sources if source.name in (*TRIALS, REGISTRY)),
        truth[truth["patient_id"].isin(names)].reset_index(drop=True),
    )


@pytest.fixture(scope="session")
def avatars(originals: Warehouse) -> pd.DataFrame:
    table = harmonised(originals.tables, originals.sources)
    return anonymise_episodes(table, k=15, rng=np.random.default_rng(7)).table


Make = Callable[[pd.DataFrame], Material]


@pytest.fixture(scope="session")
def material_of(originals: Warehouse) -> Make:
    """Return a function that puts a synthetic table beside the originals."""
    sources = {source.name: source for source in originals.sources}

    def make(table: pd.DataFrame) -> Material:
        return gather_episodes(
            Episodes(table.reset_index(drop=True), sources),
            originals,
            quick=True,
            seed=1,
            privacy={},
            parameters={"k": 15},
        )

    return make


@pytest.fixture(scope="session")
def material(material_of: Make, avatars: pd.DataFrame) -> Material:
    return material_of(avatars)
