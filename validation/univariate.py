"""Margins: whether each variable is distributed as in the originals, source by source and arm by arm.

The target is set per source: what differs between the arms of a source is the effect of treatment, which the
section on efficacy judges. Every distance stands beside its *noise floor*, the same distance between two independent
resamples of the originals: nothing can be expected to come nearer.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.small_cells import SMALL_CELL
from validation.material import Material
from validation.result import Miss, Record, Records, Section, check, missed
from validation.variables import as_numbers

Floats = NDArray[np.float64]

MOST_LEVELS = 30
"""Distinct values up to which a variable is compared value by value; beyond, by bins of the originals' quantiles."""

BINS = 20

FLOOR_DRAWS = 10
"""Pairs of resamples behind a noise floor."""

SMALLEST_JUDGED = 150
"""Fewest observed values in a source for its distances to be judged; they are shown from the small-cell limit on."""

FEWEST_UNUSUAL = 30
"""Fewest values other than the most frequent one for a variable to be judged: three relapses in 300 patients say
little of a distribution."""

BALANCED = 0.1
"""Standardised difference of means under which samples are called balanced (Austin 2009, doi 10.1002/sim.3697)."""

SHARE_BALANCED = 0.98
"""Share of variables and sources that must be balanced: some of hundreds may differ by chance."""

WORST_HELLINGER, WORST_SHIFT = 0.2, 0.25
"""What no variable may exceed; no publication gives such limits, these were set before there was any result."""

PUBLISHED_HELLINGER = 0.058
"""Median Hellinger distance of the published avatars of the AIDS trial (doi 10.1038/s41746-023-00771-5)."""

PUBLISHED_SPREAD = 0.746
"""Mean ratio of standard deviations of the same avatars."""

QUANTILES = tuple(np.round(np.linspace(0.025, 0.975, 20), 3).tolist())

SHOWN = ("age", "edss_0", "edss_12", "edss_24", "relapses_12m", "relapses_12", "gd_12", "new_t2_12", "new_t2_24")
"""Variables whose quantiles and levels are kept for the figures."""


class Distance(NamedTuple):
    """How far two samples are apart.

    Attributes
    ----------
    hellinger : float
        0 (the same) to 1 (no value in common).
    separation : float
        Kolmogorov-Smirnov distance for variables of many values, total variation for the others; 0 to 1.
    mean_shift : float
        Difference of means in standard deviations of the originals.
    spread_ratio : float
        Standard deviation over that of the originals.
    """

    hellinger: float
    separation: float
    mean_shift: float
    spread_ratio: float


def univariate(material: Material) -> Section:
    """Compare the distribution of each variable in each source and arm."""
    original, synthetic = as_numbers(material.original), as_numbers(material.synthetic)
    rng = material.generator(1)
    by_source = _compare(material, original, synthetic, "source", rng)
    by_arm = _compare(material, original, synthetic, "arm", rng)
    judged = [
        row
        for row in by_source
        if int(row["n_original"] or 0) >= SMALLEST_JUDGED and int(row["unusual"] or 0) >= FEWEST_UNUSUAL
    ]
    names = ("hellinger", "floor", "floor_one", "mean_shift", "spread_ratio")
    hellinger, floor, one, shift, spread = (
        np.array([row[name] for row in judged], dtype=np.float64) for name in names
    )
    shift, beyond = np.abs(shift), np.sqrt(np.maximum(hellinger**2 - one**2, 0.0))
    of = [Miss(str(row["variable"]), str(row["source"])) for row in judged]
    checks = (
        check(
            "hellinger_median",
            "Median Hellinger distance over variables and sources",
            float(np.median(hellinger)) if judged else None,
            highest=PUBLISHED_HELLINGER,
            meaning="0 is the same distribution, 1 no value in common. The published avatars reach .058.",
        ),
        check(
            "hellinger_worst",
            "Largest Hellinger distance, beyond that of one resample",
            float(beyond.max()) if judged else None,
            highest=WORST_HELLINGER,
            meaning="No variable may be left behind by the median. Beyond: root of the difference of squares, from "
            "the distance between the originals and a resample of them.",
            misses=missed(zip(of, beyond, strict=True), highest=WORST_HELLINGER),
        ),
        check(
            "balanced",
            f"Share of variables and sources whose means differ by less than {BALANCED} standard deviations",
            float((shift < BALANCED).mean()) if judged else None,
            lowest=SHARE_BALANCED,
            meaning="A standardised difference under 0.1 is the usual sign of balance.",
            misses=missed(zip(of, shift, strict=True), highest=BALANCED),
        ),
        check(
            "mean_shift_worst",
            "Largest difference of means, in standard deviations",
            float(shift.max()) if judged else None,
            highest=WORST_SHIFT,
            meaning="Twice the usual limit and a half, for the largest of some hundreds.",
            misses=missed(zip(of, shift, strict=True), highest=WORST_SHIFT),
        ),
        check(
            "spread_ratio_median",
            "Median ratio of standard deviations",
            float(np.median(spread)) if judged else None,
            lowest=PUBLISHED_SPREAD,
            meaning="Means of neighbours shrink the spread; the published avatars keep .746.",
        ),
        check(
            "spread_ratio_lowest",
            "Lowest ratio of standard deviations",
            float(spread.min()) if judged else None,
            lowest=PUBLISHED_SPREAD,
            meaning="No variable may lose more of its spread than the published avatars do on average.",
            misses=missed(zip(of, spread, strict=True), lowest=PUBLISHED_SPREAD),
        ),
        check(
            "floor_median",
            "Median noise floor",
            float(np.median(floor)) if judged else None,
            meaning="Hellinger distance between two resamples of the originals.",
        ),
    )
    return Section(
        name="univariate",
        title="Margins",
        question="Is each variable distributed as in the originals?",
        checks=checks,
        tables={
            "by_source": by_source,
            "by_arm": by_arm,
            "quantiles": _quantiles(material, original, synthetic),
            "levels": _levels(material, original, synthetic),
        },
        remarks=(
            f"Judged per source where at least {SMALLEST_JUDGED} values are observed, {FEWEST_UNUSUAL} of them not "
            "the most frequent one; shown per arm for the reader.",
            "Confirmed worsening at 12 and 24 weeks counts as a variable: each table's EDSS makes it.",
        ),
        rests_on=("structure",),
    )


def distance(first: Floats, second: Floats) -> Distance:
    """Return how far a sample is from another.

    Parameters
    ----------
    first, second : ndarray
        Observed values; the first gives bins and scale.
    """
    counts, many = _counts(first, second)
    p, q = (count / count.sum() for count in counts)
    hellinger = float(np.sqrt(max(0.0, 1.0 - np.sqrt(p * q).sum())))
    separation = _kolmogorov_smirnov(first, second) if many else float(np.abs(p - q).sum() / 2.0)
    spread = float(first.std())
    shift = float((second.mean() - first.mean()) / spread) if spread > 0 else float("nan")
    return Distance(hellinger, separation, shift, float(second.std() / spread) if spread > 0 else float("nan"))


def _counts(first: Floats, second: Floats) -> tuple[tuple[NDArray[np.intp], NDArray[np.intp]], bool]:
    """Return how many values of each sample fall into each cell, and whether cells are bins instead of values."""
    levels = np.unique(first)
    many = len(levels) > MOST_LEVELS
    if many:
        edges = np.unique(np.quantile(first, np.linspace(0, 1, BINS + 1)[1:-1]))
        cells = [np.searchsorted(edges, sample, side="right") for sample in (first, second)]
        n = len(edges) + 1
    else:
        every = np.union1d(levels, second)
        cells = [np.searchsorted(every, sample) for sample in (first, second)]
        n = len(every)
    before, after = (np.bincount(cell, minlength=n) for cell in cells)
    return (before, after), many


def noise_floors(first: Floats, size: int, rng: np.random.Generator) -> tuple[float, float]:
    """Return the Hellinger distances between two resamples, and between a sample and one of them.

    Root mean squares of some draws.

    Parameters
    ----------
    first : ndarray
        The originals.
    size : int
        Of the second resample; the first is as large as the originals.
    rng : Generator
    """
    (counts, _), _ = _counts(first, first)
    share = counts / counts.sum()
    one = rng.multinomial(len(first), share, size=FLOOR_DRAWS) / len(first)
    other = rng.multinomial(size, share, size=FLOOR_DRAWS) / size
    two, single = (
        float(np.sqrt(np.maximum(1.0 - np.sqrt(base * other).sum(axis=1), 0.0).mean())) for base in (one, share)
    )
    return two, single


def _kolmogorov_smirnov(first: Floats, second: Floats) -> float:
    every = np.concatenate([first, second])
    below = [np.searchsorted(np.sort(sample), every, side="right") / len(sample) for sample in (first, second)]
    return float(np.abs(below[0] - below[1]).max())


def _strata(material: Material, level: str) -> list[tuple[str, str, NDArray[np.intp], NDArray[np.intp]]]:
    """Return source, arm ("all" for a whole source) and the rows of both tables."""
    original, synthetic = (
        table[["source"]].assign(arm="all" if level == "source" else table["arm"])
        for table in (material.original.table, material.synthetic.table)
    )
    before, after = (_rows_by_arm(table) for table in (original, synthetic))
    return [(*arm, rows, after[arm]) for arm, rows in before.items() if arm in after]


def _rows_by_arm(table: pd.DataFrame) -> dict[tuple[str, str], NDArray[np.intp]]:
    groups = table.reset_index(drop=True).groupby(["source", "arm"])
    return {(str(source), str(arm)): rows.index.to_numpy() for (source, arm), rows in groups}


def _compare(
    material: Material, original: pd.DataFrame, synthetic: pd.DataFrame, level: str, rng: np.random.Generator
) -> tuple[Record, ...]:
    records = Records()
    for source, arm, before, after in _strata(material, level):
        for name in original.columns:
            first, second = _observed(original[name], before), _observed(synthetic[name], after)
            if min(len(first), len(second)) < SMALL_CELL:
                continue
            records.add(
                source=source,
                arm=arm,
                variable=name,
                n_original=len(first),
                n_synthetic=len(second),
                unusual=len(first) - int(np.unique(first, return_counts=True)[1].max()),
                mean_original=float(first.mean()),
                mean_synthetic=float(second.mean()),
                error_original=float(first.std() / np.sqrt(len(first))),
                error_synthetic=float(second.std() / np.sqrt(len(second))),
                **distance(first, second)._asdict(),
                **dict(zip(("floor", "floor_one"), noise_floors(first, len(second), rng), strict=True)),
            )
    return records.done()


def _quantiles(material: Material, original: pd.DataFrame, synthetic: pd.DataFrame) -> tuple[Record, ...]:
    """Return the quantiles of the shown variables of many values, per arm."""
    records = Records()
    for source, arm, before, after in _strata(material, "arm"):
        for name in SHOWN:
            first, second = _observed(original[name], before), _observed(synthetic[name], after)
            if min(len(first), len(second)) < SMALL_CELL * 2 or len(np.unique(first)) <= MOST_LEVELS:
                continue
            for level in QUANTILES:
                records.add(
                    source=source,
                    arm=arm,
                    variable=name,
                    level=level,
                    original=float(np.quantile(first, level)),
                    synthetic=float(np.quantile(second, level)),
                )
    return records.done()


def _levels(material: Material, original: pd.DataFrame, synthetic: pd.DataFrame) -> tuple[Record, ...]:
    """Return the share of each value of the shown variables of few values, per arm; small cells are left out."""
    records = Records()
    for source, arm, before, after in _strata(material, "arm"):
        for name in (*SHOWN, "worsening_12w", "worsening_24w"):
            first, second = _observed(original[name], before), _observed(synthetic[name], after)
            levels = np.unique(first)
            if not len(first) or not len(second) or len(levels) > MOST_LEVELS:
                continue
            for level in levels:
                count = int((first == level).sum())
                if count >= SMALL_CELL:
                    records.add(
                        source=source,
                        arm=arm,
                        variable=name,
                        level=float(level),
                        original=count / len(first),
                        synthetic=float((second == level).mean()),
                    )
    return records.done()


def _observed(column: pd.Series, rows: NDArray[np.intp]) -> Floats:
    values = column.to_numpy(dtype=np.float64)[rows]
    return np.asarray(values[~np.isnan(values)], dtype=np.float64)
