"""All simulated sources at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, partial

import numpy as np
import pandas as pd

from reference_db.schema import LongTables, Source
from reference_db.sources.simulated.cohort import SMALLEST_ARM, Cohort
from reference_db.sources.simulated.counterfactual import FOLLOWED_MONTHS, recorded_on_schedule
from reference_db.sources.simulated.designs import Arm, arms, sources
from reference_db.sources.simulated.disease import Regime, regime
from reference_db.sources.simulated.indication import CLASSES
from reference_db.sources.simulated.parameters import Calibration, calibrated, class_effects, parameters
from reference_db.sources.simulated.potential_outcomes import expected_outcomes
from reference_db.sources.simulated.registry import Frailties, class_regime, registry_under, simulate_registry
from reference_db.sources.simulated.trials import arm_regime, simulate_arm
from reference_db.vocabulary import SourceKind, Treatment

CANDIDATES = 32
"""Patients drawn for each place in a trial arm, to enrol the one that makes the arm as expected."""


@dataclass(frozen=True)
class SimulatedSources:
    """Simulated sources with the truth behind them.

    Attributes
    ----------
    tables : LongTables
        The long tables of all sources, as real sources would deliver them.
    sources : tuple of Source
    latent : DataFrame
        What no source records, per patient: lasting disability, frailty ranks, T2 lesion count at baseline. Never
        part of a release.
    truths : tuple of callable
        Each gives the potential outcomes of the patients of an arm or a registry.
    recordings : tuple of callable
        Each gives what an arm or a registry would have recorded under one class.
    """

    tables: LongTables
    sources: tuple[Source, ...]
    latent: pd.DataFrame
    truths: tuple[Callable[[], pd.DataFrame], ...]
    recordings: tuple[Callable[[Treatment, np.random.Generator], LongTables], ...]

    @cached_property
    def potential_outcomes(self) -> pd.DataFrame:
        """Expected course and risks of every patient under every class, computed when first asked for.

        ``patient_id``, ``treatment``, then the columns of `potential_outcomes.expected_outcomes`. Never part of a
        release.
        """
        return pd.concat([truth() for truth in self.truths], ignore_index=True)

    def recorded_under(self, treatment: Treatment, rng: np.random.Generator) -> LongTables:
        """Return what the sources would have recorded, had all their patients stayed on one class for five years.

        Parameters
        ----------
        treatment : Treatment
        rng : Generator
            Of the luck of patients and raters; another state gives another recording of the same patients.

        Returns
        -------
        LongTables
            In the order of `tables`. Trials go on seeing their patients at the last interval of their schedule and
            record no scans. Never part of a release.
        """
        return _joined([recording(treatment, rng) for recording in self.recordings])


def simulate(
    *, seed: int, scale: float = 1.0, calibration: Calibration | None = None, candidates: int = CANDIDATES
) -> SimulatedSources:
    """Simulate the nine trials and two registry cohorts: 25,726 patients at scale 1.

    Parameters
    ----------
    seed : int
        The same seed gives the same tables, byte for byte.
    scale : float
        Share of the full size, in (0, 1]; no trial arm and no class of a registry falls below 60 patients.
    calibration : mapping, optional
        Parameters of trials and arms; those that the project ships when left out.
    candidates : int
        Drawn for each place in a trial arm, a power of two; 1 leaves the arm's results to chance.

    Raises
    ------
    ValueError
        If `scale` is outside (0, 1].
    """
    if not 0.0 < scale <= 1.0:
        raise ValueError(f"scale {scale} must be above 0 and at most 1")
    values = calibrated() if calibration is None else calibration
    registries = [source for source in sources() if source.kind is SourceKind.REGISTRY]
    streams = iter(np.random.default_rng(seed).spawn(len(arms()) + len(registries)))
    parts: list[tuple[LongTables, Cohort, Callable[[], pd.DataFrame]]] = []
    recordings: list[Callable[[Treatment, np.random.Generator], LongTables]] = []
    enrolled: dict[str, int] = {}
    for arm in arms():
        n = max(round(arm.n * scale), min(SMALLEST_ARM, arm.n))
        before = enrolled.get(arm.source, 0)
        enrolled[arm.source] = before + n
        trial = simulate_arm(
            arm, n=n, first_number=before + 1, calibration=values, rng=next(streams), candidates=candidates
        )
        parts.append((trial.tables, trial.cohort, partial(_trial_truth, arm, trial.cohort, values)))
        recordings.append(partial(_trial_recording, arm, trial.cohort, values))
    for source in registries:
        registry = simulate_registry(source.name, scale=scale, rng=next(streams))
        truth = partial(_registry_truth, registry.cohort, source.days_per_month)
        parts.append((registry.tables, registry.cohort, truth))
        recordings.append(
            partial(registry_under, source.name, registry.cohort, registry.centres, source.days_per_month)
        )
    return SimulatedSources(
        tables=_joined([tables for tables, _, _ in parts]),
        sources=sources(),
        latent=pd.concat([_latent(cohort) for _, cohort, _ in parts], ignore_index=True),
        truths=tuple(truth for _, _, truth in parts),
        recordings=tuple(recordings),
    )


def _joined(parts: Sequence[LongTables]) -> LongTables:
    return LongTables(
        **{
            field.name: pd.concat([getattr(tables, field.name) for tables in parts], ignore_index=True)
            for field in fields(LongTables)
        }
    )


def _trial_truth(arm: Arm, cohort: Cohort, calibration: Calibration) -> pd.DataFrame:
    rates = {treatment: _trial_regime(arm, cohort, calibration, treatment) for treatment in Treatment}
    return _under_every_class(cohort, rates, _days_per_month(arm.source))


def _trial_recording(
    arm: Arm, cohort: Cohort, calibration: Calibration, treatment: Treatment, rng: np.random.Generator
) -> LongTables:
    rates = _trial_regime(arm, cohort, calibration, treatment)
    until = round(FOLLOWED_MONTHS * _days_per_month(arm.source))
    return recorded_on_schedule(cohort, rates, treatment, arm.visits, until, rng)


def _trial_regime(arm: Arm, cohort: Cohort, calibration: Calibration, treatment: Treatment) -> Regime:
    """Take the effect a trial measured for the classes that it tested, the published class effect for the others."""
    tested = {other.treatment: other for other in arms() if other.source == arm.source}
    if treatment in tested:
        return arm_regime(tested[treatment], cohort.traits, calibration)
    return regime(
        cohort.traits,
        class_effects()[treatment],
        relapse_shape=calibration[arm.code, "relapse_shape"],
        lesion_shape=calibration[arm.code, "lesion_shape"],
    )


def _days_per_month(source: str) -> float:
    return next(other.days_per_month for other in sources() if other.name == source)


def _registry_truth(cohort: Cohort, days_per_month: float) -> pd.DataFrame:
    frailties = Frailties.of(cohort.traits)
    rates = {
        treatment: class_regime(cohort.traits, np.full(len(cohort), i, dtype=np.int8), frailties)
        for i, treatment in enumerate(CLASSES)
    }
    return _under_every_class(cohort, rates, days_per_month, parameters()["registry_centre_rating_spread"])


def _under_every_class(
    cohort: Cohort, rates: Mapping[Treatment, Regime], days_per_month: float, rating_spread: float = 0.0
) -> pd.DataFrame:
    frames = []
    for treatment, rates_of_class in rates.items():
        frame = expected_outcomes(
            cohort.traits,
            rates_of_class,
            edss=cohort.edss,
            days_per_month=days_per_month,
            rating_spread=rating_spread,
        )
        frame.insert(0, "treatment", treatment.value)
        frame.insert(0, "patient_id", cohort.patients["patient_id"])
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


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
