"""What happens in a consultation: instruments filled in, events of the tool, the decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import select
from sqlalchemy.orm import Session

from cdss.evaluation.conduct.trials import find_active, find_trial, now, protocol_of
from cdss.evaluation.forms import LATE_EVENTS, ONCE_EVENTS, TOOL_EVENTS, Answer, Event
from cdss.evaluation.instruments import Score, instrument
from cdss.evaluation.protocol import Arm, Protocol
from cdss.evaluation.reasons import Refusal, fault
from cdss.evaluation.records import AnswerRecord, EventRecord, ParticipantRecord
from reference_db.errors import InvalidInput


def require_tool(session: Session, identifier: str) -> None:
    """Verify that the tool may be opened for a participant; see `Conduct.require_tool`."""
    participant = find_active(session, identifier)
    if participant.arm is None:
        raise Refusal("tool_before_allocation")
    if participant.arm != Arm.USE.value:
        raise Refusal("tool_usual")


def answer(session: Session, identifier: str, sitting: Sequence[Answer]) -> tuple[Score, ...]:
    """Keep and score the instruments of one sitting; see `Conduct.answer`."""
    scores = [instrument(form.instrument).score(form.responses) for form in sitting]
    participant = find_active(session, identifier)
    protocol = protocol_of(find_trial(session, participant.trial))
    at = now()
    for form, score in zip(sitting, scores, strict=True):
        _require_scheduled(protocol, participant, form)
        key = (identifier, form.instrument, form.respondent, form.moment)
        if session.get(AnswerRecord, key) is not None:
            raise Refusal("answered", instrument=form.instrument, moment=form.moment)
        session.add(
            AnswerRecord(
                participant=identifier,
                instrument=form.instrument,
                respondent=form.respondent,
                moment=form.moment,
                language=form.language,
                responses=list(form.responses),
                total=score.total,
                subscales=dict(score.subscales),
                answered_at=at,
            )
        )
        session.flush()
    return tuple(scores)


def _require_scheduled(protocol: Protocol, participant: ParticipantRecord, form: Answer) -> None:
    for scheduled in protocol.instruments:
        if (scheduled.code, scheduled.respondent) == (form.instrument, form.respondent):
            if form.moment not in scheduled.moments:
                break
            if form.moment == "before":
                if participant.arm is not None:
                    raise Refusal("before_ended")
                return
            if participant.arm is None:
                raise Refusal("after_follows")
            if participant.arm in {arm.value for arm in scheduled.arms}:
                return
            break
    raise Refusal("unscheduled", instrument=form.instrument, respondent=form.respondent, moment=form.moment)


@dataclass(frozen=True, slots=True)
class EventsKept:
    """What became of events that were sent.

    Attributes
    ----------
    recorded : int
        Kept.
    ignored : int
        Sent once more after a dropped connection, or after the consultation had ended.
    deviations : int
        Kept, and a use of the tool in a consultation allocated to usual.
    """

    recorded: int
    ignored: int
    deviations: int


def record_events(session: Session, identifier: str, events: Sequence[Event]) -> EventsKept:
    """Keep consultation events; see `Conduct.record_events`."""
    participant = find_active(session, identifier)
    known = session.scalars(select(EventRecord).where(EventRecord.participant == identifier)).all()
    kept = [(record.kind, record.seconds, record.detail) for record in known]
    _require_order(events)
    at, recorded, deviations = now(), 0, 0
    for event in events:
        kinds = {kind for kind, _, _ in kept}
        told = (event.kind, event.seconds, event.detail)
        decided_so = event.kind == "decided" and any((k, d) == ("decided", event.detail) for k, _, d in kept)
        late = event.kind in LATE_EVENTS and "ended" in kinds
        if told in kept or decided_so or late:
            continue
        _require_possible(participant, event, kinds)
        kept.append(told)
        session.add(
            EventRecord(
                participant=identifier, kind=event.kind, seconds=event.seconds, detail=event.detail, received_at=at
            )
        )
        recorded += 1
        deviations += participant.arm == Arm.USUAL.value and event.kind in TOOL_EVENTS
    return EventsKept(recorded=recorded, ignored=len(events) - recorded, deviations=deviations)


def _require_order(events: Sequence[Event]) -> None:
    back = [
        fault(f"events[{i}].seconds", "event_back", f"{first.seconds} on", later=later.seconds)
        for i, (first, later) in enumerate(pairwise(events), start=1)
        if later.seconds < first.seconds
    ]
    if back:
        raise InvalidInput(back)


def _require_possible(participant: ParticipantRecord, event: Event, kept: set[str]) -> None:
    """Verify that an event can follow those before it.

    Two clocks send events (the tool's and the neurologist's), so what is compared between sendings is their order
    of arrival, not their seconds.
    """
    if (event.kind == "considered_before") != (participant.arm is None):
        raise Refusal("considered_order")
    if event.kind in ONCE_EVENTS and event.kind in kept:
        raise Refusal("event_once", kind=event.kind)
    if event.kind in TOOL_EVENTS - {"opened"} and "opened" not in kept:
        raise Refusal("event_after_opened", kind=event.kind)
