"""The blinded questionnaire: whether an expert can tell synthetic records from originals.

Forty records, half of each, in random order, without anything that gives the table away. An expert calls each one;
the score is the share called right with its interval. At 50 % the records cannot be told apart.

The originals are personal data wherever the sources are real: records and key stay in the memory of the process that
deals them, and whoever starts it must be allowed to see the originals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from reference_db.errors import FieldProblem, InvalidInput
from reference_db.schema import (
    EDSS_HISTORY,
    EDSS_MONTHS,
    MRI_MONTHS,
    RELAPSE_MONTHS,
    edss_column,
    gd_column,
    new_t2_column,
    relapse_column,
)
from validation.material import Material

RECORDS = 40

ORIGINAL, SYNTHETIC = "original", "synthetic"

SHOWN_BASELINE: tuple[str, ...] = (
    "phenotype",
    "sex",
    "age",
    "years_since_onset",
    "treatment",
    "prior_treatment",
    "relapses_12m",
    "relapses_24m",
    "gd_lesions",
    "t2_lesions",
    EDSS_HISTORY,
)
"""What a card says of the patient at baseline; nothing that names the source or the arm."""

COURSE: tuple[str, ...] = ("edss", "relapses", "gd", "new_t2")
"""What a card says of each month."""

Shown = str | float | None
"""A value on a card; None where nothing was recorded."""


@dataclass(frozen=True, slots=True)
class Card:
    """One record as the expert sees it.

    Attributes
    ----------
    number : int
        From 1.
    baseline : dict of str to value
        By the names of `SHOWN_BASELINE`.
    course : tuple of dict of str to value
        ``month`` and the names of `COURSE`; one row per month of the grid at which anything was recorded.
    """

    number: int
    baseline: dict[str, Shown]
    course: tuple[dict[str, Shown], ...]


@dataclass(frozen=True, slots=True)
class Score:
    """How well records were told apart.

    Attributes
    ----------
    called, right : int
        Records called, and called right.
    share, lower, upper : float
        Share called right with its 95 % interval (Wilson).
    p_value : float
        Of so many right calls or more by tossing a coin.
    """

    called: int
    right: int
    share: float
    lower: float
    upper: float
    p_value: float

    @property
    def sentence(self) -> str:
        """The score in words."""
        return (
            f"{self.right} of {self.called} called right: {self.share:.0%} "
            f"(95 % interval {self.lower:.0%} to {self.upper:.0%}; "
            f"a coin does as well or better with probability {self.p_value:.2g})."
        )


def deal(material: Material, *, seed: int, records: int = RECORDS) -> tuple[tuple[Card, ...], dict[int, str]]:
    """Draw records of both tables in random order.

    Parameters
    ----------
    material : Material
    seed : int
        The same seed deals the same records.
    records : int
        Half of each table.

    Returns
    -------
    tuple of Card
    dict of int to str
        The key: which table each card comes from.
    """
    rng = np.random.default_rng(seed)
    half = records // 2
    original = material.original.table
    # Of the same arms, so that the mix of arms gives nothing away.
    rows = rng.choice(len(original), size=half, replace=False)
    synthetic = material.synthetic.table
    by_arm = synthetic.groupby(["source", "arm"]).indices
    twins: list[int] = []
    for row in rows:
        arm = (original["source"].iloc[row], original["arm"].iloc[row])
        candidates = np.setdiff1d(by_arm.get(arm, np.arange(len(synthetic))), twins)
        twins.append(int(rng.choice(candidates)))
    drawn = [(ORIGINAL, original.iloc[row]) for row in rows] + [(SYNTHETIC, synthetic.iloc[row]) for row in twins]
    order = rng.permutation(len(drawn))
    cards = tuple(_card(number, drawn[at][1]) for number, at in enumerate(order, start=1))
    return cards, {number: drawn[at][0] for number, at in enumerate(order, start=1)}


def score(key: Mapping[int, str], answers: Mapping[int, str]) -> Score:
    """Score an expert's calls.

    Parameters
    ----------
    key : mapping of int to str
        As `deal` returned it.
    answers : mapping of int to str
        ``original`` or ``synthetic`` by card; cards without an answer do not count.

    Raises
    ------
    InvalidInput
        For a card that was not dealt, a call that is neither, or no call at all.
    """
    problems = [
        FieldProblem(f"answers.{number}", "was not dealt", f"1 to {len(key)}")
        for number in answers
        if number not in key
    ]
    problems += [
        FieldProblem(f"answers.{number}", f"{call!r} is no call", f"{ORIGINAL}, {SYNTHETIC}")
        for number, call in answers.items()
        if call not in (ORIGINAL, SYNTHETIC)
    ]
    if not answers:
        problems.append(FieldProblem("answers", "are empty", "at least one call"))
    if problems:
        raise InvalidInput(problems)
    return scored(len(answers), sum(key[number] == call for number, call in answers.items()))


def scored(called: int, right: int) -> Score:
    """Return the score of so many right calls, of one expert or of several together."""
    interval = binomtest(right, called).proportion_ci(method="wilson")
    by_chance = float(binomtest(right, called, alternative="greater").pvalue)
    return Score(called, right, right / called, float(interval.low), float(interval.high), by_chance)


def _card(number: int, row: pd.Series) -> Card:
    course = []
    for month in EDSS_MONTHS:
        cells: dict[str, Shown] = {
            "edss": _shown(row[edss_column(month)]),
            "relapses": _shown(row[relapse_column(month)]) if month in RELAPSE_MONTHS else None,
            "gd": _shown(row[gd_column(month)]) if month in MRI_MONTHS else None,
            "new_t2": _shown(row[new_t2_column(month)]) if month in MRI_MONTHS else None,
        }
        if any(value is not None for value in cells.values()):
            course.append({"month": float(month), **cells})
    return Card(number, {name: _shown(row[name]) for name in SHOWN_BASELINE}, tuple(course))


def _shown(value: object) -> Shown:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    return str(value) if isinstance(value, str) else float(value)  # type: ignore[arg-type]  # a number of the table
