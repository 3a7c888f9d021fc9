"""What became of cards: accepted or overridden, and why. Comments may name a patient, so they are never kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from cdss.ehr.elements import first, objects, text
from cdss.ehr.kept import CardOutcome
from cdss.persistence import Database
from reference_db.errors import FieldProblem, InvalidInput

OUTCOMES = ("accepted", "overridden")


@dataclass(frozen=True, slots=True)
class Feedback:
    """One report of a client about one card.

    Attributes
    ----------
    card : str
        Its ``uuid``.
    outcome : str
    at : datetime
    reason : str
        Code of the override reason; empty when none was chosen.
    """

    card: str
    outcome: str
    at: datetime
    reason: str


def parse_feedback(document: Mapping[str, Any]) -> tuple[Feedback, ...]:
    """Read the body of a feedback call.

    Raises
    ------
    InvalidInput
        Naming every element that is missing or cannot be used.
    """
    reports = document.get("feedback")
    if not isinstance(reports, list) or not reports:
        raise InvalidInput.of("feedback", "is required", "an array of reports")
    problems: list[FieldProblem] = []
    read: list[Feedback] = []
    for position, report in enumerate(reports):
        where = f"feedback[{position}]"
        if not isinstance(report, dict):
            problems.append(FieldProblem(where, "cannot be used", "an object"))
            continue
        card, outcome, at = text(report.get("card")), text(report.get("outcome")), _instant(report)
        if not _is_uuid(card):
            problems.append(FieldProblem(f"{where}.card", "is required", "the uuid of a card"))
        if outcome not in OUTCOMES:
            problems.append(FieldProblem(f"{where}.outcome", "is required", ", ".join(OUTCOMES)))
        if outcome == "accepted" and not any(
            text(one.get("id")) for one in objects(report.get("acceptedSuggestions"))
        ):
            problems.append(FieldProblem(f"{where}.acceptedSuggestions", "is required", "at least one id"))
        if at is None:
            problems.append(FieldProblem(f"{where}.outcomeTimestamp", "is required", "an ISO 8601 time in UTC"))
        else:
            reason = first(first(report.get("overrideReason")).get("reason"))
            read.append(Feedback(card.lower(), outcome, at, text(reason.get("code"))[:64]))
    if problems:
        raise InvalidInput(problems)
    return tuple(read)


def _is_uuid(value: str) -> bool:
    try:
        return bool(UUID(value))
    except ValueError:
        return False


def _instant(report: Mapping[str, Any]) -> datetime | None:
    """Return when a card was acted upon: a time in UTC, as the standard has it, also where the zone is left out."""
    try:
        at = datetime.fromisoformat(text(report.get("outcomeTimestamp")))
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


class FeedbackTally:
    """The last report about each card; sending a report again changes nothing.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, reports: tuple[Feedback, ...]) -> None:
        """Take in reports; of several about one card the latest counts.

        Raises
        ------
        DatabaseUnavailable
            If they cannot be kept now.
        """
        with self._database.session() as session:
            for report in reports:
                before = session.get(CardOutcome, report.card)
                if before is None or before.at <= report.at:
                    given = CardOutcome(card=report.card, outcome=report.outcome, reason=report.reason, at=report.at)
                    session.merge(given)

    def counts(self) -> dict[tuple[str, str], int]:
        """Return the number of cards by outcome and reason."""
        kind = (CardOutcome.outcome, CardOutcome.reason)
        with self._database.reading() as session:
            rows = session.execute(select(*kind, func.count()).group_by(*kind)).all()
        return {(outcome, reason): count for outcome, reason, count in rows}
