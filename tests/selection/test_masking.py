"""Masks: the total is right, and one silo's answer is noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from selection.silos import SiloError
from selection.silos.masking import Masks, Words, content_of, total

CONTENT = content_of("sums", np.arange(3.0))


def _joined(silos: int) -> list[Masks]:
    masks = [Masks() for _ in range(silos)]
    for one in masks:
        one.join([other.public for other in masks])
    return masks


def _share_of_bytes(words: Words) -> float:
    """Return how likely bytes are to be as unevenly frequent as these when all are equally likely."""
    return float(chisquare(np.bincount(words.view(np.uint8), minlength=256)).pvalue)


values = st.lists(st.floats(-1e5, 1e5), min_size=4, max_size=4)


@given(st.lists(values, min_size=3, max_size=5))
def test_the_total_is_the_sum_to_the_last_place(answers: Sequence[Sequence[float]]) -> None:
    told = np.array(answers)
    masks = _joined(len(told))
    found = total([one.masked(CONTENT, row) for one, row in zip(masks, told, strict=True)])
    np.testing.assert_allclose(found, told.sum(axis=0), rtol=0, atol=2.0**-32 * len(told))


@pytest.mark.parametrize("held", [0.0, 1.0, 12345.678])
def test_the_answer_of_one_silo_and_the_sum_of_two_are_uniform(held: float) -> None:
    told = np.full(20_000, held)
    masked = [one.masked(CONTENT, told) for one in _joined(3)]
    for seen in (masked[0], masked[1], masked[2], masked[0] + masked[1]):
        assert _share_of_bytes(seen) > 1e-6
        assert len(np.unique(seen)) == len(seen)
    # The test has power: what is not masked is seen at once.
    assert _share_of_bytes(masked[0] + masked[1] + masked[2]) < 1e-6


def test_another_question_has_another_mask_and_the_same_question_the_same() -> None:
    one = _joined(3)[0]
    told = np.zeros(1000)
    first, again = one.masked(CONTENT, told), one.masked(CONTENT, told)
    np.testing.assert_array_equal(first, again)
    for other in (content_of("counts", np.arange(3.0)), content_of("sums", np.array([0.0, 1.0, 2.0 + 1e-15]))):
        assert _share_of_bytes(first - one.masked(other, told)) > 1e-6


def test_silos_that_are_asked_different_things_tell_nothing() -> None:
    """The hub asks one silo about a patient, and the others about nobody, to have one silo's answer as the total."""
    asked, *others = _joined(3)
    nobody = content_of("sums", np.zeros(3))
    answers = [asked.masked(CONTENT, np.ones(5)), *(one.masked(nobody, np.zeros(5)) for one in others)]
    with pytest.raises(SiloError, match="do not add up"):
        total(answers)
    assert np.abs(np.sum(answers, axis=0, dtype=np.uint64).view(np.int64).astype(float) / 2**32 - 1).min() > 1e-3


def test_a_silo_that_is_missing_ends_the_question() -> None:
    masked = [one.masked(CONTENT, np.ones(5)) for one in _joined(4)]
    with pytest.raises(SiloError, match="a silo is missing"):
        total(masked[:3])


def test_a_total_of_two_is_refused() -> None:
    one, other = Masks(), Masks()
    with pytest.raises(SiloError, match="3 are needed"):
        one.join([one.public, other.public])


def test_a_roster_names_every_silo_once_and_stays_the_same() -> None:
    one, other, third, fourth = (Masks() for _ in range(4))
    for roster in (
        [other.public, third.public, fourth.public],
        [one.public, other.public, third.public, other.public],
    ):
        with pytest.raises(SiloError, match="once"):
            one.join(roster)
    with pytest.raises(SiloError, match="no public key"):
        one.join([one.public, other.public, bytes(32)])
    with pytest.raises(SiloError, match="not told with which others"):
        one.masked(CONTENT, np.ones(1))
    one.join([one.public, other.public, third.public])
    one.join([third.public, other.public, one.public])
    with pytest.raises(SiloError, match="answers with others already"):
        one.join([one.public, other.public, fourth.public])


def test_silos_can_tell_that_the_hub_put_in_another_key() -> None:
    honest = _joined(3)
    assert len({one.fingerprint for one in honest}) == 1
    deceived, peer, third, false = (Masks() for _ in range(4))
    deceived.join([deceived.public, false.public, third.public])
    peer.join([deceived.public, peer.public, third.public])
    assert deceived.fingerprint != peer.fingerprint


@pytest.mark.parametrize("told", [np.nan, np.inf, -1e9, 8e8])
def test_what_could_not_be_added_up_is_refused(told: float) -> None:
    one = _joined(3)[0]
    with pytest.raises(SiloError, match="the total could not be told"):
        one.masked(CONTENT, np.array([1.0, told]))
