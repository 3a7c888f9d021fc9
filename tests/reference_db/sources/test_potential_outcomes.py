"""The expected EDSS under a treatment is the mean of what raters note when the same patients live it often."""

from __future__ import annotations

import numpy as np
import pytest

from reference_db.sources.simulated.disease import Chance, Regime, Traits, follow
from reference_db.sources.simulated.observation import disability_at, on_scale, rate_edss
from reference_db.sources.simulated.potential_outcomes import MONTHS, expected_outcomes, expected_rating

LIVES = 4000


def patients(edss: np.ndarray) -> Traits:
    n = len(edss)
    middle = np.full(n, 0.5)
    return Traits(
        lasting=edss - 0.1,
        transient=np.full(n, 0.1),
        fluctuation=np.linspace(-0.3, 0.3, n),
        fluctuation_sd=np.full(n, 0.42),
        relapse_u=middle,
        lesion_u=middle,
        progression_u=middle,
        enhancement_u=middle,
        relapse_rate=np.full(n, 0.5),
        progression_slope=np.full(n, 0.1),
        lesion_rate=np.full(n, 1.0),
        modification=np.ones(n),
        worsening_modification=np.ones(n),
    )


def test_the_expected_rating_is_the_mean_of_ratings() -> None:
    rng = np.random.default_rng(1)
    disability = np.array([-0.5, 0.0, 0.4, 0.6, 1.3, 2.0, 5.9, 8.7])
    for spread in (0.1, 0.44):
        drawn = on_scale(disability + rng.normal(0.0, spread, (200_000, 8)))
        np.testing.assert_allclose(expected_rating(disability, np.full(8, spread)), drawn.mean(axis=0), atol=0.006)


@pytest.mark.parametrize(("relapse_rate", "slope"), [(0.0, 0.1), (0.5, 0.1), (1.5, 0.4)])
def test_expected_courses_are_the_means_of_lives_with_the_same_frailty(relapse_rate: float, slope: float) -> None:
    rng = np.random.default_rng(2)
    edss = np.array([0.0, 1.0, 1.5, 2.5, 4.0, 5.5, 6.5])
    traits = patients(edss)
    rates = Regime(np.full(7, relapse_rate), np.full(7, slope), np.ones(7), np.full(7, 0.3))
    expected = expected_outcomes(traits, rates, edss=edss, days_per_month=28.0)
    many = Traits(**{name: np.repeat(getattr(traits, name), LIVES) for name in Traits.__dataclass_fields__})
    lives = Regime(*(np.repeat(getattr(rates, name), LIVES) for name in Regime.__dataclass_fields__))
    course = follow(many, lives, Chance.draw(7 * LIVES, 24, rng))
    for month in MONTHS[1:]:
        day = np.full(7 * LIVES, month * 28)
        rated = rate_edss(disability_at(course, np.arange(7 * LIVES), day), rng).reshape(7, LIVES)
        tolerance = 0.02 + 4.0 * rated.std(axis=1) / np.sqrt(LIVES)
        assert (np.abs(expected[f"edss_{month}"] - rated.mean(axis=1)) < tolerance).all(), month
    np.testing.assert_array_equal(expected["edss_0"], edss)


def test_the_floor_of_the_scale_is_in_the_truth() -> None:
    """At EDSS 0 fluctuation can only be seen upwards: the EDSS as rated lies above the disability behind it."""
    traits = patients(np.zeros(7))
    none = Regime(np.zeros(7), np.zeros(7), np.ones(7), np.zeros(7))
    assert (expected_outcomes(traits, none, edss=np.zeros(7), days_per_month=28.0)["edss_24"] > 0.08).all()
