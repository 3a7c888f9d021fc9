"""The analysis data set of a trial: one row per randomised patient, and what each endpoint reads from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cdss.evaluation.protocol import Arm, Endpoint, EndpointKind, Measure, Protocol
from reference_db.vocabulary import HIGH_EFFICACY

BASELINE_COLUMNS: tuple[str, ...] = (
    "age",
    "sex",
    "phenotype",
    "years_since_onset",
    "edss",
    "relapses_12m",
    "prior_treatment",
    "dcs_before",
)
"""Shown in the baseline table."""

COLUMNS: tuple[str, ...] = (
    "participant",
    "cluster",
    "site",
    "stratum",
    "cluster_stratum",
    "period",
    "arm",
    *BASELINE_COLUMNS,
    "dcs_after",
    "sdm_after",
    "sus_after",
    "choice_before",
    "choice_after",
    "consultation_minutes",
    "relapses",
    "relapse_years",
    "edss_last",
    "worsening_months",
    "worsening_event",
    "withdrawn",
)
"""Columns of the analysis data set; outcomes are missing where they were not observed."""


@dataclass(frozen=True)
class Screening:
    """What is known of those who were not randomised: numbers by reason, nothing else.

    Attributes
    ----------
    not_randomised : mapping of str to int
        Patients per reason (``declined``, ``not eligible``...).
    """

    not_randomised: Mapping[str, int]


@dataclass(frozen=True)
class TrialData:
    """The analysis data set.

    Attributes
    ----------
    table : DataFrame
        One row per randomised patient with `COLUMNS`.
    screening : Screening
    """

    table: pd.DataFrame
    screening: Screening

    def __len__(self) -> int:
        return len(self.table)


@dataclass(frozen=True)
class EndpointData:
    """What a model of one endpoint is fitted to, one row per patient; missing outcomes included as NaN.

    Attributes
    ----------
    outcome : ndarray
        Value, 0 or 1, number of events, or months to event or censoring.
    exposure : ndarray
        Years at risk of a count; months followed for an event; 1 otherwise.
    event : ndarray
        1 where a time ends with the event, 0 where it is censored; NaN otherwise.
    baseline : ndarray or None
        The outcome's own baseline value, where there is one.
    """

    outcome: NDArray[np.float64]
    exposure: NDArray[np.float64]
    event: NDArray[np.float64]
    baseline: NDArray[np.float64] | None

    @property
    def observed(self) -> NDArray[np.bool_]:
        """Patients whose outcome is known."""
        return np.isfinite(self.outcome)


def used(data: TrialData) -> NDArray[np.bool_]:
    """Return for each patient whether the arm is the one with the tool."""
    return (data.table["arm"] == Arm.USE.value).to_numpy()


def endpoint_data(data: TrialData, endpoint: Endpoint) -> EndpointData:
    """Return what an endpoint reads from the analysis data set."""
    table = data.table
    n = len(table)

    def column(name: str) -> NDArray[np.float64]:
        return table[name].to_numpy(dtype=np.float64, na_value=np.nan)

    one, none = np.ones(n), np.full(n, np.nan)
    match endpoint.measure:
        case Measure.DECISIONAL_CONFLICT:
            return EndpointData(column("dcs_after"), one, none, column("dcs_before"))
        case Measure.SHARED_DECISION:
            return EndpointData(column("sdm_after"), one, none, None)
        case Measure.CONSULTATION_MINUTES:
            return EndpointData(column("consultation_minutes"), one, none, None)
        case Measure.CHOICE_CHANGED:
            known = (table["choice_before"].notna() & table["choice_after"].notna()).to_numpy()
            changed = (table["choice_before"] != table["choice_after"]).to_numpy()
            return EndpointData(np.where(known, changed.astype(float), np.nan), one, none, None)
        case Measure.HIGH_EFFICACY_CHOICE:
            after = table["choice_after"]
            high = after.isin([treatment.value for treatment in HIGH_EFFICACY]).to_numpy()
            return EndpointData(np.where(after.notna().to_numpy(), high.astype(float), np.nan), one, none, None)
        case Measure.RELAPSES:
            years = column("relapse_years")
            return EndpointData(np.where(years > 0, column("relapses"), np.nan), years, none, column("relapses_12m"))
        case Measure.EDSS_CHANGE:
            edss = column("edss")
            return EndpointData(column("edss_last") - edss, one, none, edss)
        case Measure.WORSENING_24W:
            months = column("worsening_months")
            return EndpointData(np.where(months > 0, months, np.nan), months, column("worsening_event"), None)


def covariates(protocol: Protocol, data: TrialData, endpoint: Endpoint) -> pd.DataFrame:
    """Return what the analysis adjusts for: the outcome's baseline and what stratified the randomisation.

    A missing baseline value is replaced by the mean, which keeps randomised comparisons unbiased (White IR,
    Thompson SG. Stat Med 2005;24:993-1007, doi 10.1002/sim.1981).
    """
    columns: dict[str, NDArray[np.float64]] = {}
    baseline = endpoint_data(data, endpoint).baseline
    if baseline is not None and np.isfinite(baseline).sum() > 1 and np.nanstd(baseline) > 0:
        mean = float(np.nanmean(baseline))
        columns["baseline"] = np.where(np.isfinite(baseline), baseline, mean) - mean
    for name in ("cluster_stratum", "period"):
        levels = sorted(data.table[name].unique())
        for level in levels[1:]:
            columns[f"{name}={level}"] = (data.table[name] == level).to_numpy(dtype=np.float64)
    factors = data.table["stratum"].str.split("/").map(lambda parts: "/".join(parts[1:]))
    if protocol.factors:
        for level in sorted(factors.unique())[1:]:
            columns[f"stratum={level}"] = (factors == level).to_numpy(dtype=np.float64)
    return pd.DataFrame(columns, index=data.table.index)


def unit(kind: EndpointKind) -> str:
    """Return the name of the effect of the use of the tool on an endpoint."""
    return {
        EndpointKind.CONTINUOUS: "mean difference",
        EndpointKind.BINARY: "risk difference",
        EndpointKind.COUNT: "rate ratio",
        EndpointKind.TIME_TO_EVENT: "hazard ratio",
    }[kind]
