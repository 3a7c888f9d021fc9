"""The mixed model agrees with statsmodels, its likelihood with the definition, and few clusters do not fool it."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray

from cdss.evaluation.analysis.mixed import fit_mixed
from cdss.evaluation.analysis.models import Design, gee_effect, mixed_effect
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


def test_an_arm_alone_gives_no_effect_but_says_so() -> None:
    outcome, _, cluster = clustered(1, between=0.1)
    design = design_of(outcome, np.zeros(len(outcome), dtype=bool), cluster, Randomisation.CLUSTER)
    for effect in (mixed_effect(design), gee_effect(design, scale="risk difference")):
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
