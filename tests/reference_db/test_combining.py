"""Coverage of combined estimates, by simulation."""

import numpy as np
import pandas as pd
import pytest

from reference_db.avatar import avatarize
from reference_db.errors import InvalidInput
from reference_db.privacy.combining import combine_estimates


def test_both_rules_by_hand() -> None:
    estimates, variances = [1.0, 2.0, 4.5], [0.4, 0.5, 0.6]
    between = np.var(estimates, ddof=1)
    posterior = combine_estimates(estimates, variances, made_from="posterior")
    assert posterior.value == pytest.approx(2.5)
    assert posterior.standard_error**2 == pytest.approx((1 + 1 / 3) * between - 0.5)
    originals = combine_estimates(estimates, variances)
    assert originals.standard_error**2 == pytest.approx(0.5 + between / 3)
    augmented = combine_estimates(estimates, variances, originals=100, records=300)
    assert augmented.standard_error**2 == pytest.approx(1.5 + between / 3)
    assert combine_estimates([1.0, 1.01], [0.5, 0.5], made_from="posterior").standard_error ** 2 == pytest.approx(0.5)


def test_posterior_rule_covers_what_one_table_alone_does_not() -> None:
    """The mean of a normal sample, synthetic samples drawn from its posterior predictive distribution."""
    rng = np.random.default_rng(0)
    n, m, repeats = 60, 20, 1500
    combined, alone = 0, 0
    for _ in range(repeats):
        sample = rng.normal(0.0, 1.0, n)
        spread = np.sqrt((n - 1) * sample.var(ddof=1) / rng.chisquare(n - 1, size=m))
        centre = rng.normal(sample.mean(), spread / np.sqrt(n))
        tables = rng.normal(centre[:, None], spread[:, None], size=(m, n))
        estimates, variances = tables.mean(axis=1), tables.var(axis=1, ddof=1) / n
        found = combine_estimates(estimates, variances, made_from="posterior")
        combined += found.lower <= 0 <= found.upper
        alone += abs(estimates[0]) <= 1.96 * np.sqrt(variances[0])
    assert 0.92 < combined / repeats < 0.998
    assert alone / repeats < 0.88


@pytest.mark.parametrize("augmentation", [1, 3])
def test_avatars_cover_when_patients_are_counted(augmentation: int) -> None:
    """The interval of a slope; three avatars per original make it far too narrow when they count as patients."""
    rng = np.random.default_rng(0)
    n, m, repeats, truth = 80, 3, 200, 0.5
    combined, naive = 0, 0
    for _ in range(repeats):
        x = rng.normal(size=n)
        table = pd.DataFrame({"x": x, "y": truth * x + rng.normal(size=n)})
        estimates, variances = [], []
        for _ in range(m):
            made = avatarize(table, k=10, ncp=2, rng=rng, size=augmentation * n)
            slope, covariance = np.polyfit(made["x"], made["y"], 1, cov="unscaled")
            residual = made["y"] - np.polyval(slope, made["x"])
            estimates.append(slope[0])
            variances.append(covariance[0, 0] * (residual**2).sum() / (len(made) - 2))
        found = combine_estimates(estimates, variances, originals=n, records=augmentation * n)
        combined += found.lower <= truth <= found.upper
        naive += abs(estimates[0] - truth) <= 1.96 * np.sqrt(variances[0])
    # 95 % within three standard errors of 200 repeats.
    assert combined / repeats > 0.904
    if augmentation > 1:
        assert naive / repeats < 0.8


@pytest.mark.parametrize(
    ("estimates", "variances"),
    [([1.0], [1.0]), ([1.0, 2.0], [1.0]), ([1.0, 2.0], [1.0, 0.0]), ([1.0, np.nan], [1.0, 1.0])],
)
def test_what_cannot_be_combined_is_refused(estimates: list[float], variances: list[float]) -> None:
    with pytest.raises(InvalidInput):
        combine_estimates(estimates, variances)
