"""What a simulation would have recorded of its patients under each class: the truth of confirmed worsening.

Confirmed worsening has no closed expectation: it is what raters noted at the visits of a schedule, confirmed or not
at later ones. Its truth is a recording of every patient under each class, with new luck. One recording is one draw
per patient; the mean given the features is learned from it as from any other truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from projection.endpoints import HORIZON, endpoints_of
from reference_db.episodes import Episodes
from reference_db.harmonise import episodes as harmonised
from reference_db.sources.simulated import simulate
from reference_db.vocabulary import Treatment

Floats = NDArray[np.float64]

ENDPOINT = "worsening_24w"


def recorded_worsening(
    simulation: Mapping[str, Any], original: Episodes, classes: tuple[Treatment, ...], rng: np.random.Generator
) -> Floats | None:
    """Return who would have had a worsening confirmed 24 weeks later within 24 months, under each class.

    Parameters
    ----------
    simulation : mapping
        ``seed`` and ``scale`` of the originals.
    original : Episodes
        In the order of the simulation.
    classes : tuple of Treatment
    rng : Generator
        Of the luck of patients and raters.

    Returns
    -------
    ndarray, shape (patients, classes), or None
        1 with the event, as the projection defines it, 0 without, NaN where no visit could have confirmed one. None
        where the simulation is not that of the originals any more.
    """
    simulated = simulate(seed=int(simulation["seed"]), scale=float(simulation["scale"]))
    if not np.array_equal(simulated.tables.patients["age"].to_numpy(), original.table["age"].to_numpy()):
        return None
    found = np.full((len(original), len(classes)), np.nan)
    sources = {source.name: source for source in simulated.sources}
    for at, (treatment, own) in enumerate(zip(classes, rng.spawn(len(classes)), strict=True)):
        recorded = harmonised(simulated.recorded_under(treatment, own), simulated.sources)
        if len(recorded) != len(original):
            return None
        months, event = endpoints_of(Episodes(recorded, sources)).months(ENDPOINT)
        seen = event & (months <= HORIZON)
        # Whoever has no visit late enough to confirm one at the horizon is not known to be free of it.
        found[:, at] = np.where(seen, 1.0, np.where(months >= HORIZON, 0.0, np.nan))
    return found
