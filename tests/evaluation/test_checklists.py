"""The checklists have the items of the guidelines, and everything that answers them exists."""

from __future__ import annotations

import re

import pytest

from cdss.evaluation.examples import example_protocol
from cdss.evaluation.report.checklists import checklist_names, checklist_source, filled_checklist

FIGURES = dict.fromkeys(
    (
        *("baseline", "users", "exposure", "choices", "minutes", "usability", "deviations", "adverse"),
        *("deficiencies", "primary", "secondary", "releases"),
    ),
    "a sentence.",
)


def numbers(name: str) -> list[str]:
    return [item.item for item in filled_checklist(name, example_protocol(), FIGURES)]


def test_decide_ai_has_17_items_in_28_parts_and_10_generic_ones() -> None:
    """As its abstract counts them."""
    special = [number for number in numbers("DECIDE-AI") if number[0].isdigit()]
    generic = [number for number in numbers("DECIDE-AI") if not number[0].isdigit()]
    assert len(special) == len(set(special)) == 28
    assert {int(re.sub(r"[a-z]", "", number)) for number in special} == set(range(1, 18))
    assert sorted(generic) == sorted(["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X"])


def test_consort_ai_has_the_14_items_added_to_consort_2010() -> None:
    assert numbers("CONSORT-AI") == [
        *("1a,b (i)", "1a,b (ii)", "2a (i)", "4a (i)", "4a (ii)", "4b"),
        *(f"5 ({part})" for part in ("i", "ii", "iii", "iv", "v", "vi")),
        *("19", "25"),
    ]


@pytest.mark.parametrize("name", checklist_names())
def test_every_item_is_answered_or_left_to_the_authors(name: str) -> None:
    assert "doi 10." in checklist_source(name)
    for item in filled_checklist(name, example_protocol(), FIGURES):
        assert item.topic
        assert item.answer or item.authors, item.item
