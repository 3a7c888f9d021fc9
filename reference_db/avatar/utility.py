"""How much of a table its avatars keep: distributions, relations between columns, spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.avatar.columns import EncodedTable, read_columns

Floats = NDArray[np.float64]

BINS = 20
"""Quantile bins of a number, in which its distributions are compared."""


@dataclass(frozen=True, slots=True)
class Utility:
    """What is lost, 0 being nothing.

    Attributes
    ----------
    hellinger : float
        Mean over columns of the Hellinger distance between the distributions, 0 to 1; missing is a value.
    correlation_difference : float
        Mean absolute difference of the correlations between all pairs of columns (levels as 0/1).
    spread_ratio : float
        Mean over numeric columns of the standard deviation divided by the original one; 1 is kept.
    """

    hellinger: float
    correlation_difference: float
    spread_ratio: float


def utility(original: pd.DataFrame, synthetic: pd.DataFrame) -> Utility:
    """Compare a synthetic table with its original.

    Parameters
    ----------
    original, synthetic : DataFrame
        The same columns.
    """
    columns = read_columns(original)
    own, made = columns.encode(original), columns.encode(synthetic)
    distances = [_hellinger(*_binned(own.numbers[:, c], made.numbers[:, c])) for c in range(own.numbers.shape[1])]
    distances += [_hellinger(own.codes[:, c], made.codes[:, c]) for c in range(own.codes.shape[1])]
    ratios = []
    for column in range(own.numbers.shape[1]):
        known, other = own.numbers[:, column], made.numbers[:, column]
        known, other = known[~np.isnan(known)], other[~np.isnan(other)]
        if len(known) > 1 and len(other) > 1 and known.std() > 0:
            ratios.append(other.std() / known.std())
    return Utility(
        hellinger=float(np.mean(distances)) if distances else 0.0,
        correlation_difference=_correlation_difference(own, made, [len(c.levels) for c in columns.categorical]),
        spread_ratio=float(np.mean(ratios)) if ratios else 1.0,
    )


def _binned(own: Floats, made: Floats) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
    known = own[~np.isnan(own)]
    if not len(known):
        return np.full(len(own), -1), np.where(np.isnan(made), -1, 0)
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)))[1:-1]
    first, second = (np.where(np.isnan(v), -1, np.searchsorted(edges, v, side="right")) for v in (own, made))
    return first, second


def _hellinger(own: NDArray[np.integer], made: NDArray[np.integer]) -> float:
    size = int(max(own.max(initial=0), made.max(initial=0))) + 2
    p, q = (np.bincount(values + 1, minlength=size) / max(len(values), 1) for values in (own, made))
    return float(np.sqrt(np.sum((np.sqrt(p) - np.sqrt(q)) ** 2) / 2))


def _correlation_difference(own: EncodedTable, made: EncodedTable, levels: list[int]) -> float:
    first, second = (pd.DataFrame(_spread(table, levels)).corr(min_periods=20).to_numpy() for table in (own, made))
    upper = np.triu_indices(len(first), 1)
    differences = np.abs(first - second)[upper]
    known = differences[~np.isnan(differences)]
    return float(known.mean()) if len(known) else 0.0


def _spread(table: EncodedTable, levels: list[int]) -> Floats:
    indicators = [
        (table.codes[:, position, None] == np.arange(count)).astype(np.float64)
        for position, count in enumerate(levels)
    ]
    return np.hstack([table.numbers, *indicators])
