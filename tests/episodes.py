"""Small random episode tables that satisfy the schema, and releases made of them, for the tests of every package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.episodes import Episodes
from reference_db.schema import (
    EDSS_HISTORY,
    EDSS_MONTHS,
    MRI_MONTHS,
    RELAPSE_MONTHS,
    Source,
    check_episodes,
    edss_column,
    gd_column,
    new_t2_column,
    relapse_column,
)
from reference_db.vocabulary import Phenotype, PriorTreatment, Sex, SourceKind, T2Load, Treatment

SOURCES = {
    "TRIAL": Source(name="TRIAL", label="A trial", kind=SourceKind.TRIAL, days_per_month=28.0),
    "REGISTRY": Source(name="REGISTRY", label="A registry", kind=SourceKind.REGISTRY, days_per_month=30.4375),
}

Floats = NDArray[np.float64]


def on_scale(values: Floats) -> Floats:
    """Round to the EDSS scale; NaN stays."""
    halves = np.clip(np.round(values * 2) / 2, 0, 9.5)
    return np.where(halves == 0.5, 1.0, halves)


def _counts(values: Floats) -> Any:  # noqa: ANN401 - an extension array, which pandas gives no common type
    return pd.array(values, dtype="Float64").astype("Int64")


def random_episodes(patients: int, *, seed: int = 0, phenotype: Phenotype | None = Phenotype.RRMS) -> Episodes:
    """Make episodes in which outcomes depend on features and treatment; the first half comes from a trial."""
    rng = np.random.default_rng(seed)
    trial = np.arange(patients) < patients // 2
    treatment = rng.choice([t.value for t in Treatment], size=patients)
    strength = pd.Series(treatment).map({t.value: rank / 10 for rank, t in enumerate(Treatment)}).to_numpy()
    age = np.round(rng.uniform(18, 65, patients), 1)
    edss = on_scale(rng.gamma(3, 0.9, patients))
    recent = rng.poisson(0.9, patients).clip(0, 10)
    short = rng.choice([12, 18, 24], patients, p=[0.1, 0.1, 0.8])
    follow_up = np.where(trial, short, rng.choice([24, 36, 60], patients))
    slope = 0.02 + 0.0008 * (age - 40) + 0.03 * (1 - strength)
    grid = np.array(EDSS_MONTHS)
    noise = rng.normal(0, 0.5, (patients, len(grid)))
    course = on_scale(edss[:, None] + slope[:, None] * grid + noise * (grid > 0))
    seen = (grid <= follow_up[:, None]) & ((rng.random(course.shape) > 0.05) | (grid == 0))
    rate = (0.15 + 0.2 * recent) * (1 - 0.6 * strength) / 12
    length = np.diff([0, *RELAPSE_MONTHS])
    relapses = rng.poisson(rate[:, None] * length).clip(0, 5).astype(float)
    relapses[np.array(RELAPSE_MONTHS) > follow_up[:, None]] = np.nan
    scanned = (np.array(MRI_MONTHS) <= follow_up[:, None]) & (rng.random((patients, len(MRI_MONTHS))) > 0.2)
    lesions = np.where(scanned, rng.poisson(0.4 + 0.5 * recent[:, None], scanned.shape).clip(0, 50), np.nan)
    enhancing = np.where(scanned, rng.poisson(0.2, scanned.shape), np.nan)

    def sometimes(values: NDArray[Any], share: float = 0.15) -> pd.Series[Any]:
        return pd.Series(values).mask(rng.random(patients) < share)

    table = pd.DataFrame(
        {
            "source": np.where(trial, "TRIAL", "REGISTRY"),
            "source_kind": np.where(trial, SourceKind.TRIAL.value, SourceKind.REGISTRY.value),
            "arm": treatment,
            "treatment": treatment,
            "phenotype": phenotype.value if phenotype else rng.choice([p.value for p in Phenotype], patients),
            "sex": rng.choice([s.value for s in Sex], patients),
            "age": age,
            "years_since_onset": sometimes(np.round(rng.uniform(0, 15, patients), 1)),
            "prior_treatment": sometimes(rng.choice([p.value for p in PriorTreatment], patients)),
            "relapses_12m": sometimes(recent).astype("Int64"),
            "relapses_24m": pd.Series((recent + rng.poisson(0.5, patients)).clip(0, 15)).astype("Int64"),
            "gd_lesions": sometimes(rng.poisson(0.7, patients), 0.4).astype("Int64"),
            "t2_lesions": sometimes(rng.choice([load.value for load in T2Load], patients), 0.3),
            EDSS_HISTORY: sometimes(on_scale(edss - rng.normal(0.2, 0.5, patients)), 0.5),
            **{edss_column(m): np.where(seen[:, i], course[:, i], np.nan) for i, m in enumerate(EDSS_MONTHS)},
            **{relapse_column(m): _counts(relapses[:, i]) for i, m in enumerate(RELAPSE_MONTHS)},
            **{gd_column(m): _counts(enhancing[:, i]) for i, m in enumerate(MRI_MONTHS)},
            **{new_t2_column(m): _counts(lesions[:, i]) for i, m in enumerate(MRI_MONTHS)},
            "follow_up_months": follow_up.astype("int64"),
        }
    )
    return Episodes(check_episodes(table), SOURCES)


@dataclass(frozen=True)
class MemoryRelease:
    """A release that was never written: what selection and projection need of one."""

    episodes: Episodes
    version: str = "test"
    attachments: Mapping[str, bytes] = field(default_factory=dict)

    def attachment(self, name: str) -> bytes | None:
        """Return an attachment by its name; None when there is none of that name."""
        return self.attachments.get(name)
