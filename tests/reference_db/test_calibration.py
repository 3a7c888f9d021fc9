"""Exchanging avatars brings the totals of a stratum to those of its originals; courses are summed up rightly."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from projection.worsening import confirmed_worsening
from reference_db.avatar.calibration import BLUR, Candidates, aims, calibrated_choice, compared
from reference_db.avatar.courses import held_worsening
from reference_db.schema import EDSS_MONTHS
from reference_db.small_cells import SMALL_CELL


def chosen_totals(
    strata: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], *, seed: int = 1, level_of: Sequence[int] = ()
) -> NDArray[np.float64]:
    """Totals of the avatars that are taken in each stratum, given statistics of originals and candidates."""
    candidates = [Candidates((), originals, made) for originals, made in strata]
    importance = np.ones(strata[0][0].shape[1])
    found = aims(candidates, np.random.default_rng(seed), level_of=level_of)
    chosen = [calibrated_choice(each.made, aim, importance) for each, aim in zip(candidates, found, strict=True)]
    return np.stack(
        [each.made[which, np.arange(len(which))].sum(axis=0) for each, which in zip(candidates, chosen, strict=True)]
    )


def test_totals_come_near_and_few_are_exchanged() -> None:
    rng = np.random.default_rng(0)
    originals = (rng.random((400, 6)) < 0.3).astype(float)
    made = (rng.random((4, 400, 6)) < 0.25).astype(float)
    (aim,) = aims([Candidates((), originals, made)], rng)
    chosen = calibrated_choice(made, aim, np.ones(6))
    error = np.sqrt(400) * originals.std(axis=0)
    before = (made[0].sum(axis=0) - originals.sum(axis=0)) / error
    after = (made[chosen, np.arange(400)].sum(axis=0) - originals.sum(axis=0)) / error
    assert np.abs(before).mean() > 1
    assert np.abs(after).max() < 4 * BLUR
    assert np.abs(after).max() > 0
    assert (chosen > 0).mean() < 0.4


def test_a_total_is_blurred_by_a_tenth_of_its_error_and_by_no_more_than_one_patient_adds() -> None:
    rng = np.random.default_rng(0)
    for records, blur in ((50, BLUR * np.sqrt(50)), (400, 1.0)):
        originals = rng.normal(size=(records, 2000))
        (aim,) = aims([Candidates((), originals, originals[None])], rng)
        off = (aim.totals - originals.sum(axis=0)) / originals.std(axis=0)
        assert off.std() == pytest.approx(blur, rel=0.1)


def test_a_total_of_few_people_follows_the_candidates_and_not_the_originals() -> None:
    """Whoever sees the avatars learns nothing of it, and bringing another total near does not drag it along."""
    rng = np.random.default_rng(0)
    made = np.zeros((4, 200, 2))
    made[:, :, 0] = rng.random((4, 200)) < 0.05
    # Who has the rare thing has less of the frequent one, whose total is too low at first.
    made[:, :, 1] = rng.random((4, 200)) < 0.4 - 0.35 * made[:, :, 0]
    found = []
    for having in (1, SMALL_CELL - 1, SMALL_CELL + 20):
        originals = np.zeros((200, 2))
        originals[:having, 0] = 1
        originals[100:, 1] = 1
        # Alone, or beside a stratum without anybody who has it, there is nothing to compare with.
        found.append(chosen_totals([(originals, made)], level_of=[0])[0])
        nobody = originals * [0, 1]
        np.testing.assert_allclose(
            chosen_totals([(originals, made), (nobody, made)], level_of=[0])[0], found[-1], atol=1
        )
    assert found[0][0] == found[1][0] == pytest.approx(made[:, :, 0].sum(axis=1).mean(), abs=1)
    assert found[2][0] == pytest.approx(SMALL_CELL + 20, abs=2)
    assert [total[1] for total in found] == pytest.approx([100, 100, 100], abs=2)


def test_of_rare_events_the_shares_of_strata_are_kept_and_not_how_many_there_are() -> None:
    rng = np.random.default_rng(0)
    made = (rng.random((8, 300, 1)) < 0.06).astype(float)
    for events in ((8, 4), (6, 3), (16, 8)):
        # By half as many, or twice as many, the avatars do not change: they show the ratio alone.
        strata = [(np.repeat([1.0, 0.0], [number, 300 - number])[:, None], made) for number in events]
        several = chosen_totals(strata, level_of=[0])
        if sum(events) < SMALL_CELL:
            np.testing.assert_allclose(several, made.sum(axis=1).mean(), atol=1)
        else:
            np.testing.assert_allclose(several.ravel(), 2 * made.sum(axis=1).mean() * np.array([2, 1]) / 3, atol=1)


@pytest.mark.parametrize(
    ("having", "together"),
    [
        ([30, 40], []),
        ([5, 13], [0, 1]),
        ([5, 4], []),
        ([5, 0, 40, 12], [0, 3]),
        ([6, 6, 40], [0, 1]),
        ([3, 3, 40], [0, 1, 2]),
        ([0, 0], []),
    ],
)
def test_with_the_only_small_cell_another_is_withheld(having: list[int], together: list[int]) -> None:
    assert np.flatnonzero(compared(np.array(having))).tolist() == together


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
