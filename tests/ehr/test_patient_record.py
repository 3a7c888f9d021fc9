"""From FHIR resources to the patient of interest."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdss.ehr.mapping_report import Use
from cdss.ehr.patient_record import RecordReading, read_record
from reference_db.schema import EDSS_SCALE
from tests.ehr.records import (
    ATC,
    RXNORM,
    SNOMED,
    TODAY,
    ago,
    concept,
    condition,
    edss,
    local,
    medication,
    months_ago,
    observation,
    patient,
    relapse,
    typical,
)
from tests.ehr.spoiled import spoiled


def read(*resources: dict[str, Any]) -> RecordReading:
    return read_record(resources, today=TODAY)


def feature(name: str, *resources: dict[str, Any]) -> object:
    return read(*resources).document.get(name)


def test_a_typical_record_becomes_the_patient_of_interest() -> None:
    reading = read(*typical())
    assert reading.missing == ()
    assert reading.has_ms
    assert reading.subject == "Patient/p1"
    assert reading.patient is not None
    assert reading.patient.model_dump(mode="json", exclude_none=True) == {
        "age": 34.0,
        "phenotype": "RRMS",
        "edss": 2.5,
        "sex": "female",
        "years_since_onset": 5.0,
        "relapses_12m": 1,
        "relapses_24m": 1,
        "gd_lesions": 0,
        "t2_lesions": "10-20",
        "prior_treatment": "moderate efficacy",
        "history": [{"months": -3, "relapse": True}, {"months": -12, "edss": 2.0}],
    }


def test_the_order_of_the_resources_does_not_matter() -> None:
    assert read(*reversed(typical())).document == read(*typical()).document


def test_the_birth_date_is_not_kept() -> None:
    reading = read(*typical())
    assert "1992" not in f"{reading.document} {reading.patient} {reading.report.findings}"


@pytest.mark.parametrize(
    ("code", "course"),
    [
        (concept("426373005"), "RRMS"),
        (concept("425500002"), "SPMS"),
        (concept("428700003"), "PPMS"),
        (concept("445967004"), "CIS"),
        (concept("426373005", system="urn:oid:2.16.840.1.113883.6.96"), "RRMS"),
        (concept("426373005", system="http://snomed.info/sct/900000000000207008"), "RRMS"),
        (concept("G35.C1", system="http://hl7.org/fhir/sid/icd-10-cm"), "SPMS"),
        (concept("G35", system="http://hl7.org/fhir/sid/icd-10", text="RRMS"), "RRMS"),
        (concept(text="Relapsing-Remitting Multiple Sclerosis"), "RRMS"),
        (concept(text="Sclérose en plaques récurrente-rémittente"), "RRMS"),
        (concept(text="Sclérose en plaques secondairement progressive"), "SPMS"),
        (concept(text="primary progressive MS"), "PPMS"),
        (concept("24700007", text="Multiple sclerosis"), None),
        (concept("340", system="http://hl7.org/fhir/sid/icd-9-cm"), None),
    ],
)
def test_the_course_is_read_from_codes_and_words(code: dict[str, Any], course: str | None) -> None:
    reading = read(patient(), condition(code))
    assert reading.has_ms
    assert reading.document.get("phenotype") == course


def test_several_codings_of_one_diagnosis_agree() -> None:
    codings = [
        {"system": "http://hl7.org/fhir/sid/icd-10", "code": "G35"},
        {"system": "http://example.org/local", "code": "77"},
        {"system": SNOMED, "code": "426373005"},
    ]
    assert feature("phenotype", condition({"coding": codings})) == "RRMS"


def test_a_later_course_supersedes_and_a_contradiction_is_reported() -> None:
    first = condition(concept("426373005"), id="a", recordedDate=ago(3000))
    then = condition(concept("425500002"), id="b", recordedDate=ago(300))
    assert feature("phenotype", then, first) == "SPMS"
    primary = condition(concept("428700003"), id="d", recordedDate=ago(100))
    reading = read(first, primary)
    assert reading.document["phenotype"] == "PPMS"
    assert reading.report.counts()[Use.AMBIGUOUS] == 1


def test_a_syndrome_that_became_the_disease_is_not_called_a_syndrome() -> None:
    assert feature("phenotype", condition(concept("445967004")), condition(concept("24700007"))) is None


@pytest.mark.parametrize(
    "code",
    [
        concept("195967001", text="Asthma"),
        concept(text="Family history of multiple sclerosis"),
        concept(text="Suspected multiple sclerosis"),
        concept("G36.0", system="http://hl7.org/fhir/sid/icd-10", text="Neuromyelitis optica"),
        {},
        {"coding": None, "text": None},
    ],
)
def test_a_patient_without_the_disease_has_none(code: dict[str, Any]) -> None:
    assert not read(patient(), condition(code), edss(2.0)).has_ms


@pytest.mark.parametrize("status", ["refuted", "entered-in-error", "provisional", "differential", "unconfirmed"])
def test_an_unconfirmed_diagnosis_is_none(status: str) -> None:
    verification = concept(status, system="http://terminology.hl7.org/CodeSystem/condition-ver-status")
    reading = read(condition(concept("426373005"), verificationStatus=verification))
    assert not reading.has_ms
    assert reading.report.findings[0].use is Use.IGNORED


def test_relapses_within_thirty_days_are_one() -> None:
    ms = condition(concept("426373005"))
    assert feature("relapses_12m", ms, relapse(100), relapse(90), relapse(300), relapse(500)) == 2
    assert feature("relapses_24m", ms, relapse(100), relapse(90), relapse(300), relapse(500)) == 3


def test_without_any_relapse_recorded_their_number_is_unknown_and_with_an_old_one_it_is_zero() -> None:
    ms = condition(concept("426373005"))
    assert feature("relapses_12m", ms) is None
    assert feature("relapses_12m", ms, relapse(3000)) == 0


def test_a_relapse_tells_the_course_that_no_diagnosis_names_and_says_so() -> None:
    reading = read(condition(concept("24700007")), relapse(400))
    assert reading.document["phenotype"] == "RRMS"
    assert any("taken as RRMS" in finding.reason for finding in reading.report.findings)


def test_a_recorded_count_of_relapses_serves_when_none_is_listed() -> None:
    count = local("relapse-count-12m", valueInteger=2)
    assert feature("relapses_12m", count) == 2
    assert feature("relapses_12m", count, relapse(20)) == 1


@pytest.mark.parametrize(
    ("age_at_onset", "years"),
    [
        ({"value": 29, "unit": "years", "code": "a"}, 5.0),
        ({"value": 348, "code": "mo"}, 5.0),
        ({"value": "29"}, 5.0),
        ({"value": 29, "code": "kg"}, None),
        ({"value": None}, None),
    ],
)
def test_an_age_at_onset_is_converted(age_at_onset: dict[str, Any], years: float | None) -> None:
    found = feature("years_since_onset", patient(), condition(concept("426373005"), onsetAge=age_at_onset))
    assert found == (pytest.approx(years, abs=0.02) if years else None)


def test_a_conversion_is_in_the_report() -> None:
    reading = read(patient(), condition(concept("426373005"), onsetAge={"value": 348, "code": "mo"}))
    assert Use.CONVERTED in {finding.use for finding in reading.report.findings}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"valueQuantity": {"value": 3.5}}, 3.5),
        ({"valueQuantity": {"value": 3.5, "unit": "points"}}, 3.5),
        ({"valueQuantity": {"value": 3.5, "unit": "EDSS score"}}, 3.5),
        ({"valueQuantity": {"value": 3.5, "code": "{EDSS}"}}, 3.5),
        ({"valueQuantity": {"value": 3.5, "unit": "mm"}}, None),
        ({"valueQuantity": {"value": 3.5, "unit": "points per year", "code": "/a"}}, None),
        ({"valueQuantity": {"value": "3,5", "code": "{score}"}}, 3.5),
        ({"valueInteger": 4}, 4.0),
        ({"valueString": "EDSS 3.5"}, 3.5),
        ({"valueString": "3,5/10"}, 3.5),
        ({"valueString": "EDSS: 6.0 on 2026-01-02"}, 6.0),
        ({"valueCodeableConcept": {"text": "3.5"}}, 3.5),
        ({"valueQuantity": {"value": 2.3}}, None),
        ({"valueQuantity": {"value": 35}}, None),
        ({"valueQuantity": {"value": 3.5, "code": "%"}}, None),
        ({"valueQuantity": {"value": 3.5, "comparator": "<"}}, None),
        ({"valueString": "between 3.5 and 4"}, None),
        ({"valueString": "3.5 - 4.0"}, None),
        ({"valueQuantity": {"value": None}}, None),
        ({"valueQuantity": {"value": True}}, None),
        ({"valueQuantity": None}, None),
        ({"dataAbsentReason": {"text": "not done"}, "valueInteger": 3}, None),
        ({}, None),
    ],
)
def test_an_edss_is_read_however_it_is_written_or_not_at_all(value: dict[str, Any], expected: float | None) -> None:
    assert feature("edss", observation(concept("273554001"), **value)) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (concept(text="EDSS"), 3.5),
        (concept(text="Expanded Disability Status Scale score"), 3.5),
        (concept("edss", system="http://hospital.example/codes"), 3.5),
        (concept("X1", system="http://hospital.example/codes", display="Kurtzke EDSS"), 3.5),
        (concept("LP241977-0", system="http://loinc.org", display="EDSS"), None),
        (concept(text="EDSS pyramidal functional system"), None),
        (concept(text="Systolic blood pressure"), None),
        (concept("8480-6", system="http://loinc.org"), None),
    ],
)
def test_an_edss_is_recognised_by_code_and_words(code: dict[str, Any], expected: float | None) -> None:
    assert feature("edss", observation(code, valueQuantity={"value": 3.5})) == expected


def test_an_edss_in_free_text_is_found() -> None:
    note = observation(concept(text="Neurological examination"), valueString="Walks 300 m. EDSS = 4,5 today.")
    assert feature("edss", note) == 4.5


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled", "registered"])
def test_a_withdrawn_observation_is_ignored(status: str) -> None:
    assert feature("edss", edss(6.0, status=status), edss(2.0, id="o9", effectiveDateTime=ago(40))) == 2.0


def test_an_edss_of_long_ago_or_of_the_future_is_not_the_patients_of_today() -> None:
    assert feature("edss", edss(2.0, effectiveDateTime=months_ago(30))) is None
    assert feature("edss", edss(2.0, effectiveDateTime=ago(-5))) is None


def test_two_values_of_one_day_are_settled_by_the_last_issued_and_reported() -> None:
    first = edss(2.0, id="a", issued="2026-06-05T08:00:00Z")
    second = edss(4.0, id="b", issued="2026-06-05T09:00:00Z")
    reading = read(second, first)
    assert reading.document["edss"] == 4.0
    assert [finding.use for finding in reading.report.findings] == [Use.AMBIGUOUS]


@pytest.mark.parametrize(
    ("value", "load"),
    [
        ({"valueInteger": 12}, "10-20"),
        ({"valueString": ">20"}, ">20"),
        ({"valueString": "10-20"}, "10-20"),
        ({"valueRange": {"low": {"value": 3}, "high": {"value": 9}}}, "3-9"),
        ({"valueRange": {"low": {"value": 3}, "high": {"value": 15}}}, None),
        ({"valueQuantity": {"value": 20, "comparator": ">"}}, ">20"),
        ({"valueQuantity": {"value": 5, "comparator": ">"}}, None),
        ({"valueQuantity": {"value": 4.2, "unit": "mL"}}, None),
        ({"valueString": "none"}, "0-2"),
    ],
)
def test_t2_lesions_fall_into_their_bin(value: dict[str, Any], load: str | None) -> None:
    assert feature("t2_lesions", local("mri-t2-lesion-count", **value)) == load


def test_a_panel_is_read_through_its_components() -> None:
    panel = observation(
        concept(text="MRI brain"),
        component=[
            {"code": concept(text="Gadolinium enhancing lesions"), "valueInteger": 2},
            {"code": concept(text="T2 lesions, number"), "valueInteger": 7},
            {"code": concept(text="New T2 lesions"), "valueInteger": 1},
            None,
        ],
    )
    document = read(panel).document
    assert (document["gd_lesions"], document["t2_lesions"]) == (2, "3-9")


def test_a_scan_of_more_than_a_year_ago_says_nothing_about_active_lesions() -> None:
    assert (
        feature("gd_lesions", local("mri-gd-lesion-count", valueInteger=3, effectiveDateTime=months_ago(14))) is None
    )


@pytest.mark.parametrize(
    ("code", "prior"),
    [
        (concept("L04AG03", ATC), "high efficacy"),
        (concept("L04AA23", ATC), "high efficacy"),
        (concept("N07XX09", ATC), "moderate efficacy"),
        (concept("354770", RXNORM), "high efficacy"),
        (concept("1876366", RXNORM), "high efficacy"),
        (concept("999", RXNORM, display="natalizumab 20 MG/ML Injectable Solution [Tysabri]"), "high efficacy"),
        (concept(text="TYSABRI 300 mg"), "high efficacy"),
        (concept(text="Acétate de glatiramère 40 mg/ml"), "moderate efficacy"),
        (concept(text="Lemtrada"), "high efficacy"),
        (concept("N07XX07", ATC, text="Fampyra"), "none"),
        (concept(text="paracetamol"), "none"),
    ],
)
@pytest.mark.parametrize("kind", ["MedicationStatement", "MedicationRequest", "MedicationAdministration"])
def test_a_treatment_is_recognised_by_code_brand_and_molecule(code: dict[str, Any], prior: str, kind: str) -> None:
    assert feature("prior_treatment", medication(code, kind)) == prior


def test_the_strongest_treatment_counts_and_none_recorded_is_unknown() -> None:
    weak, strong = medication(concept("L03AB07", ATC)), medication(concept("L04AE01", ATC), id="m2")
    assert feature("prior_treatment", weak, strong) == "high efficacy"
    assert feature("prior_treatment", patient()) is None


@pytest.mark.parametrize(
    "more",
    [
        {"status": "not-taken"},
        {"status": "entered-in-error"},
        {"status": "intended"},
        {"kind": "MedicationRequest", "intent": "proposal"},
        {"kind": "MedicationRequest", "doNotPerform": True},
        {"kind": "MedicationAdministration", "status": "not-done"},
        {"effectivePeriod": {"start": ago(-10)}},
    ],
)
def test_a_treatment_that_was_not_taken_does_not_count(more: dict[str, Any]) -> None:
    assert feature("prior_treatment", medication(concept("L04AG03", ATC), **more)) is None


def test_a_medication_is_followed_to_where_it_is_described() -> None:
    drug = {"resourceType": "Medication", "id": "drug", "code": concept("L04AG08", ATC)}
    referring = {"resourceType": "MedicationRequest", "id": "m", "status": "active"}
    by_reference = {**referring, "medicationReference": {"reference": "Medication/drug"}}
    absolute = {**referring, "medicationReference": {"reference": "https://ehr.example/fhir/Medication/drug"}}
    contained = {**referring, "contained": [drug], "medicationReference": {"reference": "#drug"}}
    assert feature("prior_treatment", by_reference, drug) == "high efficacy"
    assert feature("prior_treatment", absolute, drug) == "high efficacy"
    assert feature("prior_treatment", contained) == "high efficacy"


def test_codings_that_name_different_treatments_are_ambiguous_and_unused() -> None:
    reading = read(medication(concept("L04AG03", ATC, text="Gilenya")))
    assert "prior_treatment" not in reading.document or reading.document["prior_treatment"] == "none"
    assert reading.report.findings[0].use is Use.AMBIGUOUS


def test_what_is_required_and_absent_is_named() -> None:
    assert read(patient(), condition(concept("426373005"))).missing == ("edss",)
    assert set(read().missing) == {"age", "phenotype", "edss"}


def test_a_patient_outside_the_reference_is_named_so_and_an_optional_feature_is_left_out() -> None:
    child = [resource for resource in typical() if resource["resourceType"] != "Patient"]
    assert read(patient(birthDate="2016-01-01"), *child).missing == ("age",)
    many = local("mri-gd-lesion-count", id="o5", valueInteger=5000, effectiveDateTime=ago(1))
    reading = read(*typical(), many)
    assert reading.patient is not None
    assert reading.patient.gd_lesions is None


def test_a_record_of_five_thousand_observations_is_read() -> None:
    others = [
        observation(concept("8480-6", system="http://loinc.org", display="Systolic"), valueQuantity={"value": n})
        for n in range(5000)
    ]
    visits = [edss(EDSS_SCALE[n % 20], id=f"e{n}", effectiveDateTime=ago(20 + n)) for n in range(2000)]
    began = time.process_time()
    reading = read(*others, *visits, *typical())
    assert time.process_time() - began < 30
    assert reading.patient is not None
    assert reading.report.beside_the_point["Observation"] == 5000
    assert len(reading.patient.history) <= 100


@given(spoiled(typical()))
def test_whatever_the_record_holds_it_gives_a_valid_patient_or_names_what_is_missing(record: list[Any]) -> None:
    reading = read_record([resource for resource in record if isinstance(resource, dict)], today=TODAY)
    assert (reading.patient is None) == bool(reading.missing)
    assert set(reading.missing) <= {"age", "phenotype", "edss"}
    if reading.patient is not None:
        assert reading.patient.edss in EDSS_SCALE


@given(st.permutations(range(8)), st.sampled_from(EDSS_SCALE), st.integers(0, 700))
def test_the_latest_edss_is_found_in_any_order(order: list[int], value: float, days: int) -> None:
    newest = edss(value, id="new", effectiveDateTime=(TODAY - timedelta(days=days)).isoformat())
    older = [
        edss(EDSS_SCALE[n], id=f"old{n}", effectiveDateTime=(TODAY - timedelta(days=days + 1 + n)).isoformat())
        for n in order
    ]
    assert feature("edss", *older[:4], newest, *older[4:]) == value


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=12))
def test_relapses_counted_never_exceed_those_recorded_and_two_years_hold_one(days: list[int]) -> None:
    document = read(*(relapse(day) for day in days)).document
    assert document["relapses_12m"] <= document["relapses_24m"] <= len(set(days))


def test_the_patients_own_course_is_told_by_month() -> None:
    past = [
        edss(1.5, id="e2", effectiveDateTime=months_ago(12)),
        local("mri-gd-lesion-count", id="g2", valueInteger=3, effectiveDateTime=months_ago(6)),
        local("mri-gd-lesion-count", id="g3", valueInteger=101, effectiveDateTime=months_ago(7)),
        local("mri-new-t2-lesion-count", id="n2", valueInteger=2, effectiveDateTime=months_ago(6)),
        *(relapse(days) for days in (3, 364, 366, 900)),
    ]
    reading = read_record([*typical(), *past], today=TODAY)
    assert reading.patient is not None
    assert reading.document["history"] == [
        {"months": -1, "relapse": True},
        {"months": -3, "relapse": True},
        {"months": -6, "gd_lesions": 3, "new_t2_lesions": 2},
        {"months": -12, "edss": 1.5},
        {"months": -13, "relapse": True},
        {"months": -30, "relapse": True},
    ]
    assert (reading.document["relapses_12m"], reading.document["gd_lesions"]) == (2, 0)
    assert "in the patient's own course" in str(reading.report.findings)


@given(st.lists(st.integers(0, 1000), max_size=20))
def test_relapses_of_the_course_never_exceed_those_of_the_year(days: list[int]) -> None:
    reading = read_record([*typical()[:3], *(relapse(day) for day in days)], today=TODAY)
    assert reading.patient is not None
    assert not any(one.use is Use.IGNORED for one in reading.report.findings)
