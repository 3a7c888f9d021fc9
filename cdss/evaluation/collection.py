"""From what a trial kept to its analysis data set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import select
from sqlalchemy.orm import Session

from cdss.evaluation.conduct import counts_by_reason
from cdss.evaluation.dataset import BASELINE_COLUMNS, COLUMNS, Screening, TrialData
from cdss.evaluation.protocol import Protocol
from cdss.evaluation.records import AnswerRecord, EventRecord, OutcomeRecord, ParticipantRecord
from cdss.persistence import Database

_SCORES = {
    ("DCS", "before"): "dcs_before",
    ("DCS", "after"): "dcs_after",
    ("SDM-Q-9", "after"): "sdm_after",
    ("SUS", "after"): "sus_after",
}


def collect(database: Database, protocol: Protocol) -> TrialData:
    """Return the analysis data set of a trial: every allocated patient, in the arm allocated.

    Patients who withdrew and had their data erased stay as rows without data, so that the flow of patients adds up.

    Parameters
    ----------
    database : Database
    protocol : Protocol
    """
    with database.reading() as session:
        participants = session.scalars(
            select(ParticipantRecord)
            .where(ParticipantRecord.trial == protocol.code, ParticipantRecord.arm.is_not(None))
            .order_by(ParticipantRecord.allocated_at, ParticipantRecord.identifier)
        ).all()
        table = pd.DataFrame([_row(protocol, participant) for participant in participants], columns=_FIXED)
        for columns in (_answers(session, protocol), _events(session, protocol), _outcomes(session, protocol)):
            table = table.join(columns, on="participant")
        screening = Screening(dict(counts_by_reason(session, protocol.code)))
    numbers = [name for name in COLUMNS if name in _NUMBERS]
    table[numbers] = table[numbers].astype(np.float64)
    return TrialData(table[list(COLUMNS)].reset_index(drop=True), screening)


_TEXTS = ("sex", "phenotype", "prior_treatment")
_FIXED = ["participant", "cluster", "site", "stratum", "cluster_stratum", "period", "arm", "withdrawn"] + [
    name for name in BASELINE_COLUMNS if name != "dcs_before"
]
_NUMBERS = frozenset(
    {
        *(name for name in BASELINE_COLUMNS if name not in _TEXTS),
        *_SCORES.values(),
        "consultation_minutes",
        "relapses",
        "relapse_years",
        "edss_last",
        "worsening_months",
        "worsening_event",
    }
)


def _row(protocol: Protocol, participant: ParticipantRecord) -> dict[str, Any]:
    cluster = protocol.cluster(participant.cluster)
    return {
        "participant": participant.identifier,
        "cluster": cluster.code,
        "site": cluster.site,
        "stratum": participant.stratum,
        "cluster_stratum": cluster.stratum,
        "period": participant.period,
        "arm": participant.arm,
        "withdrawn": participant.withdrawn_at is not None,
        **participant.baseline,
    }


def _of_trial(protocol: Protocol, record: type[AnswerRecord | EventRecord | OutcomeRecord]) -> Any:  # noqa: ANN401  # a select, whose type depends on the record
    return (
        select(record)
        .join(ParticipantRecord, ParticipantRecord.identifier == record.participant)
        .where(ParticipantRecord.trial == protocol.code)
    )


def _answers(session: Session, protocol: Protocol) -> pd.DataFrame:
    values: dict[str, dict[str, float | None]] = {name: {} for name in _SCORES.values()}
    for answer in session.scalars(_of_trial(protocol, AnswerRecord)):
        name = _SCORES.get((answer.instrument, answer.moment))
        if name is not None:
            values[name][answer.participant] = answer.total
    return pd.DataFrame(values, columns=list(_SCORES.values()))


def _events(session: Session, protocol: Protocol) -> pd.DataFrame:
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    minutes: dict[str, float] = {}
    closed: dict[str, float] = {}
    events = session.scalars(_of_trial(protocol, EventRecord).order_by(EventRecord.seconds, EventRecord.number))
    for event in events:
        if event.kind == "considered_before":
            before[event.participant] = event.detail
        elif event.kind == "decided":
            after[event.participant] = event.detail
        elif event.kind == "ended":
            minutes[event.participant] = event.seconds / 60.0
        elif event.kind == "closed":
            closed[event.participant] = event.seconds / 60.0
    minutes = closed | minutes  # what the neurologist states counts before when the tool was closed
    return pd.DataFrame({"choice_before": before, "choice_after": after, "consultation_minutes": minutes})


def _outcomes(session: Session, protocol: Protocol) -> pd.DataFrame:
    last_month = protocol.follow_up_months[-1] if protocol.follow_up_months else 0
    rows: dict[str, dict[str, float]] = {}
    for visit in session.scalars(_of_trial(protocol, OutcomeRecord).order_by(OutcomeRecord.month)):
        row = rows.setdefault(
            visit.participant, {"relapses": 0.0, "edss_last": np.nan, "worsening_event": 0.0, "worsening_months": 0.0}
        )
        row["relapses"] += visit.relapses
        row["relapse_years"] = visit.month / 12.0
        if visit.month == last_month and visit.edss is not None:
            row["edss_last"] = visit.edss
        if not row["worsening_event"]:
            happened = visit.worsening_month is not None
            row["worsening_event"] = float(happened)
            row["worsening_months"] = float(visit.worsening_month) if happened else float(visit.month)
    columns = ["relapses", "relapse_years", "edss_last", "worsening_months", "worsening_event"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)
