"""Structure: whether the synthetic table has the form of the originals.

Same columns, types and levels; values inside the range of the originals; as many rows in each arm; the same cells
missing; no rule between columns broken.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from reference_db.errors import InvalidTable
from reference_db.schema import check_episodes
from validation.material import Material
from validation.result import Check, Miss, Record, Records, Section, check, missed

STRATUM = ["source", "arm"]

MISSINGNESS_Z = 4.5
"""Standard errors beyond which the share of missing cells of a column differs: chance alone goes so far in about one
of 150,000 comparisons, and there are some thousand."""


def structure(material: Material) -> Section:
    """Compare the form of the synthetic episodes with that of the originals."""
    original, synthetic = material.original.table, material.synthetic.table
    shared = [name for name in original.columns if name in synthetic.columns]
    columns = _columns(original, synthetic, shared)
    missing = _missingness(original, synthetic, shared)
    arms = _arms(original, synthetic)
    different_types = [Miss(str(row["column"])) for row in columns if row["type_original"] != row["type_synthetic"]]
    standard_errors = [
        (Miss(str(row["column"]), str(row["source"]), str(row["arm"])), _distance(row)) for row in missing
    ]
    deviations = [
        (
            Miss(source=str(row["source"]), arm=str(row["arm"])),
            abs(_count(row["synthetic"]) - _count(row["original"])),
        )
        for row in arms
    ]
    expected = sum(_number(row["expected_out_of_range"]) for row in columns)
    checks = (
        _none(
            "columns",
            "Columns missing or added",
            map(Miss, sorted(set(original.columns) ^ set(synthetic.columns))),
            "A table with other columns cannot stand for the originals.",
        ),
        _none("types", "Columns of another type", different_types, "Type as stored."),
        _none(
            "new_levels",
            "Columns with levels that no original has",
            missed(((Miss(str(row["column"])), _count(row["new_levels"])) for row in columns), highest=0),
            "An avatar mixes patients: it cannot hold a category that none of them has.",
        ),
        check(
            "out_of_range",
            "Values outside the range of the originals",
            sum(_count(row["out_of_range"]) for row in columns),
            highest=0,
            meaning="An avatar is between patients. For comparison: of another sample of the same population, "
            f"{expected:.0f} values would lie beyond the lowest and the highest of this one.",
            misses=missed(((Miss(str(row["column"])), _count(row["out_of_range"])) for row in columns), highest=0),
        ),
        check(
            "rows",
            "Largest deviation of an arm's number of rows",
            max((deviation for _, deviation in deviations), default=0),
            highest=0,
            meaning="One avatar per original, arm by arm. Another number is right for an augmented release only.",
            misses=missed(deviations, highest=0),
        ),
        check(
            "missingness",
            "Largest difference in a column's share of missing cells in an arm, in standard errors",
            max((far for _, far in standard_errors), default=0.0),
            highest=MISSINGNESS_Z,
            meaning="Schedules and dropout are part of the data. Chance alone stays under the target.",
            misses=missed(standard_errors, highest=MISSINGNESS_Z),
        ),
        check(
            "rules",
            "Rules of the schema broken",
            _broken_rules(synthetic),
            highest=0,
            meaning="EDSS on its scale, relapses of 12 months within those of 24, onset before age, nothing after "
            "follow-up.",
        ),
    )
    return Section(
        name="structure",
        title="Structure",
        question="Does the synthetic table have the form of the originals?",
        checks=checks,
        tables={"columns": columns, "missingness": missing, "arms": arms},
    )


def _none(name: str, label: str, found: Iterable[Miss], meaning: str) -> Check:
    """Judge how many things were found that should not be there."""
    misses = tuple(found)
    return check(name, label, len(misses), highest=0, meaning=meaning, misses=misses)


def _distance(row: Record) -> float:
    return abs(_number(row["z"]))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0


def _columns(original: pd.DataFrame, synthetic: pd.DataFrame, shared: list[str]) -> tuple[Record, ...]:
    records = Records()
    for name in shared:
        numeric = pd.api.types.is_numeric_dtype(original[name])
        new_levels, out_of_range, expected, low, high = 0, 0, 0.0, None, None
        if numeric:
            values = synthetic[name].to_numpy(dtype=np.float64, na_value=np.nan)
            known = original[name].dropna().to_numpy(dtype=np.float64)
            if len(known):
                low, high = float(known.min()), float(known.max())
                out_of_range = int(((values < low) | (values > high)).sum())
            else:  # no source records it, so nothing may stand there
                out_of_range = int((~np.isnan(values)).sum())
            # Each end of a sample is the outermost of one more value with probability 1 / (n + 1).
            expected = 2.0 * float((~np.isnan(values)).sum()) / (float(original[name].notna().sum()) + 1.0)
        else:
            new_levels = len(set(synthetic[name].dropna()) - set(original[name].dropna()))
        records.add(
            column=name,
            type_original=str(original[name].dtype),
            type_synthetic=str(synthetic[name].dtype),
            lowest=low,
            highest=high,
            out_of_range=out_of_range,
            expected_out_of_range=expected,
            new_levels=new_levels,
        )
    return records.done()


def _missingness(original: pd.DataFrame, synthetic: pd.DataFrame, shared: list[str]) -> tuple[Record, ...]:
    """Return the share of missing cells per stratum and column, where either table has some."""
    values = [name for name in shared if name not in STRATUM]
    share = original[values].isna().groupby([original[name] for name in STRATUM]).mean()
    made = synthetic[values].isna().groupby([synthetic[name] for name in STRATUM]).mean().reindex(share.index)
    sizes = original.groupby(STRATUM).size()
    records = Records()
    for source, arm in share.index:
        rows = zip(values, share.loc[(source, arm)], made.loc[(source, arm)], strict=True)
        for column, before, after in rows:
            if before > 0 or after > 0:
                records.add(
                    source=source,
                    arm=arm,
                    column=column,
                    n_original=int(sizes.loc[(source, arm)]),
                    original=before,
                    synthetic=after,
                    z=_standardised(before, after, int(sizes.loc[(source, arm)])),
                )
    return records.done()


def _standardised(before: float, after: float, n: int) -> float:
    """Return the difference of two shares of n each in standard errors.

    One of each is added, which keeps shares near 0 and 1 from looking certain (Agresti and Caffo, American
    Statistician 2000, doi 10.1080/00031305.2000.10474560).
    """
    shares = [(share * n + 1.0) / (n + 2.0) for share in (before, after)]
    variance = sum(share * (1.0 - share) for share in shares) / (n + 2.0)
    return float((shares[1] - shares[0]) / np.sqrt(variance))


def _arms(original: pd.DataFrame, synthetic: pd.DataFrame) -> tuple[Record, ...]:
    before, after = (_arm_sizes(table) for table in (original, synthetic))
    records = Records()
    for arm in sorted(before.keys() | after.keys()):
        records.add(source=arm[0], arm=arm[1], original=before.get(arm, 0), synthetic=after.get(arm, 0))
    return records.done()


def _arm_sizes(table: pd.DataFrame) -> dict[tuple[str, str], int]:
    return {(str(source), str(arm)): len(rows) for (source, arm), rows in table.groupby(STRATUM)}


def _broken_rules(synthetic: pd.DataFrame) -> int:
    try:
        check_episodes(synthetic)
    except InvalidTable as error:
        return len(error.problems)
    return 0
