"""Projection error: how far the projection from synthetic patients is from the projection from the originals.

Every original patient is taken as patient of interest and projected under every class, from the originals and from
the synthetic patients. The error between the two stands beside its noise floor: the same error between two
independent resamples of the originals. A ratio of 1 means that the synthetic database is as good as another sample
of patients from the same population. Two resamples differ by the chance of both, the synthetic database from the
originals by its own chance only: the error between the originals and one resample stands beside, as the stricter
yardstick. Augmentation takes X avatars per original and X times as many patients of reference, so that the
neighbourhood stays the same while the chance of the avatars averages out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.avatar.episodes import anonymise_episodes
from reference_db.episodes import Episodes
from reference_db.errors import InvalidInput
from reference_db.small_cells import SMALL_CELL
from selection import PatientOfInterest
from selection.selector import DEFAULT_K
from validation.material import Material
from validation.projections import (
    CLASSES,
    MONTHS,
    RISKS,
    Projected,
    Task,
    patients_of_interest,
    project,
    project_all,
)
from validation.result import Check, Record, Records, Section, check

Floats = NDArray[np.float64]

OUTCOMES: Mapping[str, str] = {
    "edss": "EDSS trajectory, 3 to 24 months",
    "worsening_24w": "probability of confirmed worsening (24 weeks) by 24 months",
    "relapse": "probability of a relapse by 24 months",
}

AUGMENTATIONS = (2, 5, 10)

AUGMENTED_PATIENTS = 1500
"""Patients of interest who are projected from augmented databases, which hold up to ten times as many patients."""


def projection_error(
    material: Material, *, jobs: int = 1, progress: Callable[[float, str], None] | None = None
) -> Section:
    """Compare projections from the synthetic patients with those from the originals, for every patient and class."""
    table = material.original.table
    rng = material.generator(6)
    wanted = rng.permutation(len(table))[: 250 if material.quick else len(table)]
    wanted.sort()
    patients = patients_of_interest(table.iloc[wanted])
    databases = {
        "originals": material.original,
        "synthetic": material.synthetic,
        "resample 1": _resample(material.original, rng),
        "resample 2": _resample(material.original, rng),
    }
    projected = project_all(
        {name: Task(name, database, patients, synthetic=name == "synthetic") for name, database in databases.items()},
        jobs=jobs,
        progress=progress,
    )
    pairs = {
        "synthetic": (projected["originals"], projected["synthetic"]),
        "noise floor": (projected["resample 1"], projected["resample 2"]),
        "one resample": (projected["originals"], projected["resample 1"]),
    }
    differences = {name: difference(first, second) for name, (first, second) in pairs.items()}
    remarks = [
        "A patient of interest is among the originals, and an avatar made around it is among the synthetic patients.",
        "Each database learns its own feature weights, as it does in use.",
    ]
    augmented: tuple[Record, ...] = ()
    if not material.quick:
        try:
            augmented = _augmented(material, projected["originals"], differences["noise floor"], wanted, rng, jobs)
        except InvalidInput as error:
            remarks.append(f"The release could not be augmented: {error}")
    overall = _errors(differences, {"all": np.ones(len(wanted), dtype=np.bool_)}, "all")
    strata = (
        *overall,
        *(row for name, groups in _strata(table.iloc[wanted]).items() for row in _errors(differences, groups, name)),
        *_per_class(differences),
        *_per_number(differences, projected["synthetic"].number),
    )
    return Section(
        name="projection_error",
        title="Projection error",
        question="Do synthetic patients of reference give the projection that the originals give?",
        checks=(*_checks(overall, augmented),),
        tables={"errors": tuple(strata), "augmentation": augmented},
        remarks=tuple(remarks),
        rests_on=("structure", "univariate", "multivariate", "efficacy"),
    )


def difference(first: Projected, second: Projected) -> dict[str, Floats]:
    """Return the differences between two projections by outcome, (patients, classes, months); NaN where one lacks."""
    last = len(MONTHS) - 1
    found = {"edss": (second.edss[0] - first.edss[0])[:, :, 1:].astype(np.float64)}
    for at, name in enumerate(RISKS):
        found[name] = (second.risks[0] - first.risks[0])[:, :, at, last:].astype(np.float64)
    return found


def mean_errors(differences: Floats) -> tuple[float, float, int]:
    """Return mean absolute error, root mean square error, and the projections (patient x class) behind them."""
    known = differences[~np.isnan(differences)]
    n = int((~np.isnan(differences)).any(axis=-1).sum())
    if not len(known):
        return float("nan"), float("nan"), 0
    return float(np.abs(known).mean()), float(np.sqrt((known**2).mean())), n


def _resample(episodes: Episodes, rng: np.random.Generator) -> Episodes:
    """Draw as many episodes of each arm with replacement."""
    from validation.replication import resampled_arms

    return Episodes(resampled_arms(episodes.table, rng), episodes.sources)


def _errors(
    differences: Mapping[str, Mapping[str, Floats]], groups: Mapping[str, NDArray[np.bool_]], by: str
) -> tuple[Record, ...]:
    """Return the errors of each group of patients, with the ratio to the noise floor."""
    records = Records()
    for group, chosen in groups.items():
        for outcome in OUTCOMES:
            mae, rmse, n = mean_errors(differences["synthetic"][outcome][chosen])
            floor, floor_rmse, _ = mean_errors(differences["noise floor"][outcome][chosen])
            one, _, _ = mean_errors(differences["one resample"][outcome][chosen])
            if n >= SMALL_CELL:
                records.add(
                    by=by,
                    group=group,
                    outcome=outcome,
                    n=n,
                    mae=mae,
                    rmse=rmse,
                    floor_mae=floor,
                    floor_rmse=floor_rmse,
                    ratio=mae / floor if floor > 0 else None,
                    ratio_rmse=rmse / floor_rmse if floor_rmse > 0 else None,
                    one_resample_mae=one,
                    ratio_one_resample=mae / one if one > 0 else None,
                    bias=float(np.nanmean(differences["synthetic"][outcome][chosen])),
                )
    return records.done()


def _per_class(differences: Mapping[str, Mapping[str, Floats]]) -> list[Record]:
    rows: list[Record] = []
    for at, treatment in enumerate(CLASSES):
        of_class = {
            name: {outcome: values[:, at : at + 1] for outcome, values in found.items()}
            for name, found in differences.items()
        }
        everyone = np.ones(len(differences["synthetic"]["edss"]), dtype=np.bool_)
        rows += _errors(of_class, {treatment.value: everyone}, "class")
    return rows


def _per_number(differences: Mapping[str, Mapping[str, Floats]], number: NDArray[np.int32]) -> list[Record]:
    """Return errors by the number of patients of reference behind a projection."""
    rows: list[Record] = []
    for label, low, high in (
        ("30-99", 30, 100),
        ("100-199", 100, DEFAULT_K),
        (f"{DEFAULT_K} or more", DEFAULT_K, 10**6),
    ):
        chosen = (number >= low) & (number < high)
        masked = {
            name: {outcome: np.where(chosen[:, :, None], values, np.nan) for outcome, values in found.items()}
            for name, found in differences.items()
        }
        rows += _errors(masked, {label: np.ones(len(number), dtype=np.bool_)}, "patients of reference")
    return rows


def _strata(table: pd.DataFrame) -> dict[str, dict[str, NDArray[np.bool_]]]:
    """Return groups of patients of interest by phenotype, source, age and EDSS."""
    age = pd.cut(table["age"], [0, 30, 40, 50, 100], right=False, labels=["15-29", "30-39", "40-49", "50 and over"])
    edss = pd.cut(table["edss_0"], [0, 2, 4, 6, 11], right=False, labels=["0-1.5", "2-3.5", "4-5.5", "6 and over"])
    columns = {"phenotype": table["phenotype"], "source": table["source"], "age": age, "EDSS": edss}
    return {
        name: {str(level): (values == level).to_numpy(dtype=np.bool_) for level in sorted(values.dropna().unique())}
        for name, values in columns.items()
    }


def _augmented(
    material: Material,
    originals: Projected,
    floor: Mapping[str, Floats],
    wanted: NDArray[np.intp],
    rng: np.random.Generator,
    jobs: int,
) -> tuple[Record, ...]:
    """Return the errors of augmented releases on some of the patients of interest, with the noise floor of the same.

    Raises
    ------
    InvalidInput
        If the avatars cannot be made with the parameters of the release.
    """
    from joblib import Parallel, delayed

    some = np.sort(rng.permutation(len(wanted))[:AUGMENTED_PATIENTS])
    patients = patients_of_interest(material.original.table.iloc[wanted[some]])
    # The largest first, so that the processes end together.
    every = (1, *AUGMENTATIONS)[::-1]
    projected = Parallel(n_jobs=jobs)(
        delayed(_projected_from_augmented)(material.original, material.parameters, patients, times, own)
        for times, own in zip(every, rng.spawn(len(every)), strict=True)
    )
    records = Records()
    for times, found in sorted(zip(every, projected, strict=True), key=lambda pair: pair[0]):
        for outcome, values in difference(originals.rows(some), found).items():
            mae, rmse, n = mean_errors(values)
            floor_mae, floor_rmse, _ = mean_errors(floor[outcome][some])
            records.add(
                augmentation=times,
                outcome=outcome,
                n=n,
                mae=mae,
                rmse=rmse,
                floor_mae=floor_mae,
                floor_rmse=floor_rmse,
                ratio=mae / floor_mae if floor_mae > 0 else None,
            )
    return records.done()


def _projected_from_augmented(
    original: Episodes,
    parameters: Mapping[str, Any],
    patients: list[PatientOfInterest],
    times: int,
    rng: np.random.Generator,
) -> Projected:
    """Make some avatars per original, and project patients of interest from them."""
    made = anonymise_episodes(
        original.table,
        rng=rng,
        k=parameters.get("k"),
        ncp=parameters.get("ncp"),
        weights=parameters.get("weights"),
        augmentation=times,
    ).table
    database = Episodes(made, original.sources)
    return project(Task(f"1-{times}", database, patients, k=times * DEFAULT_K, synthetic=True))


def _checks(overall: tuple[Record, ...], augmented: tuple[Record, ...]) -> list[Check]:
    checks = []
    for row in overall:
        outcome = str(row["outcome"])
        ratio = row["ratio"]
        checks.append(
            check(
                f"ratio_{outcome}",
                f"Error over noise floor, {OUTCOMES[outcome]}",
                float(ratio) if isinstance(ratio, int | float) else None,
                highest=1.0,
                meaning="1 is the error between two samples of the same patients.",
            )
        )
        strict = row["ratio_one_resample"]
        checks.append(
            check(
                f"ratio_one_{outcome}",
                f"Error over the error of one resample, {OUTCOMES[outcome]}",
                float(strict) if isinstance(strict, int | float) else None,
                meaning="The stricter yardstick: 1 is the error between the originals and another sample of the same "
                "patients.",
            )
        )
        checks.append(
            check(
                f"mae_{outcome}",
                f"Mean absolute error, {OUTCOMES[outcome]}",
                float(row["mae"] or 0.0),
                meaning="EDSS points, or probability.",
            )
        )
    for outcome in OUTCOMES:
        of_outcome = {row["augmentation"]: float(row["mae"] or 0.0) for row in augmented if row["outcome"] == outcome}
        if of_outcome:
            checks.append(
                check(
                    f"augmentation_{outcome}",
                    f"Error with 10 avatars per original over error with 1, {OUTCOMES[outcome]}",
                    of_outcome[max(AUGMENTATIONS)] / of_outcome[1],
                    highest=1.0,
                    meaning="Augmentation averages the chance of the avatars out.",
                )
            )
    return checks
