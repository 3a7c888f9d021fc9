"""The engines that prognosis is scored on: projections, the simplest rivals, and every model of the projection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from projection.endpoints import endpoints_of
from projection.engines import ENGINES, ENGINES_FILE, train_engines
from reference_db.episodes import Episodes
from reference_db.schema import EDSS_SCALE
from validation.endpoints import survival_at_end
from validation.outcomes import TimeToEvent
from validation.projections import CLASSES, MONTHS, RISKS, Projected, Task, forecast
from validation.scores import RISK_MONTHS

Floats = NDArray[np.float64]

EDSS_AT = (12, 24)
"""Months at which the EDSS is predicted."""

CARRIED_FORWARD = "last EDSS carried forward"
POPULATION = "population"


@dataclass(frozen=True)
class Prediction:
    """What an engine says of each held-out patient under their own treatment.

    Attributes
    ----------
    edss : mapping of int to ndarray
        Expected EDSS by month, (patients,); empty for engines that give none.
    quantiles : mapping of int to ndarray
        Quantiles of the individual EDSS by month, (5, patients); all NaN for engines that give none.
    risks : mapping of str to ndarray
        Risk by endpoint, (patients, len(RISK_MONTHS)); empty for engines that give none.
    """

    edss: Mapping[int, Floats]
    quantiles: Mapping[int, Floats]
    risks: Mapping[str, Floats]

    def has_band(self, month: int) -> bool:
        """Whether there are quantiles of the individual EDSS, not an expected value alone."""
        bands = self.quantiles[month]
        return not np.isnan(bands).all() and bool((bands[0] < bands[-1]).any())


def carried_forward(test: Episodes) -> Prediction:
    """Return the EDSS at baseline for every month."""
    own = test.edss[:, 0]
    return Prediction(dict.fromkeys(EDSS_AT, own), {month: np.tile(own, (5, 1)) for month in EDSS_AT}, {})


def population(reference: Episodes, test: Episodes) -> Prediction:
    """Return own state plus the mean change of the class and phenotype, and their Kaplan-Meier curve."""
    found = times_to(reference)
    change = reference.edss - reference.edss[:, :1]
    n = len(test)
    edss = {month: np.full(n, np.nan) for month in EDSS_AT}
    quantiles = {month: np.full((5, n), np.nan) for month in EDSS_AT}
    risks = {name: np.full((n, len(RISK_MONTHS)), np.nan) for name in RISKS}
    known = reference.table.groupby(["treatment", "phenotype"]).indices
    for key, rows in test.table.groupby(["treatment", "phenotype"]).indices.items():
        like = known.get(key)
        if like is None:
            continue
        own = test.edss[rows, 0]
        for month in EDSS_AT:
            values = change[like, MONTHS.index(month)]
            values = values[~np.isnan(values)]
            if len(values):
                edss[month][rows] = np.clip(own + values.mean(), EDSS_SCALE[0], EDSS_SCALE[-1])
                spread = np.quantile(values, (0.1, 0.25, 0.5, 0.75, 0.9))
                quantiles[month][:, rows] = np.clip(own + spread[:, None], EDSS_SCALE[0], EDSS_SCALE[-1])
        for name in RISKS:
            risks[name][rows] = population_curve(found[name].rows(np.asarray(like)))
    return Prediction(edss, quantiles, risks)


def population_curve(times: TimeToEvent) -> Floats:
    """Return the Kaplan-Meier risk at each of `RISK_MONTHS`."""
    ends = (
        TimeToEvent(np.minimum(times.months, month), times.event & (times.months <= month)) for month in RISK_MONTHS
    )
    return np.array([1.0 - survival_at_end(until)[0] for until in ends])


def times_to(episodes: Episodes) -> dict[str, TimeToEvent]:
    """Return the times to each of `RISKS`, observed as long as the projection observes them.

    Trials count a patient as free of confirmed worsening until the last visit, though none after it could have
    confirmed one: held to that, every engine would predict a third too much.
    """
    found = endpoints_of(episodes)
    return {name: TimeToEvent(*found.months(name)) for name in RISKS}


def of_projection(found: Projected, test: Episodes) -> Prediction:
    """Return what projections say of each patient under their own treatment."""
    position = {treatment.value: i for i, treatment in enumerate(CLASSES)}
    own = test.table["treatment"].map(position).to_numpy()
    rows = np.arange(len(test))
    at = [MONTHS.index(int(month)) for month in RISK_MONTHS]
    edss = {month: found.edss[0, rows, own, MONTHS.index(month)].astype(np.float64) for month in EDSS_AT}
    bands = {month: found.band[:, rows, own][:, :, MONTHS.index(month)].astype(np.float64) for month in EDSS_AT}
    risks = {name: found.risks[0, rows, own, i][:, at].astype(np.float64) for i, name in enumerate(RISKS)}
    # Models of events give no EDSS, those of EDSS no events.
    given = not all(np.isnan(values).all() for values in edss.values())
    return Prediction(
        edss if given else {},
        bands if given else {},
        {name: values for name, values in risks.items() if not np.isnan(values).all()},
    )


def of_models(task: Task, jobs: int) -> dict[str, Projected]:
    """Train every other engine on the database of a task, and let each project its patients."""
    from joblib import Parallel, delayed

    trained = replace(task, files={ENGINES_FILE: train_engines(task.database, seed=0)})
    # The last EDSS needs no training and stands among the rivals already.
    names = [name for name in ENGINES if name != "last EDSS"]
    found = Parallel(n_jobs=jobs)(delayed(forecast)(trained, name) for name in names)
    return {f"synthetic, {name}": answers for name, answers in zip(names, found, strict=True)}
