"""The effect of the use of the tool on one endpoint, as a value."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effect:
    """An estimated effect, use against usual.

    Attributes
    ----------
    scale : str
        ``mean difference``, ``risk difference``, ``rate ratio`` or ``hazard ratio``.
    value, lower, upper : float
        Estimate and its interval at the level of the analysis, on that scale (ratios are not logarithms).
    standard_error : float
        On the scale of the model: of the logarithm for ratios.
    degrees_of_freedom : float
        Of the t distribution behind interval and p-value; infinite for the normal one.
    p : float
        Two-sided.
    n_use, n_usual, clusters : int
        Patients with an outcome per arm, and clusters that they belong to.
    correlation : float
        Intra-cluster correlation of the model; NaN where it has none.
    model : str
        What was fitted, in one line.
    notes : tuple of str
        What a reader must know of the fit.
    correlation_interval : tuple of float
        Of the correlation, at the level of the analysis; NaN where it was not asked for.
    """

    scale: str
    value: float
    lower: float
    upper: float
    standard_error: float
    degrees_of_freedom: float
    p: float
    n_use: int
    n_usual: int
    clusters: int
    correlation: float
    model: str
    notes: tuple[str, ...] = ()
    correlation_interval: tuple[float, float] = (math.nan, math.nan)

    @property
    def is_ratio(self) -> bool:
        """Whether no effect is 1 and not 0."""
        return self.scale.endswith("ratio")

    @property
    def neutral(self) -> float:
        """The value of no effect."""
        return 1.0 if self.is_ratio else 0.0


def t_interval(
    coefficient: float, standard_error: float, degrees_of_freedom: float, alpha: float
) -> tuple[float, float, float]:
    """Return lower limit, upper limit and two-sided p-value of a coefficient."""
    from scipy import stats

    if not (math.isfinite(coefficient) and standard_error > 0 and degrees_of_freedom > 0):
        return math.nan, math.nan, math.nan
    quantile = float(stats.t.ppf(1 - alpha / 2, degrees_of_freedom))
    p = 2.0 * float(stats.t.sf(abs(coefficient / standard_error), degrees_of_freedom))
    return coefficient - quantile * standard_error, coefficient + quantile * standard_error, p
