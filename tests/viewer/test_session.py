from __future__ import annotations

import pytest

from selection.patient import parse_patient
from viewer.session import EXAMPLES, UNKNOWN, Form, past_visits


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_a_possible_patient(name: str) -> None:
    document = EXAMPLES[name].as_document()
    parse_patient(document)
    assert Form.of_document(document).as_document() == document


def test_unknown_fields_are_left_out() -> None:
    form = Form({"age": 34, "sex": UNKNOWN, "gd_lesions": None, "relapses_12m": 1.0}, ((12, 2.0),))
    assert form.as_document() == {"age": 34, "relapses_12m": 1, "history": [{"months": -12, "edss": 2.0}]}


def test_visits_of_long_ago_are_not_drawn() -> None:
    form = Form({"edss": 4.0}, ((12, 3.5), (60, 2.0), (61, 1.0), (6, None), (None, 2.0)))
    assert past_visits(form) == [(-60.0, 2.0), (-12.0, 3.5), (0.0, 4.0)]
