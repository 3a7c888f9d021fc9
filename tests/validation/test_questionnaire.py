"""Forty records, half synthetic; the score says whether they can be told apart."""

from __future__ import annotations

import re

import pytest

from reference_db.errors import InvalidInput
from validation.material import Material
from validation.questionnaire import ORIGINAL, SYNTHETIC, deal, score
from validation.report.questionnaire_page import questionnaire_page


def test_half_of_the_records_are_synthetic_and_of_the_same_arms(material: Material) -> None:
    cards, key = deal(material, seed=3)
    assert len(cards) == len(key) == 40
    assert sorted(key.values()).count(SYNTHETIC) == 20
    treatments = {table: [] for table in (ORIGINAL, SYNTHETIC)}
    for card in cards:
        treatments[key[card.number]].append(card.baseline["Treatment"])
    assert sorted(treatments[ORIGINAL]) == sorted(treatments[SYNTHETIC])


def test_the_same_seed_deals_the_same_records(material: Material) -> None:
    assert deal(material, seed=3) == deal(material, seed=3)
    assert deal(material, seed=3) != deal(material, seed=4)


def test_the_page_asks_for_every_record_and_gives_nothing_away(material: Material) -> None:
    cards, _ = deal(material, seed=3)
    page = questionnaire_page(cards, "r1-0")
    assert len(re.findall(r'type="radio" name="\d+" value="original"', page)) == 40
    assert "src=" not in page
    assert "http" not in page
    for name in material.original.sources:
        assert name not in page


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
