"""Which estimator is nearest to the truth that only a simulation has: the sweep behind docs/decisions.

PYTHONPATH=. python benchmarks/choose_estimator.py [patients]

The truth for a patient of interest is the mean potential outcome of patients with those features, estimated by
quadratic regression of the simulated potential outcomes on the features, each patient left out of their own.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys

import numpy as np
import pandas as pd

from projection import Projector
from projection.endpoints import ENDPOINTS, GRID
from projection.estimates import REGRESSED, Estimates
from reference_db.episodes import Episodes
from reference_db.harmonise import episodes
from reference_db.sources.simulated import simulate
from reference_db.vocabulary import Treatment
from selection import Criteria
from tests.episodes import MemoryRelease

AT = int(np.searchsorted(GRID, 24))
OUTCOMES = {"EDSS": "edss_24", "relapse": "relapse_risk_24"}
CLASSES = tuple(Treatment)


def true_means(columns: np.ndarray, potential: np.ndarray) -> np.ndarray:
    """Mean potential outcomes given the features, (patients, classes)."""
    x = np.nan_to_num(columns[:, REGRESSED])
    pairs = [x[:, i] * x[:, j] for i in range(x.shape[1]) for j in range(i, x.shape[1])]
    unknown = np.isnan(columns).astype(float)
    design = np.column_stack(
        [np.ones(len(x)), x, *pairs, np.maximum(x, 0) ** 3, unknown[:, unknown.mean(axis=0) > 0.01]]
    )
    inverse = np.linalg.inv(design.T @ design + 5.0 * np.eye(design.shape[1]))
    fitted = design @ (inverse @ (design.T @ potential))
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design)[:, None]
    return (fitted - leverage * potential) / (1.0 - leverage)


def estimates(own: Projector, rows: np.ndarray, k: int, ridge: float) -> list[Estimates]:
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
        found.append(own.outcomes.estimate(edss, matches.columns[groups], chosen, member.astype(float), ridge=ridge))
    return found


def score(value: np.ndarray, lower: np.ndarray, upper: np.ndarray, truth: np.ndarray) -> str:
    """Error, bias, coverage of the 95 % interval, error of contrasts against the untreated."""
    seen = np.where(np.isnan(value), np.nan, (lower <= truth) & (truth <= upper))
    contrast = (value - value[:, -1:]) - (truth - truth[:, -1:])
    return (
        f"rmse {np.sqrt(np.nanmean((value - truth) ** 2)):.3f}  bias {np.nanmean(value - truth):+.3f}  "
        f"coverage {np.nanmean(seen):.2f}  contrasts {np.sqrt(np.nanmean(contrast[:, :-1] ** 2)):.3f}"
    )


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    simulated = simulate(seed=1)
    table = episodes(simulated.tables, simulated.sources)
    own = Projector(MemoryRelease(Episodes(table, {source.name: source for source in simulated.sources})))
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
        truth[name] = true_means(own.selector.columns, potential)[rows]
    event = ENDPOINTS.index("relapse")
    for k in (100, 200, 400):
        for ridge in (np.inf, 200.0, 100.0, 50.0, 10.0):
            found = estimates(own, rows, k, ridge)

            def joined(arrays: list[np.ndarray]) -> np.ndarray:
                return np.concatenate(arrays).reshape(number, len(CLASSES))

            bounds = [e.courses.interval() for e in found]
            edss = (
                joined([e.courses.value[:, AT] for e in found]),
                joined([lower[:, AT] for lower, _ in bounds]),
                joined([upper[:, AT] for _, upper in bounds]),
            )
            relapse = tuple(
                joined([getattr(e.probabilities, part)[:, event, AT] for e in found])
                for part in ("value", "lower", "upper")
            )
            label = "plain" if np.isinf(ridge) else f"ridge {ridge:g}"
            print(
                f"k {k:4} {label:10} EDSS {score(*edss, truth['EDSS'])} | relapse {score(*relapse, truth['relapse'])}"
            )


if __name__ == "__main__":
    main()
