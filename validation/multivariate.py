"""Associations: whether the variables go together as in the originals.

Associations are rank correlations over all pairs of variables, within sources: ranks are taken in each source, so
that sources that differ in everything do not pass for associations. Kept association is the slope of the synthetic
correlations on the original ones: 1 keeps them all, 0 none, whatever their number.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.columns import read_columns
from reference_db.avatar.projection import fit_factor_space
from reference_db.episodes import Episodes
from validation.material import Material
from validation.result import Record, Records, Section, check
from validation.variables import as_numbers

Floats = NDArray[np.float64]

SMALLEST_PAIRS = 300
"""Fewest complete pairs of values behind a correlation."""

PUBLISHED_CORRELATION_DIFFERENCE = 0.064
"""Mean absolute difference of correlations of the published avatars of the AIDS trial, re-measured."""

ASSOCIATED = 0.045
"""Root mean square correlation with all others, sampling noise deducted, from which a variable has associations to
keep."""

SURE = 0.15
"""Largest standard error of a variable's kept association for it to be judged."""

SHOWN_POINTS = 1500
"""Records per table in the factor map."""


def multivariate(material: Material) -> Section:
    """Compare all pairwise associations, and the factor maps."""
    first, names, pairs_behind = rank_correlations(material.original)
    second, _, _ = rank_correlations(material.synthetic)
    floor, _, _ = rank_correlations(material.original, resample=material.generator(2))
    upper = np.triu_indices(len(names), 1)
    both = ~np.isnan(first[upper]) & ~np.isnan(second[upper]) & ~np.isnan(floor[upper])
    a, b, c = (matrix[upper][both] for matrix in (first, second, floor))
    kept = _kept_per_variable(first, second, names, pairs_behind)
    strong = [
        float(row["kept"] or 0.0)
        for row in kept
        if float(row["strength"] or 0.0) >= ASSOCIATED and float(row["standard_error"] or 0.0) <= SURE
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
            "Association kept by the variable that keeps least",
            min(strong, default=None),
            lowest=0.5,
            meaning=f"Over variables with associations to keep: root mean square correlation {ASSOCIATED} or more, "
            f"noise deducted, and a standard error of {SURE} at most.",
        ),
        check(
            "correlation_floor",
            "Noise floor of the difference of correlations",
            float(np.abs(a - c).mean()),
            meaning="The same difference between the originals and a resample of them.",
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
    episodes: Episodes, *, resample: np.random.Generator | None = None
) -> tuple[Floats, tuple[str, ...], Floats]:
    """Return the correlations of within-source ranks over the pairs of values that are both observed.

    Parameters
    ----------
    episodes : Episodes
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
    numbers = as_numbers(episodes)
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
    """Return what each variable keeps of its associations, with the standard error of sampling both tables."""
    records = Records()
    for i, name in enumerate(names):
        others = (np.arange(len(names)) != i) & ~np.isnan(first[i]) & ~np.isnan(second[i])
        if others.any():
            a, b, noise = first[i, others], second[i, others], 1.0 / pairs_behind[i, others]
            records.add(
                variable=name,
                kept=slope(a, b),
                standard_error=float(np.sqrt(2.0 * noise.mean() / (a**2).sum())),
                strength=float(np.sqrt(max((a**2 - noise).mean(), 0.0))),
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
