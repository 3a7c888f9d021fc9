"""A stepped wedge period by period: who was in which arm, what was observed, and what time alone did.

References
----------
Hemming K, Taljaard M, McKenzie JE et al. Reporting of stepped wedge cluster randomised trials: extension of the
CONSORT 2010 statement. BMJ 2018;363:k1614, doi 10.1136/bmj.k1614.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cdss.evaluation.analysis.effect import t_interval
from cdss.evaluation.analysis.models import Design, fit_design


@dataclass(frozen=True, slots=True)
class Period:
    """One period of a stepped wedge, in the unit of the outcome.

    Attributes
    ----------
    number : int
        From 0, the period without the tool.
    clusters, patients : mapping of str to int
        Per arm, ``use`` and ``usual``, with an outcome.
    means : mapping of str to float
        Observed, per arm; NaN where an arm has nobody.
    effect, lower, upper : float
        Difference to the first period by the mixed model, the use of the tool held constant; 0 in the first, whose
        limits are NaN, and NaN where the model could not be fitted.
    """

    number: int
    clusters: Mapping[str, int]
    patients: Mapping[str, int]
    means: Mapping[str, float]
    effect: float
    lower: float
    upper: float


def periods_of(design: Design) -> tuple[Period, ...]:
    """Return the periods of a stepped wedge with a continuous outcome.

    Parameters
    ----------
    design : Design
        Its covariates hold ``period=1`` and so on, as indicators.
    """
    fitted = fit_design(design)
    names = ["", "use", *map(str, design.covariates)]
    degrees = design.degrees_of_freedom(robust=False)
    found = []
    first = int(design.period.min())
    for number in sorted({int(n) for n in design.period}):
        effect, lower, upper = (0.0, math.nan, math.nan) if number == first else (math.nan, math.nan, math.nan)
        name = f"period={number}"
        if fitted is not None and name in names:
            at = names.index(name)
            effect = float(fitted.coefficients[at])
            lower, upper, _ = t_interval(effect, math.sqrt(fitted.covariance[at, at]), degrees, design.alpha)
        arms = {"use": design.use & (design.period == number), "usual": ~design.use & (design.period == number)}
        found.append(
            Period(
                number=number,
                clusters={arm: len(np.unique(design.cluster[members])) for arm, members in arms.items()},
                patients={arm: int(members.sum()) for arm, members in arms.items()},
                means={arm: _mean(design.outcome[members]) for arm, members in arms.items()},
                effect=effect,
                lower=lower,
                upper=upper,
            )
        )
    return tuple(found)


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else math.nan
