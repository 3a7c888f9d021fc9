"""Time of a projection, next to the same outcomes through scikit-learn neighbours, lifelines and a bootstrap.

PYTHONPATH=. python benchmarks/bench_projection.py [--all]

With --all every patient of the database is projected as well, each from all the others, by one process.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import resource
import sys
import time
import warnings
from collections.abc import Callable
from functools import cache

import faiss
import numpy as np
from lifelines import KaplanMeierFitter
from sklearn.linear_model import Ridge
from sklearn.neighbors import NearestNeighbors

from projection import Projector
from projection.endpoints import ENDPOINTS, GRID
from projection.estimates import RIDGE
from reference_db.episodes import Episodes
from reference_db.harmonise import episodes
from reference_db.sources.simulated import simulate
from reference_db.vocabulary import Treatment
from selection import PatientOfInterest, parse_patient
from selection.patient import EXAMPLE
from tests.episodes import MemoryRelease

K, DRAWS, TIMED_DRAWS = 200, 500, 10
"""Draws of the bootstrap, and how many of them are timed: the others cost the same."""


@cache
def projector() -> Projector:
    """A projector on all simulated patients."""
    simulated = simulate(seed=1)
    table = episodes(simulated.tables, simulated.sources)
    return Projector(MemoryRelease(Episodes(table, {source.name: source for source in simulated.sources})))


def example() -> PatientOfInterest:
    """The example of the interface."""
    return parse_patient(EXAMPLE)


def median_ms(call: Callable[[], object], repeats: int) -> float:
    """Median processor time of a call on one thread, in milliseconds: what others do on the machine counts less."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return float(np.median(times)) * 1e3


def in_a_loop(own: Projector, indices: dict[Treatment, NearestNeighbors], poi: np.ndarray, draws: int) -> None:
    """The same outcomes, library by library: neighbours, one fit per curve, a bootstrap of each corrected mean."""
    rng = np.random.default_rng(0)
    columns = np.nan_to_num(own.selector.columns)
    for treatment, rows in own.selector.episodes.rows_by_treatment.items():
        near = rows[indices[treatment].kneighbors(poi, K, return_distance=False)[0]]
        for name in ENDPOINTS:
            months, event = own.endpoints.months(name)
            KaplanMeierFitter().fit(months[near], event[near], timeline=GRID)
        change, features = own.endpoints.change[near], columns[near]
        np.nanquantile(change, [0.1, 0.25, 0.5, 0.75, 0.9], axis=0)
        for drawn in rng.integers(0, K, (draws, K)):
            for month in range(1, 9):
                seen = drawn[~np.isnan(change[drawn, month])]
                Ridge(alpha=RIDGE).fit(features[seen], change[seen, month]).predict(poi)
            own.endpoints.relapses[near[drawn]].sum() / own.endpoints.years[near[drawn]].sum()


def main() -> None:
    faiss.omp_set_num_threads(1)
    warnings.simplefilter("ignore")
    start = time.perf_counter()
    own = projector()
    print(f"start (simulate, index, endpoints)  {time.perf_counter() - start:8.1f} s")
    poi = example()
    select = median_ms(lambda: own.selector.select(poi), 50)
    whole = median_ms(lambda: own.project(poi), 50)
    plain = median_ms(lambda: own.project(poi, estimator="plain"), 50)
    compared = median_ms(lambda: own.contrast(poi), 30)
    columns = np.nan_to_num(own.selector.columns)
    indices = {
        t: NearestNeighbors().fit(columns[rows]) for t, rows in own.selector.episodes.rows_by_treatment.items()
    }
    without, timed = (median_ms(lambda n=n: in_a_loop(own, indices, columns[:1], n), 3) for n in (0, TIMED_DRAWS))
    loop = without + (timed - without) * DRAWS / TIMED_DRAWS
    print(f"selection, 9 classes                {select:8.2f} ms")
    print(f"projection, 9 classes, all outcomes {whole:8.2f} ms   target 5; loop / projection = {loop / whole:.0f}")
    print(f"  without correction                {plain:8.2f} ms")
    print(f"contrasts with one class            {compared:8.2f} ms")
    print(f"scikit-learn, lifelines, bootstrap  {loop:8.0f} ms   of which {without:.0f} ms before the bootstrap")
    if "--all" in sys.argv:
        start = time.process_time()
        number = sum(1 for _ in own.project_rows(np.arange(len(own.release.episodes))))
        print(f"all {number} patients, one core      {time.process_time() - start:8.1f} s    target 90 on two cores")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"memory                              {peak / 2**20:8.2f} GB   load of the machine {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
