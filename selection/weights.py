"""Default weights of the features: how much each one tells about the two years that follow.

Two outcomes, worsening at 24 months and a relapse within 24 months, are each regressed on all standardised features
(ridge logistic regression with the treatment class and the source as further covariates, so that who was treated how
does not pass for prognosis). The weight of a feature is the size of its coefficients, averaged over the outcomes,
each scaled to sum to one: a feature that tells nothing weighs nothing, and one that tells about both counts twice.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reference_db.episodes import Episodes
from reference_db.schema import EDSS_MONTHS, RELAPSE_MONTHS
from reference_db.vocabulary import Treatment
from selection.features import COLUMN_FEATURE, FEATURE_NAMES, NUMERIC, Floats, Scaling, columns_of_episodes

WEIGHTS_FILE = "feature_weights.json"
"""Attachment of a release that holds the weights."""

HORIZON = 24
"""Months."""

_RIDGE = 10.0
"""Penalty on coefficients of standardised columns, in units of patients: negligible beside thousands of them."""


def learn_weights(episodes: Episodes) -> dict[str, float]:
    """Learn the weight of every feature for prognostic relevance.

    Parameters
    ----------
    episodes : Episodes
        Of a release; outcomes to 24 months are used.

    Returns
    -------
    dict of str to float
        Weight of every feature, 0 to 1, summing to 1.
    """
    natural = columns_of_episodes(episodes)
    columns = np.nan_to_num(Scaling.of(natural).apply(natural))
    # The level of a category that is left out is the reference the others are compared with.
    covariates = np.concatenate([columns, _indicators(episodes)], axis=1)
    share = np.zeros(len(FEATURE_NAMES))
    for outcome in (_worsened(episodes), _relapsed(episodes)):
        known = ~np.isnan(outcome)
        if len(np.unique(outcome[known])) < 2:
            continue
        size = np.abs(_logistic(covariates[known], outcome[known])[: columns.shape[1]])
        spread = columns[known].std(axis=0)
        per_column = size * spread
        # Over a category, the spread of what its levels add; for a number, coefficient times standard deviation.
        per_feature = np.sqrt(np.bincount(COLUMN_FEATURE, weights=per_column**2 / np.where(NUMERIC, 1.0, 2.0)))
        share += per_feature / per_feature.sum()
    if not share.any():
        share += 1.0
    return {name: round(float(weight), 6) for name, weight in zip(FEATURE_NAMES, share / share.sum(), strict=True)}


def _worsened(episodes: Episodes) -> Floats:
    """1 where the EDSS at 24 months is above baseline by the clinical minimum, NaN where not observed."""
    start, end = episodes.edss[:, 0], episodes.edss[:, EDSS_MONTHS.index(HORIZON)]
    needed = np.where(start < 0.5, 1.5, np.where(start < 6.0, 1.0, 0.5))
    return np.where(np.isnan(end), np.nan, (end - start >= needed).astype(np.float64))


def _relapsed(episodes: Episodes) -> Floats:
    """1 where a relapse came within 24 months, NaN where follow-up was shorter and none came."""
    counts = episodes.relapses[:, : RELAPSE_MONTHS.index(HORIZON) + 1]
    any_relapse = np.nan_to_num(counts).sum(axis=1) > 0
    return np.where(any_relapse, 1.0, np.where(np.isnan(counts[:, -1]), np.nan, 0.0))


def _indicators(episodes: Episodes) -> Floats:
    treatment = episodes.table["treatment"].to_numpy()
    source = episodes.table["source"].to_numpy()
    parts: list[NDArray[np.bool_]] = [treatment == name.value for name in Treatment]
    parts += [source == name for name in sorted(episodes.sources)]
    return np.stack(parts, axis=1).astype(np.float64)


def _logistic(covariates: Floats, outcome: Floats) -> Floats:
    """Fit a ridge logistic regression by Newton's method; return its coefficients without the intercept."""
    design = np.column_stack([covariates, np.ones(len(covariates))])
    penalty = np.full(design.shape[1], _RIDGE)
    penalty[-1] = 0.0
    coefficients = np.zeros(design.shape[1])
    for _ in range(30):
        fitted = 1.0 / (1.0 + np.exp(-design @ coefficients))
        curvature = design.T @ (design * (fitted * (1 - fitted))[:, None]) + np.diag(penalty)
        step = np.linalg.solve(curvature, design.T @ (outcome - fitted) - penalty * coefficients)
        coefficients += step
        if np.abs(step).max() < 1e-8:
            break
    return coefficients[:-1]
