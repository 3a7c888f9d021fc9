"""Associations: whether the variables go together as in the originals.

Associations are rank correlations over all pairs of variables, within sources: ranks are taken in each source, so
that sources that differ in everything do not pass for associations. Kept association is the slope of the synthetic
correlations on the original ones: 1 keeps them all, 0 none, whatever their number.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.avatar.columns import read_columns
from reference_db.avatar.projection import fit_factor_space
from reference_db.episodes import Episodes
from validation.material import Material
from validation.result import Miss, Record, Records, Section, check, missed
from validation.variables import as_numbers

Floats = NDArray[np.float64]

SMALLEST_PAIRS = 300
"""Fewest complete pairs of values behind a correlation."""

PUBLISHED_CORRELATION_DIFFERENCE = 0.064
"""Mean absolute difference of correlations of the published avatars of the AIDS trial, re-measured."""

CHANCE = 1e-3
"""Probability under which the correlations of a variable with all others are more than sampling noise: one variable
in a thousand without any association passes for one that has some."""

SAMPLING = 2.0
"""Standard errors of what a variable keeps that are put down to sampling."""

LEAST_KEPT = 0.5
"""Share of its associations that every variable must keep: the better half."""

SHOWN_POINTS = 1500
"""Records per table in the factor map."""


def multivariate(material: Material) -> Section:
    """Compare all pairwise associations, and the factor maps."""
    numbers = as_numbers(material.original)
    first, names, pairs_behind = rank_correlations(material.original, numbers=numbers)
    second, _, _ = rank_correlations(material.synthetic)
    rng = material.generator(2)
    floor, other = (rank_correlations(material.original, numbers=numbers, resample=rng)[0] for _ in range(2))
    upper = np.triu_indices(len(names), 1)
    both = ~np.isnan(np.stack([matrix[upper] for matrix in (first, second, floor, other)])).any(axis=0)
    a, b, c, d = (matrix[upper][both] for matrix in (first, second, floor, other))
    kept = _kept_per_variable(first, second, names, pairs_behind)
    judged = [
        (Miss(str(row["variable"])), float(row["kept"] or 0.0) + SAMPLING * float(row["standard_error"] or 0.0))
        for row in kept
        if row["associated"]
    ]
    checks = (
        check(
            "correlation_difference",
            "Mean absolute difference of correlations",
            float(np.abs(a - b).mean()),
            highest=PUBLISHED_CORRELATION_DIFFERENCE,
            meaning="The published avatars of the AIDS trial differ by .064.",
        ),
        check(
            "kept",
            "Association kept, over all pairs",
            slope(a, b),
            lowest=0.8,
            highest=1.2,
            meaning="Slope of synthetic on original correlations: 1 keeps the associations, 0 loses them.",
        ),
        check(
            "kept_lowest",
            "Association kept by the variable that keeps least, sampling error allowed for",
            min((value for _, value in judged), default=None),
            lowest=LEAST_KEPT,
            meaning="Over variables whose correlations with all others are more than chance. Two standard errors "
            "added: only a loss that is sure counts. Below 0.5 a variable has lost most of what it goes with.",
            misses=missed(judged, lowest=LEAST_KEPT),
        ),
        check(
            "correlation_floor",
            "Noise floor of the difference of correlations",
            float(np.abs(c - d).mean()),
            meaning="The same difference between two resamples of the originals.",
        ),
    )
    pairs = Records()
    for i, j, one, other in zip(upper[0][both], upper[1][both], a, b, strict=True):
        pairs.add(first=names[i], second=names[j], original=float(one), synthetic=float(other))
    points, axes = _factor_map(material)
    return Section(
        name="multivariate",
        title="Associations",
        question="Do the variables go together as in the originals?",
        checks=checks,
        tables={"pairs": pairs.done(), "variables": kept, "factor_map": points, "factor_axes": axes},
        remarks=(
            "Treatment is left out: what goes with treatment is judged as efficacy.",
            "The factor map is fitted on the originals; both tables are projected on it.",
        ),
        rests_on=("structure", "univariate"),
    )


def rank_correlations(
    episodes: Episodes, *, numbers: pd.DataFrame | None = None, resample: np.random.Generator | None = None
) -> tuple[Floats, tuple[str, ...], Floats]:
    """Return the correlations of within-source ranks over the pairs of values that are both observed.

    Parameters
    ----------
    episodes : Episodes
    numbers : DataFrame, optional
        Of `as_numbers`, where they are at hand.
    resample : Generator, optional
        Draw the rows with replacement first.

    Returns
    -------
    ndarray, shape (variables, variables)
        NaN where fewer than `SMALLEST_PAIRS` pairs are observed or a variable is constant.
    tuple of str
        Names of the variables.
    ndarray, shape (variables, variables)
        Pairs of values behind each correlation.
    """
    numbers = as_numbers(episodes) if numbers is None else numbers
    source = episodes.table["source"]
    if resample is not None:
        rows = resample.integers(len(numbers), size=len(numbers))
        numbers, source = numbers.iloc[rows].reset_index(drop=True), source.iloc[rows].reset_index(drop=True)
    ranks = numbers.groupby(source.to_numpy()).rank(pct=True)
    centred = (ranks - ranks.groupby(source.to_numpy()).transform("mean")).to_numpy(dtype=np.float64)
    known = (~np.isnan(centred)).astype(np.float64)
    values = np.nan_to_num(centred)
    n = known.T @ known
    with np.errstate(invalid="ignore", divide="ignore"):
        # Sums over the rows where both are observed, so that each pair has its own means and spreads.
        sums = values.T @ known
        covariance = values.T @ values / n - (sums / n) * (sums.T / n)
        squares = (values**2).T @ known / n - (sums / n) ** 2
        correlation = covariance / np.sqrt(squares * squares.T)
    constant = ~(squares * squares.T > 1e-12)
    return np.where((n < SMALLEST_PAIRS) | constant, np.nan, correlation), tuple(numbers.columns), n


def slope(original: Floats, synthetic: Floats) -> float | None:
    """Return the least-squares slope through the origin of synthetic on original correlations; None without any."""
    strength = float((original**2).sum())
    return float((original * synthetic).sum() / strength) if strength > 0 else None


def _kept_per_variable(
    first: Floats, second: Floats, names: tuple[str, ...], pairs_behind: Floats
) -> tuple[Record, ...]:
    """Return what each variable keeps of its associations, with the standard error of sampling both tables.

    Part of the correlations of the originals is sampling noise, which nothing has to keep: it is deducted from the
    sum of squares that the slope is divided by.
    """
    from scipy.stats import chi2

    records = Records()
    for i, name in enumerate(names):
        others = (np.arange(len(names)) != i) & ~np.isnan(first[i]) & ~np.isnan(second[i])
        if not others.any():
            continue
        a, b, noise = first[i, others], second[i, others], 1.0 / pairs_behind[i, others]
        squares = float((a**2).sum() - noise.sum())
        associated = float(chi2.sf((a**2 / noise).sum(), len(a))) < CHANCE and squares > 0
        records.add(
            variable=name,
            kept=float((a * b).sum()) / squares if associated else None,
            standard_error=float(np.sqrt(2.0 * noise.mean() * (a**2).sum())) / squares if associated else None,
            associated=associated,
            strength=float(np.sqrt(max(squares / len(a), 0.0))),
            difference=float(np.abs(a - b).mean()),
        )
    return records.done()


def _factor_map(material: Material) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
    """Return records of both tables on the first two factors of the originals, and the variance of the factors."""
    original, synthetic = material.original.table, material.synthetic.table
    columns = read_columns(original)
    encoded = columns.encode(original)
    space = fit_factor_space(encoded, columns)
    rng = material.generator(3)
    points, axes = Records(), Records()
    coordinates = {"original": space.transform(encoded), "synthetic": space.transform(columns.encode(synthetic))}
    total = coordinates["original"].var(axis=0).sum()
    for axis in range(min(5, space.dimensions)):
        spread = {name: float(values[:, axis].var()) for name, values in coordinates.items()}
        axes.add(axis=axis + 1, share=spread["original"] / total, **spread)
    for name, values in coordinates.items():
        for row in rng.choice(len(values), size=min(SHOWN_POINTS, len(values)), replace=False):
            # Rounded and jittered by the same tenth: a point on the map is not a patient's coordinates.
            x, y = values[row, :2] + rng.normal(0.0, 0.1, 2)
            points.add(table=name, x=round(float(x), 2), y=round(float(y), 2))
    return points.done(), axes.done()
