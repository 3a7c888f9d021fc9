from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from selection.patient import PatientOfInterest, parse_patient
from viewer.links import linked_session
from viewer.session import Session

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


def test_a_shared_session_opens_as_it_was() -> None:
    session = Session().showing(["natalizumab"])
    assert linked_session(session.as_fragment()) == session
