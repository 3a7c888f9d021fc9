from __future__ import annotations

import pytest

from selection.patient import parse_patient
from viewer.session import EXAMPLES, UNKNOWN, Form, past_relapses, past_scans, past_visits


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_a_possible_patient(name: str) -> None:
    document = EXAMPLES[name].as_document()
    parse_patient(document)
    assert Form.of_document(document).as_document() == document


def test_unknown_fields_are_left_out() -> None:
    form = Form({"age": 34, "sex": UNKNOWN, "gd_lesions": None, "relapses_12m": 1.0}, ((12, 2.0),))
    assert form.as_document() == {"age": 34, "relapses_12m": 1, "history": [{"months": -12, "edss": 2.0}]}


def test_the_past_is_drawn_from_what_is_known_and_not_from_long_ago() -> None:
    form = Form(
        {"edss": 4.0, "gd_lesions": 2},
        ((3, None, None, None, True), (12, 3.5, 0, 1), (60, 2.0, 4), (61, 1.0, 9, 9, True), (6, None), (None, 2.0)),
    )
    assert past_visits(form) == [(-60.0, 2.0), (-12.0, 3.5), (0.0, 4.0)]
    assert past_scans(form, "gd_lesions") == [(-60.0, 4.0), (-12.0, 0.0), (0.0, 2.0)]
    assert past_scans(form, "new_t2_lesions") == [(-12.0, 1.0)]
    assert past_relapses(form) == [-3.0]


def test_the_latest_visits_come_first_and_none_is_lost() -> None:
    history = [{"months": -12 * year, "edss": 2.0} for year in range(9, 0, -1)]
    form = Form.of_document({"age": 40, "history": [*history, {"months": -2, "relapse": True}]})
    assert [visit[0] for visit in form.history] == [2, *range(12, 109, 12)]
    assert form.as_document()["history"] == [{"months": -2, "relapse": True}, *reversed(history)]
