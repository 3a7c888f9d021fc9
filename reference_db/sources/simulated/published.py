"""The published figures and the parameters that the simulation reads: tidy CSV files beside this module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import pandas as pd

from reference_db.vocabulary import Phenotype, SourceKind, Treatment

_MONTH = 30.4375
_FOUR_WEEKS = 28.0


def _read(name: str) -> pd.DataFrame:
    with resources.files("reference_db.sources.simulated").joinpath(name).open(encoding="utf-8") as file:
        return pd.read_csv(file, keep_default_na=False, na_values=[""])


@dataclass(frozen=True, slots=True)
class Arm:
    """One trial arm as it was designed.

    Attributes
    ----------
    visits, scans : tuple of int
        Days of the scheduled visits and MRI scans.
    scanned_share : float
        Share of patients in the MRI subset.
    end_days : tuple of int
        Earliest and latest planned end of follow-up.
    ends_at_conversion : bool
        Whether a second attack ends the double-blind treatment (trials of a first event).
    """

    code: str
    source: str
    name: str
    treatment: Treatment
    phenotype: Phenotype
    n: int
    visits: tuple[int, ...]
    scans: tuple[int, ...]
    scanned_share: float
    end_days: tuple[int, int]
    ends_at_conversion: bool
    age: tuple[float, float]
    edss: tuple[float, float]
    relapses_minimum: int


def _days(weeks: str) -> tuple[int, ...]:
    return tuple(round(float(week) * 7) for week in weeks.split())


@cache
def arms() -> tuple[Arm, ...]:
    """Return every simulated trial arm, in the order of the file."""
    return tuple(
        Arm(
            code=row.arm_code,
            source=row.source,
            name=row.arm,
            treatment=Treatment(row.treatment),
            phenotype=Phenotype(row.phenotype),
            n=int(row.n),
            visits=_days(row.visit_weeks),
            scans=_days(row.mri_weeks),
            scanned_share=float(row.mri_share),
            end_days=(round(row.end_week_min * 7), round(row.end_week_max * 7)),
            ends_at_conversion=bool(row.ends_at_conversion),
            age=(float(row.age_min), float(row.age_max)),
            edss=(float(row.edss_min), float(row.edss_max)),
            relapses_minimum=int(row.relapses_min),
        )
        for row in _read("arms.csv").itertuples()
    )


@cache
def baseline(arm_code: str) -> Mapping[str, float]:
    """Return the baseline figures of an arm by name."""
    table = published_baseline()
    return dict(table.loc[table["arm_code"] == arm_code, ["variable", "value"]].itertuples(index=False))


@cache
def published_baseline() -> pd.DataFrame:
    """Return the baseline figures: arm_code, variable, value, source_key, flag, note."""
    return _read("published_baseline.csv")


@cache
def published_outcomes() -> pd.DataFrame:
    """Return the outcome figures with interval, comparator, source_key and flag."""
    return _read("published_outcomes.csv")


@cache
def parameters() -> Mapping[str, float]:
    """Return the parameters of the disease model by name."""
    return dict(_read("parameters.csv")[["name", "value"]].itertuples(index=False))


@cache
def calibrated() -> Mapping[tuple[str, str], float]:
    """Return the calibrated parameters by scope (trial or arm code) and name."""
    table = _read("calibrated.csv")
    return {(row.scope, row.parameter): float(row.value) for row in table.itertuples()}


@cache
def class_effects() -> pd.DataFrame:
    """Return the effect ratios against no treatment, by treatment class (index), in the order of `Treatment`."""
    return _read("class_effects.csv").set_index("treatment").reindex([t.value for t in Treatment])


@cache
def registry_classes() -> pd.DataFrame:
    """Return, per registry and class, how many patients have active disease and how many others there are."""
    return _read("registry_classes.csv")


@cache
def registry_phenotypes() -> pd.DataFrame:
    """Return, per registry and phenotype, its share and its baseline figures."""
    return _read("registry_phenotypes.csv")


SOURCE_LABELS: Mapping[str, tuple[str, SourceKind, float]] = {
    "ADVANCE": ("ADVANCE (simulated): peginterferon beta-1a, RRMS", SourceKind.TRIAL, _FOUR_WEEKS),
    "DEFINE": ("DEFINE (simulated): dimethyl fumarate, RRMS", SourceKind.TRIAL, _FOUR_WEEKS),
    "CONFIRM": ("CONFIRM (simulated): dimethyl fumarate, glatiramer acetate, RRMS", SourceKind.TRIAL, _FOUR_WEEKS),
    "AFFIRM": ("AFFIRM (simulated): natalizumab, RRMS", SourceKind.TRIAL, _FOUR_WEEKS),
    "SENTINEL": ("SENTINEL (simulated): interferon beta-1a arm, RRMS", SourceKind.TRIAL, _FOUR_WEEKS),
    "ASCEND": ("ASCEND (simulated): natalizumab, SPMS", SourceKind.TRIAL, _FOUR_WEEKS),
    "REFLEX": ("REFLEX (simulated): interferon beta-1a, CIS", SourceKind.TRIAL, _MONTH),
    "ORACLE-MS": ("ORACLE-MS (simulated): cladribine, CIS", SourceKind.TRIAL, _FOUR_WEEKS),
    "CLARITY": ("CLARITY (simulated): cladribine, RRMS", SourceKind.TRIAL, _FOUR_WEEKS),
    "OFSEP-HD": ("OFSEP high-definition cohort (simulated)", SourceKind.REGISTRY, _MONTH),
    "OFSEP": ("OFSEP mother cohort, part (simulated)", SourceKind.REGISTRY, _MONTH),
}
"""Label, kind and days per month of each source."""


@cache
def registry_design(source: str) -> Mapping[str, float]:
    """Return how a registry follows its patients, by name."""
    table = _read("registry_design.csv")
    return dict(table.loc[table["source"] == source, ["name", "value"]].itertuples(index=False))


@cache
def registry_indication() -> pd.DataFrame:
    """Return the treatment-by-indication model, by class (index) in the order of `Treatment`."""
    return _read("registry_indication.csv").set_index("treatment").reindex([t.value for t in Treatment])
