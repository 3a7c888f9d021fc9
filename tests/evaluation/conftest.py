"""Protocols and patients to try: the example protocol with changes, and a small simulated reference database."""

from __future__ import annotations

import numpy as np
import pytest

from cdss.evaluation.examples import example_protocol
from cdss.evaluation.protocol import Protocol, parse_protocol
from cdss.evaluation.simulation import PatientPool, patient_pool
from reference_db.episodes import Episodes
from reference_db.harmonise import episodes as harmonised
from reference_db.sources.simulated import simulate


def protocol_with(**changes: object) -> Protocol:
    """Return the example protocol with some fields changed; mappings are merged."""
    document = example_protocol().document()
    for name, value in changes.items():
        document[name] = {**document[name], **value} if isinstance(value, dict) else value
    return parse_protocol(document)


@pytest.fixture(scope="session")
def episodes() -> Episodes:
    """Simulated originals at a small scale: what a release looks like."""
    simulated = simulate(seed=11, scale=0.04)
    table = harmonised(simulated.tables, simulated.sources)
    return Episodes(table, {source.name: source for source in simulated.sources})


@pytest.fixture(scope="session")
def pool(episodes: Episodes) -> PatientPool:
    """Patients to recruit."""
    return patient_pool(episodes, size=800, rng=np.random.default_rng(5))
