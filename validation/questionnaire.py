"""The blinded questionnaire: whether an expert can tell synthetic records from originals.

Forty records, half of each, in random order, without anything that gives the table away. An expert calls each one;
the score is the share called right with its interval. At 50 % the records cannot be told apart.

The originals are personal data wherever the sources are real: the page that shows them, and the key, stay with those
who may see the originals.
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

SHOWN_BASELINE: Mapping[str, str] = {
    "phenotype": "Phenotype",
    "sex": "Sex",
    "age": "Age, years",
    "years_since_onset": "Years since onset",
    "treatment": "Treatment",
    "prior_treatment": "Treatment before",
    "relapses_12m": "Relapses, last 12 months",
    "relapses_24m": "Relapses, last 24 months",
    "gd_lesions": "Enhancing lesions",
    "t2_lesions": "T2 lesions",
    "edss_m12": "EDSS a year before",
}


@dataclass(frozen=True, slots=True)
class Card:
    """One record as the expert sees it.

    Attributes
    ----------
    number : int
        From 1.
    baseline : dict of str to str
        By label.
    course : tuple of dict of str to str
        One row per month of the grid at which anything was recorded.
    """

    number: int
    baseline: dict[str, str]
    course: tuple[dict[str, str], ...]


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
    right = sum(key[number] == call for number, call in answers.items())
    interval = binomtest(right, len(answers)).proportion_ci(method="wilson")
    by_chance = float(binomtest(right, len(answers), alternative="greater").pvalue)
    return Score(len(answers), right, right / len(answers), float(interval.low), float(interval.high), by_chance)


def _card(number: int, row: pd.Series) -> Card:
    baseline = {label: _shown(row[name]) for name, label in SHOWN_BASELINE.items()}
    course = []
    for month in EDSS_MONTHS:
        cells = {"Month": str(month), "EDSS": _shown(row[edss_column(month)])}
        cells["Relapses"] = _shown(row[relapse_column(month)]) if month in RELAPSE_MONTHS else ""
        cells["Enhancing lesions"] = _shown(row[gd_column(month)]) if month in MRI_MONTHS else ""
        cells["New T2 lesions"] = _shown(row[new_t2_column(month)]) if month in MRI_MONTHS else ""
        if any(value for name, value in cells.items() if name != "Month"):
            course.append(cells)
    return Card(number, baseline, tuple(course))


def _shown(value: object) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
