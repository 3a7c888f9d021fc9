from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selection.patient import parse_patient
from viewer.session import ALL_CLASSES, EXAMPLES, UNKNOWN, Form, Session, Similarity, past_visits

cells = st.one_of(st.none(), st.integers(-5, 400), st.floats(-5, 400, allow_nan=False), st.text(max_size=8))
sessions = st.builds(
    Session,
    form=st.builds(
        Form,
        st.dictionaries(st.sampled_from(["age", "edss", "sex", "phenotype", "gd_lesions"]), cells),
        st.lists(st.tuples(cells, cells), max_size=3).map(tuple),
    ),
    shown=st.lists(st.sampled_from(ALL_CLASSES), unique=True).map(
        lambda names: tuple(name for name in ALL_CLASSES if name in names)
    ),
    similarity=st.builds(
        Similarity,
        weights=st.dictionaries(st.sampled_from(["age", "edss"]), st.floats(0, 10)),
        k=st.none() | st.integers(30, 500),
        criteria=st.sampled_from([{}, {"same": ["phenotype", "sex"], "calipers": {"age": 5}}]),
    ),
)


@given(sessions)
def test_a_link_carries_the_whole_session(session: Session) -> None:
    assert Session.of_fragment(session.as_fragment()) == session


@given(st.text(max_size=60))
def test_a_broken_link_is_no_session_and_no_error(fragment: str) -> None:
    assert Session.of_fragment(fragment) is None


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
