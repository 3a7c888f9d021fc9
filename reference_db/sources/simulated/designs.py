"""How each source is designed: arms, schedules, inclusion; how a registry follows its patients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from reference_db.schema import Source
from reference_db.sources.simulated.published import csv_rows
from reference_db.vocabulary import Phenotype, SourceKind, Treatment


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
    age, edss : tuple of float
        Allowed at inclusion.
    relapses_minimum : int
        Relapses in the 12 months before that inclusion asks for.
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
    """Return every simulated trial arm, in the order of ``arms.csv``."""
    return tuple(
        Arm(
            code=row["arm_code"],
            source=row["source"],
            name=row["arm"],
            treatment=Treatment(row["treatment"]),
            phenotype=Phenotype(row["phenotype"]),
            n=int(row["n"]),
            visits=_days(row["visit_weeks"]),
            scans=_days(row["mri_weeks"]),
            scanned_share=float(row["mri_share"]),
            end_days=(_days(row["end_week_min"])[0], _days(row["end_week_max"])[0]),
            ends_at_conversion=row["ends_at_conversion"] == "1",
            age=(float(row["age_min"]), float(row["age_max"])),
            edss=(float(row["edss_min"]), float(row["edss_max"])),
            relapses_minimum=int(row["relapses_min"]),
        )
        for row in csv_rows("arms.csv")
    )


@cache
def sources() -> tuple[Source, ...]:
    """Return every simulated source, trials first."""
    return tuple(
        Source(
            name=row["source"],
            label=row["label"],
            kind=SourceKind(row["kind"]),
            days_per_month=float(row["days_per_month"]),
        )
        for row in csv_rows("sources.csv")
    )


@dataclass(frozen=True, slots=True)
class PhenotypeMargins:
    """Share of a phenotype in a registry, its baseline figures, and how its disease differs from RRMS.

    Attributes
    ----------
    relapse_factor, progression_factor : float
        On the natural rates of relapses (and lesions) and of progression.
    active_weight : float
        Odds of having active disease at the index date, against RRMS.
    """

    phenotype: Phenotype
    share: float
    age: tuple[float, float]
    years_since_onset: tuple[float, float]
    edss: tuple[float, float]
    relapse_factor: float
    progression_factor: float
    active_weight: float


@cache
def registry_phenotypes(source: str) -> tuple[PhenotypeMargins, ...]:
    """Return the phenotypes of a registry; means with standard deviations."""

    def pair(row: Mapping[str, str], name: str) -> tuple[float, float]:
        return float(row[f"{name}_mean"]), float(row[f"{name}_sd"])

    return tuple(
        PhenotypeMargins(
            phenotype=Phenotype(row["phenotype"]),
            share=float(row["share"]),
            age=pair(row, "age"),
            years_since_onset=pair(row, "years_since_onset"),
            edss=pair(row, "edss"),
            relapse_factor=float(row["relapse_factor"]),
            progression_factor=float(row["progression_factor"]),
            active_weight=float(row["active_weight"]),
        )
        for row in csv_rows("registry_phenotypes.csv")
        if row["source"] == source
    )


@cache
def registry_design(source: str) -> Mapping[str, float]:
    """Return how a registry follows its patients, by name (``registry_design.csv`` explains each)."""
    return MappingProxyType(
        {row["name"]: float(row["value"]) for row in csv_rows("registry_design.csv") if row["source"] == source}
    )


@cache
def registry_classes(source: str) -> Mapping[Treatment, tuple[int, int]]:
    """Return, per class, how many patients with active disease and how many others a registry holds.

    Untreated patients are listed without activity: how many of them are active is part of the registry's design.
    """
    return MappingProxyType(
        {
            Treatment(row["treatment"]): (int(row["active"] or 0), int(row["others"]))
            for row in csv_rows("registry_classes.csv")
            if row["source"] == source
        }
    )
