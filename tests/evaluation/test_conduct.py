"""What may be stored, when, and of whom, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from cdss.errors import NotAllowed, NotFound
from cdss.evaluation import forms
from cdss.evaluation.allocation import allocation_list
from cdss.evaluation.collection import collect
from cdss.evaluation.conduct import Conduct
from cdss.evaluation.monitoring import monitor
from cdss.evaluation.protocol import Arm, Protocol
from cdss.evaluation.records import AnswerRecord, EventRecord, OutcomeRecord, ParticipantRecord
from cdss.evaluation.verification import departures
from cdss.persistence import Database
from reference_db.errors import InvalidInput
from reference_db.vocabulary import Phenotype
from tests.evaluation.conftest import protocol_with

INDIVIDUAL = {"randomisation": "individual", "stratify_by": ["cluster"]}
BEFORE = forms.Answer(instrument="DCS", respondent="patient", moment="before", language="fr", responses=[2] * 16)
AFTER = BEFORE.model_copy(update={"moment": "after", "responses": [1] * 16})


@pytest.fixture
def conduct(database: Database) -> Conduct:
    """The verbs on an empty database."""
    return Conduct(database)


def enrolment(cluster: str = "n01", *, given: bool = True, version: str = "1.0") -> forms.Enrolment:
    consent = forms.ConsentGiven(given=given, version=version, language="fr")
    return forms.Enrolment(
        cluster=cluster, consent=consent, baseline=forms.Baseline(age=34, phenotype=Phenotype.RRMS, edss=2.5)
    )


def opened(conduct: Conduct, *, seed: int = 5, **changes: object) -> Protocol:
    protocol = protocol_with(**changes)
    conduct.open(protocol, seed=seed)
    return protocol


def allocated(conduct: Conduct, protocol: Protocol, cluster: str = "n01") -> tuple[str, Arm]:
    identifier = conduct.enrol(protocol.code, enrolment(cluster))
    conduct.answer(identifier, [BEFORE])
    return identifier, conduct.allocate(identifier)


def rows(database: Database, *tables: type) -> int:
    with database.reading() as session:
        return sum(session.scalar(select(func.count()).select_from(table)) or 0 for table in tables)


def test_without_consent_nothing_is_stored(conduct: Conduct) -> None:
    protocol = opened(conduct)
    with pytest.raises(NotAllowed, match="nothing is stored"):
        conduct.enrol(protocol.code, enrolment(given=False))
    with pytest.raises(NotAllowed, match=r"version 1\.0"):
        conduct.enrol(protocol.code, enrolment(version="0.9"))
    for verb in (
        lambda: conduct.answer("0" * 16, [BEFORE]),
        lambda: conduct.record_events("0" * 16, [forms.Event(kind="opened", seconds=0)]),
        lambda: conduct.record_outcomes("0" * 16, [forms.Outcome(month=6, relapses=0)]),
        lambda: conduct.allocate("0" * 16),
    ):
        with pytest.raises(NotFound):
            verb()
    assert rows(conduct.database, ParticipantRecord, AnswerRecord, EventRecord, OutcomeRecord) == 0
    conduct.count_not_randomised(protocol.code, forms.NotRandomised(cluster="n01", reason="declined"))
    conduct.count_not_randomised(protocol.code, forms.NotRandomised(cluster="n02", reason="declined"))
    assert monitor(conduct, protocol.code).not_randomised == {"declined": 2}


def test_the_allocation_waits_for_the_questionnaires_and_comes_once(conduct: Conduct) -> None:
    protocol = opened(conduct, allocation=INDIVIDUAL)
    identifier = conduct.enrol(protocol.code, enrolment())
    with pytest.raises(NotAllowed, match="DCS by the patient must be filled in"):
        conduct.allocate(identifier)
    with pytest.raises(NotAllowed, match="follow the allocation"):
        conduct.answer(identifier, [AFTER])
    conduct.answer(identifier, [BEFORE])
    conduct.allocate(identifier)
    with pytest.raises(NotAllowed, match="has an allocation"):
        conduct.allocate(identifier)
    with pytest.raises(NotAllowed, match="end with the allocation"):
        conduct.answer(identifier, [BEFORE])


def test_patients_are_allocated_by_the_list_of_their_stratum(conduct: Conduct) -> None:
    protocol = opened(conduct, seed=9, allocation=INDIVIDUAL)
    secret = allocation_list(protocol, seed=9).strata
    given: dict[str, list[Arm]] = {"n01": [], "n02": []}
    for cluster in ("n01", "n02", "n02", "n01", "n02", "n01"):
        given[cluster].append(allocated(conduct, protocol, cluster)[1])
    assert given == {cluster: list(secret[cluster][:3]) for cluster in given}
    with pytest.raises(NotAllowed, match="secret"):
        departures(conduct, protocol.code)
    conduct.close(protocol.code)
    assert departures(conduct, protocol.code) == ()


def test_an_altered_allocation_is_found(conduct: Conduct) -> None:
    protocol = opened(conduct, allocation=INDIVIDUAL)
    identifier, arm = allocated(conduct, protocol)
    with conduct.database.session() as session:
        record = session.get(ParticipantRecord, identifier)
        assert record is not None
        record.arm = (set(Arm) - {arm}).pop().value
    conduct.close(protocol.code)
    (found,) = departures(conduct, protocol.code)
    assert identifier in found


def test_seed_and_salt_are_secret_until_the_end(conduct: Conduct) -> None:
    protocol = protocol_with()
    state = conduct.open(protocol)
    assert state.seed is state.salt is None
    with pytest.raises(NotAllowed, match="open already"):
        conduct.open(protocol)
    closed = conduct.close(protocol.code)
    assert closed.seed is not None
    assert allocation_list(protocol, seed=int(closed.seed)).is_committed_to(state.commitment, closed.salt or "")
    with pytest.raises(NotAllowed, match="is closed"):
        conduct.enrol(protocol.code, enrolment())


def test_a_wedge_goes_by_its_periods(conduct: Conduct) -> None:
    protocol = opened(conduct, seed=4, allocation={"randomisation": "stepped_wedge", "periods": 3})
    arms = [allocated(conduct, protocol)[1]]
    for _ in range(2):
        conduct.next_period(protocol.code)
        arms.append(allocated(conduct, protocol)[1])
    assert tuple(arms) == allocation_list(protocol, seed=4).clusters["n01"]
    with pytest.raises(NotAllowed, match="last period"):
        conduct.next_period(protocol.code)


def test_the_tool_in_a_usual_consultation_is_a_deviation(conduct: Conduct) -> None:
    protocol = opened(conduct)
    arm_of = allocation_list(protocol, seed=5).clusters
    usual = next(cluster for cluster, arms in arm_of.items() if arms[0] is Arm.USUAL)
    identifier, _ = allocated(conduct, protocol, usual)
    events = [
        forms.Event(kind="viewed", seconds=5, detail="consultation"),
        forms.Event(kind="decided", seconds=900, detail="natalizumab"),
        forms.Event(kind="closed", seconds=1200),
    ]
    assert conduct.record_events(identifier, events) == 1
    assert monitor(conduct, protocol.code).deviations == 1
    row = collect(conduct.database, protocol).table.iloc[0]
    assert (row["choice_after"], row["consultation_minutes"]) == ("natalizumab", 20.0)


def test_outcomes_add_up_and_a_later_report_replaces_an_earlier_one(conduct: Conduct) -> None:
    protocol = opened(conduct)
    identifier, _ = allocated(conduct, protocol)
    with pytest.raises(InvalidInput, match=r"6, 12, 18, 24"):
        conduct.record_outcomes(identifier, [forms.Outcome(month=7, relapses=0)])
    conduct.record_outcomes(
        identifier,
        [forms.Outcome(month=6, relapses=3), forms.Outcome(month=12, relapses=1, worsening_month=9.5)],
    )
    conduct.record_outcomes(identifier, [forms.Outcome(month=6, relapses=2)])
    conduct.record_outcomes(identifier, [forms.Outcome(month=24, relapses=0, edss=3.0)])
    row = collect(conduct.database, protocol).table.iloc[0]
    assert (row["relapses"], row["relapse_years"], row["edss_last"]) == (3.0, 2.0, 3.0)
    assert (row["worsening_event"], row["worsening_months"]) == (1.0, 9.5)


@pytest.mark.parametrize("keep", [True, False])
def test_after_withdrawal_nothing_more_is_stored(conduct: Conduct, *, keep: bool) -> None:
    protocol = opened(conduct)
    identifier, _ = allocated(conduct, protocol)
    conduct.record_outcomes(identifier, [forms.Outcome(month=6, relapses=1)])
    conduct.withdraw(identifier, keep_data=keep)
    with pytest.raises(NotAllowed, match="withdrawn"):
        conduct.answer(identifier, [AFTER])
    assert (rows(conduct.database, AnswerRecord, EventRecord, OutcomeRecord) > 0) is keep
    (row,) = collect(conduct.database, protocol).table.to_dict("records")
    assert row["withdrawn"]
    assert (row["age"] == 34) is keep
    state = monitor(conduct, protocol.code)
    assert (state.withdrawn, state.erased) == (1, int(not keep))


def test_a_sitting_is_kept_whole_or_not_at_all(conduct: Conduct) -> None:
    protocol = opened(conduct)
    identifier = conduct.enrol(protocol.code, enrolment())
    with pytest.raises(NotAllowed):
        conduct.answer(identifier, [BEFORE, BEFORE])
    assert rows(conduct.database, AnswerRecord) == 0


def test_a_full_trial_takes_nobody(conduct: Conduct) -> None:
    protocol = opened(conduct, sample_size=4)
    for _ in range(4):
        conduct.enrol(protocol.code, enrolment())
    with pytest.raises(NotAllowed, match="has its 4 patients"):
        conduct.enrol(protocol.code, enrolment())


@pytest.mark.parametrize(
    ("form", "given"),
    [
        (forms.Baseline, {"age": 34, "phenotype": "RRMS", "edss": 2.3}),
        (forms.Baseline, {"age": 12, "phenotype": "RRMS", "edss": 2.0}),
        (forms.Baseline, {"age": 34, "phenotype": "RRMS", "edss": 2.0, "name": "somebody"}),
        (forms.Event, {"kind": "decided", "seconds": 3, "detail": "a free remark"}),
        (forms.Event, {"kind": "closed", "seconds": 3, "detail": "x"}),
        (forms.Event, {"kind": "viewed", "seconds": 3, "detail": "<script>"}),
        (forms.Outcome, {"month": 6, "relapses": 0, "worsening_month": 7}),
        (forms.Outcome, {"month": 6, "relapses": 0, "edss": 0.5}),
    ],
)
def test_what_does_not_fit_a_form_is_refused(form: type[forms.Baseline], given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        form.model_validate(given)
