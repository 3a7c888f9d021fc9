"""All simulated sources at once."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from reference_db.schema import LongTables, Source
from reference_db.sources.simulated.cohort import Cohort
from reference_db.sources.simulated.disease import Regime, regime
from reference_db.sources.simulated.potential_outcomes import expected_outcomes
from reference_db.sources.simulated.published import SOURCE_LABELS, Arm, arms, calibrated, class_effects
from reference_db.sources.simulated.registry import (
    CLASSES,
    registry_frailties,
    registry_regime,
    simulate_registry,
)
from reference_db.sources.simulated.trials import arm_regime, simulate_arm
from reference_db.vocabulary import SourceKind, Treatment

SMALLEST_ARM = 40
"""Patients per arm below which a scaled-down simulation does not go."""


@dataclass(frozen=True)
class SimulatedSources:
    """Simulated sources with the truth behind them.

    Attributes
    ----------
    tables : LongTables
        The long tables of all sources, as real sources would deliver them.
    sources : tuple of Source
    potential_outcomes : DataFrame
        Expected course and risks of every patient under every class: ``patient_id``, ``treatment``, then the columns
        of `potential_outcomes.expected_outcomes`. Never part of a release.
    latent : DataFrame
        What no source records, per patient: lasting disability, frailty ranks, T2 lesion count at baseline. Never
        part of a release.
    """

    tables: LongTables
    sources: tuple[Source, ...]
    potential_outcomes: pd.DataFrame
    latent: pd.DataFrame


def simulate(*, seed: int, scale: float = 1.0) -> SimulatedSources:
    """Simulate the nine trials and two registry cohorts: 25,726 patients at scale 1.

    Parameters
    ----------
    seed : int
        The same seed gives the same tables, byte for byte.
    scale : float
        Share of the full size, in (0, 1]; no trial arm falls below 40 patients.

    Raises
    ------
    ValueError
        If `scale` is outside (0, 1].
    """
    if not 0.0 < scale <= 1.0:
        raise ValueError(f"scale {scale} must be above 0 and at most 1")
    streams = iter(np.random.default_rng(seed).spawn(len(arms()) + len(SOURCE_LABELS)))
    parts: list[LongTables] = []
    truths: list[pd.DataFrame] = []
    latents: list[pd.DataFrame] = []
    enrolled: dict[str, int] = {}
    for arm in arms():
        n = max(round(arm.n * scale), min(SMALLEST_ARM, arm.n))
        first = enrolled.get(arm.source, 0) + 1
        enrolled[arm.source] = first + n - 1
        result = simulate_arm(arm, n=n, first_number=first, rng=next(streams))
        parts.append(result.tables)
        truths.append(_trial_truth(arm, result.cohort))
        latents.append(_latent(result.cohort))
    for name, (_, kind, days_per_month) in SOURCE_LABELS.items():
        if kind is SourceKind.REGISTRY:
            registry = simulate_registry(name, scale=scale, rng=next(streams))
            parts.append(registry.tables)
            truths.append(_registry_truth(registry.cohort, days_per_month))
            latents.append(_latent(registry.cohort))
    return SimulatedSources(
        tables=LongTables(
            **{
                field.name: pd.concat([getattr(part, field.name) for part in parts], ignore_index=True)
                for field in fields(LongTables)
            }
        ),
        sources=tuple(
            Source(name=name, label=label, kind=kind, days_per_month=days)
            for name, (label, kind, days) in SOURCE_LABELS.items()
        ),
        potential_outcomes=pd.concat(truths, ignore_index=True),
        latent=pd.concat(latents, ignore_index=True),
    )


def _under_every_class(cohort: Cohort, rates: dict[Treatment, Regime], days_per_month: float) -> pd.DataFrame:
    identity = cohort.patients["patient_id"]
    frames = []
    for treatment, regime_of_class in rates.items():
        frame = expected_outcomes(cohort.traits, regime_of_class, days_per_month=days_per_month)
        frame.insert(0, "treatment", treatment.value)
        frame.insert(0, "patient_id", identity)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _trial_truth(arm: Arm, cohort: Cohort) -> pd.DataFrame:
    """Take the effect a trial measured for the classes that it tested, the published class effect for the others."""
    tested = {other.treatment: other for other in arms() if other.source == arm.source}
    value, effects = calibrated(), class_effects()
    rates = {}
    for treatment in Treatment:
        if treatment in tested:
            rates[treatment] = arm_regime(tested[treatment], cohort.traits)
            continue
        rates[treatment] = regime(
            cohort.traits,
            relapse_ratio=effects.at[treatment.value, "relapse_ratio"],
            progression_ratio=effects.at[treatment.value, "progression_ratio"],
            lesion_ratio=effects.at[treatment.value, "lesion_ratio"],
            relapse_shape=value[arm.code, "relapse_shape"],
            lesion_shape=value[arm.code, "lesion_shape"],
        )
    return _under_every_class(cohort, rates, SOURCE_LABELS[arm.source][2])


def _registry_truth(cohort: Cohort, days_per_month: float) -> pd.DataFrame:
    frailties = registry_frailties(cohort.traits)
    rates = {
        treatment: registry_regime(cohort.traits, np.full(len(cohort), i), frailties)
        for i, treatment in enumerate(CLASSES)
    }
    return _under_every_class(cohort, rates, days_per_month)


def _latent(cohort: Cohort) -> pd.DataFrame:
    traits = cohort.traits
    return pd.DataFrame(
        {
            "patient_id": cohort.patients["patient_id"],
            "lasting_disability": traits.lasting,
            "relapse_frailty_rank": traits.relapse_u,
            "lesion_frailty_rank": traits.lesion_u,
            "progression_frailty_rank": traits.progression_u,
            "t2_count": cohort.t2_count,
        }
    )
