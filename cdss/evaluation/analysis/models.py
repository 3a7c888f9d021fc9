"""Models of patients in clusters: a linear mixed model, and generalised estimating equations, with few-cluster care.

With few clusters the normal distribution promises too much. A treatment given to whole clusters is compared on the
clusters' degrees of freedom (number of clusters minus the parameters that vary between clusters), a treatment given
within clusters on the patients'; the sandwich variance of estimating equations is corrected for its bias.

References
----------
Leyrat C, Morgan KE, Leurent B, Kahan BC. Cluster randomized trials with a small number of clusters: which analyses
should be used? Int J Epidemiol 2018;47:321-331, doi 10.1093/ije/dyx169. Mancl LA, DeRouen TA. A covariance estimator
for GEE with improved small-sample properties. Biometrics 2001;57:126-134, doi 10.1111/j.0006-341X.2001.00126.x.
Hooper R, Teerenstra S, de Hoop E, Eldridge S. Sample size calculation for stepped wedge and other longitudinal
cluster randomised trials. Stat Med 2016;35:4718-4728, doi 10.1002/sim.7028.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cdss.evaluation.analysis.effect import Effect, t_interval
from cdss.evaluation.analysis.mixed import MixedFit, correlation_interval, fit_mixed
from cdss.evaluation.protocol import Randomisation

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Design:
    """What a model is fitted to, patients without an outcome left out.

    Attributes
    ----------
    outcome, exposure : ndarray, shape (patients,)
    use : ndarray of bool
    cluster, period : ndarray
        Codes of the neurologist and of the period.
    covariates : DataFrame
    randomisation : Randomisation
    alpha : float
    """

    outcome: Array
    exposure: Array
    use: NDArray[np.bool_]
    cluster: NDArray[np.object_]
    period: NDArray[np.int64]
    covariates: pd.DataFrame
    randomisation: Randomisation
    alpha: float

    @property
    def exog(self) -> Array:
        """Intercept, use, covariates."""
        return np.column_stack([np.ones(len(self.outcome)), self.use.astype(float), self.covariates.to_numpy()])

    @property
    def clusters(self) -> int:
        """Number of clusters."""
        return len(np.unique(self.cluster))

    def degrees_of_freedom(self, *, robust: bool) -> float:
        """Return those of the comparison of the arms.

        Parameters
        ----------
        robust : bool
            Whether the variance is a sandwich over clusters, which has the clusters' degrees of freedom at most.
        """
        if self.randomisation is Randomisation.CLUSTER:
            between = sum(str(name).startswith("cluster_stratum") for name in self.covariates)
            return max(self.clusters - 2 - between, 1)
        if robust:
            return max(self.clusters - 2, 1)
        if self.randomisation is Randomisation.STEPPED_WEDGE:
            cells = len(set(zip(self.cluster, self.period, strict=True)))
            return max(cells - self.clusters - len(np.unique(self.period)), 1)
        return float(max(len(self.outcome) - self.clusters - self.exog.shape[1], 1))

    def has_both_arms(self) -> bool:
        """Whether there is anything to compare."""
        return bool(self.use.any() and not self.use.all() and self.clusters > 1)

    def effect(self, scale: str, model: str, **found: float | tuple[str, ...]) -> Effect:
        """Return an effect with the numbers of this design."""
        empty = {"value": math.nan, "lower": math.nan, "upper": math.nan, "standard_error": math.nan}
        empty |= {"degrees_of_freedom": math.nan, "p": math.nan, "correlation": math.nan}
        return Effect(
            scale=scale,
            model=model,
            n_use=int(self.use.sum()),
            n_usual=int((~self.use).sum()),
            clusters=self.clusters,
            **(empty | found),  # type: ignore[arg-type]  # as in Effect
        )


def mixed_effect(design: Design) -> Effect:
    """Estimate a mean difference with a linear mixed model by restricted maximum likelihood.

    A random intercept per neurologist; in a stepped wedge also one per neurologist and period, and the periods as
    fixed effects (they are among the covariates).
    """
    model = "linear mixed model (REML), random intercept per neurologist"
    wedge = design.randomisation is Randomisation.STEPPED_WEDGE
    if wedge:
        model += " and per neurologist and period"
    if not design.has_both_arms() or len(design.outcome) <= design.exog.shape[1] + design.clusters:
        return design.effect("mean difference", model, notes=("too few outcomes to fit",))
    fitted = fit_design(design)
    if fitted is None:
        return design.effect("mean difference", model, notes=("the model could not be fitted",))
    coefficient, standard_error = float(fitted.coefficients[1]), math.sqrt(float(fitted.covariance[1, 1]))
    between = fitted.between_clusters + fitted.between_cells
    degrees = design.degrees_of_freedom(robust=False)
    lower, upper, p = t_interval(coefficient, standard_error, degrees, design.alpha)
    return design.effect(
        "mean difference",
        f"{model}, t distribution with {degrees:g} degrees of freedom",
        value=coefficient,
        lower=lower,
        upper=upper,
        p=p,
        standard_error=standard_error,
        degrees_of_freedom=float(degrees),
        correlation=between / (between + fitted.residual),
        notes=("no variance between neurologists was found",) if between < 1e-9 * fitted.residual else (),
    )


def cluster_means_effect(design: Design) -> Effect:
    """Estimate a mean difference with a t test of the cluster means, for treatments given to whole clusters.

    In two stages: a regression of the outcomes on the covariates, without the treatment, leaves residuals; their
    unweighted means per cluster are compared between the arms within the strata of clusters. Unlike the mixed model
    it needs no variance between clusters, whose estimate stops at nil where clusters hardly differ, while the degrees
    of freedom stay the clusters': the mixed model is then conservative, and this test keeps its level (Hayes RJ,
    Moulton LH. Cluster Randomised Trials, 2nd ed., CRC Press 2017; Leyrat and others, above).
    """
    model = "t test of the cluster means, unweighted, adjusted for covariates in a first stage"
    named = [str(name).startswith("cluster_stratum") for name in design.covariates]
    of_clusters = design.covariates.loc[:, named].to_numpy(dtype=np.float64)
    codes = np.unique(design.cluster, return_inverse=True)[1]
    sizes = np.bincount(codes)

    def means(values: Array) -> Array:
        return np.asarray(np.bincount(codes, weights=values) / sizes, dtype=np.float64)

    columns = [np.ones(design.clusters), means(design.use.astype(float))]
    exog = np.column_stack([*columns, *(means(column) for column in of_clusters.T)])
    degrees = design.clusters - exog.shape[1]
    if not design.has_both_arms() or degrees < 1 or np.linalg.matrix_rank(exog) < exog.shape[1]:
        return design.effect("mean difference", model, notes=("too few outcomes to fit",))
    untreated = np.delete(design.exog, 1, axis=1)
    mean = means(design.outcome - untreated @ np.linalg.lstsq(untreated, design.outcome)[0])
    coefficients = np.linalg.lstsq(exog, mean)[0]
    residual = mean - exog @ coefficients
    variance = float(residual @ residual) / degrees
    standard_error = math.sqrt(variance * float(np.linalg.inv(exog.T @ exog)[1, 1]))
    value = float(coefficients[1])
    lower, upper, p = t_interval(value, standard_error, degrees, design.alpha)
    return design.effect(
        "mean difference",
        f"{model}, t distribution with {degrees:g} degrees of freedom",
        value=value,
        lower=lower,
        upper=upper,
        p=p,
        standard_error=standard_error,
        degrees_of_freedom=float(degrees),
    )


def clustered_mean(values: Array, cluster: NDArray[np.object_], *, alpha: float) -> tuple[float, float, float]:
    """Return the mean of patients in clusters with its interval, by a mixed model without covariates.

    Parameters
    ----------
    values : ndarray, shape (patients,)
        Without gaps.
    cluster : ndarray, shape (patients,)
    alpha : float

    Returns
    -------
    tuple of float
        Mean, lower and upper limit on the clusters' degrees of freedom; limits are NaN with fewer than 2 clusters.
    """
    codes = np.unique(cluster, return_inverse=True)[1]
    if len(values) < 3 or codes.max() < 1:
        return float(values.mean()) if len(values) else math.nan, math.nan, math.nan
    fit = fit_mixed(values, np.ones((len(values), 1)), codes)
    mean, standard_error = float(fit.coefficients[0]), math.sqrt(float(fit.covariance[0, 0]))
    lower, upper, _ = t_interval(mean, standard_error, float(codes.max()), alpha)
    return mean, lower, upper


def fit_design(design: Design) -> MixedFit | None:
    """Return the mixed model of a design, coefficients in the order of its `exog`; None where it cannot be fitted."""
    try:
        return fit_mixed(design.outcome, design.exog, *_places(design))
    except np.linalg.LinAlgError:
        return None


def with_correlation_interval(design: Design, effect: Effect) -> Effect:
    """Return an effect with the interval of its intra-cluster correlation; as it is where it has none."""
    if math.isnan(effect.correlation):
        return effect
    found = correlation_interval(design.outcome, design.exog, *_places(design), alpha=design.alpha)
    return replace(effect, correlation_interval=found)


def _places(design: Design) -> tuple[NDArray[np.intp], NDArray[np.intp] | None]:
    """Return the cluster of each patient, and in a stepped wedge the cell."""
    clusters = np.unique(design.cluster, return_inverse=True)[1]
    if design.randomisation is not Randomisation.STEPPED_WEDGE:
        return clusters, None
    cells = np.unique(clusters * (int(design.period.max()) + 1) + design.period, return_inverse=True)[1]
    return clusters, cells


def gee_effect(design: Design, *, scale: str) -> Effect:
    """Estimate an effect by generalised estimating equations, exchangeable within neurologists.

    Parameters
    ----------
    design : Design
    scale : str
        ``mean difference`` and ``risk difference`` (identity link) or ``rate ratio`` (Poisson, log link, exposure).
    """
    import statsmodels.api as sm
    from statsmodels.tools.sm_exceptions import (
        ConvergenceWarning,
        DomainWarning,
        IterationLimitWarning,
    )

    model = "generalised estimating equations, exchangeable within neurologists, bias-corrected sandwich"
    if not design.has_both_arms() or len(design.outcome) <= design.exog.shape[1] + 1:
        return design.effect(scale, model, notes=("too few outcomes to fit",))
    counts = scale == "rate ratio"
    if counts and (not design.outcome[design.use].any() or not design.outcome[~design.use].any()):
        return design.effect(scale, model, notes=("an arm had no event",))
    family = sm.families.Poisson() if counts else sm.families.Gaussian()
    notes: tuple[str, ...] = ()
    with warnings.catch_warnings():
        # Convergence is checked below and said in the notes.
        for category in (ConvergenceWarning, IterationLimitWarning, DomainWarning, RuntimeWarning):
            warnings.simplefilter("ignore", category)
        for structure in (sm.cov_struct.Exchangeable(), sm.cov_struct.Independence()):
            try:
                fit = sm.GEE(
                    design.outcome,
                    design.exog,
                    groups=design.cluster,
                    family=family,
                    cov_struct=structure,
                    offset=np.log(design.exposure) if counts else None,
                ).fit(cov_type="bias_reduced", maxiter=200)
            except (np.linalg.LinAlgError, ValueError, ZeroDivisionError):
                return design.effect(scale, model, notes=("the model could not be fitted",))
            if fit.converged and math.isfinite(fit.params[1]):
                break
            # The sandwich stays valid whatever the working correlation is.
            notes = ("the exchangeable correlation did not converge: independence is the working correlation",)
        else:
            return design.effect(scale, model, notes=("the iterations did not converge",))
    coefficient, standard_error = float(fit.params[1]), float(fit.bse[1])
    degrees = design.degrees_of_freedom(robust=True)
    lower, upper, p = t_interval(coefficient, standard_error, degrees, design.alpha)
    back = math.exp if counts else float
    return design.effect(
        scale,
        f"{model}, t distribution with {degrees:g} degrees of freedom",
        value=back(coefficient),
        lower=back(lower),
        upper=back(upper),
        p=p,
        standard_error=standard_error,
        degrees_of_freedom=float(degrees),
        correlation=math.nan if notes else float(fit.cov_struct.dep_params),
        notes=notes,
    )
