"""Projections of many patients from any database of episodes, as arrays: what the validation compares."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from projection import ClassProjection, Projection, Projector
from projection.engines import ModelProjector
from reference_db.episodes import Episodes
from reference_db.schema import EDSS_HISTORY, EDSS_MONTHS, edss_column
from reference_db.vocabulary import Treatment
from selection import PatientOfInterest
from selection.patient import EarlierVisit

Floats = NDArray[np.float32]

MONTHS: tuple[int, ...] = tuple(month for month in EDSS_MONTHS if month <= 24)
"""Months at which projections are compared."""

RISKS: tuple[str, ...] = ("worsening_24w", "relapse")
"""Endpoints whose probability is compared."""

CLASSES: tuple[Treatment, ...] = tuple(Treatment)

CHUNK = 1500
"""Patients of interest per task."""


@dataclass(frozen=True)
class Database:
    """Episodes as a projector takes them, with what was learned from them."""

    version: str
    episodes: Episodes
    files: Mapping[str, bytes] = field(default_factory=dict)

    def attachment(self, name: str) -> bytes | None:
        """Return what was learned under this name; None where nothing was."""
        return self.files.get(name)


@dataclass(frozen=True)
class Projected:
    """Projections of patients of interest under every class.

    Attributes
    ----------
    edss : ndarray, shape (3, patients, classes, months)
        Expected EDSS with the lower and upper end of its interval; NaN where refused or not observed.
    band : ndarray, shape (5, patients, classes, months)
        Quantiles 10, 25, 50, 75, 90 % of the individual courses.
    risks : ndarray, shape (3, patients, classes, risks, months)
        Cumulative probability of each of `RISKS`, with the ends of its interval.
    rate : ndarray, shape (3, patients, classes)
        Relapses a year, with the ends of its interval.
    number : ndarray of int, shape (patients, classes)
        Patients of reference.
    """

    edss: Floats
    band: Floats
    risks: Floats
    rate: Floats
    number: NDArray[np.int32]

    @classmethod
    def joined(cls, parts: Sequence[Projected]) -> Projected:
        """Put the projections of consecutive patients together."""
        return cls(
            np.concatenate([part.edss for part in parts], axis=1),
            np.concatenate([part.band for part in parts], axis=1),
            np.concatenate([part.risks for part in parts], axis=1),
            np.concatenate([part.rate for part in parts], axis=1),
            np.concatenate([part.number for part in parts]),
        )

    def rows(self, rows: NDArray[np.intp]) -> Projected:
        """Return some patients."""
        return Projected(
            self.edss[:, rows], self.band[:, rows], self.risks[:, rows], self.rate[:, rows], self.number[rows]
        )


def patients_of_interest(table: pd.DataFrame) -> list[PatientOfInterest]:
    """Return the patients of an episode table as they stood at baseline.

    Parameters
    ----------
    table : DataFrame
        Episodes.
    """
    features = {
        "age": "age",
        "phenotype": "phenotype",
        "edss": edss_column(0),
        "sex": "sex",
        "years_since_onset": "years_since_onset",
        "relapses_12m": "relapses_12m",
        "relapses_24m": "relapses_24m",
        "gd_lesions": "gd_lesions",
        "t2_lesions": "t2_lesions",
        "prior_treatment": "prior_treatment",
        "past": EDSS_HISTORY,
    }
    columns = [
        [None if pd.isna(value) else value for value in table[column].tolist()] for column in features.values()
    ]
    patients = []
    for values in zip(*columns, strict=True):
        known = dict(zip(features, values, strict=True))
        past = known.pop("past")
        history = () if past is None else (EarlierVisit(months=-12, edss=past),)
        patients.append(PatientOfInterest(**known, history=history))
    return patients


@dataclass(frozen=True)
class Task:
    """Some patients of interest to be projected from one database.

    Attributes
    ----------
    label : str
        Of the database.
    database : Episodes
    patients : list of PatientOfInterest
    k : int or None
        Patients of reference per class.
    estimator : str
    avatars : float
        Synthetic patients per original in the database; 0 where its patients are originals.
    files : mapping of str to bytes
        What was learned from the database and is read by those who project; the rest is learned anew.
    classes : tuple of Treatment, optional
        Classes to project under; all of them when left out, and NaN under the others.
    """

    label: str
    database: Episodes
    patients: list[PatientOfInterest]
    k: int | None = None
    estimator: str = "corrected"
    avatars: float = 0.0
    files: Mapping[str, bytes] = field(default_factory=dict)
    classes: tuple[Treatment, ...] | None = None


def project(task: Task) -> Projected:
    """Project the patients of a task under every class."""
    projector = Projector(Database(task.label, task.database, task.files), avatars=task.avatars)
    return _answered(projector, task)


def forecast(task: Task, engine: str) -> Projected:
    """Project the patients of a task by a model of `projection.engines.ENGINES` that learned from the database."""
    return read(ModelProjector(Database(task.label, task.database, task.files), engine).project_many(task.patients))


def read(answers: Sequence[Projection]) -> Projected:
    """Return projections under every class as arrays."""
    n, months = len(answers), len(MONTHS)
    edss = np.full((3, n, len(CLASSES), months), np.nan, dtype=np.float32)
    band = np.full((5, n, len(CLASSES), months), np.nan, dtype=np.float32)
    risks = np.full((3, n, len(CLASSES), len(RISKS), months), np.nan, dtype=np.float32)
    rate = np.full((3, n, len(CLASSES)), np.nan, dtype=np.float32)
    number = np.zeros((n, len(CLASSES)), dtype=np.int32)
    for i, answer in enumerate(answers):
        for part in answer.classes:
            j = CLASSES.index(part.treatment)
            number[i, j] = part.n
            _read(part, edss[:, i, j], band[:, i, j], risks[:, i, j])
            relapses = part.annualised_relapse_rate
            if relapses is not None:
                rate[:, i, j] = relapses.value, relapses.lower, relapses.upper
    return Projected(edss, band, risks, rate, number)


def _read(part: ClassProjection, edss: Floats, band: Floats, risks: Floats) -> None:
    months = len(MONTHS)
    if part.edss is not None:
        expected = part.edss.expected
        for end, values in enumerate((expected.value, expected.lower, expected.upper)):
            edss[end] = values[:months]
        for at, values in enumerate((part.edss.p10, part.edss.p25, part.edss.median, part.edss.p75, part.edss.p90)):
            band[at] = values[:months]
    for at, name in enumerate(RISKS):
        curve = part.probabilities.get(name)
        if curve is not None:
            for end, values in enumerate((curve.value, curve.lower, curve.upper)):
                risks[end, at] = values[:months]


def project_all(
    databases: Mapping[str, Task], *, jobs: int, progress: Callable[[float, str], None] | None = None
) -> dict[str, Projected]:
    """Project the patients of several tasks, in chunks over the cores.

    Parameters
    ----------
    databases : mapping of str to Task
        By any name.
    jobs : int
        Processes.
    progress : callable, optional
        Told the share done and the name under way.
    """
    from joblib import Parallel, delayed

    keys = {id(task.database): fingerprint(task.database) for task in databases.values()}
    asked = [
        (name, replace(task, patients=task.patients[at : at + CHUNK]), keys[id(task.database)])
        for name, task in databases.items()
        for at in range(0, len(task.patients), CHUNK)
    ]
    parts: dict[str, list[Projected]] = {name: [] for name in databases}
    running = Parallel(n_jobs=jobs, return_as="generator")(
        delayed(_project_from)(task, key) for _, task, key in asked
    )
    for done, ((name, _, _), part) in enumerate(zip(asked, running, strict=True), start=1):
        parts[name].append(part)
        if progress is not None:
            progress(done / len(asked), f"projecting from {name}")
    return {name: Projected.joined(found) for name, found in parts.items()}


MEASURES: tuple[str, ...] = ("edss", *RISKS, *(f"hazard_{name}" for name in RISKS))
"""What classes are compared by: differences in EDSS and in risks at 24 months, and logarithms of hazard ratios."""

FEW = 150
"""Patients of interest per task of comparisons, which are answered one by one."""


def contrast_all(task: Task, *, jobs: int, progress: Callable[[float, str], None] | None = None) -> Floats:
    """Compare every class with untreated as `Projector.contrast` answers, for the patients of a task.

    Parameters
    ----------
    task : Task
    jobs : int
        Processes.
    progress : callable, optional
        Told the share done and what is under way.

    Returns
    -------
    ndarray, shape (3, patients, classes, measures)
        Each of `MEASURES` with the ends of its interval; NaN where refused, and of the untreated.
    """
    from joblib import Parallel, delayed

    key = fingerprint(task.database)
    asked = [replace(task, patients=task.patients[at : at + FEW]) for at in range(0, len(task.patients), FEW)]
    parts = []
    running = Parallel(n_jobs=jobs, return_as="generator")(delayed(_contrast_from)(part, key) for part in asked)
    for part in running:
        parts.append(part)
        if progress is not None:
            progress(len(parts) / len(asked), f"comparing classes from {task.label}")
    answers: Floats = np.concatenate(parts, axis=1)
    return answers


def fingerprint(episodes: Episodes) -> str:
    """Return a digest of episodes."""
    return hashlib.sha256(pd.util.hash_pandas_object(episodes.table, index=False).to_numpy().tobytes()).hexdigest()


_LAST: dict[str, Projector] = {}
"""The projectors that this process used last, by the fingerprint of their database.

What a projector learns when it is made takes as long as some hundred projections, and a process gets chunk after
chunk of the same database, from one section after another: two are kept, of the originals and of the synthetic.
"""


def _projector(task: Task, key: str) -> Projector:
    kept = f"{key} {task.avatars}"
    if kept not in _LAST:
        if len(_LAST) > 1:
            del _LAST[next(iter(_LAST))]
        _LAST[kept] = Projector(Database(task.label, task.database, task.files), avatars=task.avatars)
    return _LAST[kept]


def _project_from(task: Task, key: str) -> Projected:
    return _answered(_projector(task, key), task)


def _contrast_from(task: Task, key: str) -> Floats:
    projector = _projector(task, key)
    found = np.full((3, len(task.patients), len(CLASSES), len(MEASURES)), np.nan, dtype=np.float32)
    for i, patient in enumerate(task.patients):
        for part in projector.contrast(patient, k=task.k, estimator=task.estimator).contrasts:
            ratios = {f"hazard_{name}": ratio for name, ratio in part.hazard_ratios.items()}
            answers = {"edss": part.edss, **part.risks, **ratios}
            for at, name in enumerate(MEASURES):
                answer = answers.get(name)
                if answer is not None:
                    ends = np.array([answer.value, answer.lower, answer.upper])
                    found[:, i, CLASSES.index(part.treatment), at] = np.log(ends) if name in ratios else ends
    return found


def _answered(projector: Projector, task: Task) -> Projected:
    answers = projector.project_many(task.patients, k=task.k, classes=task.classes, estimator=task.estimator)
    return read(answers)
