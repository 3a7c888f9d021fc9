"""Truth: how projections compare with the potential outcomes, which only a simulation knows.

The truth of the simulation is what would become of each patient under each class. A projection knows the features of
a patient and not the frailty behind them, so what it can be held to is the mean truth of patients with those
features: its *yardstick*, a regression of the truth on the features over all original patients, predicted for
patients it was not fitted on. The yardstick has an error of its own, measured by fitting it twice: it is deducted
from the errors of projections, and intervals are widened by it before the share that holds the yardstick is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
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
from validation.projections import (
    CLASSES,
    MEASURES,
    MONTHS,
    RISKS,
    Projected,
    Task,
    contrast_all,
    patients_of_interest,
    project_all,
)
from validation.recordings import recorded_worsening
from validation.result import Check, Miss, Record, Records, Section, check

Floats = NDArray[np.float64]
Told = Callable[[float, str], None]

COVERAGE = (0.93, 0.97)
"""Share of nominal 95 % intervals that hold the truth, when they are honest."""


def coverage_range(patients: int) -> tuple[float, float]:
    """Return the share that honest intervals hold of the truth of a few patients: `COVERAGE`, and its 95 % chance.

    Parameters
    ----------
    patients : int
        Intervals of one patient under several classes are held or missed together, so they count once.
    """
    chance = Z * np.sqrt(0.95 * 0.05 / patients)
    return max(COVERAGE[0] - chance, 0.0), min(COVERAGE[1] + chance, 1.0)


QUICK_OTHERS = 5000
"""Patients from whom the short suite learns the mean truth."""

FEWEST_IN_LEAF = 20
"""Fewest patients of whom a mean is taken; a class of fewer than twice as many tells no truth."""

QUICK_STEPS = 60
"""Trees by which it does."""


class Yardstick(NamedTuple):
    """The mean truth given the features, as two halves of the other patients tell it.

    Attributes
    ----------
    halves : ndarray, shape (2, patients asked about, classes)
    """

    halves: Floats

    @property
    def value(self) -> Floats:
        """Their mean, (patients asked about, classes)."""
        mean: Floats = self.halves.mean(axis=0)
        return mean

    @property
    def error(self) -> float:
        """Standard deviation of its error."""
        # The mean of two has half the variance of each, and their difference twice: a quarter of it remains.
        return _error_of_mean(self.halves)


def _error_of_mean(halves: Floats) -> float:
    return float(np.sqrt(np.nanmean((halves[0] - halves[1]) ** 2) / 4.0))


PROJECTING = 0.7
"""Share of the time that goes without comparisons."""

CONTRASTED = 1500
"""Patients of whom classes are compared, which a release does one patient at a time."""

MEASURED = {
    "edss": "difference in EDSS at 24 months",
    "worsening_24w": "difference in the probability of confirmed worsening (24 weeks) by 24 months",
    "relapse": "difference in the probability of a relapse by 24 months",
    "hazard_worsening_24w": "hazard ratio of confirmed worsening (24 weeks), logarithm",
    "hazard_relapse": "hazard ratio of a relapse, logarithm",
}

OUTCOMES = {
    "edss": "EDSS at 24 months",
    "worsening_24w": "probability of confirmed worsening (24 weeks) by 24 months",
    "relapse": "probability of a relapse by 24 months",
    "relapse_rate": "relapses a year over 24 months",
}

UNITS = {"edss": "EDSS points", "relapse_rate": "relapses a year"}
"""Of outcomes that are no probability, 0 to 1."""


def truth(material: Material, *, jobs: int = 1, progress: Told | None = None) -> Section | None:
    """Compare projections with the potential outcomes; None when the originals have none."""
    from joblib import Parallel, delayed

    if material.potential_outcomes is None:
        return None
    table = material.original.table
    rng = material.generator(7)
    # The others tell the mean truth: at least half of the patients.
    asked_about = min(200 if material.quick else 6000, len(table) // 2)
    chosen = np.sort(rng.permutation(len(table))[:asked_about])
    patients = patients_of_interest(table.iloc[chosen])
    tasks = {
        "synthetic": Task("synthetic", material.synthetic, patients, avatars=1.0),
        "originals": Task("originals", material.original, patients),
        "synthetic, unadjusted": Task("synthetic", material.synthetic, patients, estimator="plain", avatars=1.0),
    }
    # What the projection error has projected already, of every patient, is at hand unless the validation was resumed.
    known = {name: found.rows(chosen) for name, found in material.projected.items()}
    missing = {name: task for name, task in tasks.items() if name not in known}
    made = known | project_all(missing, jobs=jobs, progress=_part(progress, 0.0, PROJECTING))
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
    targets["relapse_rate"] = potential["relapses_24"] / 2.0
    features = columns_of_episodes(material.original)
    short = {"most": QUICK_OTHERS, "steps": QUICK_STEPS} if material.quick else {}
    fitted = Parallel(n_jobs=jobs)(
        delayed(yardstick)(features, values, chosen, rng=own_rng, **short)
        for values, own_rng in zip(targets.values(), rng.spawn(len(targets)), strict=True)
    )
    yardsticks = dict(zip(targets, fitted, strict=True))
    records = Records()
    for name, found in projected.items():
        for outcome, measured in yardsticks.items():
            offset = own[chosen, None] if outcome == "edss" else np.zeros((len(chosen), 1))
            value, lower, upper = _read(found, outcome)
            _add(records, name, outcome, value, lower, upper, measured.value + offset, measured.error)
    accuracy = records.done()
    some = np.arange(0, len(chosen), max(len(chosen) // CONTRASTED, 1))
    asked = replace(tasks["synthetic"], patients=[patients[at] for at in some])
    answered = contrast_all(asked, jobs=jobs, progress=_part(progress, PROJECTING, 1.0)).astype(np.float64)
    differences = contrasts_beside(answered, {name: found.halves[:, some] for name, found in yardsticks.items()})
    return Section(
        name="truth",
        title="Truth",
        question="Are projected outcomes and differences between treatments those of the potential outcomes?",
        checks=tuple(_checks(accuracy, differences, coverage_range(len(chosen)) if material.quick else COVERAGE)),
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
            "The truth of confirmed worsening is a recording of every patient under each class, with new luck, in "
            "which nobody leaves the class and everybody keeps the centre or the trial that sees them. Trials see "
            "patients more often than registries and confirm more: patients of trials are held to that.",
            f"Differences between classes are those that the release answers when asked for them, of {len(some):,} "
            "patients. Errors of hazard ratios are on the logarithmic scale.",
            "A projection is held to the mean truth of patients with the same features; sources differ in their "
            "rates beyond the features, and a class that comes from few sources takes over theirs.",
        ),
        rests_on=("structure", "univariate", "multivariate", "efficacy"),
    )


def _part(progress: Told | None, begin: float, end: float) -> Told | None:
    """Return a function that tells the share done of one part of the section."""
    return None if progress is None else lambda done, doing: progress(begin + (end - begin) * done, doing)


def _potential(truth_table: pd.DataFrame, patients: int) -> dict[str, Floats]:
    """Return each potential outcome as (patients, classes)."""
    found = {}
    position = truth_table["treatment"].map({treatment.value: i for i, treatment in enumerate(CLASSES)}).to_numpy()
    for column in ("edss_24", "relapse_risk_24", "relapses_24"):
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
    steps: int = 150,
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
    steps : int
        Trees of each model; fewer are larger steps.

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
            if len(known) < 2 * FEWEST_IN_LEAF:
                continue
            # In a small database a feature may be known of nobody.
            told = ~np.isnan(features[known]).all(axis=0)
            model = HistGradientBoostingRegressor(
                max_iter=steps,
                learning_rate=7.5 / steps,
                min_samples_leaf=max(len(known) // 50, FEWEST_IN_LEAF),
                max_leaf_nodes=8,
                random_state=0,
            )
            model.fit(features[np.ix_(known, told)], values[known, at])
            answers[half, :, at] = model.predict(features[np.ix_(asked, told)])
    return Yardstick(answers)


def contrasts_beside(answered: Floats, halves: Mapping[str, Floats]) -> tuple[Record, ...]:
    """Compare answered differences from untreated with those of the truth, by measure and class.

    Parameters
    ----------
    answered : ndarray, shape (3, patients, classes, measures)
        As `projections.contrast_all` returns it.
    halves : mapping of str to ndarray, shape (2, patients, classes)
        Yardsticks by outcome, of the same patients, as `Yardstick` holds them.
    """
    reference = CLASSES.index(Treatment.UNTREATED)
    records = Records()
    for at, measure in enumerate(MEASURES):
        outcome = measure.removeprefix("hazard_")
        if outcome not in halves:
            continue
        values = halves[outcome]
        if measure != outcome:
            # Two models may predict a probability slightly outside its range.
            values = np.log(-np.log1p(-np.clip(values, 1e-3, 1.0 - 1e-3)))
        true = values - values[:, :, reference, None]
        # The errors of two classes go together as far as they were learned from the same truth.
        for i, treatment in enumerate(CLASSES):
            value, lower, upper = answered[:, :, i, at]
            target, noise = true[:, :, i].mean(axis=0), _error_of_mean(true[:, :, i])
            known = ~np.isnan(value + lower + upper + target)
            error = (value - target)[known]
            if i != reference and len(error) >= SMALL_CELL:
                records.add(
                    database="synthetic",
                    outcome=measure,
                    treatment=treatment.value,
                    n=len(error),
                    bias=float(error.mean()),
                    rmse=float(np.sqrt(max((error**2).mean() - noise**2, 0.0))),
                    coverage=float(_held(value[known], lower[known], upper[known], target[known], noise).mean()),
                    half_width=float((upper - lower)[known].mean() / 2.0),
                    true_mean=float(target[known].mean()),
                )
    return records.done()


def _read(found: Projected, outcome: str) -> tuple[Floats, Floats, Floats]:
    """Return value, lower and upper end at 24 months, (patients, classes)."""
    if outcome == "relapse_rate":
        value, lower, upper = found.rate.astype(np.float64)
        return value, lower, upper
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
        known = ~np.isnan(value[:, at] + lower[:, at] + upper[:, at] + against[:, at])
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


def _checks(accuracy: tuple[Record, ...], contrasts: tuple[Record, ...], honest: tuple[float, float]) -> list[Check]:
    checks = []
    lowest, highest = honest
    for outcome, label in OUTCOMES.items():
        overall = [row for row in accuracy if row["outcome"] == outcome and row["treatment"] == "all"]
        for row in overall:
            if row["database"] == "synthetic":
                checks.append(
                    check(
                        f"coverage_{outcome}",
                        f"Share of 95 % intervals that hold the truth, {label}",
                        float(row["coverage"] or 0.0),
                        lowest=lowest,
                        highest=highest,
                        meaning="Of the expected course, over patients and classes.",
                        misses=(Miss(outcome),),
                    )
                )
            checks.append(
                check(
                    f"rmse_{outcome}_{str(row['database']).replace(', ', '_')}",
                    f"Error of projections from {row['database']}, {label} (root mean square)",
                    float(row["rmse"] or 0.0),
                    meaning=f"In {UNITS.get(outcome, 'probability, 0 to 1')}, against the mean "
                    f"truth of patients with the same features; {row['n']:,} projections (patient and class).",
                )
            )
    for measure, label in MEASURED.items():
        of_contrasts = [row for row in contrasts if row["outcome"] == measure]
        if of_contrasts:
            weight = np.array([row["n"] for row in of_contrasts], dtype=np.float64)
            covered = np.array([row["coverage"] for row in of_contrasts], dtype=np.float64)
            squared = np.array([row["rmse"] for row in of_contrasts], dtype=np.float64) ** 2
            checks.append(
                check(
                    f"coverage_contrast_{measure}",
                    f"Share of 95 % intervals against untreated that hold the truth, {label}",
                    float((covered * weight).sum() / weight.sum()),
                    lowest=lowest,
                    highest=highest,
                    meaning="As the release answers a comparison; over patients and classes.",
                    misses=(Miss(measure),),
                )
            )
            checks.append(
                check(
                    f"rmse_contrast_{measure}",
                    f"Error against untreated, {label} (root mean square)",
                    float(np.sqrt((squared * weight).sum() / weight.sum())),
                    meaning="The precision in estimating effects that vary between patients, in the unit of the "
                    f"difference; {int(weight.sum()):,} comparisons (patient and class).",
                )
            )
    return checks
