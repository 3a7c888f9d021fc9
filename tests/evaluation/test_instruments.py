"""Scores agree with the published formulas, written here a second time and differently."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdss.evaluation.instruments import instrument, instruments
from reference_db.errors import InvalidInput


@given(st.lists(st.integers(0, 4), min_size=16, max_size=16))
def test_decisional_conflict_follows_the_manual(responses: list[int]) -> None:
    score = instrument("DCS").score(responses)
    assert score.total == pytest.approx(sum(responses) / 16 * 25)
    assert score.subscales["informed"] == pytest.approx(sum(responses[:3]) / 3 * 25)
    assert score.subscales["values"] == pytest.approx(sum(responses[3:6]) / 3 * 25)
    assert score.subscales["support"] == pytest.approx(sum(responses[6:9]) / 3 * 25)
    assert score.subscales["uncertainty"] == pytest.approx(sum(responses[9:12]) / 3 * 25)
    assert score.subscales["effective_decision"] == pytest.approx(sum(responses[12:]) / 4 * 25)


@given(st.lists(st.integers(0, 5), min_size=9, max_size=9))
def test_shared_decision_follows_kriston(responses: list[int]) -> None:
    assert instrument("SDM-Q-9").score(responses).total == pytest.approx(sum(responses) * 20 / 9)


@given(st.lists(st.one_of(st.none(), st.integers(1, 5)), min_size=10, max_size=10))
def test_usability_follows_brooke(responses: list[int | None]) -> None:
    filled = [3 if response is None else response for response in responses]
    published = 2.5 * (sum(value - 1 for value in filled[0::2]) + sum(5 - value for value in filled[1::2]))
    assert instrument("SUS").score(responses).total == pytest.approx(published)


def test_brookes_worked_example() -> None:
    assert instrument("SUS").score([5, 4, 2, 1, 2, 3, 2, 4, 5, 2]).total == pytest.approx(55.0)


@pytest.mark.parametrize("code", ["DCS", "SDM-Q-9"])
def test_an_item_left_out_leaves_no_total(code: str) -> None:
    chosen = instrument(code)
    score = chosen.score([None] + [chosen.highest] * (chosen.length - 1))
    assert score.total is None
    assert score.answered == chosen.length - 1
    if code == "DCS":
        assert score.subscales["informed"] is None
        assert score.subscales["support"] == 100.0


@pytest.mark.parametrize("code", list(instruments()))
def test_what_is_not_on_the_scale_is_refused(code: str) -> None:
    chosen = instrument(code)
    with pytest.raises(InvalidInput, match=rf"responses\[0\].*{chosen.lowest} to {chosen.highest}"):
        chosen.score([chosen.highest + 1] + [chosen.lowest] * (chosen.length - 1))
    with pytest.raises(InvalidInput, match=f"{chosen.length} responses"):
        chosen.score([chosen.lowest])


@pytest.mark.parametrize("code", list(instruments()))
def test_both_languages_are_complete_and_the_extremes_are_0_and_100(code: str) -> None:
    chosen = instrument(code)
    assert set(chosen.names) == set(chosen.items) == set(chosen.anchors) == {"en", "fr"}
    assert len(chosen.items["en"]) == len(set(chosen.items["en"])) == len(set(chosen.items["fr"]))
    assert all(len(anchors) == chosen.highest - chosen.lowest + 1 for anchors in chosen.anchors.values())
    best = [chosen.lowest if i in chosen.reversed_items else chosen.highest for i in range(1, chosen.length + 1)]
    assert chosen.score(best).total == 100.0
    assert chosen.score([chosen.highest + chosen.lowest - value for value in best]).total == 0.0
    assert "doi" in chosen.source
    assert set(chosen.wording) == {"en", "fr"}
    assert {i for items in chosen.subscales.values() for i in items} <= set(range(1, chosen.length + 1))


def test_an_unknown_instrument_is_named_with_those_there_are() -> None:
    with pytest.raises(InvalidInput, match="DCS, SDM-Q-9, SUS"):
        instrument("EQ-5D")
