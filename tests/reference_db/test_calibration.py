"""Exchanging avatars brings the totals of a stratum to those of its originals; courses are summed up rightly."""

import numpy as np
import pytest

from projection.worsening import confirmed_worsening
from reference_db.avatar.calibration import BLUR, calibrated_choice
from reference_db.avatar.courses import held_worsening
from reference_db.schema import EDSS_MONTHS
from reference_db.small_cells import SMALL_CELL


def test_totals_come_near_and_few_are_exchanged() -> None:
    rng = np.random.default_rng(0)
    originals = (rng.random((400, 6)) < 0.3).astype(float)
    candidates = (rng.random((4, 400, 6)) < 0.25).astype(float)
    chosen = calibrated_choice(candidates, originals, rng)
    error = np.sqrt(400) * originals.std(axis=0)
    before = (candidates[0].sum(axis=0) - originals.sum(axis=0)) / error
    after = (candidates[chosen, np.arange(400)].sum(axis=0) - originals.sum(axis=0)) / error
    assert np.abs(before).mean() > 1
    assert np.abs(after).max() < 4 * BLUR
    assert np.abs(after).max() > 0
    assert (chosen > 0).mean() < 0.4


def test_a_total_of_few_people_follows_the_candidates_and_not_the_originals() -> None:
    """Whoever sees the avatars learns nothing of it, and bringing another total near does not drag it along."""
    rng = np.random.default_rng(0)
    candidates = np.zeros((4, 200, 2))
    candidates[:, :, 0] = rng.random((4, 200)) < 0.05
    # Who has the rare thing has less of the frequent one, whose total is too low at first.
    candidates[:, :, 1] = rng.random((4, 200)) < 0.4 - 0.35 * candidates[:, :, 0]
    found = []
    for having in (1, SMALL_CELL - 1, SMALL_CELL + 20):
        originals = np.zeros((200, 2))
        originals[:having, 0] = 1
        originals[100:, 1] = 1
        chosen = calibrated_choice(candidates, originals, np.random.default_rng(1))
        found.append(candidates[chosen, np.arange(200)].sum(axis=0))
    assert found[0][0] == found[1][0] == pytest.approx(candidates[:, :, 0].sum(axis=1).mean(), abs=1)
    assert found[2][0] == pytest.approx(SMALL_CELL + 20, abs=2)
    assert [total[1] for total in found] == pytest.approx([100, 100, 100], abs=2)


@pytest.mark.parametrize(("weeks", "months"), [(12, 2.5), (24, 5.5)])
def test_worsening_that_holds_is_confirmed_worsening(weeks: int, months: float) -> None:
    rng = np.random.default_rng(0)
    steps = rng.choice([-0.5, 0.0, 0.0, 0.5], size=(3000, len(EDSS_MONTHS)))
    edss = np.clip(rng.choice([0.0, 2.0, 3.0, 6.0], size=(3000, 1)) + np.cumsum(steps, axis=1), 0, 10)
    edss[edss == 0.5] = 1.0
    edss[:, 1:][rng.random((3000, len(EDSS_MONTHS) - 1)) < 0.2] = np.nan
    days = np.array(EDSS_MONTHS) * 30.4375
    theirs = confirmed_worsening(edss, days, weeks=weeks)
    assert 0.2 < theirs.event.mean() < 0.8
    np.testing.assert_array_equal(np.isfinite(held_worsening(edss, months=months)), theirs.event)
