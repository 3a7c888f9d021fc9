"""What every section of the validation works on: the originals, the synthetic episodes, and the truth where known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from reference_db.episodes import Episodes
from reference_db.harmonise import episodes as harmonised_episodes
from reference_db.release import Release
from reference_db.warehouse import Warehouse
from validation.checkpoints import Checkpoints
from validation.projections import Projected


@dataclass(frozen=True)
class Material:
    """The two databases that are compared.

    Attributes
    ----------
    original, synthetic : Episodes
    potential_outcomes : DataFrame or None
        Expected course of each original patient under each class, with the row of the patient in ``row``; only a
        simulation has it.
    seed : int
        Every section draws from its own generator, so that it gives the same figures alone as among others.
    quick : bool
        Whether samples are to be small.
    privacy : mapping
        The privacy assessment in the manifest of the release.
    parameters : mapping
        How the release was made.
    experts : sequence of mappings
        Scores of experts before the blinded questionnaire, ``called`` and ``right`` among their values.
    simulation : mapping, optional
        ``seed`` and ``scale``, where the originals are simulated and can be simulated again.
    kept : Checkpoints
        What an interrupted validation goes on from.
    projected : dict of str to Projected
        Projections of every original patient that one section made and another needs, by the name of the database; in
        memory only.
    """

    original: Episodes
    synthetic: Episodes
    potential_outcomes: pd.DataFrame | None
    seed: int
    quick: bool
    privacy: Mapping[str, Any]
    parameters: Mapping[str, Any]
    experts: Sequence[Mapping[str, Any]] = ()
    simulation: Mapping[str, Any] | None = None
    kept: Checkpoints = field(default_factory=Checkpoints)
    projected: dict[str, Projected] = field(default_factory=dict)

    def generator(self, stream: int) -> np.random.Generator:
        """Return the generator of one section; the stream tells sections apart."""
        return np.random.default_rng([self.seed, stream])


SMALLEST_ARM = 100
"""Patients whom the short suite keeps of an arm at least."""

KEPT_SHARE = 1 / 3


def thinned(table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return a third of each arm, or as many as make it large enough: what the short suite learns from.

    Parameters
    ----------
    table : DataFrame
        Episodes.
    rng : Generator
    """
    kept = [
        rng.permutation(rows)[: max(round(KEPT_SHARE * len(rows)), SMALLEST_ARM)]
        for rows in table.groupby(["source", "arm"]).indices.values()
    ]
    return table.iloc[np.sort(np.concatenate(kept))].reset_index(drop=True)


def gather(
    release: Release,
    originals: Warehouse,
    *,
    quick: bool,
    seed: int,
    experts: Sequence[Mapping[str, Any]] = (),
) -> Material:
    """Harmonise the originals and put them beside the release."""
    manifest = release.manifest
    again = {"seed": manifest.seed, "scale": manifest.parameters.get("scale", 1.0)}
    material = gather_episodes(
        release.episodes,
        originals,
        quick=quick,
        seed=seed,
        privacy=manifest.privacy,
        parameters=manifest.parameters,
        experts=experts,
    )
    return replace(material, simulation=again) if manifest.parameters.get("bkp") == "simulated" else material


def gather_episodes(
    synthetic: Episodes,
    originals: Warehouse,
    *,
    quick: bool,
    seed: int,
    privacy: Mapping[str, Any],
    parameters: Mapping[str, Any],
    experts: Sequence[Mapping[str, Any]] = (),
) -> Material:
    """Harmonise the originals and put them beside synthetic episodes that are not released yet."""
    episodes = harmonised_episodes(originals.tables, originals.sources)
    sources = {source.name: source for source in originals.sources}
    truth = originals.potential_outcomes
    # An original without an episode shifts the rows; then the truth cannot be told apart and is left out.
    aligned = len(episodes) == len(originals.tables.patients)
    return Material(
        original=Episodes(episodes, sources),
        synthetic=synthetic,
        potential_outcomes=_by_row(truth, originals.tables.patients) if truth is not None and aligned else None,
        seed=seed,
        quick=quick,
        privacy=privacy,
        parameters=parameters,
        experts=experts,
    )


def _by_row(truth: pd.DataFrame, patients: pd.DataFrame) -> pd.DataFrame:
    """Return the truth with the row of each patient's episode in ``row``."""
    position = pd.Series(np.arange(len(patients)), index=patients["patient_id"].to_numpy())
    return truth.assign(row=position.reindex(truth["patient_id"]).to_numpy())
