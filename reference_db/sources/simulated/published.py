"""The published figures that the simulation is calibrated on and compared with: tidy CSV files beside this module.

``published_baseline.csv`` and ``published_outcomes.csv`` hold one figure per row with its source (a key of
``bibliography.csv``) and a flag that says how far it may be trusted: `published` was read in the publication,
`published-analysis` in a re-analysis of patient-level data, `secondary` is quoted by another text, `derived` is
computed from other figures, `unverified` is to be checked on the publication before it is quoted.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

PUBLISHED = "published"


@cache
def csv_rows(name: str) -> tuple[Mapping[str, str], ...]:
    """Return the rows of a CSV file beside this module."""
    text = resources.files("reference_db.sources.simulated").joinpath(name).read_text(encoding="utf-8")
    return tuple(MappingProxyType(row) for row in csv.DictReader(text.splitlines()))


@dataclass(frozen=True, slots=True)
class Figure:
    """One published figure of one arm.

    Attributes
    ----------
    arm : str
        Code of the arm, as in ``arms.csv``.
    name, timepoint : str
        What was measured, and over which time.
    value : float
    unit : str
        ``%`` marks a share in per cent.
    lower, upper : float or None
        95 % interval where one is known.
    comparator : str
        Code of the arm that a ratio compares with; empty for the figure of one arm.
    source_key, flag, interval_flag, note : str
        Where the figure and its interval come from, and how far they may be trusted.
    """

    arm: str
    name: str
    timepoint: str
    value: float
    unit: str
    lower: float | None
    upper: float | None
    comparator: str
    source_key: str
    flag: str
    interval_flag: str
    note: str


@cache
def published_outcomes() -> tuple[Figure, ...]:
    """Return the published outcomes."""
    return tuple(
        Figure(
            arm=row["arm_code"],
            name=row["outcome"],
            timepoint=row["timepoint"],
            value=float(row["value"]),
            unit=row["unit"],
            lower=float(row["lower"]) if row["lower"] else None,
            upper=float(row["upper"]) if row["upper"] else None,
            comparator=row["comparator"],
            source_key=row["source_key"],
            flag=row["flag"],
            interval_flag=row["interval_flag"],
            note=row["note"],
        )
        for row in csv_rows("published_outcomes.csv")
    )


@cache
def published_baseline() -> tuple[Figure, ...]:
    """Return the published baseline figures; shares from 0 to 1."""
    return tuple(
        Figure(
            arm=row["arm_code"],
            name=row["variable"],
            timepoint="baseline",
            value=float(row["value"]),
            unit="share" if row["variable"].endswith("_share") else "",
            lower=None,
            upper=None,
            comparator="",
            source_key=row["source_key"],
            flag=row["flag"],
            interval_flag="",
            note=row["note"],
        )
        for row in csv_rows("published_baseline.csv")
    )


@cache
def baseline_of(arm: str) -> Mapping[str, float]:
    """Return the baseline figures of an arm by name."""
    return MappingProxyType({figure.name: figure.value for figure in published_baseline() if figure.arm == arm})
