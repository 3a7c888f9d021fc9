"""Projections by a model instead of patients of reference: same question, same form of answer."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
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
from reference_db.episodes import Episodes
from reference_db.errors import InvalidInput
from reference_db.schema import EDSS_SCALE
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


def train_engines(episodes: Episodes, *, seed: int) -> bytes:
    """Train every model on the episodes of a release.

    Parameters
    ----------
    episodes : Episodes
    seed : int
        The same seed gives the same bytes.

    Returns
    -------
    bytes
        Content of the attachment `ENGINES_FILE`.
    """
    natural = columns_of_episodes(episodes)
    columns = Scaling.of(natural).apply(natural)
    order = {treatment.value: number for number, treatment in enumerate(CLASSES)}
    treatment: NDArray[np.intp] = np.asarray(episodes.table["treatment"].map(order), dtype=np.intp)
    endpoints = endpoints_of(episodes)
    named: dict[str, NDArray[Any]] = {}
    # Trees of this size are grown faster by one thread than by several that wait for each other.
    with threadpool_limits(limits=1):
        for number, (name, engine) in enumerate(ENGINES.items()):
            rng = np.random.default_rng([seed, number])
            model = engine.train(Training(covariates(columns), treatment, endpoints, rng))
            named |= {f"{name}/{key}": array for key, array in model.arrays().items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **cast("dict[str, Any]", named))
    return buffer.getvalue()


class ModelProjector:
    """Projections from a release by one of its models.

    Parameters
    ----------
    release : ReferenceRelease
        With the attachment `ENGINES_FILE`.
    engine : str
        Name of a model among `ENGINES`.

    Raises
    ------
    InvalidInput
        When there is no such model, or the release has none.
    """

    def __init__(self, release: ReferenceRelease, engine: str) -> None:
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
        table = release.episodes.table
        counts = table.groupby(["phenotype", "treatment"]).size()
        self._trained_on: dict[tuple[str, str], int] = {
            (str(phenotype), str(treatment)): int(counts.get((phenotype.value, treatment.value), 0))
            for phenotype in Phenotype
            for treatment in Treatment
        }

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
            Months 0 to 24. Models state no interval of their own: bounds and quantiles are NaN. `n` counts the
            patients of the class and phenotype that the model learned from.
        """
        wanted = checked_classes(classes)
        forecast = self.forecast(self._scaling.apply(columns_of_patients(pois)))
        return [
            Projection(
                release=self.release.version,
                k=0,
                weights={},
                classes=tuple(self._class(forecast, poi, at, treatment) for treatment in wanted),
                caveats=CAVEATS,
            )
            for at, poi in enumerate(pois)
        ]

    def forecast(self, columns: Floats) -> Forecast:
        """Forecast patients given by their standardised features, shape (patients, columns), NaN where unknown."""
        return self.model.forecast(covariates(columns))

    def _class(self, forecast: Forecast, poi: PatientOfInterest, at: int, treatment: Treatment) -> ClassProjection:
        n = self._trained_on[poi.phenotype.value, treatment.value]
        number = CLASSES.index(treatment)
        if n < FEWEST:
            reason = f"the model learned from too few patients with {poi.phenotype} under {treatment}"
            return ClassProjection(treatment.value, 0, 0, reason, None, {}, None, {})
        unknown = np.full(len(MONTHS), np.nan)
        count = np.full(len(MONTHS), float(n))
        edss = None
        if forecast.change is not None:
            value = np.clip(poi.edss + forecast.change[at, number], EDSS_SCALE[0], EDSS_SCALE[-1])
            expected = Curve(MONTHS, value, unknown, unknown, count)
            edss = EdssCourse(expected, unknown, unknown, unknown, unknown, unknown)
        curves = {
            name: Curve(MONTHS, np.ascontiguousarray(forecast.events[name][at, number]), unknown, unknown, count)
            for name in ENDPOINTS
            if name in forecast.events
        }
        return ClassProjection(treatment.value, n, n, None, edss, curves, None, {})
