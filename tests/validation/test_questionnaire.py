"""Forty records, half synthetic; the score says whether they can be told apart."""

from __future__ import annotations

import pytest

from reference_db.errors import InvalidInput
from validation.discrimination import expert_check
from validation.material import Material
from validation.questionnaire import COURSE, ORIGINAL, SHOWN_BASELINE, SYNTHETIC, deal, score


def test_half_of_the_records_are_synthetic_and_of_the_same_arms(material: Material) -> None:
    cards, key = deal(material, seed=3)
    assert len(cards) == len(key) == 40
    assert sorted(key.values()).count(SYNTHETIC) == 20
    treatments = {table: [] for table in (ORIGINAL, SYNTHETIC)}
    for card in cards:
        treatments[key[card.number]].append(card.baseline["treatment"])
    assert sorted(treatments[ORIGINAL]) == sorted(treatments[SYNTHETIC])


def test_the_same_seed_deals_the_same_records(material: Material) -> None:
    assert deal(material, seed=3) == deal(material, seed=3)
    assert deal(material, seed=3) != deal(material, seed=4)


def test_a_card_gives_neither_its_table_nor_its_source_away(material: Material) -> None:
    cards, _ = deal(material, seed=3)
    for card in cards:
        assert tuple(card.baseline) == SHOWN_BASELINE
        assert all(tuple(row) == ("month", *COURSE) for row in card.course)
        assert not set(card.baseline.values()) & set(material.original.sources)


@pytest.mark.parametrize(("right", "share"), [(40, 1.0), (20, 0.5), (0, 0.0)])
def test_the_score_is_the_share_called_right(right: int, share: float) -> None:
    key = {number: ORIGINAL if number % 2 else SYNTHETIC for number in range(1, 41)}
    other = {ORIGINAL: SYNTHETIC, SYNTHETIC: ORIGINAL}
    answers = {number: call if number <= right else other[call] for number, call in key.items()}
    found = score(key, answers)
    assert (found.called, found.right, found.share) == (40, right, share)
    assert found.lower <= share <= found.upper
    assert (found.p_value < 0.001) == (right == 40)


@pytest.mark.parametrize(
    ("answers", "message"),
    [({41: ORIGINAL}, "was not dealt"), ({1: "real"}, "is no call"), ({}, "are empty")],
)
def test_answers_that_cannot_be_scored_are_refused(answers: dict[int, str], message: str) -> None:
    key = dict.fromkeys(range(1, 41), ORIGINAL)
    with pytest.raises(InvalidInput, match=message):
        score(key, answers)


@pytest.mark.parametrize(("right", "passed"), [(20, "passed"), (27, "failed")])
def test_experts_who_tell_the_records_miss_the_target(right: int, passed: str) -> None:
    """Two sittings of forty are judged together: 54 right of 80 are more than a coin gives."""
    assert expert_check([{"called": 40, "right": right}] * 2).verdict.value == passed
