"""What a page offers after the consultation: outcome visits, incidents, withdrawal."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape
from typing import Any, get_args

from cdss.evaluation import forms
from cdss.evaluation.conduct.follow_up import VisitDue
from cdss.evaluation.pages.frame import Words, choice, form, named
from cdss.evaluation.protocol import Protocol

HOME = "/evaluation"


def outcome_form(say: Words, protocol: Protocol, reported: Collection[int], url: str) -> str:
    """Return the form of an outcome visit, with the visits already reported."""
    known = ", ".join(str(month) for month in protocol.follow_up_months if month in reported) or say("none_yet")
    months = [(str(month), str(month)) for month in protocol.follow_up_months]
    inner = (
        choice("month", months, label=say("visit"))
        + _number("relapses", say("relapses"), required=True)
        + _number("edss", say("edss"))
        + _number("worsening_month", say("worsening_month"))
    )
    return (
        f"<h2>{say('outcomes')}</h2><p>{say('reported')}: {escape(known)}</p>"
        f'<p class="small">{say("replaces")}</p>'
        + form(f"{url}/outcomes", f"<fieldset>{inner}</fieldset>", say("record"), say=say)
    )


def incident_form(say: Words, url: str, *, clusters: Sequence[str] = ()) -> str:
    """Return the form of an incident: of a participant, or of the tool alone where neurologists are named."""
    of_participant = not clusters
    inner = [choice("serious", [("no", say.texts["no"]), ("yes", say.texts["yes"])], label=say("serious"))]
    inner.append(_terms(say, "relation", forms.Relation, label=say("relation")))
    if of_participant:
        inner.insert(0, _terms(say, "kind", forms.IncidentKind, label=say("kind")))
        inner.append(_terms(say, "severity", forms.Severity, label=say("severity"), optional=True))
        inner.append(_terms(say, "course", forms.Course, label=say("course"), optional=True))
        inner.append(_number("day", say("day")))
    else:
        inner.insert(0, choice("cluster", [(code, code) for code in clusters], label=say("neurologist")))
        inner.append('<input type="hidden" name="kind" value="device deficiency">')
    inner.append(
        _terms(say, "deficiency", forms.Deficiency, label=say("deficiency"), optional=of_participant),
    )
    return (
        f"<details><summary>{say('incident')}</summary>"
        f'<p class="small">{say("no_narrative")}</p>'
        + form(f"{url}/incident", f"<fieldset>{''.join(inner)}</fieldset>", say("report"), say=say)
        + "</details>"
    )


def withdrawal_form(say: Words, url: str) -> str:
    """Return the form with which a patient stops taking part."""
    inner = choice("keep_data", [("yes", say.texts["keep_data"]), ("no", say.texts["erase_data"])], label=say("then"))
    return (
        f"<details><summary>{say('withdrawal')}</summary>"
        + form(f"{url}/withdrawal", f"<fieldset>{inner}</fieldset>", say("withdraw"), say=say)
        + "</details>"
    )


def due_table(say: Words, due: Sequence[VisitDue]) -> str:
    """Return the outcome visits that are due, each with a link to its participant."""
    if not due:
        return f"<p>{say('nothing_due')}</p>"
    lines = "".join(
        f'<tr><td><a href="{HOME}/participants/{escape(visit.participant)}?lang={say.language}">'
        f"<code>{escape(visit.participant)}</code></a></td><td>{escape(visit.cluster)}</td><td>{visit.month}</td>"
        f"<td>{visit.due.isoformat()}</td></tr>"
        for visit in due
    )
    head = "".join(f'<th scope="col">{say(key)}</th>' for key in ("participant", "neurologist", "visit", "due_since"))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _terms(say: Words, name: str, terms: Any, *, label: str, optional: bool = False) -> str:  # noqa: ANN401  # a Literal
    options = [(term, named(say, term)) for term in get_args(terms)]
    return choice(name, options, label=label, required=not optional)


def _number(name: str, label: str, *, required: bool = False) -> str:
    must = " required" if required else ""
    return f'<label class="line">{label} <input name="{name}" inputmode="decimal"{must}></label>'
