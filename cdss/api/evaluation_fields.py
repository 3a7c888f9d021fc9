"""From the fields of a page to the forms of the conduct: a page sends text, a form knows what may be in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from cdss.evaluation import forms
from cdss.evaluation.instruments import instrument
from cdss.evaluation.reasons import faults_of, invalid
from reference_db.errors import InvalidInput

STEPS = frozenset(
    {"answers", "considered_before", "allocation", "decided", "ended", "outcomes", "incident", "withdrawal"}
)
"""What can be done on the page of a participant."""

_Form = TypeVar("_Form", bound=BaseModel)


def parsed(kind: type[_Form], given: Mapping[str, Any]) -> _Form:
    """Return a form.

    Raises
    ------
    InvalidInput
        Naming every field that cannot be used.
    """
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise InvalidInput(tuple(faults_of(error))) from error


def answer_of(fields: Mapping[str, str], language: str) -> forms.Answer:
    """Return a filled-in instrument; an item without a response was left out."""
    length = instrument(fields.get("instrument", "")).length
    given = [fields.get(f"item{i}", "") for i in range(1, length + 1)]
    kept = {name: fields.get(name, "") for name in ("instrument", "respondent", "moment")}
    return parsed(forms.Answer, {**kept, "language": language, "responses": [value or None for value in given]})


def events_of(step: str, fields: Mapping[str, str]) -> list[forms.Event]:
    """Return the events of a step: what is considered before, or what was considered and decided, and the end."""
    treatment = fields.get("treatment", "")
    if step == "considered_before":
        return [parsed(forms.Event, {"kind": step, "seconds": 0, "detail": treatment})]
    try:
        end = round(float(_number(fields, "minutes") or "") * 60)
    except (ValueError, OverflowError) as error:
        raise invalid("minutes", "not_a_number", "0 to 360") from error
    told = [("considered_after", fields.get("considered", "")), ("decided", treatment)] if step == "decided" else []
    given = [{"kind": kind, "seconds": end, "detail": detail} for kind, detail in (*told, ("ended", ""))]
    return [parsed(forms.Event, event) for event in given if event["detail"] or event["kind"] != "considered_after"]


def outcome_of(fields: Mapping[str, str]) -> forms.Outcome:
    """Return what an outcome visit found."""
    names = ("month", "relapses", "edss", "worsening_month")
    return parsed(forms.Outcome, {name: _number(fields, name) for name in names})


def incident_of(fields: Mapping[str, str]) -> forms.Incident:
    """Return the report of an incident."""
    names = ("kind", "participant", "cluster", "severity", "relation", "course", "deficiency")
    given: dict[str, Any] = {name: fields.get(name) or None for name in names}
    return parsed(forms.Incident, {**given, "day": _number(fields, "day"), "serious": fields.get("serious") == "yes"})


def _number(fields: Mapping[str, str], name: str) -> str | None:
    """Return a number as it was typed, with either decimal mark; None where nothing was typed."""
    return fields.get(name, "").strip().replace(",", ".") or None
