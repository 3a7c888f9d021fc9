"""Records as other systems write them: transactions with URNs, batches, references that lead nowhere, odd depths."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from cdss.ehr.fhir_server import bundled
from cdss.ehr.patient_record import read_record
from tests.client import TestClient
from tests.ehr.card_schema import RESPONSE, check
from tests.ehr.hooks import SERVICE, bundle, call
from tests.ehr.records import (
    RXNORM,
    SNOMED,
    TODAY,
    ago,
    concept,
    condition,
    local,
    medication,
    patient,
    relapse,
    typical,
)
from tests.ehr.records import edss as edss_value

Record = dict[str, Any]
PATIENT, STRANGER = "5b1c5f4e-0a6e-4f0c-9d3e-000000000001", "5b1c5f4e-0a6e-4f0c-9d3e-000000000009"


def entry(resource: Record) -> Record:
    """An entry of a transaction: named by a URN, posted to its type."""
    url = f"urn:uuid:{resource['id']}"
    return {"fullUrl": url, "resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}


def edss(identifier: str, value: float, days: float, subject: str) -> Record:
    return {
        "resourceType": "Observation",
        "id": identifier,
        "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category"}]}],
        "code": {"coding": [{"system": SNOMED, "code": "273554001", "display": "EDSS"}], "text": None},
        "subject": {"reference": f"urn:uuid:{subject}"},
        "encounter": {"reference": "urn:uuid:not-here"},
        "effectiveDateTime": f"{ago(days)}T09:30:00.000-05:00",
        "valueQuantity": {
            "value": value,
            "unit": "{score}",
            "system": "http://unitsofmeasure.org",
            "code": "{score}",
        },
    }


def transaction() -> Record:
    """A record as a generator of synthetic patients exports it, with profiles, extensions and nulls."""
    race = {"url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race", "extension": [{"url": "text"}]}
    patient = {
        "resourceType": "Patient",
        "id": PATIENT,
        "meta": {"profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"]},
        "extension": [race, None],
        "name": [{"family": None, "given": [None, "Ada"], "_given": [{"extension": [race]}, None]}],
        "gender": "female",
        "birthDate": "1990-03-02",
        "_birthDate": {"extension": [{"url": "birthTime", "valueDateTime": "1990-03-02T10:00:00Z"}]},
    }
    diagnosis = {
        "resourceType": "Condition",
        "id": "5b1c5f4e-0a6e-4f0c-9d3e-000000000002",
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "code": {
            "coding": [
                {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "G35", "display": "Multiple sclerosis"},
                {"system": SNOMED, "code": "426373005", "display": "Relapsing remitting multiple sclerosis"},
                {"system": "urn:oid:1.2.3", "code": "MS-17"},
            ]
        },
        "subject": {"reference": f"urn:uuid:{PATIENT}"},
        "onsetDateTime": "2020-06-15T00:00:00+01:00",
    }
    drug = {
        "resourceType": "Medication",
        "id": "5b1c5f4e-0a6e-4f0c-9d3e-000000000004",
        "code": concept("354770", RXNORM, "natalizumab"),
    }
    order = {
        "resourceType": "MedicationRequest",
        "id": "5b1c5f4e-0a6e-4f0c-9d3e-000000000005",
        "status": "active",
        "intent": "order",
        "medicationReference": {"reference": f"urn:uuid:{drug['id']}"},
        "subject": {"reference": f"urn:uuid:{PATIENT}"},
        "authoredOn": ago(300),
    }
    resources = [patient, diagnosis, edss("5b1c5f4e-0a6e-4f0c-9d3e-000000000003", 3.0, 20, PATIENT), drug, order]
    return {"resourceType": "Bundle", "type": "transaction", "entry": [entry(one) for one in resources]}


def document_of(record: Record) -> Record:
    return dict(read_record(bundled(record), today=TODAY).document)


EXPECTED = {
    "age": 36.29,
    "sex": "female",
    "phenotype": "RRMS",
    "years_since_onset": 6.0,
    "edss": 3.0,
    "prior_treatment": "high efficacy",
}


def without_identifiers(record: Record) -> Record:
    for one in record["entry"]:
        del one["resource"]["id"]
    return record


def with_capital_urns(record: Record) -> Record:
    for one in record["entry"]:
        one["fullUrl"] = one["fullUrl"].upper().replace("URN:UUID", "urn:uuid")
    return record


def absolute_and_versioned(record: Record) -> Record:
    for one in record["entry"]:
        kind, identifier = one["resource"]["resourceType"], one["resource"]["id"]
        one["fullUrl"] = f"https://ehr.test/fhir/{kind}/{identifier}"
        if "subject" in one["resource"]:
            one["resource"]["subject"]["reference"] = f"https://ehr.test/fhir/Patient/{PATIENT}/_history/3"
        if "medicationReference" in one["resource"]:
            drug = one["resource"]["medicationReference"]["reference"].removeprefix("urn:uuid:")
            one["resource"]["medicationReference"]["reference"] = f"https://ehr.test/fhir/Medication/{drug}"
    return record


def answered_as_batch(record: Record) -> Record:
    inner = [{"response": {"status": "200"}, "resource": {**record, "entry": [one]}} for one in record["entry"]]
    drug_and_order = {**record, "entry": record["entry"][3:]}
    inner = [*inner[:3], {"resource": drug_and_order}, {"resource": {"resourceType": "OperationOutcome"}}]
    return {"resourceType": "Bundle", "type": "batch-response", "entry": inner}


@pytest.mark.parametrize(
    "written",
    [
        lambda record: record,
        without_identifiers,
        with_capital_urns,
        absolute_and_versioned,
        lambda record: {**record, "entry": [None, *reversed(record["entry"]), {}, "x"]},
    ],
)
def test_a_record_reads_the_same_however_its_parts_are_named(written: Callable[[Record], Record]) -> None:
    assert document_of(written(transaction())) == EXPECTED


def test_the_bundles_of_a_batch_are_read() -> None:
    assert document_of(absolute_and_versioned(transaction())) == EXPECTED
    assert document_of(answered_as_batch(transaction())) == EXPECTED


@pytest.mark.parametrize("named", [lambda record: record, without_identifiers])
def test_another_patient_of_the_same_transaction_is_kept_apart(named: Callable[[Record], Record]) -> None:
    record = transaction()
    other = {"resourceType": "Patient", "id": STRANGER, "gender": "male", "birthDate": "1950-01-01"}
    worse = edss("5b1c5f4e-0a6e-4f0c-9d3e-000000000010", 7.5, 2, STRANGER)
    record["entry"] += [entry(other), entry(worse)]
    assert document_of(named(record)) == EXPECTED


def test_what_is_about_somebody_who_was_not_sent_is_passed_over() -> None:
    record = transaction()
    record["entry"].append(entry(edss("5b1c5f4e-0a6e-4f0c-9d3e-000000000010", 7.5, 2, STRANGER)))
    assert document_of(record)["edss"] == 3.0


@pytest.mark.parametrize("reference", ["Medication/elsewhere", "urn:uuid:elsewhere", "#elsewhere", "", None])
def test_a_medication_that_does_not_say_its_substance_does_not_make_the_patient_untreated(
    reference: str | None,
) -> None:
    untold = {**medication({}), "id": "m2", "medicationReference": {"reference": reference}}
    harmless = {**medication(concept(text="paracetamol")), "id": "m3"}
    others = [one for one in typical() if one["resourceType"] != "MedicationStatement"]
    assert document_of(bundle(*others, harmless))["prior_treatment"] == "none"
    assert "prior_treatment" not in document_of(bundle(*others, harmless, untold))


@pytest.mark.parametrize("depth", [100, 400, 500, 20_000])
def test_a_record_of_any_depth_is_read_or_refused(sandbox: TestClient, depth: int) -> None:
    deep = '{"url": "x", "extension": [' * depth + '{"url": "x"}' + "]}" * depth
    diagnosis = json.dumps(transaction()["entry"][1])
    spoiled = diagnosis.replace('"clinicalStatus"', f'"extension": [{deep}], "clinicalStatus"')
    # Twice: two resources of one name are compared, to the bottom.
    sent = json.dumps(transaction()).replace(diagnosis, f"{spoiled}, {spoiled}")
    assert len(sent) > 2 * len(deep)
    assert sandbox.post("/fhir/$patient-of-interest", content=sent).status_code in (200, 400)


def test_a_card_for_a_transaction_in_the_prefetch(sandbox: TestClient) -> None:
    resources = [one["resource"] for one in transaction()["entry"]]
    record = transaction()
    sent = call(prefetch={"patient": resources[0], "conditions": record, "edss": record, "requests": record})
    sent["context"]["patientId"] = PATIENT
    answered = sandbox.post(SERVICE, json=sent)
    assert answered.status_code == 200
    check(answered.json(), RESPONSE)
    assert "prior treatment high efficacy" in answered.json()["cards"][0]["detail"]


@pytest.mark.parametrize(
    ("unit", "code"),
    [("mmHg", "mm[Hg]"), ("%", "%"), ("mg", "mg"), ("a", "a"), ("points out of 100", ""), ("score (0-100)", "")],
)
def test_a_score_in_a_unit_that_is_none_of_its_own_is_not_read(unit: str, code: str) -> None:
    record = copy.deepcopy(transaction())
    record["entry"][2]["resource"]["valueQuantity"] |= {"unit": unit, "code": code}
    assert "edss" not in document_of(record)


def read(*changes: Record, without: str = "") -> tuple[Record, str]:
    """The typical record with resources added, and its findings in words."""
    kept = [one for one in typical() if one.get("id") != without]
    reading = read_record([*kept, *changes], today=TODAY)
    return dict(reading.document), " | ".join(
        f"{one.use} {one.feature}: {one.reason}" for one in reading.report.findings
    )


def test_a_count_beyond_all_sense_is_none(sandbox: TestClient) -> None:
    record = bundle(patient(), local("mri-gd-lesion-count", valueInteger=10**25))
    answered = sandbox.post("/fhir/$patient-of-interest", json=record)
    assert answered.status_code == 200
    assert "is not a count" in answered.text


def test_a_count_of_relapses_that_the_conditions_contradict_is_said() -> None:
    document, findings = read(local("relapse-count-12m", id="n", valueInteger=3))
    assert document["relapses_12m"] == 1
    assert "ambiguous relapses_12m: 3 here, 1 in the conditions" in findings


def test_relapses_of_a_refuted_diagnosis_tell_of_no_disease() -> None:
    withdrawn = condition(concept("426373005"), id="c2", verificationStatus=concept("refuted", "x"))
    document, _ = read(withdrawn, without="c1")
    assert not {"phenotype", "relapses_12m"} & document.keys()
    document, _ = read(withdrawn)
    assert (document["phenotype"], document["relapses_12m"]) == ("RRMS", 1)


@pytest.mark.parametrize("written", ["2026", "2026-06"])
def test_what_is_dated_to_this_month_or_year_is_no_later_than_today(written: str) -> None:
    early = date(2026, 6, 3)
    values = edss_value(4.0, id="now", effectiveDateTime=written), relapse(0, id="r", onsetDateTime=written)
    reading = read_record([patient(), *values], today=early)
    assert (reading.document["edss"], reading.document["relapses_12m"]) == (4.0, 1)
    assert "taken as 2026-06-03" in str(reading.report.findings)


def test_an_onset_in_words_and_a_death_are_said() -> None:
    _, findings = read(condition(concept("24700007"), id="c2", onsetString="in her thirties"))
    assert "ignored years_since_onset: its onset is given in words only" in findings
    reading = read_record([patient(deceasedBoolean=True)], today=TODAY)
    assert "is recorded as deceased" in str(reading.report.findings)


@pytest.mark.parametrize("unit", ["EDSS score (0-10)", "points of 10", "1", "{score}"])
def test_a_score_out_of_ten_is_read(unit: str) -> None:
    record = copy.deepcopy(transaction())
    record["entry"][2]["resource"]["valueQuantity"] |= {"unit": unit, "code": ""}
    assert document_of(record)["edss"] == 3.0
