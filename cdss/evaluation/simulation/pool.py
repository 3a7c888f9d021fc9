"""Patients to recruit from a release, with what would become of them under each treatment class.

The outcomes under every class (potential outcomes) come from the truth of simulated originals where there are any
(`reference_db.class_effects`, coefficients only). Otherwise they are estimated in the release itself: one regression
per class, of EDSS change, relapses and 24-week confirmed worsening on the features at baseline, confounded by
indication as the release is. Either way they say nothing about which treatment is better for anybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from projection import confirmed_worsening
from reference_db.class_effects import ClassEffects, ExpectedOutcomes
from reference_db.episodes import Episodes
from reference_db.errors import InvalidInput
from reference_db.schema import EDSS_MONTHS, RELAPSE_MONTHS
from reference_db.vocabulary import Treatment

Array = NDArray[np.float64]

HORIZON_MONTHS = 24
FEWEST = 60
"""Episodes of a class below which nothing is estimated from it, and nobody is treated with it."""

FEATURES: tuple[str, ...] = (
    "age",
    "sex",
    "phenotype",
    "years_since_onset",
    "edss",
    "relapses_12m",
    "prior_treatment",
)


@dataclass(frozen=True)
class PatientPool:
    """Patients with their potential outcomes; arrays are patients x classes.

    Attributes
    ----------
    features : DataFrame
        `FEATURES`, one row per patient.
    classes : tuple of Treatment
    edss_change : ndarray
        Expected change of EDSS over 24 months.
    relapse_rate : ndarray
        Per year.
    worsening_rate : ndarray
        Of 24-week confirmed worsening, per month.
    practice : ndarray
        Probability of each class in present practice.
    edss_deviation : float
        Standard deviation of individual EDSS changes around their expectation, in the release.
    known : bool
        Whether the outcomes come from potential outcomes and not from the release.
    """

    features: pd.DataFrame
    classes: tuple[Treatment, ...]
    edss_change: Array
    relapse_rate: Array
    worsening_rate: Array
    practice: Array
    edss_deviation: float
    known: bool = False

    def __len__(self) -> int:
        return len(self.features)


def patient_pool(
    episodes: Episodes, *, effects: ClassEffects | None = None, size: int = 2000, rng: np.random.Generator
) -> PatientPool:
    """Return adult patients of a release with their potential outcomes.

    Parameters
    ----------
    episodes : Episodes
    effects : ClassEffects, optional
        What the classes do, where it is known; without it, it is estimated in the release.
    size : int
        Patients to draw, without replacement.
    rng : Generator

    Raises
    ------
    InvalidInput
        If fewer than two active classes have enough episodes.
    """
    from sklearn.linear_model import LogisticRegression

    x = _design(episodes)
    treatment = episodes.table["treatment"].to_numpy()
    rows: dict[Treatment, NDArray[np.intp]] = {
        t: r for t, r in episodes.rows_by_treatment.items() if len(r) >= FEWEST and t is not Treatment.UNTREATED
    }
    if len(rows) < 2:
        raise InvalidInput.of(
            "release", "fewer than two treatment classes have enough patients", f"{FEWEST} episodes each"
        )
    classes = tuple(rows)
    adults = np.flatnonzero((episodes.table["age"] >= 18).to_numpy())
    chosen = np.sort(rng.choice(adults, size=min(size, len(adults)), replace=False))
    features = episodes.table.iloc[chosen].rename(columns={"edss_0": "edss"})[list(FEATURES)].reset_index(drop=True)
    estimated, deviation = _estimated(episodes, x, rows, chosen)
    expected = effects.expected(features, classes) if effects is not None else estimated
    taken = np.isin(treatment, [t.value for t in rows])
    habit = LogisticRegression(C=1.0, max_iter=500).fit(x[taken], treatment[taken])
    order = [list(habit.classes_).index(t.value) for t in rows]
    return PatientPool(
        features=features,
        classes=classes,
        edss_change=expected.edss_change,
        relapse_rate=expected.relapse_rate,
        worsening_rate=expected.worsening_rate,
        practice=habit.predict_proba(x[chosen])[:, order],
        edss_deviation=deviation,
        known=effects is not None,
    )


def _estimated(
    episodes: Episodes, x: Array, rows: Mapping[Treatment, NDArray[np.intp]], chosen: NDArray[np.intp]
) -> tuple[ExpectedOutcomes, float]:
    """Return the outcomes that one regression per class expects, and how far single EDSS changes are from them."""
    from sklearn.linear_model import PoissonRegressor, Ridge

    change, relapses, years, events, months = _outcomes(episodes)
    shape = (len(chosen), len(rows))
    expected, rate, hazard = np.empty(shape), np.empty(shape), np.empty(shape)
    residuals = []
    for j, members in enumerate(rows.values()):
        known = members[np.isfinite(change[members])]
        course = Ridge(alpha=10.0).fit(x[known], change[known])
        expected[:, j] = np.clip(course.predict(x[chosen]), -1.5, 2.5)
        residuals.append(change[known] - course.predict(x[known]))
        at_risk = members[years[members] > 0]
        count = PoissonRegressor(alpha=0.01, max_iter=500)
        count.fit(x[at_risk], relapses[at_risk] / years[at_risk], sample_weight=years[at_risk])
        rate[:, j] = np.clip(count.predict(x[chosen]), 0.005, 3.0)
        followed = members[months[members] > 0]
        worse = PoissonRegressor(alpha=0.01, max_iter=500)
        worse.fit(x[followed], events[followed] / months[followed], sample_weight=months[followed])
        hazard[:, j] = np.clip(worse.predict(x[chosen]), 1e-4, 0.05)
    return ExpectedOutcomes(expected, rate, hazard), float(np.std(np.concatenate(residuals)))


def _design(episodes: Episodes) -> Array:
    """Return the features as standardised numbers without gaps, (episodes, columns)."""
    table = episodes.table.rename(columns={"edss_0": "edss"})[list(FEATURES)]
    numbers = pd.get_dummies(table, columns=["sex", "phenotype", "prior_treatment"], dtype=float).astype(float)
    numbers = numbers.fillna(numbers.mean()).fillna(0.0)
    x = numbers.to_numpy(dtype=np.float64)
    return np.asarray((x - x.mean(axis=0)) / np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0), dtype=np.float64)


def _outcomes(episodes: Episodes) -> tuple[Array, Array, Array, Array, Array]:
    """Return EDSS change, relapses and their years, worsening events and their months, over 24 months."""
    until = [i for i, month in enumerate(EDSS_MONTHS) if month <= HORIZON_MONTHS]
    edss = episodes.edss[:, until]
    change = edss[:, -1] - edss[:, 0]
    past = [i for i, month in enumerate(RELAPSE_MONTHS) if month <= HORIZON_MONTHS]
    counts = episodes.relapses[:, past]
    widths = np.diff(np.array((0, *RELAPSE_MONTHS), dtype=np.float64))[past] / 12.0
    years = np.isfinite(counts) @ widths
    days = np.array(EDSS_MONTHS, dtype=np.float64)[until][None, :] * episodes.days_per_month[:, None]
    first = confirmed_worsening(edss, days, weeks=24)
    followed = np.minimum(episodes.table["follow_up_months"].to_numpy(dtype=np.float64), HORIZON_MONTHS)
    onset = first.day / episodes.days_per_month
    months = np.where(first.event, np.maximum(onset, 1.0), followed)
    return change, np.nansum(counts, axis=1), years, first.event.astype(np.float64), months
