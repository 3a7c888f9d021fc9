"""Distributed against centralised: silos that give sums only, and one database of all.

Three projections of the same patients of interest: the distributed algorithm (DA) with every source a silo, without
the small-cell rule and with it; the centralised algorithm (CA) on the originals; the centralised algorithm
on the synthetic patients. Where the two centralised ones differ stands the price of anonymity, where DA and CA differ
that of distribution.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from projection.distributed import DistributedProjector, silo_of
from projection.endpoints import ENDPOINTS
from reference_db.episodes import Episodes
from selection import PatientOfInterest, learn_weights
from selection.selector import DEFAULT_K
from selection.silos import FEWEST_SILOS, Hub
from validation.material import Material, thinned
from validation.projection_error import OUTCOMES, mean_errors
from validation.projections import MONTHS, RISKS, Projected, Task, patients_of_interest, project
from validation.result import Check, Record, Records, Section, check

Floats = NDArray[np.float64]

_SECRET = b"validation is run on simulations"
"""Of the silos: the same figures every time."""

EXACT = 1e-9
"""Largest difference that counts as floating-point precision."""

POOLED, SILOS, SUPPRESSED = "CA, originals (same radius)", "DA, original silos", "DA, original silos, suppressed"
ORIGINALS, SYNTHETIC = "CA, originals", "CA, synthetic"

PAIRS: tuple[tuple[str, str], ...] = (
    (SILOS, POOLED),
    (SUPPRESSED, POOLED),
    (SILOS, ORIGINALS),
    (SUPPRESSED, ORIGINALS),
    (SYNTHETIC, ORIGINALS),
    (SILOS, SYNTHETIC),
)
"""What is compared with what."""


def distributed(material: Material, *, progress: Callable[[float, str], None] | None = None) -> Section:
    """Compare the distributed with the centralised algorithm."""
    n = 15 if material.quick else 150
    original, synthetic = material.original, material.synthetic
    if material.quick:
        rng = material.generator(13)
        original, synthetic = (Episodes(thinned(one.table, rng), one.sources) for one in (original, synthetic))
    table = original.table
    chosen = np.sort(material.generator(10).permutation(len(table))[:n])
    patients = patients_of_interest(table.iloc[chosen])
    weights = learn_weights(original)
    by_source = [Episodes(rows.reset_index(drop=True), original.sources) for _, rows in table.groupby("source")]
    hubs = {
        POOLED: Hub([silo_of(original, exact=True)]),
        SILOS: Hub([silo_of(part, exact=True) for part in by_source]),
    }
    if len(by_source) >= FEWEST_SILOS:
        hubs[SUPPRESSED] = Hub([silo_of(part, secret=_SECRET) for part in by_source])
    found: dict[str, Mapping[str, Floats]] = {}
    for at, (name, hub) in enumerate(hubs.items()):
        if progress is not None:
            progress(at / len(hubs), name)
        found[name] = _over_silos(DistributedProjector(hub, weights), patients)
    for name, episodes in ((ORIGINALS, original), (SYNTHETIC, synthetic)):
        found[name] = _centralised(project(Task(name, episodes, patients, estimator="local")))
    records = Records()
    for first, second in (pair for pair in PAIRS if found.keys() >= set(pair)):
        for outcome in OUTCOMES:
            difference = found[first][outcome] - found[second][outcome]
            mae, rmse, compared = mean_errors(difference)
            records.add(
                first=first,
                second=second,
                outcome=outcome,
                n=compared,
                mae=mae,
                rmse=rmse,
                largest=float(np.nanmax(np.abs(difference))) if compared else None,
            )
    rows = records.done()
    too_few = (
        ()
        if SUPPRESSED in hubs
        else (f"Silos with the small-cell rule are left out: {FEWEST_SILOS} are needed, and there are fewer.",)
    )
    return Section(
        name="distributed",
        title="Distributed against centralised",
        question="Do silos that give sums only lead to the projection of one database of all?",
        checks=tuple(_checks(rows)),
        tables={"errors": rows},
        remarks=(
            f"{len(by_source)} silos, one per source, in one process; {len(patients)} patients of interest.",
            f"DA takes all patients within the first radius of a fixed grid that holds {DEFAULT_K}; CA takes the "
            f"{DEFAULT_K} nearest. Suppressed: by the small-cell rule in every silo, which withholds small groups, "
            "leaves patients out, moves sums and tells no features, so that nothing is corrected for them.",
            *too_few,
        ),
    )


def _over_silos(projector: DistributedProjector, patients: list[PatientOfInterest]) -> dict[str, Floats]:
    answers = [projector.project(patient, k=DEFAULT_K) for patient in patients]
    months = len(MONTHS)
    probabilities = np.stack([answer.probabilities for answer in answers])
    found = {"edss": np.stack([answer.edss for answer in answers])[:, :, 1:months]}
    for name in RISKS:
        found[name] = probabilities[:, :, ENDPOINTS.index(name), months - 1 : months]
    return found


def _centralised(projected: Projected) -> dict[str, Floats]:
    last = len(MONTHS) - 1
    found = {"edss": projected.edss[0, :, :, 1:].astype(np.float64)}
    for at, name in enumerate(RISKS):
        found[name] = projected.risks[0, :, :, at, last:].astype(np.float64)
    return found


def _checks(rows: tuple[Record, ...]) -> list[Check]:
    def figure(first: str, second: str, name: str) -> float | None:
        values = [row[name] for row in rows if row["first"] == first and row["second"] == second]
        numbers = [float(value) for value in values if isinstance(value, int | float)]
        return max(numbers, default=None)

    checks = [
        check(
            "exact",
            "Largest difference between silos without suppression and the pooled originals at the same radius",
            figure(SILOS, POOLED, "largest"),
            highest=EXACT,
            meaning="Sums add up: nothing is lost by distribution itself.",
        )
    ]
    for name, label, first, second in (
        ("suppression", "what the small-cell rule of silos changes", SUPPRESSED, POOLED),
        ("distribution", "distributed against centralised, originals", SUPPRESSED, ORIGINALS),
        ("anonymity", "centralised, synthetic against originals", SYNTHETIC, ORIGINALS),
    ):
        edss = [row for row in rows if (row["first"], row["second"], row["outcome"]) == (first, second, "edss")]
        checks.append(
            check(
                f"mae_{name}",
                f"Mean absolute error of the EDSS trajectory: {label}",
                float(edss[0]["mae"]) if edss and isinstance(edss[0]["mae"], int | float) else None,
                meaning="EDSS points.",
            )
        )
    return checks
