"""The patient of interest: what is accepted, and what is answered otherwise."""

# ruff: noqa: ANN001, ANN003, ANN201 - called by pytest, which knows no types

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reference_db.schema import EDSS_SCALE
from reference_db.vocabulary import T2Load
from selection.patient import ALLOWED, InvalidPatient, PatientOfInterest, parse_patient

LEAST = {"age": 34, "phenotype": "RRMS", "edss": 2.5}


def problems(**fields):
    with pytest.raises(InvalidPatient) as caught:
        parse_patient({**LEAST, **fields})
    return {problem.field: problem for problem in caught.value.problems}


def test_the_full_example_is_accepted():
    example = PatientOfInterest.model_config["json_schema_extra"]["examples"][0]
    patient = parse_patient(example)
    assert patient.edss_a_year_ago == 2.0
    assert patient.t2_load is T2Load.FROM_10_TO_20


def test_all_but_three_features_may_be_missing():
    patient = parse_patient(LEAST)
    assert patient.sex is None
    assert patient.edss_a_year_ago is None


@pytest.mark.parametrize(("count", "load"), [(0, "0-2"), (3, "3-9"), (10, "10-20"), (21, ">20")])
def test_t2_lesions_may_be_counted(count, load):
    assert parse_patient({**LEAST, "t2_lesions": count}).t2_load == load


def test_every_wrong_field_is_named_once_with_its_range():
    found = problems(age=300, edss=2.3, phenotype="MS", t2_lesions="many", gd_lesions=-1)
    assert set(found) == {"age", "edss", "phenotype", "t2_lesions", "gd_lesions"}
    assert all(problem.allowed == ALLOWED[name] for name, problem in found.items())


def test_missing_fields_are_named():
    with pytest.raises(InvalidPatient) as caught:
        parse_patient({})
    assert [(p.field, p.message) for p in caught.value.problems] == [
        ("age", "is required"),
        ("phenotype", "is required"),
        ("edss", "is required"),
    ]


@pytest.mark.parametrize(
    ("edss", "message"),
    [
        (2.3, "EDSS 2.3 is not on the scale: use 2.0 or 2.5"),
        (0.5, "EDSS 0.5 is not on the scale: use 0.0 or 1.0"),
        (12, "EDSS 12 is not on the scale"),
        ("2.0", "'2.0' is not a number"),
        (True, "True is not a number"),
    ],
)
def test_an_edss_off_the_scale_is_answered_with_the_steps_beside_it(edss, message):
    assert problems(edss=edss)["edss"].message == message


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"age": True}, "age"),
        ({"age": float("nan")}, "age"),
        ({"relapses_12m": 1.5}, "relapses_12m"),
        ({"relapses_12m": 3, "relapses_24m": 1}, "relapses_12m"),
        ({"years_since_onset": 50}, "years_since_onset"),
        ({"history": [{"months": 3, "edss": 2.0}]}, "history[0].months"),
        ({"history": [{"months": -12, "edss": 2.2}]}, "history[0].edss"),
        ({"history": 3}, "history"),
        ({"history": [{"months": -12}]}, "history"),
        ({"history": [{"months": -12, "gd_lesions": 1.5}]}, "history[0].gd_lesions"),
        ({"history": [{"months": -12, "new_t2_lesions": -1}]}, "history[0].new_t2_lesions"),
        ({"history": [{"months": -12, "relapse": 1}]}, "history[0].relapse"),
        ({"relapses_12m": 0, "history": [{"months": -3, "relapse": True}]}, "relapses_12m"),
        ({"weight": 70}, "weight"),
        ({"sex": []}, "sex"),
        ({3: 1}, "3"),
    ],
)
def test_the_field_at_fault_is_named(fields, name):
    with pytest.raises(InvalidPatient) as caught:
        parse_patient({**LEAST, **fields})
    assert [problem.field for problem in caught.value.problems] == [name]


@pytest.mark.parametrize("data", [None, 3, "RRMS", [LEAST]])
def test_what_is_no_object_is_refused(data):
    with pytest.raises(InvalidPatient):
        parse_patient(data)


def test_the_year_before_is_the_nearest_to_twelve_months():
    history = [{"months": -7, "edss": 3.0}, {"months": -14, "edss": 1.0}, {"months": -30, "edss": 0.0}]
    assert parse_patient({**LEAST, "history": history}).edss_a_year_ago == 1.0


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first draw builds the strategy
@given(st.dictionaries(st.sampled_from([*PatientOfInterest.model_fields, "other"]), json_values))
def test_any_data_gives_a_patient_or_a_clear_error(data):
    try:
        edss, found = parse_patient({**LEAST, **data}).edss, ()
    except InvalidPatient as error:
        edss, found = EDSS_SCALE[0], error.problems
    assert edss in EDSS_SCALE
    assert all(problem.field and problem.message for problem in found)
