"""A trial's data without the persons: avatars of its patients, measured.

The same method and the same targets as for a release of the reference database: one avatar per patient within each
arm, then the distance metrics and attacks. When a target is missed, nothing is given out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cdss.evaluation.dataset import COLUMNS, TrialData
from reference_db.avatar import avatarize
from reference_db.errors import InvalidInput
from reference_db.privacy import PrivacyAssessment, assess_privacy

IDENTIFYING = ("participant", "cluster", "site", "stratum", "cluster_stratum", "period", "withdrawn")
"""Columns that are left out: who treated whom where tells who somebody is."""

FACTOR_AXES = 10
FEWEST = 60
"""Patients below which a trial is too small to be made anonymous."""


@dataclass(frozen=True)
class AnonymousTrial:
    """Avatars of the patients of a trial, and what the privacy assessment says of them.

    Attributes
    ----------
    data : TrialData
        Synthetic patients in a random order, with made-up identifiers and one cluster, ``none``.
    assessment : PrivacyAssessment
    """

    data: TrialData
    assessment: PrivacyAssessment


def anonymous_trial(data: TrialData, *, rng: np.random.Generator) -> AnonymousTrial:
    """Return avatars of the patients of a trial with their privacy assessment; the caller decides by its verdict.

    Parameters
    ----------
    data : TrialData
    rng : Generator

    Raises
    ------
    InvalidInput
        If there are too few patients.
    """
    kept = data.table[data.table["age"].notna()]  # of a patient whose data were erased there is nothing to replace
    original = kept[[name for name in COLUMNS if name not in IDENTIFYING]]
    original = original.dropna(how="all", axis=1).reset_index(drop=True)
    if len(original) < FEWEST or original["arm"].value_counts().min() < FEWEST // 3:
        raise InvalidInput.of(
            "trial", f"{len(original)} patients are too few to be made anonymous", f"{FEWEST} or more"
        )
    typed = original.astype({name: str for name in original.columns if original[name].dtype == object})
    typed = typed.mask(original.isna())
    synthetic = avatarize(typed, k=None, ncp=FACTOR_AXES, rng=rng, strata="arm")
    for name in {"edss", "edss_last"} & set(synthetic.columns):
        halves = (synthetic[name].astype(float) * 2.0).round() / 2.0
        synthetic[name] = halves.mask(halves == 0.5, 1.0).clip(0.0, 10.0)
    assessment = assess_privacy(typed, synthetic, rng=rng, strata="arm")
    shuffled = synthetic.iloc[rng.permutation(len(synthetic))].reset_index(drop=True)
    table = shuffled.assign(
        participant=[f"s{i:05d}" for i in range(1, len(shuffled) + 1)],
        cluster="none",
        site="none",
        stratum="none",
        cluster_stratum="none",
        period=0,
        withdrawn=False,
    )
    return AnonymousTrial(TrialData(table.reindex(columns=list(COLUMNS)), data.screening), assessment)
