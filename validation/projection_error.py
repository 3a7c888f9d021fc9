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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
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
from validation.result import Check, Miss, Record, Records, Section, check

Floats = NDArray[np.float64]

OUTCOMES: Mapping[str, str] = {
    "edss": "EDSS trajectory, 3 to 24 months",
    "worsening_24w": "probability of confirmed worsening (24 weeks) by 24 months",
    "relapse": "probability of a relapse by 24 months",
}

SHORT = {"edss": "EDSS", "worsening_24w": "worsening", "relapse": "relapse"}
"""What an outcome is of, in a word."""

AUGMENTATIONS = (2, 5, 10)

RESAMPLES = 4
"""Resamples of the originals: six pairs, so that the noise floor is not that of two of them alone."""

FLOOR_PATIENTS = 4000
"""Patients of interest who are projected from resamples. How far two resamples are apart differs more between pairs
of them than between samples of so many patients: more pairs tell more than more patients."""

AUGMENTED_PATIENTS = 1000
"""Patients of interest who are projected from augmented databases, which hold up to ten times as many patients."""

AUGMENTED = "those projected from augmented releases"
"""Name of the group of them."""

PROJECTING = 0.6
"""Share of the time that goes without augmentation."""


def projection_error(
    material: Material, *, jobs: int = 1, progress: Callable[[float, str], None] | None = None
) -> Section:
    """Compare projections from the synthetic patients with those from the originals, for every patient and class."""
    remarks = [
        "A patient of interest is among the originals, and an avatar made around it is among the synthetic patients.",
        "Each database learns its own feature weights, as it does in use.",
        f"Errors over every patient of interest; noise floors, and ratios to them, over up to {FLOOR_PATIENTS:,} of "
        f"them, from all pairs of {2 if material.quick else RESAMPLES} resamples.",
    ]
    rng = material.generator(6)
    table = material.original.table
    wanted = np.sort(rng.permutation(len(table))[: 250 if material.quick else len(table)])
    # Not all of them are projected from resamples, fewer from augmented databases.
    order = rng.permutation(len(wanted))
    sampled, some = np.sort(order[:FLOOR_PATIENTS]), np.sort(order[:AUGMENTED_PATIENTS])
    errors = material.kept.made(
        "projection_error",
        "errors",
        lambda: _errors_of_all(material, wanted, sampled, some, rng.spawn(1)[0], jobs, progress),
    )
    augmented: tuple[Record, ...] = ()
    if not material.quick:
        of_release = {str(row["outcome"]): row for row in errors if row["by"] == AUGMENTED}
        try:
            augmented = _augmented(material, wanted[some], of_release, material.generator(12), jobs, progress)
        except InvalidInput as error:
            remarks.append(f"The release could not be augmented: {error}")
    overall = tuple(row for row in errors if row["by"] == "all")
    return Section(
        name="projection_error",
        title="Projection error",
        question="Do synthetic patients of reference give the projection that the originals give?",
        checks=tuple(_checks(overall, augmented)),
        tables={"errors": errors, "augmentation": augmented},
        remarks=tuple(remarks),
        rests_on=("structure", "univariate", "multivariate", "efficacy"),
    )


def _errors_of_all(
    material: Material,
    wanted: NDArray[np.intp],
    sampled: NDArray[np.intp],
    some: NDArray[np.intp],
    rng: np.random.Generator,
    jobs: int,
    progress: Callable[[float, str], None] | None,
) -> tuple[Record, ...]:
    """Project every patient of interest, some of them from resamples too, and return the errors of all groups."""
    table = material.original.table.iloc[wanted]
    patients = patients_of_interest(table)
    resamples = {
        f"resample {n + 1}": _resample(material.original, rng) for n in range(2 if material.quick else RESAMPLES)
    }
    some_patients = [patients[at] for at in sampled]
    # The two databases last: what their projectors learned is at hand for the next section.
    tasks = {
        **{name: Task(name, database, some_patients) for name, database in resamples.items()},
        "originals": Task("originals", material.original, patients),
        "synthetic": Task("synthetic", material.synthetic, patients, avatars=1.0),
    }
    share = 1.0 if material.quick else PROJECTING
    told = None if progress is None else (lambda done, doing: progress(share * done, doing))
    projected = project_all(tasks, jobs=jobs, progress=told)
    if not material.quick:
        material.projected.update({name: projected[name] for name in ("originals", "synthetic")})
    compared = Compared.of(projected, sampled, list(resamples))
    everyone = np.ones((len(wanted), 1), dtype=np.bool_)
    augmented = ~everyone
    augmented[some] = True
    groups = {
        "all": {"all": everyone},
        **_strata(table),
        "class": _classes(),
        "patients of reference": _numbers(projected["synthetic"].number),
        AUGMENTED: {"all": augmented},
    }
    return tuple(row for by, of in groups.items() for row in _errors(compared, of, by))


Differences = Mapping[str, Floats]
"""Differences between two projections by outcome, (patients, classes, months)."""


@dataclass(frozen=True)
class Compared:
    """What was projected, compared: over every patient of interest, and over those projected from resamples too.

    Attributes
    ----------
    synthetic : mapping of str to ndarray
        Synthetic minus originals, of every patient of interest.
    sampled : ndarray of int
        Positions of those that the others are of.
    floors : tuple of mappings
        Between two resamples, one of every pair.
    resamples : tuple of mappings
        Between the originals and each resample.
    """

    synthetic: Differences
    sampled: NDArray[np.intp]
    floors: tuple[Differences, ...]
    resamples: tuple[Differences, ...]

    @classmethod
    def of(cls, projected: Mapping[str, Projected], sampled: NDArray[np.intp], resamples: Sequence[str]) -> Compared:
        """Compare projections by the name of their database."""
        originals = projected["originals"]
        return cls(
            difference(originals, projected["synthetic"]),
            sampled,
            tuple(difference(projected[one], projected[other]) for one, other in combinations(resamples, 2)),
            tuple(difference(originals.rows(sampled), projected[name]) for name in resamples),
        )

    def masked(self, chosen: NDArray[np.bool_]) -> Compared:
        """Return the same of some projections; the others are NaN.

        Parameters
        ----------
        chosen : ndarray of bool, shape (patients, classes), or (patients, 1), or (1, classes)
        """
        shape = (len(next(iter(self.synthetic.values()))), len(CLASSES))
        kept = np.where(np.broadcast_to(chosen, shape), 1.0, np.nan)[:, :, None]

        def each(found: tuple[Differences, ...]) -> tuple[Differences, ...]:
            of_sampled = kept[self.sampled]
            return tuple({outcome: values * of_sampled for outcome, values in one.items()} for one in found)

        return Compared(
            {outcome: values * kept for outcome, values in self.synthetic.items()},
            self.sampled,
            each(self.floors),
            each(self.resamples),
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


def _mean(found: Sequence[Differences], outcome: str) -> tuple[float, float, list[float]]:
    """Return mean absolute and root mean square error over several comparisons, and the first of each of them."""
    errors = [mean_errors(one[outcome]) for one in found]
    absolute = [mae for mae, _, _ in errors]
    return float(np.mean(absolute)), float(np.sqrt(np.mean([rmse**2 for _, rmse, _ in errors]))), absolute


def _errors(compared: Compared, groups: Mapping[str, NDArray[np.bool_]], by: str) -> tuple[Record, ...]:
    """Return the errors of each group of projections, with the ratio to the noise floor of the same patients.

    Groups are told as in `Compared.masked`.
    """
    return tuple(row for group, chosen in groups.items() for row in _group_errors(compared.masked(chosen), by, group))


def _group_errors(compared: Compared, by: str, group: str) -> tuple[Record, ...]:
    """Return the errors by outcome of whatever is not NaN."""
    records = Records()
    for outcome in OUTCOMES:
        mae, rmse, n = mean_errors(compared.synthetic[outcome])
        sampled_mae, sampled_rmse, sampled_n = mean_errors(compared.synthetic[outcome][compared.sampled])
        if min(n, sampled_n) < SMALL_CELL:
            continue
        floor, floor_rmse, pairs = _mean(compared.floors, outcome)
        one, _, _ = _mean(compared.resamples, outcome)
        records.add(
            by=by,
            group=group,
            outcome=outcome,
            n=n,
            mae=mae,
            rmse=rmse,
            bias=float(np.nanmean(compared.synthetic[outcome])),
            sampled_n=sampled_n,
            sampled_mae=sampled_mae,
            sampled_rmse=sampled_rmse,
            floor_mae=floor,
            floor_lowest=min(pairs),
            floor_highest=max(pairs),
            floor_rmse=floor_rmse,
            ratio=sampled_mae / floor if floor > 0 else None,
            ratio_rmse=sampled_rmse / floor_rmse if floor_rmse > 0 else None,
            one_resample_mae=one,
            ratio_one_resample=sampled_mae / one if one > 0 else None,
        )
    return records.done()


def _classes() -> dict[str, NDArray[np.bool_]]:
    return {treatment.value: np.array([[treatment is one for one in CLASSES]]) for treatment in CLASSES}


def _numbers(number: NDArray[np.int32]) -> dict[str, NDArray[np.bool_]]:
    """Return groups of projections by the number of patients of reference behind them."""
    return {
        "30-99": (number >= 30) & (number < 100),
        "100-199": (number >= 100) & (number < DEFAULT_K),
        f"{DEFAULT_K} or more": number >= DEFAULT_K,
    }


def _strata(table: pd.DataFrame) -> dict[str, dict[str, NDArray[np.bool_]]]:
    """Return groups of patients of interest by phenotype, source, age and EDSS."""
    age = pd.cut(table["age"], [0, 30, 40, 50, 100], right=False, labels=["15-29", "30-39", "40-49", "50 and over"])
    edss = pd.cut(table["edss_0"], [0, 2, 4, 6, 11], right=False, labels=["0-1.5", "2-3.5", "4-5.5", "6 and over"])
    columns = {"phenotype": table["phenotype"], "source": table["source"], "age": age, "EDSS": edss}
    return {
        name: {
            str(level): (values == level).to_numpy(dtype=np.bool_)[:, None]
            for level in sorted(values.dropna().unique())
        }
        for name, values in columns.items()
    }


def _augmented(
    material: Material,
    wanted: NDArray[np.intp],
    of_release: Mapping[str, Record],
    rng: np.random.Generator,
    jobs: int,
    progress: Callable[[float, str], None] | None,
) -> tuple[Record, ...]:
    """Return the errors of augmented releases on some patients of interest, those of the release itself first.

    Raises
    ------
    InvalidInput
        If the avatars cannot be made with the parameters of the release.
    """
    from joblib import delayed

    patients = patients_of_interest(material.original.table.iloc[wanted])
    # Projected with all others before, unless the validation was resumed.
    known = material.projected.get("originals")
    from_originals = project(Task("originals", material.original, patients)) if known is None else known.rows(wanted)
    # The largest first, so that the processes end together.
    tasks = {
        f"augmented-{times}": delayed(_augmented_errors)(
            material.original, material.parameters, patients, from_originals, of_release, times, own
        )
        for times, own in zip(AUGMENTATIONS[::-1], rng.spawn(len(AUGMENTATIONS)), strict=True)
    }
    told = (
        None
        if progress is None
        else (lambda done, of: progress(PROJECTING + (1.0 - PROJECTING) * done / of, "augmented releases"))
    )
    found = material.kept.rows("projection_error", tasks, jobs=jobs, told=told)
    records = Records()
    for outcome, row in of_release.items():
        records.add(
            augmentation=1,
            outcome=outcome,
            n=row["sampled_n"],
            mae=row["sampled_mae"],
            rmse=row["sampled_rmse"],
            floor_mae=row["floor_mae"],
            floor_rmse=row["floor_rmse"],
            ratio=row["ratio"],
        )
    return (*records.done(), *(row for times in AUGMENTATIONS for row in found[f"augmented-{times}"]))


def _augmented_errors(
    original: Episodes,
    parameters: Mapping[str, Any],
    patients: list[PatientOfInterest],
    from_originals: Projected,
    of_release: Mapping[str, Record],
    times: int,
    rng: np.random.Generator,
) -> tuple[Record, ...]:
    """Make some avatars per original, project patients of interest from them, and compare with the originals."""
    made = anonymise_episodes(
        original.table,
        rng=rng,
        k=parameters.get("k"),
        ncp=parameters.get("ncp"),
        weights=parameters.get("weights"),
        augmentation=times,
    ).table
    database = Episodes(made, original.sources)
    found = project(Task(f"1-{times}", database, patients, k=times * DEFAULT_K, avatars=times))
    records = Records()
    for outcome, values in difference(from_originals, found).items():
        mae, rmse, n = mean_errors(values)
        if outcome not in of_release or n < SMALL_CELL:
            continue
        floor_mae, floor_rmse = (float(of_release[outcome][name] or 0.0) for name in ("floor_mae", "floor_rmse"))
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


def _checks(overall: tuple[Record, ...], augmented: tuple[Record, ...]) -> list[Check]:
    checks = []
    by_outcome = {str(row["outcome"]): row for row in overall}
    for outcome, label in OUTCOMES.items():
        row = by_outcome.get(outcome)
        if row is None:
            meaning = f"Fewer than {SMALL_CELL} projections reach month 24 in both databases."
            checks.append(check(f"ratio_{outcome}", f"Error over noise floor, {label}", None, meaning=meaning))
            continue
        ratio = row["ratio"]
        checks.append(
            check(
                f"ratio_{outcome}",
                f"Error over noise floor, {OUTCOMES[outcome]}",
                float(ratio) if isinstance(ratio, int | float) else None,
                highest=1.0,
                meaning="1 is the error between two samples of the same patients"
                f" ({row['floor_lowest']:.3g} to {row['floor_highest']:.3g} over pairs of them).",
                misses=(Miss(SHORT[outcome]),),
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
                meaning=f"In {'EDSS points' if outcome == 'edss' else 'probability, 0 to 1'}; over {row['n']:,} "
                "projections (patient and class).",
            )
        )
    for outcome in OUTCOMES:
        of_outcome = {row["augmentation"]: float(row["mae"] or 0.0) for row in augmented if row["outcome"] == outcome}
        if of_outcome.keys() >= {1, max(AUGMENTATIONS)}:
            checks.append(
                check(
                    f"augmentation_{outcome}",
                    f"Error with 10 avatars per original over error with 1, {OUTCOMES[outcome]}",
                    of_outcome[max(AUGMENTATIONS)] / of_outcome[1],
                    highest=1.0,
                    meaning="Augmentation averages the chance of the avatars out.",
                    misses=(Miss(SHORT[outcome]),),
                )
            )
    return checks
