"""The pages of the evaluation, at ``/evaluation``: forms of plain HTML that call the verbs of the conduct."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, ValidationError
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from cdss.api.dependencies import caller, database
from cdss.api.evaluation import Code, Participant, allocate
from cdss.api.session import declare
from cdss.errors import NotAllowed, NotFound
from cdss.evaluation import forms, pages
from cdss.evaluation.conduct import Conduct
from cdss.evaluation.instruments import instrument
from cdss.evaluation.monitoring import monitor
from cdss.evaluation.pages.trial import HOME
from cdss.evaluation.protocol import Arm
from cdss.evaluation.records import AnswerRecord, EventRecord
from cdss.persistence import Database
from cdss.reference import Reference
from cdss.security.roles import Caller, Permission
from reference_db.errors import FieldProblem, InvalidInput

router = APIRouter(prefix=HOME, include_in_schema=False)

Asking = Annotated[Caller, Depends(caller)]
Kept = Annotated[Database, Depends(database)]
Form = TypeVar("Form", bound=BaseModel)


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
            counted = _form(forms.NotRandomised, {"cluster": fields.get("cluster", ""), "reason": "declined"})
            conduct.count_not_randomised(code, counted)
            return RedirectResponse(f"{HOME}/trials/{code}?lang={lang}", status_code=HTTPStatus.SEE_OTHER)
        known = {name: fields[name] for name in ("age", "phenotype", "edss", "sex") if fields.get(name)}
        consent = {"given": True, "version": protocol.consent.version, "language": lang}
        factors = {n.removeprefix("factor-"): v for n, v in fields.items() if n.startswith("factor-")}
        given = {"cluster": fields.get("cluster", ""), "consent": consent, "baseline": known, "factors": factors}
        identifier = conduct.enrol(code, _form(forms.Enrolment, given))
    except (NotAllowed, InvalidInput) as error:
        return _trial(conduct, code, lang, problem=str(error))
    return RedirectResponse(f"{HOME}/participants/{identifier}?lang={lang}", status_code=HTTPStatus.SEE_OTHER)


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
    """Record one step of a consultation: questionnaire, treatment considered, allocation, decision."""
    asking.require(Permission.EVALUATE)
    steps = {"answers", "considered_before", "allocation", "decided"}
    if step not in steps:
        raise NotFound("there is no such step")
    request.state.action = f"evaluation.{step}"
    return await run_in_threadpool(_stepped, Conduct(kept), request.app.state.reference, identifier, step, fields)


def _stepped(conduct: Conduct, served: Reference, identifier: str, step: str, fields: Mapping[str, str]) -> Response:
    lang = _language(fields)
    try:
        if step == "answers":
            conduct.answer(identifier, [_form(forms.Answer, _answer(fields, lang))])
        elif step == "allocation":
            allocate(identifier, conduct, served)
        else:
            conduct.record_events(identifier, _events(step, fields))
    except (NotAllowed, InvalidInput) as error:
        return _participant(conduct, identifier, lang, problem=str(error))
    return RedirectResponse(f"{HOME}/participants/{identifier}?lang={lang}", status_code=HTTPStatus.SEE_OTHER)


def _answer(fields: Mapping[str, str], lang: str) -> dict[str, Any]:
    length = instrument(fields.get("instrument", "")).length
    given = [fields.get(f"item{i}", "") for i in range(1, length + 1)]
    kept = {name: fields.get(name, "") for name in ("instrument", "respondent", "moment")}
    return {**kept, "language": lang, "responses": [value or None for value in given]}


def _events(step: str, fields: Mapping[str, str]) -> list[forms.Event]:
    events = [{"kind": step, "seconds": 0, "detail": fields.get("treatment", "")}]
    if step == "decided":
        try:
            end = round(float(fields.get("minutes", "").replace(",", ".")) * 60)
        except (ValueError, OverflowError) as error:
            raise InvalidInput.of("minutes", "is not a number", "0 to 360") from error
        events[0]["seconds"] = end
        events += [{"kind": "opened", "seconds": 0}, {"kind": "closed", "seconds": end}]
    return [_form(forms.Event, event) for event in events]


def _form(kind: type[Form], given: Mapping[str, Any]) -> Form:
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise InvalidInput(
            [FieldProblem(".".join(str(part) for part in fault["loc"]), fault["msg"]) for fault in error.errors()]
        ) from error


def _language(fields: Mapping[str, str]) -> str:
    return pages.words(fields.get("lang", "en")).language


def _trial(conduct: Conduct, code: Code, lang: str, *, problem: str = "") -> Response:
    say = pages.words(lang)
    _, protocol = conduct.trial(code)
    body = pages.trial_page(say, protocol, monitor(conduct, code))
    status = HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK
    text = pages.page(say, body, path=f"{HOME}/trials/{protocol.code}", problem=problem)
    return HTMLResponse(text, status_code=status)


def _participant(conduct: Conduct, identifier: str, lang: str, *, problem: str = "") -> Response:
    say = pages.words(lang)
    record, protocol = conduct.participant(identifier)
    with conduct.database.reading() as session:
        answers = session.scalars(select(AnswerRecord).where(AnswerRecord.participant == identifier)).all()
        kinds = session.scalars(select(EventRecord.kind).where(EventRecord.participant == identifier)).all()
    known = pages.ParticipantPage(
        identifier=record.identifier,
        protocol=protocol,
        arm=Arm(record.arm) if record.arm else None,
        answered={(a.instrument, a.respondent, a.moment): a.total for a in answers},
        events=frozenset(kinds),
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK
    body = pages.participant_page(say, known)
    text = pages.page(say, body, path=f"{HOME}/participants/{record.identifier}", problem=problem)
    return HTMLResponse(text, status_code=status)
