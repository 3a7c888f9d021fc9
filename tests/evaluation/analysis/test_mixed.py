"""The mixed model agrees with statsmodels, its likelihood with the definition, and few clusters do not fool it."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy import stats

from cdss.evaluation.analysis.mixed import correlation_interval, fit_mixed
from cdss.evaluation.analysis.models import Design, cluster_means_effect, gee_effect, mixed_effect
from cdss.evaluation.analysis.periods import periods_of
from cdss.evaluation.protocol import Randomisation

Array = NDArray[np.float64]


def clustered(
    seed: int, *, between: float, clusters: int = 12, mean_size: int = 25
) -> tuple[Array, Array, NDArray[np.intp]]:
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(clusters), rng.integers(mean_size // 2, mean_size * 2, clusters))
    n = len(cluster)
    exog = np.column_stack([np.ones(n), cluster % 2, rng.normal(size=n)]).astype(float)
    outcome = exog @ [3.0, -1.0, 0.5] + rng.normal(0, between**0.5, clusters)[cluster] + rng.normal(size=n)
    return outcome, exog, cluster


@pytest.mark.parametrize("seed", range(5))
def test_random_intercepts_agree_with_statsmodels(seed: int) -> None:
    outcome, exog, cluster = clustered(seed, between=0.5)
    mine = fit_mixed(outcome, exog, cluster)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the oracle's own optimiser complains on the way
        theirs = sm.MixedLM(outcome, exog, groups=cluster).fit(reml=True)
    np.testing.assert_allclose(mine.coefficients, theirs.fe_params, rtol=2e-3)
    np.testing.assert_allclose(np.sqrt(np.diag(mine.covariance)), theirs.bse_fe, rtol=0.02)
    assert mine.between_clusters == pytest.approx(float(theirs.cov_re[0, 0]), rel=0.05)
    assert mine.residual == pytest.approx(theirs.scale, rel=2e-3)


def test_nested_intercepts_agree_with_statsmodels() -> None:
    rng = np.random.default_rng(4)
    cluster = np.repeat(np.arange(12), 40)
    period = np.tile(np.repeat(np.arange(4), 10), 12)
    cell = cluster * 4 + period
    outcome = rng.normal(0, 0.8, 12)[cluster] + rng.normal(0, 0.6, 48)[cell] + rng.normal(size=480) + period
    exog = np.column_stack([np.ones(480), (period > cluster // 4).astype(float), period]).astype(float)
    mine = fit_mixed(outcome, exog, cluster, cell)
    table = pd.DataFrame({"y": outcome, "use": exog[:, 1], "p": period, "cluster": cluster})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the oracle's own optimiser complains on the way
        theirs = sm.MixedLM.from_formula(
            "y ~ use + p", table, groups="cluster", re_formula="1", vc_formula={"cell": "0 + C(p)"}
        ).fit(reml=True)
    np.testing.assert_allclose(mine.coefficients, theirs.fe_params, rtol=2e-3)
    np.testing.assert_allclose(np.sqrt(np.diag(mine.covariance)), theirs.bse_fe, rtol=5e-3)
    assert mine.between_cells == pytest.approx(float(theirs.vcomp[0]), rel=0.02)


def test_effects_of_periods_agree_with_least_squares_where_cells_do_not_differ() -> None:
    """Without a variance between neurologists or cells the model is least squares, by statsmodels."""
    rng = np.random.default_rng(5)
    cluster = np.repeat(np.arange(8), 30)
    period = np.tile(np.repeat(np.arange(3), 10), 8)
    use = period > cluster % 2
    base = design_of(np.zeros(240), use, cluster, Randomisation.STEPPED_WEDGE)
    dummies = pd.DataFrame({"period=1": period == 1, "period=2": period == 2}).astype(float)
    flat = rng.normal(size=240)
    cell = np.unique(cluster * 3 + period, return_inverse=True)[1]
    flat -= (np.bincount(cell, weights=flat) / np.bincount(cell))[cell]
    outcome = flat + 2.0 * period - 1.5 * use
    found = periods_of(dataclasses.replace(base, outcome=outcome, period=period, covariates=dummies))
    theirs = sm.OLS(outcome, sm.add_constant(dummies.assign(use=use.astype(float)))).fit()
    assert [p.effect for p in found] == pytest.approx([0.0, *theirs.params[["period=1", "period=2"]]])
    assert [p.effect for p in found] == pytest.approx([0.0, 2.0, 4.0])
    width = [(p.upper - p.lower) / 2 for p in found[1:]]
    assert width == pytest.approx(stats.t.ppf(0.975, 24 - 8 - 3) * theirs.bse[["period=1", "period=2"]], rel=1e-4)
    assert [p.clusters for p in found] == [
        {"use": 0, "usual": 8},
        {"use": 4, "usual": 4},
        {"use": 8, "usual": 0},
    ]
    assert [p.patients["use"] for p in found] == [0, 40, 80]
    assert found[1].means == pytest.approx({"use": 0.5, "usual": 2.0})
    assert np.isnan(found[0].means["use"])


@pytest.mark.parametrize("seed", range(3))
def test_without_variance_between_clusters_it_is_least_squares(seed: int) -> None:
    outcome, exog, cluster = clustered(seed, between=0.0)
    means = np.bincount(cluster, weights=outcome - exog @ np.linalg.lstsq(exog, outcome)[0]) / np.bincount(cluster)
    flat = outcome - means[cluster]  # no variance is left between the clusters
    mine = fit_mixed(flat, exog, cluster)
    assert mine.between_clusters == 0.0
    np.testing.assert_allclose(mine.coefficients, sm.OLS(flat, exog).fit().params, rtol=1e-9)


def design_of(outcome: Array, use: NDArray[np.bool_], cluster: NDArray[np.intp], how: Randomisation) -> Design:
    n = len(outcome)
    return Design(
        outcome=outcome,
        exposure=np.ones(n),
        use=use,
        cluster=np.array([f"n{c}" for c in cluster], dtype=object),
        period=np.zeros(n, dtype=np.int64),
        covariates=pd.DataFrame(index=range(n)),
        randomisation=how,
        alpha=0.05,
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_interval_of_the_correlation_is_near_the_exact_one_of_a_balanced_trial(seed: int) -> None:
    """Searle's interval from the F distribution, exact for one way and equal sizes (Biometrics 1956;12:309)."""
    rng = np.random.default_rng(seed)
    clusters, size = 30, 12
    cluster = np.repeat(np.arange(clusters), size)
    outcome = rng.normal(0, 0.25**0.5, clusters)[cluster] + rng.normal(0, 0.75**0.5, len(cluster))
    means = outcome.reshape(clusters, size).mean(axis=1)
    within = ((outcome - means[cluster]) ** 2).sum() / (clusters * (size - 1))
    ratio = size * means.var(ddof=1) / within
    f = np.asarray(stats.f.ppf([0.975, 0.025], clusters - 1, clusters * (size - 1)))
    exact = (ratio / f - 1) / (ratio / f + size - 1)
    found = correlation_interval(outcome, np.ones((len(outcome), 1)), cluster, alpha=0.05)
    assert found == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize("wedge", [False, True])
def test_the_interval_of_the_correlation_holds_it(wedge: bool) -> None:
    held, trials = 0, 150
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        cluster = np.repeat(np.arange(16), 24)
        cell = cluster * 4 + np.tile(np.repeat(np.arange(4), 6), 16) if wedge else None
        between = rng.normal(0, 0.15**0.5, 16)[cluster]
        if cell is not None:
            between = between * 0.5 + rng.normal(0, (0.15 * 0.75) ** 0.5, 64)[cell]
        outcome = between + rng.normal(0, 0.85**0.5, len(cluster))
        lower, upper = correlation_interval(outcome, np.ones((len(outcome), 1)), cluster, cell, alpha=0.05)
        held += lower <= 0.15 <= upper
    # Three standard errors of a share of 95 %.
    assert held / trials == pytest.approx(0.95, abs=3 * (0.95 * 0.05 / trials) ** 0.5)


def test_the_interval_of_no_correlation_begins_at_nil() -> None:
    rng = np.random.default_rng(1)
    cluster = np.repeat(np.arange(10), 20)
    lower, upper = correlation_interval(rng.normal(size=200), np.ones((200, 1)), cluster, alpha=0.05)
    assert lower == 0.0
    assert 0.0 < upper < 0.2


@pytest.mark.parametrize("correlation", [0.0, 0.05, 0.3])
def test_with_ten_clusters_and_no_effect_one_test_in_twenty_rejects(correlation: float) -> None:
    """A comparison that forgets the clusters rejects up to 60 % of the time here."""
    rng = np.random.default_rng(8)
    cluster = np.repeat(np.arange(10), 20)
    use = cluster % 2 == 1
    mixed, gee, naive = [], [], []
    for _ in range(120):
        outcome = rng.normal(0, correlation**0.5, 10)[cluster] + rng.normal(0, (1 - correlation) ** 0.5, 200)
        design = design_of(outcome, use, cluster, Randomisation.CLUSTER)
        mixed.append(mixed_effect(design).p < 0.05)
        gee.append(gee_effect(design, scale="mean difference").p < 0.05)
        if correlation < 0.3:
            continue
        naive.append(mixed_effect(design_of(outcome, use, np.arange(200) // 4, Randomisation.INDIVIDUAL)).p < 0.05)
    assert np.mean(mixed) <= 0.11  # binomial(120, .05): 0.05 + 3 standard deviations
    assert np.mean(gee) <= 0.11
    if correlation == 0.3:
        assert np.mean(naive) > 0.3


def test_cluster_means_are_compared_by_the_t_test_of_scipy() -> None:
    outcome, _, cluster = clustered(3, between=0.2)
    design = design_of(outcome, cluster % 2 == 1, cluster, Randomisation.CLUSTER)
    effect = cluster_means_effect(design)
    means = np.bincount(cluster, weights=outcome) / np.bincount(cluster)
    theirs = stats.ttest_ind(means[1::2], means[::2])
    interval = theirs.confidence_interval(0.95)
    assert (effect.lower, effect.upper) == pytest.approx((interval.low, interval.high))
    assert (effect.p, effect.degrees_of_freedom) == pytest.approx((theirs.pvalue, theirs.df))


def test_cluster_means_are_adjusted_in_two_stages() -> None:
    """Least squares on the patients without the treatment, then on the clusters with it, by statsmodels."""
    outcome, exog, cluster = clustered(4, between=0.2)
    use = cluster % 2 == 1
    plain = design_of(outcome, use, cluster, Randomisation.CLUSTER)
    larger = (cluster < 5).astype(float)
    adjust = pd.DataFrame({"baseline": exog[:, 2], "cluster_stratum=larger": larger})
    effect = cluster_means_effect(dataclasses.replace(plain, covariates=adjust))
    residual = pd.Series(sm.OLS(outcome, sm.add_constant(adjust)).fit().resid)
    of_clusters = pd.DataFrame({"y": residual, "use": use * 1.0, "larger": larger}).groupby(cluster).mean()
    theirs = sm.OLS(of_clusters["y"], sm.add_constant(of_clusters[["use", "larger"]])).fit()
    assert (effect.value, effect.standard_error) == pytest.approx((theirs.params["use"], theirs.bse["use"]))
    assert effect.degrees_of_freedom == theirs.df_resid == 12 - 3


def test_without_a_variance_between_clusters_their_means_keep_the_level_that_the_mixed_model_does_not_reach() -> None:
    rng = np.random.default_rng(6)
    cluster = np.repeat(np.arange(10), 20)
    repetitions = 1500
    rejected = {cluster_means_effect: 0, mixed_effect: 0}
    for _ in range(repetitions):
        design = design_of(rng.normal(size=200), cluster % 2 == 1, cluster, Randomisation.CLUSTER)
        for estimate in rejected:
            rejected[estimate] += estimate(design).p < 0.05
    low, high = stats.binom.ppf([0.0005, 0.9995], repetitions, 0.05)
    assert low <= rejected[cluster_means_effect] <= high
    assert rejected[mixed_effect] < low


def test_an_arm_alone_gives_no_effect_but_says_so() -> None:
    outcome, _, cluster = clustered(1, between=0.1)
    design = design_of(outcome, np.zeros(len(outcome), dtype=bool), cluster, Randomisation.CLUSTER)
    for effect in (mixed_effect(design), gee_effect(design, scale="risk difference"), cluster_means_effect(design)):
        assert np.isnan(effect.value)
        assert effect.notes == ("too few outcomes to fit",)


def test_counts_without_an_event_in_an_arm_give_no_ratio() -> None:
    _, _, cluster = clustered(1, between=0.1)
    use = cluster % 2 == 1
    effect = gee_effect(design_of(np.where(use, 0.0, 1.0), use, cluster, Randomisation.CLUSTER), scale="rate ratio")
    assert effect.notes == ("an arm had no event",)


def test_a_rate_ratio_is_recovered() -> None:
    rng = np.random.default_rng(2)
    cluster = np.repeat(np.arange(40), 50)
    use = cluster % 2 == 1
    exposure = rng.uniform(0.5, 2.0, 2000)
    counts = rng.poisson(0.6 * exposure * np.where(use, 0.7, 1.0)).astype(float)
    design = design_of(counts, use, cluster, Randomisation.CLUSTER)
    effect = gee_effect(Design(**{**vars(design), "exposure": exposure}), scale="rate ratio")
    assert effect.lower < 0.7 < effect.upper
    assert effect.value == pytest.approx(0.7, rel=0.1)
