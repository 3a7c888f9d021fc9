"""Published against simulated: which measure, over which time, and whether it is met."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.schema import LongTables
from reference_db.sources.simulated import SimulatedSources, simulate
from reference_db.sources.simulated.designs import arms
from reference_db.sources.simulated.parameters import Calibration
from reference_db.sources.simulated.published import PUBLISHED, Figure, published_baseline, published_outcomes
from reference_db.sources.simulated.simulation import CANDIDATES
from validation.calibration.measures import MEASURES, NOT_COMPARABLE, Arms
from validation.calibration.outcomes import Outcomes, arm_outcomes

TOLERANCE = 0.10
"""Relative, for figures published without an interval."""

Verdict = Literal["met", "missed", "shown", "not comparable"]

_POOLED: Mapping[str, tuple[str, str]] = {
    "DC-PBO": ("DEF-PBO", "CON-PBO"),
    "DC-DMF": ("DEF-DMF-BID", "CON-DMF-BID"),
    # The arm of 173 patients stands between the two dosing frequencies of the trial.
    "REF-IFN-QW": ("REF-IFN-TIW", ""),
}
_HORIZON_DAYS: Mapping[str, float] = {
    "ADVANCE": 336.0,
    "DEFINE": 672.0,
    "CONFIRM": 672.0,
    "AFFIRM": 728.0,
    "SENTINEL": 728.0,
    "ASCEND": 672.0,
    "REFLEX": 731.0,
    "ORACLE-MS": 672.0,
    "CLARITY": 672.0,
}
"""End of the controlled period to which a trial's outcomes refer."""

TRIAL_END: Mapping[str, float] = {arm.code: _HORIZON_DAYS[arm.source] for arm in arms()} | {
    name: _HORIZON_DAYS[next(arm.source for arm in arms() if arm.code == first)]
    for name, (first, _) in _POOLED.items()
}
"""The same by code of the arm, pooled arms included."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One published figure beside its simulated counterpart.

    Attributes
    ----------
    figure : Figure
    simulated : float
        Mean over seeds; NaN where nothing compares.
    spread : float
        Standard deviation between seeds.
    lower, upper : float
        What counts as met: the published 95 % interval, or 10 % to either side.
    verdict : str
        `met` or `missed` for figures read in the publication; `shown` for others.
    reason : str
        Why a figure is not comparable.
    """

    figure: Figure
    simulated: float
    spread: float
    lower: float
    upper: float
    verdict: Verdict
    reason: str = ""


def outcomes_by_arm(simulated: SimulatedSources) -> dict[str, Outcomes]:
    """Return the outcomes of every trial arm by its code, pooled arms included."""
    tables = simulated.tables
    patients = tables.patients
    by_arm = {}
    for arm in arms():
        chosen = patients[(patients["source"] == arm.source) & (patients["arm"] == arm.name)]
        by_arm[arm.code] = arm_outcomes(_of_patients(tables, chosen))
    return pooled(by_arm)


def pooled(by_arm: Mapping[str, Outcomes]) -> dict[str, Outcomes]:
    """Return the arms with those that publications pool."""
    joined = {
        name: by_arm[first].joined(by_arm[second]) if second else by_arm[first]
        for name, (first, second) in _POOLED.items()
        if first in by_arm and (not second or second in by_arm)
    }
    return {**by_arm, **joined}


def parts_of(codes: frozenset[str]) -> frozenset[str]:
    """Return the simulated arms behind some arms, those that are pooled taken apart."""
    return frozenset(part for code in codes for part in _POOLED.get(code, (code,)) if part)


def _of_patients(tables: LongTables, patients: pd.DataFrame) -> LongTables:
    known = set(patients["patient_id"])
    parts = {field.name: getattr(tables, field.name) for field in fields(LongTables) if field.name != "patients"}
    return LongTables(
        patients=patients,
        **{name: table[table["patient_id"].isin(known)] for name, table in parts.items()},
    )


def measure_name(figure: Figure) -> str:
    """Return the name in `MEASURES` of a published outcome."""
    if figure.name == "Gd+ mean":
        if "cumulative" in figure.timepoint:
            return "Gd+ mean cumulative"
        if "per scan" in figure.timepoint:
            return "Gd+ mean per scan"
    if figure.name == "free of Gd+" and figure.timepoint == "study end":
        return "free of Gd+ on every scan"
    if figure.name == "HR CDMS" and figure.arm.startswith("REF"):
        return "HR CDMS or worsening"
    return "dropout" if figure.name == "dropout (study)" else figure.name


def horizon(figure: Figure) -> float:
    """Return the days over which a published outcome was measured."""
    if figure.timepoint == "year 1":
        return 364.0
    if figure.timepoint == "wk24":
        return 168.0
    return TRIAL_END[figure.arm]


def published_value(figure: Figure) -> float:
    """Return the published value in the unit of the measure: counts of patients become per cent of the arm."""
    return 100.0 * figure.value / total_patients(figure) if figure.unit == "patients" else figure.value


def total_patients(figure: Figure) -> float:
    """Return the patients of a published frequency table, summed over its rows."""
    return sum(row.value for row in published_outcomes() if row.arm == figure.arm and row.unit == figure.unit)


def _wilson(count: float, total: float) -> tuple[float, float]:
    """Return the 95 % interval (Wilson 1927) of a count of patients, in per cent: what a frequency table prints."""
    z2 = 1.959964**2
    centre = (count + z2 / 2.0) / (total + z2)
    half = np.sqrt(z2 * (count * (total - count) / total + z2 / 4.0)) / (total + z2)
    return 100.0 * float(centre - half), 100.0 * float(centre + half)


def why_not_comparable(figure: Figure) -> str:
    """Return why an outcome has no counterpart in the simulation, or an empty string."""
    if figure.timepoint.startswith("4 y"):
        return "beyond the controlled period that is simulated"
    if "both doses" in figure.timepoint:
        return "pools a dose that is not simulated"
    return NOT_COMPARABLE.get(figure.name, "")


def bounds(figure: Figure) -> tuple[float, float]:
    """Return the range in which a simulated mean meets a figure."""
    value = published_value(figure)
    if figure.unit == "patients":
        return _wilson(figure.value, total_patients(figure))
    has_interval = figure.interval_flag == PUBLISHED and "IQR" not in figure.note
    if has_interval and figure.lower is not None and figure.upper is not None:
        return figure.lower, figure.upper
    return value - TOLERANCE * abs(value), value + TOLERANCE * abs(value)


BASELINE_MEASURES: Mapping[str, Callable[[Outcomes, pd.DataFrame], float]] = {
    "age_mean": lambda o, _: float(o.patients["age"].mean()),
    "age_sd": lambda o, _: float(o.patients["age"].std()),
    "female_share": lambda o, _: float((o.patients["sex"] == "female").mean()),
    "years_since_onset_mean": lambda o, _: float(o.patients["years_since_onset"].mean()),
    "years_since_onset_sd": lambda o, _: float(o.patients["years_since_onset"].std()),
    "edss_mean": lambda o, _: float(np.nanmean(o.edss[:, 0])),
    "edss_sd": lambda o, _: float(np.nanstd(o.edss[:, 0])),
    "relapses_12m_mean": lambda o, _: float(o.patients["relapses_12m"].mean()),
    "relapses_12m_sd": lambda o, _: float(o.patients["relapses_12m"].std()),
    "gd_mean": lambda o, _: float(np.nanmean(o.gd[:, 0])),
    "gd_sd": lambda o, _: float(np.nanstd(o.gd[:, 0])),
    "gd_positive_share": lambda o, _: float(np.mean(o.gd[o.scanned, 0] > 0)),
    "t2_count_mean": lambda o, latent: float(_t2(o, latent).mean()),
    "t2_count_sd": lambda o, latent: float(_t2(o, latent).std()),
    "t2_9_or_more_share": lambda o, latent: float((_t2(o, latent) >= 9).mean()),
    "prior_treatment_share": lambda o, _: float((o.patients["prior_treatment"] != "none").mean()),
}
"""Counterparts of the published baseline figures. The tables hold T2 lesions in bins; their counts are latent."""


def _t2(outcomes: Outcomes, latent: pd.DataFrame) -> NDArray[np.float64]:
    return latent["t2_count"].reindex(outcomes.patients["patient_id"]).to_numpy().astype(np.float64)


def compare(
    *,
    seeds: Sequence[int],
    calibration: Calibration | None = None,
    scale: float = 1.0,
    candidates: int = CANDIDATES,
) -> tuple[Comparison, ...]:
    """Compare every published figure with the mean over simulations of several seeds.

    Parameters
    ----------
    seeds : sequence of int
    calibration : mapping, optional
        Parameters to judge; those that the project ships when left out.
    scale : float
        Size of the simulations.
    candidates : int
        Drawn for each place in a trial arm; with 1, the spread between seeds is that between real trials.

    Returns
    -------
    tuple of Comparison
        Baseline figures first, then outcomes, in the order of their files.
    """
    figures = [*published_baseline(), *published_outcomes()]
    codes = {arm.code for arm in arms()} | set(_POOLED)
    figures = [figure for figure in figures if figure.arm in codes]
    values = np.full((len(seeds), len(figures)), np.nan)
    for row, seed in enumerate(seeds):
        simulated = simulate(seed=seed, scale=scale, calibration=calibration, candidates=candidates)
        by_arm = outcomes_by_arm(simulated)
        latent = simulated.latent.set_index("patient_id")
        for column, figure in enumerate(figures):
            values[row, column] = _simulated(figure, by_arm, latent)
    return tuple(_judged(figure, values[:, column]) for column, figure in enumerate(figures))


def _simulated(figure: Figure, by_arm: Mapping[str, Outcomes], latent: pd.DataFrame) -> float:
    if figure.timepoint == "baseline":
        return BASELINE_MEASURES[figure.name](by_arm[figure.arm], latent)
    if why_not_comparable(figure):
        return float("nan")
    comparator = by_arm[figure.comparator] if figure.comparator else None
    return MEASURES[measure_name(figure)](Arms(by_arm[figure.arm], comparator, horizon(figure)))


def _judged(figure: Figure, values: NDArray[np.float64]) -> Comparison:
    reason = "" if figure.timepoint == "baseline" else why_not_comparable(figure)
    lower, upper = bounds(figure)
    if reason:
        return Comparison(figure, float("nan"), float("nan"), lower, upper, "not comparable", reason)
    mean = float(values.mean())
    spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    if figure.flag != PUBLISHED:
        return Comparison(figure, mean, spread, lower, upper, "shown")
    return Comparison(figure, mean, spread, lower, upper, "met" if lower <= mean <= upper else "missed")
