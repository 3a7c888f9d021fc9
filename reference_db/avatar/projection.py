"""Factor analysis of mixed data (FAMD): the space in which records are near or far.

Numbers are centred and divided by their standard deviation; levels are 0/1 columns, centred and divided by the square
root of their share. The principal axes of the result are the factor axes (Pagès 2004, "Analyse factorielle de données
mixtes", Revue de statistique appliquée 52(4)). All axes are always computed, from the columns' cross-products, then
cut: a truncated randomised decomposition would change from run to run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.avatar.columns import Columns, EncodedTable
from reference_db.errors import FieldProblem, InvalidTable

Floats = NDArray[np.float64]

_NEGLIGIBLE = 1e-10
"""Share of the variance under which an axis is numerical noise."""

_DECIMALS = 9
"""Decimals of coordinates, which are of the order of 1. A matrix product differs in its last digits with the number
of rows and with the processor: one record would not be at distance 0 from its like in another table, and an attack
that compares distances would take rounding for knowledge."""


@dataclass(frozen=True, slots=True)
class FactorSpace:
    """A fitted FAMD. A missing number stands at the mean, with its missingness as a level of its own.

    Attributes
    ----------
    means, scales : ndarray, shape (numeric columns,)
        Of the observed values; `scales` is infinite for constant columns, which so do not count.
    missing_patterns : ndarray of int
        Numeric columns whose missingness is a two-level variable; columns always missing together count once.
    level_counts : tuple of int
        Levels per categorical column.
    shares : ndarray, shape (indicators,)
        Share of each level among the records of the fit; infinite where the level never occurs.
    roots : ndarray, shape (dimensions,)
        Square roots of the weights of the dimensions.
    axes : ndarray, shape (dimensions, axes)
        Principal axes, by falling variance.
    """

    means: Floats
    scales: Floats
    missing_patterns: NDArray[np.intp]
    level_counts: tuple[int, ...]
    shares: Floats
    roots: Floats
    axes: Floats

    @property
    def dimensions(self) -> int:
        """Number of axes that carry variance."""
        return int(self.axes.shape[1])

    def transform(self, encoded: EncodedTable, *, axes: int | None = None) -> Floats:
        """Return the coordinates of records on the first axes, or on all of them, shape (rows, axes).

        Records that are alike have the same coordinates, whatever records they are transformed with.
        """
        # Relative to the heaviest column: weights say what counts more, not in which unit.
        unit = float(self.roots.max(initial=0.0)) or 1.0
        coordinates = self._standardised(encoded) @ self.axes[:, :axes]
        return np.ascontiguousarray(np.round(coordinates / unit, _DECIMALS) * unit)

    def _standardised(self, encoded: EncodedTable) -> Floats:
        numbers = np.where(np.isnan(encoded.numbers), self.means, encoded.numbers)
        indicators = _indicators(encoded, self.missing_patterns, self.level_counts)
        scaled_levels = (indicators - np.where(np.isinf(self.shares), 0.0, self.shares)) / np.sqrt(self.shares)
        return np.hstack([(numbers - self.means) / self.scales, scaled_levels]) * self.roots


def fit_factor_space(
    encoded: EncodedTable, columns: Columns, *, weights: Mapping[str, float] | None = None
) -> FactorSpace:
    """Fit the FAMD of a table.

    Parameters
    ----------
    encoded : EncodedTable
        Records, at least one.
    columns : Columns
        Their description.
    weights : mapping of str to float, optional
        Weight of a column in the squared distances; 1 where absent, 0 leaves the column out.

    Returns
    -------
    FactorSpace

    Raises
    ------
    InvalidTable
        If a weight names no column or is negative.
    """
    weight_of = check_weights(columns, weights)
    missing = np.isnan(encoded.numbers)
    observed = np.maximum((~missing).sum(axis=0), 1)
    means = np.where(missing, 0.0, encoded.numbers).sum(axis=0) / observed
    filled = np.where(missing, means, encoded.numbers)
    deviations = filled.std(axis=0)
    scales = np.where(deviations > 1e-12 * np.maximum(np.abs(means), 1.0), deviations, np.inf)

    partial = missing.any(axis=0) & ~missing.all(axis=0)
    patterns = np.flatnonzero(partial)
    if len(patterns):
        _, first = np.unique(missing[:, patterns], axis=1, return_index=True)
        patterns = patterns[np.sort(first)]
    level_counts = tuple(len(column.levels) for column in columns.categorical)
    shares = _indicators(encoded, patterns, level_counts).mean(axis=0)
    shares = np.where(shares > 0, shares, np.inf)

    numeric_weights = [weight_of.get(column.name, 1.0) for column in columns.numeric]
    roots = np.sqrt(
        np.concatenate(
            [
                numeric_weights,
                np.repeat([numeric_weights[position] for position in patterns], 2),
                np.repeat([weight_of.get(column.name, 1.0) for column in columns.categorical], level_counts),
            ]
        )
    )
    unrotated = FactorSpace(means, scales, patterns, level_counts, shares, roots, np.eye(len(roots)))
    standardised = unrotated._standardised(encoded)
    variances, axes = np.linalg.eigh(standardised.T @ standardised / len(encoded))
    falling = np.argsort(variances)[::-1]
    kept = falling[variances[falling] > _NEGLIGIBLE * max(variances.sum(), _NEGLIGIBLE)]
    return FactorSpace(means, scales, patterns, level_counts, shares, roots, axes[:, kept])


def check_weights(columns: Columns, weights: Mapping[str, float] | None) -> dict[str, float]:
    """Return the weights of the variables, verified.

    Raises
    ------
    InvalidTable
        If a weight names no column or is negative.
    """
    problems = [
        FieldProblem(f"weights.{name}", "is not a column of the table", ", ".join(map(str, columns.order)))
        for name in weights or {}
        if name not in columns.order
    ]
    problems += [
        FieldProblem(f"weights.{name}", f"{weight} is not a weight", "0 or more")
        for name, weight in (weights or {}).items()
        if not (np.isfinite(weight) and weight >= 0)
    ]
    if problems:
        raise InvalidTable(problems)
    return dict(weights or {})


def factor_space(table: pd.DataFrame, columns: Columns) -> FactorSpace:
    """Fit the FAMD of a table whose columns are known, every column weighing the same."""
    return fit_factor_space(columns.encode(table), columns)


def _indicators(encoded: EncodedTable, patterns: NDArray[np.intp], level_counts: tuple[int, ...]) -> Floats:
    """0/1 columns: missing or not for each pattern, then each level of each categorical column."""
    missing = np.isnan(encoded.numbers[:, patterns])
    blocks = [np.stack([missing, ~missing], axis=2).reshape(len(encoded), -1).astype(np.float64)]
    for position, count in enumerate(level_counts):
        blocks.append((encoded.codes[:, position, None] == np.arange(count)).astype(np.float64))
    return np.hstack(blocks)
