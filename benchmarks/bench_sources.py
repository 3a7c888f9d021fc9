"""Simulating all sources and making episodes of them, beside the same harmonisation patient by patient in pandas."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd

from reference_db.harmonise import episodes
from reference_db.informative import informative_baselines
from reference_db.schema import EDSS_MONTHS
from reference_db.sources.simulated import SimulatedSources, simulate

_SAMPLE = 400


def patient_by_patient(simulated: SimulatedSources, patients: pd.Series) -> list[list[float]]:
    """EDSS on the grid only, the plain way: one filter per patient and month."""
    unit = {source.name: source.days_per_month for source in simulated.sources}
    source = simulated.tables.patients.set_index("patient_id")["source"]
    visits = simulated.tables.visits
    rows = []
    for patient in patients:
        own = visits[visits["patient_id"] == patient]
        month = own["day"] / unit[source[patient]]
        rows.append([own["edss"].iloc[int(np.argmin(np.abs(month - m)))] for m in EDSS_MONTHS])
    return rows


def main() -> None:
    begin = time.perf_counter()
    simulated = simulate(seed=1)
    simulated_in = time.perf_counter() - begin
    begin = time.perf_counter()
    table = episodes(simulated.tables, simulated.sources)
    harmonised_in = time.perf_counter() - begin
    begin = time.perf_counter()
    baselines = informative_baselines(simulated.tables, simulated.sources)
    informative_in = time.perf_counter() - begin
    begin = time.perf_counter()
    patient_by_patient(simulated, simulated.tables.patients["patient_id"].sample(_SAMPLE, random_state=1))
    plain = (time.perf_counter() - begin) / _SAMPLE * len(table)
    print(f"simulate {len(table):,} patients        {simulated_in:7.2f} s")
    print(f"episodes of all columns         {harmonised_in:7.2f} s")
    print(f"informative baselines ({len(baselines):,}) {informative_in:7.2f} s")
    print(
        f"EDSS alone, patient by patient  {plain:7.0f} s (from {_SAMPLE}), {plain / harmonised_in:.0f} times as long"
    )


if __name__ == "__main__":
    main()
