from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selection.patient import PatientOfInterest, parse_patient
from viewer.links import linked_session, session_fragment
from viewer.session import ALL_CLASSES, Form, Session, Similarity

PATIENT = parse_patient(
    {"age": 41, "phenotype": "SPMS", "edss": 5.5, "t2_lesions": 30, "history": [{"months": -12, "edss": 5.0}]}
)


def opened(token: str) -> PatientOfInterest | Mapping[str, Any] | None:
    return {"whole-patient": PATIENT, "part-of-one": {"age": 52.5}}.get(token)


def test_a_token_opens_the_form_on_its_patient() -> None:
    session = linked_session("#patient=whole-patient", opened)
    assert session is not None
    assert session.form.values["t2_lesions"] == ">20"
    assert session.form.as_document()["history"] == [{"months": -12, "edss": 5.0}]


def test_what_is_known_of_a_patient_fills_what_it_can() -> None:
    session = linked_session("#patient=part-of-one", opened)
    assert session is not None
    assert session.form.as_document() == {"age": 52.5}


@pytest.mark.parametrize("fragment", ["#patient=forged-or-old", "#eyJicm9rZW4iOg"])
def test_a_link_that_is_no_good_opens_nothing(fragment: str) -> None:
    assert linked_session(fragment, opened) is None
    assert linked_session("#patient=whole-patient") is None


@pytest.mark.parametrize("fragment", [None, "", "#main"])
def test_an_address_without_a_patient_opens_a_fresh_session(fragment: str | None) -> None:
    assert linked_session(fragment, opened) == Session()


cells = st.one_of(st.none(), st.integers(-5, 400), st.floats(-5, 400, allow_nan=False), st.text(max_size=8))
sessions = st.builds(
    Session,
    form=st.builds(
        Form,
        st.dictionaries(st.sampled_from(["age", "edss", "sex", "phenotype", "gd_lesions"]), cells),
        st.lists(st.tuples(cells, cells, cells, cells, st.none() | st.booleans()), max_size=6).map(tuple),
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
def test_a_sealed_link_carries_the_whole_session_and_nothing_that_can_be_read(session: Session) -> None:
    kept: dict[str, str] = {}

    def seal(content: Mapping[str, Any]) -> str:
        kept["token"] = json.dumps(content)
        return "token"

    fragment = session_fragment(session, seal)
    assert fragment == "#patient=token"
    assert linked_session(fragment, lambda token: json.loads(kept[token])) == session


def test_what_cannot_be_sealed_makes_no_link() -> None:
    assert session_fragment(Session(), lambda _: None) is None


def test_a_window_that_follows_another_begins_empty() -> None:
    assert linked_session("#follow", opened) == Session(form=Form({}))
