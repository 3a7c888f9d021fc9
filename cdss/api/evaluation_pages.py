"""The pages of the evaluation, at ``/evaluation``: forms of plain HTML that call the verbs of the conduct."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from cdss.api.dependencies import caller, database
from cdss.api.evaluation import Code, Participant, allocate
from cdss.api.evaluation_fields import STEPS, answer_of, events_of, incident_of, outcome_of, parsed
from cdss.api.session import declare
from cdss.errors import NotAllowed, NotFound
from cdss.evaluation import forms, pages
from cdss.evaluation.conduct import Conduct
from cdss.evaluation.monitoring import monitor
from cdss.evaluation.pages.follow_up import HOME
from cdss.evaluation.protocol import Arm
from cdss.evaluation.records import AnswerRecord, EventRecord, OutcomeRecord
from cdss.persistence import Database
from cdss.reference import Reference
from cdss.security.roles import Caller, Permission
from reference_db.errors import InvalidInput

router = APIRouter(prefix=HOME, include_in_schema=False)

Asking = Annotated[Caller, Depends(caller)]
Kept = Annotated[Database, Depends(database)]


async def _fields(request: Request) -> dict[str, str]:
    try:
        return {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
    except (UnicodeDecodeError, ValueError) as error:
        raise InvalidInput.of("body", "is not a form") from error


Fields = Annotated[dict[str, str], Depends(_fields)]


@router.get("")
def home(request: Request, asking: Asking, kept: Kept, lang: str = "en") -> Response:
    """List the trials."""
    request.state.action = "evaluation.page"
    say = pages.words(lang)
    may = bool(asking.identifier) and asking.may(Permission.EVALUATE)
    trials = Conduct(kept).trials() if may else ()
    open_door = not request.app.state.settings.login_required
    body = pages.home_page(say, trials, who=asking.identifier if may else "", declare=open_door)
    return HTMLResponse(pages.page(say, body, path=HOME))


@router.post("/session")
def say_who(request: Request, fields: Fields) -> Response:
    """Say who one is, where no login is required."""
    again = RedirectResponse(f"{HOME}?lang={_language(fields)}", status_code=HTTPStatus.SEE_OTHER)
    return declare(request, again, name=fields.get("name", ""), role=fields.get("role", ""))


@router.get("/trials/{code}")
def trial(request: Request, code: Code, asking: Asking, kept: Kept, lang: str = "en") -> Response:
    """Show how a trial is going, and the form for a new patient."""
    asking.require(Permission.EVALUATE)
    request.state.action = "evaluation.monitor"
    return _trial(Conduct(kept), code, lang)


@router.post("/trials/{code}")
async def enrol(request: Request, code: Code, fields: Fields, asking: Asking, kept: Kept) -> Response:
    """Keep a patient who consented, or count one who declined."""
    asking.require(Permission.EVALUATE)
    request.state.action = "evaluation.enrol"
    return await run_in_threadpool(_enrolled, Conduct(kept), code, fields)


def _enrolled(conduct: Conduct, code: Code, fields: Mapping[str, str]) -> Response:
    lang = _language(fields)
    try:
        _, protocol = conduct.trial(code)
        if fields.get("consent") != "yes":
            counted = {"cluster": fields.get("cluster", ""), "reason": fields.get("reason") or "declined"}
            conduct.count_not_randomised(code, parsed(forms.NotRandomised, counted))
            return _to(f"trials/{code}", lang)
        known = {name: fields[name] for name in ("age", "phenotype", "edss", "sex") if fields.get(name)}
        consent = {"given": True, "version": protocol.consent.version, "language": lang}
        factors = {n.removeprefix("factor-"): v for n, v in fields.items() if n.startswith("factor-")}
        given = {"cluster": fields.get("cluster", ""), "consent": consent, "baseline": known, "factors": factors}
        identifier = conduct.enrol(code, parsed(forms.Enrolment, given))
    except (NotAllowed, InvalidInput) as error:
        return _trial(conduct, code, lang, problem=str(error))
    return _to(f"participants/{identifier}", lang)


@router.post("/trials/{code}/incident")
async def incident(request: Request, code: Code, fields: Fields, asking: Asking, kept: Kept) -> Response:
    """Keep the report of a deficiency of the tool that concerns no patient."""
    asking.require(Permission.EVALUATE)
    request.state.action = "evaluation.incident"
    return await run_in_threadpool(_reported, Conduct(kept), code, fields)


def _reported(conduct: Conduct, code: str, fields: Mapping[str, str]) -> Response:
    lang = _language(fields)
    try:
        number = conduct.report_incident(code, incident_of(fields))
    except (NotAllowed, InvalidInput) as error:
        return _trial(conduct, code, lang, problem=str(error))
    return _trial(conduct, code, lang, done=pages.words(lang)("incident_kept", number=number))


@router.get("/participants")
def find(request: Request, asking: Asking, identifier: Annotated[str, Query()] = "", lang: str = "en") -> Response:
    """Go to the page of a participant whose identifier was typed."""
    asking.require(Permission.EVALUATE)
    request.state.action = "evaluation.participant"
    if not re.fullmatch(r"[0-9a-f]{16}", identifier):
        raise NotFound("there is no such participant")
    return _to(f"participants/{identifier}", pages.words(lang).language)


@router.get("/participants/{identifier}/tool")
def tool(request: Request, identifier: Participant, asking: Asking, kept: Kept, lang: str = "en") -> Response:
    """Open the viewer for a participant who consented and is allocated to its use; otherwise say why not."""
    asking.require(Permission.EVALUATE)
    request.state.action = "evaluation.tool"
    conduct, language = Conduct(kept), pages.words(lang).language
    try:
        conduct.require_tool(identifier)
    except NotAllowed as error:
        return _participant(conduct, identifier, language, problem=str(error), status=HTTPStatus.FORBIDDEN)
    return RedirectResponse(f"/viewer/?participant={identifier}&lang={language}", status_code=HTTPStatus.SEE_OTHER)


@router.get("/participants/{identifier}")
def participant(request: Request, identifier: Participant, asking: Asking, kept: Kept, lang: str = "en") -> Response:
    """Show what is due in a consultation."""
    asking.require(Permission.EVALUATE)
    request.state.action = "evaluation.participant"
    return _participant(Conduct(kept), identifier, lang)


@router.post("/participants/{identifier}/{step}")
async def step(
    request: Request, identifier: Participant, step: str, fields: Fields, asking: Asking, kept: Kept
) -> Response:
    """Record one step: questionnaire, treatment considered, allocation, decision, visit, incident, withdrawal."""
    asking.require(Permission.EVALUATE)
    if step not in STEPS:
        raise NotFound("there is no such step")
    request.state.action = f"evaluation.{step}"
    return await run_in_threadpool(_stepped, Conduct(kept), request.app.state.reference, identifier, step, fields)


def _stepped(conduct: Conduct, served: Reference, identifier: str, step: str, fields: Mapping[str, str]) -> Response:
    lang = _language(fields)
    try:
        match step:
            case "answers":
                conduct.answer(identifier, [answer_of(fields, lang)])
            case "allocation":
                allocate(identifier, conduct, served)
            case "outcomes":
                conduct.record_outcomes(identifier, [outcome_of(fields)])
            case "incident":
                record, _ = conduct.participant(identifier)
                number = conduct.report_incident(record.trial, incident_of({**fields, "participant": identifier}))
                done = pages.words(lang)("incident_kept", number=number)
                return _participant(conduct, identifier, lang, done=done)
            case "withdrawal":
                conduct.withdraw(identifier, keep_data=fields.get("keep_data") == "yes")
            case _:
                conduct.record_events(identifier, events_of(step, fields))
    except (NotAllowed, InvalidInput) as error:
        return _participant(conduct, identifier, lang, problem=str(error))
    return _to(f"participants/{identifier}", lang)


def _to(path: str, lang: str) -> Response:
    return RedirectResponse(f"{HOME}/{path}?lang={lang}", status_code=HTTPStatus.SEE_OTHER)


def _language(fields: Mapping[str, str]) -> str:
    return pages.words(fields.get("lang", "en")).language


def _trial(conduct: Conduct, code: str, lang: str, *, problem: str = "", done: str = "") -> Response:
    say = pages.words(lang)
    _, protocol = conduct.trial(code)
    body = pages.trial_page(say, protocol, monitor(conduct, code), conduct.visits_due(code))
    status = HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK
    text = pages.page(say, body, path=f"{HOME}/trials/{protocol.code}", problem=problem, done=done)
    return HTMLResponse(text, status_code=status)


def _participant(
    conduct: Conduct,
    identifier: str,
    lang: str,
    *,
    problem: str = "",
    done: str = "",
    status: HTTPStatus = HTTPStatus.UNPROCESSABLE_ENTITY,
) -> Response:
    """Return the page of a participant; `status` is that of a problem."""
    say = pages.words(lang)
    record, protocol = conduct.participant(identifier)
    with conduct.database.reading() as session:
        answers = session.scalars(select(AnswerRecord).where(AnswerRecord.participant == identifier)).all()
        kinds = session.scalars(select(EventRecord.kind).where(EventRecord.participant == identifier)).all()
        months = session.scalars(select(OutcomeRecord.month).where(OutcomeRecord.participant == identifier)).all()
    known = pages.ParticipantPage(
        identifier=record.identifier,
        protocol=protocol,
        arm=Arm(record.arm) if record.arm else None,
        answered={(a.instrument, a.respondent, a.moment): a.total for a in answers},
        events=frozenset(kinds),
        visits=frozenset(months),
        withdrawn=record.withdrawn_at is not None,
    )
    body = pages.participant_page(say, known)
    text = pages.page(say, body, path=f"{HOME}/participants/{record.identifier}", problem=problem, done=done)
    return HTMLResponse(text, status_code=status if problem else HTTPStatus.OK)
