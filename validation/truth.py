"""Truth: how projections compare with the potential outcomes, which only a simulation knows.

The truth of the simulation is what would become of each patient under each class. A projection knows the features of
a patient and not the frailty behind them, so what it can be held to is the mean truth of patients with those
features: its *yardstick*, a regression of the truth on the features over all original patients, predicted for
patients it was not fitted on. The yardstick has an error of its own, measured by fitting it twice: it is deducted
from the errors of projections, and intervals are widened by it before the share that holds the yardstick is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.episodes import Episodes
from reference_db.small_cells import SMALL_CELL
from reference_db.vocabulary import SourceKind, Treatment
from selection.features import columns_of_episodes
from validation.endpoints import Z
from validation.material import Material
from validation.outcomes import outcomes
from validation.projections import CLASSES, MONTHS, RISKS, Projected, Task, patients_of_interest, project_all
from validation.recordings import recorded_worsening
from validation.result import Check, Miss, Record, Records, Section, check

Floats = NDArray[np.float64]

COVERAGE = (0.93, 0.97)
"""Share of nominal 95 % intervals that hold the truth, when they are honest."""


QUICK_OTHERS = 5000
"""Patients from whom the short suite learns the mean truth."""


class Yardstick(NamedTuple):
    """The mean truth given the features, (patients asked about, classes), and the standard deviation of its error."""

    value: Floats
    error: float


OUTCOMES = {
    "edss": "EDSS at 24 months",
    "worsening_24w": "probability of confirmed worsening (24 weeks) by 24 months",
    "relapse": "probability of a relapse by 24 months",
}


def truth(
    material: Material, *, jobs: int = 1, progress: Callable[[float, str], None] | None = None
) -> Section | None:
    """Compare projections with the potential outcomes; None when the originals have none."""
    from joblib import Parallel, delayed

    if material.potential_outcomes is None:
        return None
    table = material.original.table
    rng = material.generator(7)
    chosen = np.sort(rng.permutation(len(table))[: 200 if material.quick else 6000])
    patients = patients_of_interest(table.iloc[chosen])
    tasks = {
        "synthetic": Task("synthetic", material.synthetic, patients, synthetic=True),
        "originals": Task("originals", material.original, patients),
        "synthetic, unadjusted": Task("synthetic", material.synthetic, patients, estimator="plain", synthetic=True),
    }
    # What the projection error has projected already, of every patient, is at hand unless the validation was resumed.
    known = {name: found.rows(chosen) for name, found in material.projected.items()}
    missing = {name: task for name, task in tasks.items() if name not in known}
    made = known | project_all(missing, jobs=jobs, progress=progress)
    projected = {name: made[name] for name in tasks}
    potential = _potential(material.potential_outcomes, len(table))
    own = table["edss_0"].to_numpy(dtype=np.float64)
    targets = {
        # The EDSS at baseline is a feature: its regression need not learn it, only the change.
        "edss": potential["edss_24"] - own[:, None],
        "relapse": potential["relapse_risk_24"],
    }
    if material.simulation is not None and not material.quick:
        recorded = recorded_worsening(material.simulation, material.original, CLASSES, material.generator(14))
        if recorded is not None:
            targets["worsening_24w"] = recorded
    features = columns_of_episodes(material.original)
    fitted = Parallel(n_jobs=jobs)(
        delayed(yardstick)(features, values, chosen, rng=own_rng, most=QUICK_OTHERS if material.quick else None)
        for values, own_rng in zip(targets.values(), rng.spawn(len(targets)), strict=True)
    )
    yardsticks = dict(zip(targets, fitted, strict=True))
    records, contrasts = Records(), Records()
    for name, found in projected.items():
        for outcome, measured in yardsticks.items():
            offset = own[chosen, None] if outcome == "edss" else np.zeros((len(chosen), 1))
            against = measured.value + offset
            value, lower, upper = _read(found, outcome)
            _add(records, name, outcome, value, lower, upper, against, measured.error)
            _add_contrasts(contrasts, name, outcome, value, lower, upper, against, measured.error)
    accuracy, differences = records.done(), contrasts.done()
    return Section(
        name="truth",
        title="Truth",
        question="Are projected outcomes and differences between treatments those of the potential outcomes?",
        checks=tuple(_checks(accuracy, differences)),
        tables={
            "outcomes": accuracy,
            "contrasts": differences,
            "indication": _indication_bias(material.original, potential, projected, chosen, own),
            "yardsticks": tuple(
                {"outcome": name, "standard_deviation_of_error": round(measured.error, 5)}
                for name, measured in yardsticks.items()
            ),
        },
        remarks=(
            "Simulated originals only: real patients have one treatment at a time and no truth under the others.",
            "The truth of confirmed worsening is a recording of every patient under each class, with new luck.",
            "A projection is held to the mean truth of patients with the same features; sources differ in their "
            "rates beyond the features, and a class that comes from few sources takes over theirs.",
        ),
        rests_on=("structure", "univariate", "multivariate", "efficacy"),
    )


def _potential(truth_table: pd.DataFrame, patients: int) -> dict[str, Floats]:
    """Return each potential outcome as (patients, classes)."""
    found = {}
    position = truth_table["treatment"].map({treatment.value: i for i, treatment in enumerate(CLASSES)}).to_numpy()
    for column in ("edss_24", "relapse_risk_24"):
        values = np.full((patients, len(CLASSES)), np.nan)
        values[truth_table["row"].to_numpy(), position] = truth_table[column]
        found[column] = values
    return found


def yardstick(
    features: Floats,
    values: Floats,
    asked: NDArray[np.intp],
    *,
    rng: np.random.Generator,
    most: int | None = None,
) -> Yardstick:
    """Return the mean of the true values given the features, for some patients, learned from all others.

    Parameters
    ----------
    features : ndarray, shape (patients, columns)
        NaN where unknown.
    values : ndarray, shape (patients, classes)
    asked : ndarray of int
        Patients whose mean is wanted.
    rng : Generator
    most : int, optional
        Learn from so many of the others only.

    Returns
    -------
    Yardstick
        The mean of the predictions of two models, each fitted on half of the other patients; its error is taken from
        how far the two differ. Many small steps of small trees predicted the truth of other patients best, better
        than quadratic regression and than larger trees, which are also noisier.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    others = rng.permutation(np.setdiff1d(np.arange(len(values)), asked))[:most]
    answers = np.full((2, len(asked), values.shape[1]), np.nan)
    for half, fit in enumerate(np.array_split(others, 2)):
        for at in range(values.shape[1]):
            known = fit[~np.isnan(values[fit, at])]
            model = HistGradientBoostingRegressor(
                max_iter=150,
                learning_rate=0.05,
                min_samples_leaf=max(len(known) // 50, 20),
                max_leaf_nodes=8,
                random_state=0,
            )
            answers[half, :, at] = model.fit(features[known], values[known, at]).predict(features[asked])
    # The mean of two has half the variance of each, and their difference twice: a quarter of it remains.
    return Yardstick(answers.mean(axis=0), float(np.sqrt(((answers[0] - answers[1]) ** 2).mean() / 4.0)))


def _read(found: Projected, outcome: str) -> tuple[Floats, Floats, Floats]:
    """Return value, lower and upper end at 24 months, (patients, classes)."""
    last = len(MONTHS) - 1
    ends = found.edss[:, :, :, last] if outcome == "edss" else found.risks[:, :, :, RISKS.index(outcome), last]
    value, lower, upper = ends.astype(np.float64)
    return value, lower, upper


def _add(
    records: Records,
    name: str,
    outcome: str,
    value: Floats,
    lower: Floats,
    upper: Floats,
    against: Floats,
    noise: float,
) -> None:
    for label, at in (("all", slice(None)), *((t.value, slice(i, i + 1)) for i, t in enumerate(CLASSES))):
        known = ~np.isnan(value[:, at]) & ~np.isnan(lower[:, at]) & ~np.isnan(upper[:, at])
        error = (value[:, at] - against[:, at])[known]
        if len(error) >= SMALL_CELL:
            low, high = lower[:, at][known], upper[:, at][known]
            target = against[:, at][known]
            records.add(
                database=name,
                outcome=outcome,
                treatment=label,
                n=len(error),
                bias=float(error.mean()),
                rmse=float(np.sqrt(max((error**2).mean() - noise**2, 0.0))),
                coverage=float(_held(value[:, at][known], low, high, target, noise).mean()),
                half_width=float((high - low).mean() / 2.0),
            )


def _held(value: Floats, low: Floats, high: Floats, target: Floats, noise: float) -> NDArray[np.bool_]:
    """Tell which intervals hold the target, widened by what the yardstick itself is uncertain by."""
    own = Z * noise
    return (target >= value - np.hypot(value - low, own)) & (target <= value + np.hypot(high - value, own))


def _add_contrasts(
    records: Records,
    name: str,
    outcome: str,
    value: Floats,
    lower: Floats,
    upper: Floats,
    against: Floats,
    noise: float,
) -> None:
    """Compare differences from untreated; arms have different patients, so their errors are independent."""
    reference = CLASSES.index(Treatment.UNTREATED)
    half = (upper - lower) / 2.0
    for i, treatment in enumerate(CLASSES):
        if i == reference:
            continue
        estimate = value[:, i] - value[:, reference]
        width = np.hypot(half[:, i], half[:, reference])
        target = against[:, i] - against[:, reference]
        known = ~np.isnan(estimate) & ~np.isnan(width)
        error = (estimate - target)[known]
        if len(error) >= SMALL_CELL:
            records.add(
                database=name,
                outcome=outcome,
                treatment=treatment.value,
                n=len(error),
                bias=float(error.mean()),
                rmse=float(np.sqrt(max((error**2).mean() - 2 * noise**2, 0.0))),
                coverage=float((np.abs(error) <= np.hypot(width[known], Z * noise * np.sqrt(2.0))).mean()),
                true_mean=float(target[known].mean()),
            )


def _indication_bias(
    original: Episodes,
    potential: dict[str, Floats],
    projected: dict[str, Projected],
    chosen: NDArray[np.intp],
    own: Floats,
) -> tuple[Record, ...]:
    """Compare the registry's naive difference between treated and untreated, and projections', with the true effect.

    All are for the patients of the registries who are treated with the class: what their treatment changes for them.
    """
    table = original.table
    registry = (table["source_kind"] == SourceKind.REGISTRY.value).to_numpy()
    treatment = table["treatment"].to_numpy()
    found = outcomes(original)
    change = table["edss_24"].to_numpy(dtype=np.float64) - own
    relapsed = np.where(found.years * 12 >= 23, found.relapse.event.astype(np.float64), np.nan)
    reference = CLASSES.index(Treatment.UNTREATED)
    untreated = registry & (treatment == Treatment.UNTREATED.value)
    records = Records()
    for i, name in enumerate(CLASSES):
        treated = registry & (treatment == name.value)
        among = np.flatnonzero(treated[chosen])
        if i == reference or len(among) < SMALL_CELL:
            continue
        for outcome, observed, true in (
            ("edss", change, potential["edss_24"] - own[:, None]),
            ("relapse", relapsed, potential["relapse_risk_24"]),
        ):
            effect = float((true[treated, i] - true[treated, reference]).mean())
            naive = float(np.nanmean(observed[treated]) - np.nanmean(observed[untreated]))
            projections = {}
            for label, key in (("adjusted", "synthetic"), ("unadjusted_neighbours", "synthetic, unadjusted")):
                value, _, _ = _read(projected[key].rows(among), outcome)
                projections[label] = float(np.nanmean(value[:, i] - value[:, reference]))
            records.add(
                treatment=name.value, outcome=outcome, n=int(treated.sum()), true=effect, naive=naive, **projections
            )
    return records.done()


def _checks(accuracy: tuple[Record, ...], contrasts: tuple[Record, ...]) -> list[Check]:
    checks = []
    for outcome, label in OUTCOMES.items():
        overall = [row for row in accuracy if row["outcome"] == outcome and row["treatment"] == "all"]
        for row in overall:
            if row["database"] == "synthetic":
                checks.append(
                    check(
                        f"coverage_{outcome}",
                        f"Share of 95 % intervals that hold the truth, {label}",
                        float(row["coverage"] or 0.0),
                        lowest=COVERAGE[0],
                        highest=COVERAGE[1],
                        meaning="Of the expected course, over patients and classes.",
                        misses=(Miss(outcome),),
                    )
                )
            checks.append(
                check(
                    f"rmse_{outcome}_{str(row['database']).replace(', ', '_')}",
                    f"Error of projections from {row['database']}, {label} (root mean square)",
                    float(row["rmse"] or 0.0),
                    meaning="Against the mean truth of patients with the same features.",
                )
            )
        of_contrasts = [row for row in contrasts if row["outcome"] == outcome and row["database"] == "synthetic"]
        if of_contrasts:
            weight = np.array([row["n"] for row in of_contrasts], dtype=np.float64)
            covered = np.array([row["coverage"] for row in of_contrasts], dtype=np.float64)
            squared = np.array([row["rmse"] for row in of_contrasts], dtype=np.float64) ** 2
            checks.append(
                check(
                    f"coverage_contrast_{outcome}",
                    f"Share of 95 % intervals of differences from untreated that hold the truth, {label}",
                    float((covered * weight).sum() / weight.sum()),
                    lowest=COVERAGE[0],
                    highest=COVERAGE[1],
                    meaning="Over patients and classes.",
                    misses=(Miss(outcome),),
                )
            )
            checks.append(
                check(
                    f"rmse_contrast_{outcome}",
                    f"Error of differences from untreated, {label} (root mean square)",
                    float(np.sqrt((squared * weight).sum() / weight.sum())),
                    meaning="The precision in estimating effects that vary between patients.",
                )
            )
    return checks
