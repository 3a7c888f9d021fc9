"""Projections by a model instead of patients of reference: same question, same form of answer.

A model of the change of EDSS comes with a band of individual courses: the quantiles of its errors, per class and
month, in patients that a model of the same kind has not learned from. No model states an interval of the expected
course; `project` says so among its caveats.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from projection.endpoints import ENDPOINTS, endpoints_of
from projection.engines.boosting import BoostingOneModel, BoostingPerClass
from projection.engines.design import CLASSES, MONTHS, covariates
from projection.engines.hazards import Cox, SurvivalBoosting, SurvivalForest
from projection.engines.model import Floats, Forecast, Model, Training
from projection.engines.simple import LastEdss, PopulationChange, RidgeChange
from projection.projector import CAVEATS
from projection.result import ClassProjection, Curve, EdssCourse, Projection
from projection.trajectories import QUANTILES
from reference_db.episodes import Episodes
from reference_db.errors import InvalidInput
from reference_db.schema import EDSS_SCALE
from reference_db.small_cells import SMALL_CELL, CellKeys, rounded_shares
from reference_db.vocabulary import Phenotype, Treatment
from selection.features import Scaling, columns_of_episodes, columns_of_patients
from selection.patient import PatientOfInterest
from selection.selector import FEWEST, ReferenceRelease, checked_classes

ENGINES: Mapping[str, type[Model]] = {
    "last EDSS": LastEdss,
    "population change": PopulationChange,
    "ridge": RidgeChange,
    "boosting, one model": BoostingOneModel,
    "boosting, one per class": BoostingPerClass,
    "Cox": Cox,
    "survival forest": SurvivalForest,
    "survival boosting": SurvivalBoosting,
}
"""Models by name, the simplest first. The engine on patients of reference is `projection.Projector`."""

ENGINES_FILE = "engines.npz"
"""Attachment of a release that holds what every model learned: arrays of numbers, which cannot run code."""


NO_INTERVAL = (
    "Computed by a model ({engine}) to compare with: it states no interval of the expected course or of "
    "probabilities; the band of individual courses holds its errors in patients left out of learning."
)
"""What is added to the caveats of a model's answers."""

HELD_OUT = 0.2
"""Share of the patients whose errors make the band of a model."""

_BAND = "errors_of_patients_left_out"


def train_engines(episodes: Episodes, *, seed: int, jobs: int = 1) -> bytes:
    """Train every model on the episodes of a release.

    Parameters
    ----------
    episodes : Episodes
    seed : int
        The same seed gives the same bytes.
    jobs : int
        Processes that train side by side.

    Returns
    -------
    bytes
        Content of the attachment `ENGINES_FILE`.
    """
    from joblib import Parallel, delayed, parallel_config

    natural = columns_of_episodes(episodes)
    columns = Scaling.of(natural).apply(natural)
    order = {treatment.value: number for number, treatment in enumerate(CLASSES)}
    treatment: NDArray[np.intp] = np.asarray(episodes.table["treatment"].map(order), dtype=np.intp)
    endpoints = endpoints_of(episodes)
    training = Training(covariates(columns), treatment, endpoints, np.random.default_rng(seed))
    names = list(ENGINES)
    # The last ones take longest: begun first, they do not leave the other processes waiting.
    with parallel_config(backend="loky", inner_max_num_threads=1):
        learned = Parallel(n_jobs=jobs)(
            delayed(_trained)(name, training, [seed, names.index(name)]) for name in reversed(names)
        )
    named = {key: array for arrays in reversed(learned) for key, array in arrays.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **cast("dict[str, Any]", named))
    return buffer.getvalue()


def _trained(name: str, training: Training, seed: list[int]) -> dict[str, NDArray[Any]]:
    """Train one model; return what it learned, and the errors of its band, by name."""
    engine = ENGINES[name]
    training = replace(training, rng=np.random.default_rng(seed))
    # Trees of this size are grown faster by one thread than by several that wait for each other.
    with threadpool_limits(limits=1):
        model = engine.train(training)
        errors = _errors_of_patients_left_out(engine, model, training, np.random.default_rng([*seed, 1]))
    named = {f"{name}/{key}": array for key, array in model.arrays().items()}
    return named if errors is None else named | {f"{name}/{_BAND}": errors}


def _errors_of_patients_left_out(
    engine: type[Model], model: Model, training: Training, rng: np.random.Generator
) -> Floats | None:
    """Return quantiles of the errors of the change of EDSS: (classes, months, quantiles); None for models of events.

    NaN where fewer patients than the small-cell threshold are observed. A model that learns from four fifths errs a
    little more than the one that is kept, so the band is a little too wide rather than too narrow.
    """
    if model.forecast(training.features[:1]).change is None:
        return None
    order = rng.permutation(len(training.features))
    out, into = np.sort(order[: int(HELD_OUT * len(order))]), np.sort(order[int(HELD_OUT * len(order)) :])
    fewer = Training(training.features, training.treatment, training.endpoints, rng).of(into)
    change = engine.train(fewer).forecast(training.features[out]).change
    errors = np.full((len(CLASSES), len(MONTHS), len(QUANTILES)), np.nan)
    if change is None:
        return None
    for number in range(len(CLASSES)):
        of = training.treatment[out] == number
        error = training.endpoints.change[out[of], : len(MONTHS)] - change[of, number]
        enough = (~np.isnan(error)).sum(axis=0) >= SMALL_CELL
        if enough.any():
            errors[number, enough] = np.nanquantile(error[:, enough], QUANTILES, axis=0).T
    return errors


class ModelProjector:
    """Projections from a release by one of its models.

    Parameters
    ----------
    release : ReferenceRelease
        With the attachment `ENGINES_FILE`.
    engine : str
        Name of a model among `ENGINES`.
    disclosed : bool
        Whether answers leave the reference database: counts and shares are then rounded as the small-cell rule asks.

    Raises
    ------
    InvalidInput
        When there is no such model, or the release has none.
    """

    def __init__(self, release: ReferenceRelease, engine: str, *, disclosed: bool = False) -> None:
        if engine not in ENGINES:
            raise InvalidInput.of("engine", f"{engine!r} is not known", ", ".join(ENGINES))
        kept = release.attachment(ENGINES_FILE)
        if kept is None:
            raise InvalidInput.of("engine", "this release was built without models; build it again to compare them")
        with np.load(io.BytesIO(kept), allow_pickle=False) as arrays:
            own = {key.partition("/")[2]: arrays[key] for key in arrays.files if key.partition("/")[0] == engine}
        self.release, self.engine = release, engine
        self.model = ENGINES[engine].of_arrays(own)
        self._scaling = Scaling.of(columns_of_episodes(release.episodes))
        self._errors = own.get(_BAND)
        self._disclosed = disclosed
        cells = CellKeys.of(release.version, len(release.episodes))
        table = release.episodes.table
        groups = table.groupby(["phenotype", "treatment"]).indices
        none = np.empty(0, dtype=np.intp)
        self._trained_on: dict[tuple[str, str], tuple[int, int]] = {}
        for phenotype in Phenotype:
            for treatment in Treatment:
                rows = groups.get((phenotype.value, treatment.value), none)
                shown = int(np.nan_to_num(cells.count(rows))) if disclosed else len(rows)
                self._trained_on[phenotype.value, treatment.value] = (len(rows), shown)

    def project(self, poi: PatientOfInterest, *, classes: Sequence[Treatment | str] | None = None) -> Projection:
        """Project one patient of interest under each class; see `Projector.project`."""
        return self.project_many([poi], classes=classes)[0]

    def project_many(
        self, pois: Sequence[PatientOfInterest], *, classes: Sequence[Treatment | str] | None = None
    ) -> list[Projection]:
        """Project many patients of interest.

        Parameters
        ----------
        pois : sequence of PatientOfInterest
        classes : sequence of Treatment or str, optional
            All nine by default.

        Returns
        -------
        list of Projection
            Months 0 to 24. Models state no interval of the expectation: bounds are NaN. `n` counts the patients of
            the class and phenotype that the model learned from.
        """
        wanted = checked_classes(classes)
        forecast = self.forecast(self._scaling.apply(columns_of_patients(pois)))
        return [
            Projection(
                release=self.release.version,
                k=0,
                weights={},
                classes=tuple(self._class(forecast, poi, at, treatment) for treatment in wanted),
                caveats=(*CAVEATS, NO_INTERVAL.format(engine=self.engine)),
            )
            for at, poi in enumerate(pois)
        ]

    def forecast(self, columns: Floats) -> Forecast:
        """Forecast patients given by their standardised features, shape (patients, columns), NaN where unknown."""
        return self.model.forecast(covariates(columns))

    def _class(self, forecast: Forecast, poi: PatientOfInterest, at: int, treatment: Treatment) -> ClassProjection:
        learned_from, n = self._trained_on[poi.phenotype.value, treatment.value]
        number = CLASSES.index(treatment)
        if learned_from < FEWEST:
            reason = f"the model learned from too few patients with {poi.phenotype} under {treatment}"
            return ClassProjection(treatment.value, 0, 0, reason, None, {}, None, {})
        unknown = np.full(len(MONTHS), np.nan)
        count = np.full(len(MONTHS), float(n))
        edss = None
        if forecast.change is not None:
            exact = poi.edss + forecast.change[at, number]
            expected = Curve(MONTHS, np.clip(exact, *_ENDS), unknown, unknown, count)
            errors = np.full((len(MONTHS), len(QUANTILES)), np.nan) if self._errors is None else self._errors[number]
            band = np.clip(exact[:, None] + errors, *_ENDS).T
            edss = EdssCourse(expected, *(np.ascontiguousarray(quantile) for quantile in band))
        curves = {
            name: Curve(MONTHS, self._share(forecast.events[name][at, number], n), unknown, unknown, count)
            for name in ENDPOINTS
            if name in forecast.events
        }
        return ClassProjection(treatment.value, n, n, None, edss, curves, None, {})

    def _share(self, probability: Floats, n: int) -> Floats:
        return rounded_shares(probability, n) if self._disclosed else np.ascontiguousarray(probability)


_ENDS = (EDSS_SCALE[0], EDSS_SCALE[-1])
