"""What may be stored, when, and of whom, on both databases."""

from __future__ import annotations

import datetime

import pytest
from sqlalchemy import func, select

from cdss.errors import NotAllowed, NotFound
from cdss.evaluation import forms
from cdss.evaluation.allocation import allocation_list
from cdss.evaluation.collection import collect
from cdss.evaluation.conduct import Conduct
from cdss.evaluation.conduct.consultation import EventsKept
from cdss.evaluation.monitoring import monitor
from cdss.evaluation.protocol import Arm, Protocol
from cdss.evaluation.records import AnswerRecord, EventRecord, IncidentRecord, OutcomeRecord, ParticipantRecord
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
        forms.Event(kind="opened", seconds=0),
        forms.Event(kind="viewed", seconds=5, detail="consultation"),
        forms.Event(kind="decided", seconds=900, detail="natalizumab"),
        forms.Event(kind="ended", seconds=1200),
    ]
    with pytest.raises(NotAllowed, match="allocated to usual"):
        conduct.require_tool(identifier)
    assert conduct.record_events(identifier, events) == EventsKept(recorded=4, ignored=0, deviations=2)
    assert monitor(conduct, protocol.code).deviations == 1
    row = collect(conduct.database, protocol).table.iloc[0]
    assert (row["choice_after"], row["consultation_minutes"]) == ("natalizumab", 20.0)


OPENED = forms.Event(kind="opened", seconds=0)
VIEWED = forms.Event(kind="viewed", seconds=30, detail="patient")
REWEIGHTED = forms.Event(kind="reweighted", seconds=40, detail="age")
DECIDED = forms.Event(kind="decided", seconds=600, detail="natalizumab")
CLOSED = forms.Event(kind="closed", seconds=700)
ENDED = forms.Event(kind="ended", seconds=900)
BEFOREHAND = forms.Event(kind="considered_before", seconds=0, detail="cladribine")


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [
        ([[VIEWED]], "can only follow opened"),
        ([[CLOSED]], "can only follow opened"),
        ([[OPENED, BEFOREHAND]], "before the allocation"),
        ([[OPENED, VIEWED, DECIDED], [DECIDED.model_copy(update={"detail": "cladribine"})]], "recorded already"),
        ([[OPENED, ENDED], [ENDED.model_copy(update={"seconds": 1000})]], "ended is recorded already"),
    ],
)
def test_events_come_in_an_order_that_a_consultation_can_have(
    conduct: Conduct, sent: list[list[forms.Event]], complaint: str
) -> None:
    identifier, _ = allocated(conduct, opened(conduct))
    *good, bad = sent
    for batch in good:
        conduct.record_events(identifier, batch)
    kept = rows(conduct.database, EventRecord)
    with pytest.raises(NotAllowed, match=complaint):
        conduct.record_events(identifier, bad)
    assert rows(conduct.database, EventRecord) == kept


def test_events_sent_once_more_are_kept_once(conduct: Conduct) -> None:
    identifier, _ = allocated(conduct, opened(conduct))
    batch = [OPENED, VIEWED, REWEIGHTED, DECIDED, CLOSED]
    assert conduct.record_events(identifier, batch).recorded == 5
    assert conduct.record_events(identifier, batch) == EventsKept(recorded=0, ignored=5, deviations=0)
    assert conduct.record_events(identifier, [DECIDED.model_copy(update={"seconds": 650})]).ignored == 1
    assert rows(conduct.database, EventRecord) == 5


def test_what_the_tool_is_used_for_after_the_end_does_not_count(conduct: Conduct) -> None:
    identifier, _ = allocated(conduct, opened(conduct))
    conduct.record_events(identifier, [OPENED, DECIDED, ENDED])
    late = [VIEWED.model_copy(update={"seconds": 950}), CLOSED.model_copy(update={"seconds": 960})]
    assert conduct.record_events(identifier, late) == EventsKept(recorded=1, ignored=1, deviations=0)


def test_events_do_not_go_back_in_time(conduct: Conduct) -> None:
    identifier, _ = allocated(conduct, opened(conduct))
    with pytest.raises(InvalidInput, match=r"events\[1\]\.seconds"):
        conduct.record_events(identifier, [OPENED.model_copy(update={"seconds": 60}), VIEWED])
    assert rows(conduct.database, EventRecord) == 0


def test_the_neurologists_length_counts_before_that_of_the_tool(conduct: Conduct) -> None:
    protocol = opened(conduct)
    identifier, _ = allocated(conduct, protocol)
    conduct.record_events(identifier, [OPENED, VIEWED, REWEIGHTED, DECIDED, CLOSED])
    assert collect(conduct.database, protocol).table["consultation_minutes"].tolist() == [700 / 60]
    conduct.record_events(identifier, [ENDED])
    conduct.record_events(identifier, [CLOSED])  # what the tool still held back when the connection was down
    assert collect(conduct.database, protocol).table["consultation_minutes"].tolist() == [15.0]


def test_the_tool_opens_for_who_consented_and_is_allocated_to_it(conduct: Conduct) -> None:
    protocol = opened(conduct)
    arms = allocation_list(protocol, seed=5).clusters
    with pytest.raises(NotFound):
        conduct.require_tool("0" * 16)
    use = next(cluster for cluster, given in arms.items() if given[0] is Arm.USE)
    waiting = conduct.enrol(protocol.code, enrolment(use))
    with pytest.raises(NotAllowed, match="after the allocation"):
        conduct.require_tool(waiting)
    identifier, _ = allocated(conduct, protocol, use)
    conduct.require_tool(identifier)
    conduct.withdraw(identifier, keep_data=True)
    with pytest.raises(NotAllowed, match="withdrawn"):
        conduct.require_tool(identifier)


def adverse(participant: str | None, **changes: object) -> forms.Incident:
    event = {"kind": "adverse event", "severity": "severe", "course": "ongoing", "serious": True}
    return forms.Incident.model_validate(
        {**event, "participant": participant, "relation": "possible", "day": 12, **changes}
    )


def test_incidents_are_kept_numbered_and_counted_over_both_arms(
    conduct: Conduct, capsys: pytest.CaptureFixture[str]
) -> None:
    protocol = opened(conduct)
    identifier, _ = allocated(conduct, protocol)
    first = conduct.report_incident(protocol.code, adverse(identifier))
    deficiency = forms.Incident(
        kind="device deficiency", cluster="n02", serious=False, relation="causal", deficiency="not available"
    )
    assert conduct.report_incident(protocol.code, deficiency) == first + 1
    found = monitor(conduct, protocol.code).incidents
    assert found == {"adverse event": 1, "device deficiency": 1, "serious": 1}
    conduct.close(protocol.code)
    conduct.report_incident(protocol.code, deficiency)
    told = capsys.readouterr()
    assert identifier not in told.err + told.out


def test_an_incident_of_somebody_else_or_nowhere_is_refused(conduct: Conduct) -> None:
    protocol = opened(conduct)
    other = protocol_with(code="another-trial")
    conduct.open(other, seed=1)
    identifier, _ = allocated(conduct, protocol)
    with pytest.raises(InvalidInput, match="another trial"):
        conduct.report_incident(other.code, adverse(identifier))
    with pytest.raises(NotFound):
        conduct.report_incident(protocol.code, adverse("0" * 16))
    assert rows(conduct.database, IncidentRecord) == 0


def test_an_incident_outlives_the_erasure_without_its_patient(conduct: Conduct) -> None:
    protocol = opened(conduct)
    identifier, _ = allocated(conduct, protocol)
    conduct.report_incident(protocol.code, adverse(identifier))
    conduct.withdraw(identifier, keep_data=False)
    with conduct.database.reading() as session:
        (kept,) = session.scalars(select(IncidentRecord)).all()
    assert (kept.participant, kept.day, kept.serious) == (None, None, True)
    with pytest.raises(NotAllowed, match="withdrawn"):
        conduct.report_incident(protocol.code, adverse(identifier))


def test_visits_are_due_on_their_day_until_they_are_reported(conduct: Conduct) -> None:
    protocol = opened(conduct)
    identifier, _ = allocated(conduct, protocol)
    allocated_on = conduct.participant(identifier)[0].allocated_at
    assert allocated_on is not None
    day = allocated_on.date()

    def due(days: int) -> list[int]:
        today = day + datetime.timedelta(days=days)
        return [visit.month for visit in conduct.visits_due(protocol.code, today=today)]

    assert due(182) == []
    assert due(183) == [6]
    assert due(366) == [6, 12]
    conduct.record_outcomes(identifier, [forms.Outcome(month=6, relapses=0)])
    assert due(366) == [12]
    conduct.withdraw(identifier, keep_data=True)
    assert due(800) == []


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
        (forms.Event, {"kind": "viewed", "seconds": 3, "detail": "she said that"}),
        (forms.Event, {"kind": "reweighted", "seconds": 3, "detail": "shoe size"}),
        (forms.Event, {"kind": "reweighted", "seconds": 3, "detail": "every_visit"}),
        (forms.Event, {"kind": "closed", "seconds": 21601}),
        (forms.Incident, {"kind": "adverse event", "cluster": "n01", "serious": True, "relation": "possible"}),
        (
            forms.Incident,
            {"kind": "device deficiency", "serious": True, "relation": "possible", "deficiency": "other"},
        ),
        (
            forms.Incident,
            {
                "kind": "adverse event",
                "participant": "0" * 16,
                "serious": False,
                "relation": "possible",
                "severity": "severe",
                "course": "fatal",
            },
        ),
        (forms.Outcome, {"month": 6, "relapses": 0, "worsening_month": 7}),
        (forms.Outcome, {"month": 6, "relapses": 0, "edss": 0.5}),
    ],
)
def test_what_does_not_fit_a_form_is_refused(form: type[forms.Baseline], given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        form.model_validate(given)
