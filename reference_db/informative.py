"""Informative baselines: every visit from which two years on one treatment can be followed.

A patient's history holds many moments at which the question of a consultation could have been asked. Per-visit
integration (Demuth et al., medRxiv 2024, doi 10.1101/2024.10.17.24315655) takes each of them as a baseline when what
a baseline needs is known there and what became of the patient is known two years later. Per-patient integration takes
the index date alone.

A visit is informative when, counted in months of the source,

* it has an EDSS, and a scan with counted lesions from 12 months before to 1 month after it;
* the treatment of that day goes on, and the patient is seen, for 24 months at least (half a month is forgiven);
* there is an EDSS from 21 to 27 months after it, and a scan with counted lesions from 18 to 30 months after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.schema import LongTables, Source

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

_SPAN = 200_000.0
"""Days that keep patients apart on one line; more than any history is long."""


@dataclass(frozen=True)
class _Dated:
    """Events of all patients on one sorted line, so that windows are counted by two searches."""

    line: Array

    @classmethod
    def of(cls, row: Ints, day: Array) -> _Dated:
        return cls(np.sort(row * _SPAN + day))

    def any_between(self, row: Ints, first: Array, last: Array) -> NDArray[np.bool_]:
        begin = np.searchsorted(self.line, row * _SPAN + first, side="left")
        end = np.searchsorted(self.line, row * _SPAN + last, side="right")
        return np.asarray(end > begin, dtype=np.bool_)


def informative_baselines(tables: LongTables, sources: Sequence[Source]) -> pd.DataFrame:
    """Return every visit that can serve as a baseline.

    Parameters
    ----------
    tables : LongTables
    sources : sequence of Source

    Returns
    -------
    DataFrame
        One row per informative visit: ``patient_id``, ``source``, ``day``, ``treatment`` (of that day), and
        ``index``, whether it is the visit of the index date.
    """
    patients = tables.patients.reset_index(drop=True)
    row_of = pd.Series(patients.index, index=patients["patient_id"])
    unit = patients["source"].map({source.name: source.days_per_month for source in sources})

    def rows(table: pd.DataFrame) -> Ints:
        return np.asarray(row_of.reindex(table["patient_id"]).to_numpy(), dtype=np.int64)

    row, day = rows(tables.visits), tables.visits["day"].to_numpy().astype(np.float64)
    month = unit.to_numpy().astype(np.float64)[row]
    counted = tables.mri[tables.mri["gd_lesions"].notna() | tables.mri["new_t2_lesions"].notna()]
    visits = _Dated.of(row, day)
    scans = _Dated.of(rows(counted), counted["day"].to_numpy().astype(np.float64))
    treatment, until = _treatment_at(tables.treatments, rows(tables.treatments), row, day)
    until = np.minimum(until, patients["last_day"].to_numpy().astype(np.float64)[row])
    informative = (
        (treatment != "")
        & (until >= day + 23.5 * month)
        & scans.any_between(row, day - 12.0 * month, day + month)
        & visits.any_between(row, day + 21.0 * month, np.minimum(day + 27.0 * month, until))
        & scans.any_between(row, day + 18.0 * month, np.minimum(day + 30.0 * month, until))
    )
    chosen = np.flatnonzero(informative)
    return pd.DataFrame(
        {
            "patient_id": patients["patient_id"].to_numpy()[row[chosen]],
            "source": patients["source"].to_numpy()[row[chosen]],
            "day": day[chosen].astype(np.int64),
            "treatment": treatment[chosen],
            "index": day[chosen] == 0.0,
        }
    )


def _treatment_at(treatments: pd.DataFrame, owner: Ints, row: Ints, day: Array) -> tuple[NDArray[np.object_], Array]:
    """Return the treatment of each patient on each day, empty where none is recorded, and the day it ends."""
    start = treatments["start_day"].to_numpy().astype(np.float64)
    order = np.argsort(owner * _SPAN + start, kind="stable")
    position = np.searchsorted((owner * _SPAN + start)[order], row * _SPAN + day, side="right") - 1
    found = order[np.maximum(position, 0)]
    end = treatments["end_day"].to_numpy(dtype=np.float64, na_value=np.inf)[found]
    known = (position >= 0) & (owner[found] == row) & (end > day)
    name = np.where(known, treatments["treatment"].to_numpy(dtype=object)[found], "")
    return name, np.where(known, end, -np.inf)


def yield_by_source(tables: LongTables, sources: Sequence[Source]) -> pd.DataFrame:
    """Return how many patients and visits each source gives, per treatment class.

    Returns
    -------
    DataFrame
        Per source and treatment, and over all treatments of a source (``treatment`` is ``all``): ``patients`` in the
        source, ``informative_patients`` by any visit, ``informative_at_index`` by the visit of the index date alone,
        ``informative_visits``.
    """
    baselines = informative_baselines(tables, sources)
    sizes = tables.patients.groupby("source").size()

    def counted(groups: list[str]) -> pd.DataFrame:
        grouped = baselines.groupby(groups)
        return pd.DataFrame(
            {
                "informative_patients": grouped["patient_id"].nunique(),
                "informative_at_index": grouped["index"].sum(),
                "informative_visits": grouped.size(),
            }
        ).reset_index()

    table = pd.concat([counted(["source"]).assign(treatment="all"), counted(["source", "treatment"])])
    missing = [source.name for source in sources if source.name not in set(table["source"])]
    empty = pd.DataFrame({"source": missing, "treatment": "all"})
    table = pd.concat([table, empty], ignore_index=True).fillna(
        {"informative_patients": 0, "informative_at_index": 0, "informative_visits": 0}
    )
    table["patients"] = table["source"].map(sizes).fillna(0)
    columns = ["patients", "informative_patients", "informative_at_index", "informative_visits"]
    table[columns] = table[columns].astype("int64")
    order = {source.name: number for number, source in enumerate(sources)}
    return table.sort_values("source", key=lambda s: s.map(order), kind="stable", ignore_index=True)[
        ["source", "treatment", *columns]
    ]
