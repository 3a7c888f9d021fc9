"""Which estimator is nearest to the truth that only a simulation has: the sweep behind docs/decisions.

PYTHONPATH=. python benchmarks/choose_estimator.py [patients]

The truth for a patient of interest is the mean potential outcome of patients with those features, as the validation
estimates it; each patient is left out of their own projection. The errors of the truth are taken out of the errors
and added to the intervals.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys

import numpy as np
import pandas as pd

from projection import Projector
from projection.endpoints import ENDPOINTS, GRID
from projection.estimates import ESTIMATORS, Estimates
from projection.survival import Z95
from reference_db.episodes import Episodes
from reference_db.harmonise import episodes
from reference_db.sources.simulated import simulate
from reference_db.vocabulary import Treatment
from selection import Criteria
from selection.selector import FEWEST
from tests.episodes import MemoryRelease
from validation.truth import Yardstick, yardstick

AT = int(np.searchsorted(GRID, 24))
OUTCOMES = {"EDSS": "edss_24", "relapse": "relapse_risk_24"}
CLASSES = tuple(Treatment)


def estimates(own: Projector, rows: np.ndarray, k: int, estimator: str) -> list[tuple[Estimates, np.ndarray]]:
    """All outcomes of patients of the database, each from all the others, with every class projected."""
    found = []
    for part in np.array_split(rows, max(len(rows) // 25, 1)):
        matches = own.selector.matches_of_rows(
            part, k=k, weights=own.selector.default_weights, classes=CLASSES, criteria=Criteria()
        )
        member = (matches.rows >= 0).reshape(-1, k)
        groups = np.repeat(np.arange(len(part)), len(CLASSES))
        edss = own.selector.episodes.edss[part, 0][groups]
        chosen = np.where(member, matches.rows.reshape(-1, k), 0)
        answers = own.outcomes.estimate(
            edss, matches.columns[groups], chosen, member.astype(float), estimator=estimator
        )
        found.append((answers, member.sum(axis=1) >= FEWEST))
    return found


def score(value: np.ndarray, lower: np.ndarray, upper: np.ndarray, truth: Yardstick) -> str:
    """Error, bias, coverage and half width of the 95 % interval, the same of differences from the untreated."""

    def line(error: np.ndarray, below: np.ndarray, above: np.ndarray, noise: float) -> str:
        known = ~np.isnan(error) & ~np.isnan(below) & ~np.isnan(above)
        held = (error <= np.hypot(below, Z95 * noise)) & (-error <= np.hypot(above, Z95 * noise))
        rmse = np.sqrt(max((error[known] ** 2).mean() - noise**2, 0.0))
        half = (below + above)[known].mean() / 2.0
        return f"{rmse:.3f} ({error[known].mean():+.3f})  cover {held[known].mean():.3f}  half {half:.3f}"

    half = (upper - lower) / 2.0
    contrast = (value - value[:, -1:]) - (truth.value - truth.value[:, -1:])
    width = np.hypot(half, half[:, -1:])
    own = line(value - truth.value, value - lower, upper - value, truth.error)
    return f"{own}; contrasts {line(contrast[:, :-1], width[:, :-1], width[:, :-1], truth.error * np.sqrt(2.0))}"


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    simulated = simulate(seed=1)
    table = episodes(simulated.tables, simulated.sources)
    own = Projector(
        MemoryRelease(Episodes(table, {source.name: source for source in simulated.sources})), avatars=0.0
    )
    ids = simulated.tables.patients["patient_id"]
    if len(ids) != len(table):
        raise SystemExit("patients without an episode: the truth cannot be aligned by row")
    rows = np.random.default_rng(0).choice(len(table), number, replace=False)
    truth = {}
    for name, column in OUTCOMES.items():
        wide: pd.DataFrame = simulated.potential_outcomes.pivot_table(
            index="patient_id", columns="treatment", values=column
        )
        potential = wide.loc[ids, [treatment.value for treatment in CLASSES]].to_numpy()
        # The EDSS at baseline is a feature: what is to be learned is the change.
        start = own.selector.episodes.edss[:, :1] * (name == "EDSS")
        found = yardstick(own.selector.natural, potential - start, rng=np.random.default_rng(1), quick=False)
        truth[name] = Yardstick((found.value + start)[rows], found.error)
    event = ENDPOINTS.index("relapse")
    for k in (100, 200, 400):
        for estimator in ESTIMATORS:
            found = estimates(own, rows, k, estimator)

            def joined(arrays: list[np.ndarray], found: list[tuple[Estimates, np.ndarray]] = found) -> np.ndarray:
                parts = [np.where(enough, array, np.nan) for array, (_, enough) in zip(arrays, found, strict=True)]
                return np.concatenate(parts).reshape(number, len(CLASSES))

            bounds = [e.courses.interval() for e, _ in found]
            edss = (
                joined([e.courses.value[:, AT] for e, _ in found]),
                joined([lower[:, AT] for lower, _ in bounds]),
                joined([upper[:, AT] for _, upper in bounds]),
            )
            relapse = tuple(
                joined([getattr(e.probabilities, part)[:, event, AT] for e, _ in found])
                for part in ("value", "lower", "upper")
            )
            print(f"k {k:4} {estimator:10} EDSS    {score(*edss, truth['EDSS'])}")
            print(f"{'':17} relapse {score(*relapse, truth['relapse'])}", flush=True)


if __name__ == "__main__":
    main()
