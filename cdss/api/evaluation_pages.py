"""The pages of the evaluation, at ``/evaluation``: forms of plain HTML that call the verbs of the conduct."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse
from fastapi.routing import APIRoute
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from cdss.api.dependencies import caller, database
from cdss.api.evaluation import Code, Participant, allocate
from cdss.api.evaluation_fields import STEPS, answer_of, events_of, incident_of, outcome_of, parsed
from cdss.api.session import declare
from cdss.errors import NotAllowed, NotAuthenticated, NotFound
from cdss.evaluation import forms, pages
from cdss.evaluation.conduct import CLOSED, Conduct
from cdss.evaluation.examples import example_text
from cdss.evaluation.monitoring import monitor
from cdss.evaluation.pages.follow_up import HOME
from cdss.evaluation.protocol import Arm, protocol_of_text
from cdss.evaluation.reasons import Refusal, Unknown, invalid
from cdss.evaluation.records import AnswerRecord, EventRecord, OutcomeRecord
from cdss.evaluation.verification import departures
from cdss.persistence import Database
from cdss.reference import Reference
from cdss.security.roles import Caller, Permission
from reference_db.errors import CdssError, InvalidInput


class _Page(APIRoute):
    """A route whose refusals are pages too, in the language that was asked for."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer: Callable[[Request], Awaitable[Response]] = super().get_route_handler()

        async def page(request: Request) -> Response:
            try:
                return await answer(request)
            except (NotAllowed, NotFound, InvalidInput) as error:
                return _refused(request, error)

        return page


def _refused(request: Request, error: CdssError) -> Response:
    say = pages.words(getattr(request.state, "language", request.query_params.get("lang", "en")))
    told, status = error, HTTPStatus.UNPROCESSABLE_ENTITY
    if isinstance(error, NotAuthenticated):
        told, status = Refusal("no_session"), HTTPStatus.UNAUTHORIZED
    elif isinstance(error, NotAllowed):
        status = HTTPStatus.FORBIDDEN
    elif isinstance(error, NotFound):
        status = HTTPStatus.NOT_FOUND
    back = f'<p><a href="{HOME}?lang={say.language}">{say("trials")}</a></p>'
    return HTMLResponse(pages.page(say, back, path=HOME, problem=pages.said(say, told)), status_code=status)


router = APIRouter(prefix=HOME, include_in_schema=False, route_class=_Page)

Kept = Annotated[Database, Depends(database)]


def _evaluator(request: Request, asking: Annotated[Caller, Depends(caller)]) -> Caller:
    request.state.subject = str(request.path_params.get("code", ""))[:40]
    if asking.identifier and not asking.may(Permission.EVALUATE):
        raise Refusal("role_unfit", role=asking.role.value)
    asking.require(Permission.EVALUATE)
    return asking


Asking = Annotated[Caller, Depends(_evaluator)]


def _leading(asking: Asking) -> Caller:
    if not asking.may(Permission.LEAD_TRIAL):
        raise Refusal("trialist_only", role=asking.role.value)
    return asking


Leading = Annotated[Caller, Depends(_leading)]


async def _fields(request: Request) -> dict[str, str]:
    try:
        fields = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
    except (UnicodeDecodeError, ValueError) as error:
        raise invalid("body", "not_a_form") from error
    request.state.language = _language(fields)
    return fields


Fields = Annotated[dict[str, str], Depends(_fields)]


@router.get("")
def home(request: Request, asking: Annotated[Caller, Depends(caller)], kept: Kept, lang: str = "en") -> Response:
    """List the trials."""
    request.state.action = "evaluation.page"
    return _home(request, asking, kept, lang)


def _home(
    request: Request, asking: Caller, kept: Database, lang: str, *, written: str = "", problem: str = ""
) -> Response:
    say = pages.words(lang)
    may = bool(asking.identifier) and asking.may(Permission.EVALUATE)
    body = pages.home_page(
        say,
        Conduct(kept).trials() if may else (),
        who=asking.identifier if may else "",
        declare=not request.app.state.settings.login_required,
        leads=may and asking.may(Permission.LEAD_TRIAL),
        written=written,
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK
    return HTMLResponse(pages.page(say, body, path=HOME, problem=problem), status_code=status)


@router.get("/example.yaml")
def example(request: Request) -> Response:
    """Return the example protocol, to edit."""
    request.state.action = "evaluation.page"
    return PlainTextResponse(example_text())


@router.post("/protocol")
def check(request: Request, fields: Fields, asking: Leading, kept: Kept) -> Response:
    """Check a protocol and show what was understood; nothing is opened."""
    request.state.action = "evaluation.check_protocol"
    say, written = pages.words(_language(fields)), fields.get("protocol", "")
    try:
        protocol = protocol_of_text(written, name="protocol")
    except InvalidInput as error:
        return _home(request, asking, kept, say.language, written=written, problem=pages.said(say, error))
    request.state.subject = protocol.code
    return HTMLResponse(pages.page(say, pages.checked_page(say, protocol, written), path=HOME))


@router.post("/trials")
def open_trial(request: Request, fields: Fields, asking: Leading, kept: Kept) -> Response:
    """Open the trial of a protocol that was checked."""
    request.state.action = "evaluation.open"
    say, written = pages.words(_language(fields)), fields.get("protocol", "")
    try:
        protocol = protocol_of_text(written, name="protocol")
        request.state.subject = protocol.code
        Conduct(kept).open(protocol, seed=_seed(fields))
    except (NotAllowed, InvalidInput) as error:
        return _home(request, asking, kept, say.language, written=written, problem=pages.said(say, error))
    return _to(f"trials/{protocol.code}", say.language)


def _seed(fields: Mapping[str, str]) -> int | None:
    given = fields.get("seed", "").strip()
    if given and not (given.isascii() and given.isdigit() and int(given) < 2**63):
        raise invalid("seed", "not_a_number")
    return int(given) if given else None


@router.post("/session")
def say_who(request: Request, fields: Fields) -> Response:
    """Say who one is, where no login is required."""
    again = RedirectResponse(f"{HOME}?lang={_language(fields)}", status_code=HTTPStatus.SEE_OTHER)
    if request.app.state.settings.login_required:
        raise Refusal("login_required")
    try:
        return declare(request, again, name=fields.get("name", ""), role=fields.get("role", ""))
    except InvalidInput as error:
        raise invalid("name", "name_and_role") from error


@router.get("/trials/{code}")
def trial(request: Request, code: Code, asking: Asking, kept: Kept, lang: str = "en") -> Response:
    """Show how a trial is going, and the form for a new patient."""
    request.state.action = "evaluation.monitor"
    return _trial(Conduct(kept), code, lang, asking)


@router.post("/trials/{code}/period")
def begin_next_period(request: Request, code: Code, fields: Fields, asking: Leading, kept: Kept) -> Response:
    """Begin the next period of a stepped wedge."""
    request.state.action = "evaluation.next_period"
    return _moved(Conduct(kept), code, fields, asking, Conduct.next_period)


@router.post("/trials/{code}/closure")
def close(request: Request, code: Code, fields: Fields, asking: Leading, kept: Kept) -> Response:
    """Close a trial whose code was typed once more."""
    request.state.action = "evaluation.close"

    def confirmed(conduct: Conduct, trial: str) -> None:
        if fields.get("code", "").strip() != trial:
            raise Refusal("code_unconfirmed", code=trial)
        conduct.close(trial)

    return _moved(Conduct(kept), code, fields, asking, confirmed)


def _moved(
    conduct: Conduct, code: str, fields: Mapping[str, str], asking: Caller, move: Callable[[Conduct, str], object]
) -> Response:
    lang = _language(fields)
    try:
        move(conduct, code)
    except NotAllowed as error:
        return _trial(conduct, code, lang, asking, problem=error)
    return _to(f"trials/{code}", lang)


@router.post("/trials/{code}")
async def enrol(request: Request, code: Code, fields: Fields, asking: Asking, kept: Kept) -> Response:
    """Keep a patient who consented, or count one who declined."""
    request.state.action = "evaluation.enrol"
    return await run_in_threadpool(_enrolled, Conduct(kept), code, fields, asking)


def _enrolled(conduct: Conduct, code: Code, fields: Mapping[str, str], asking: Caller) -> Response:
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
        return _trial(conduct, code, lang, asking, problem=error)
    return _to(f"participants/{identifier}", lang)


@router.post("/trials/{code}/incident")
async def incident(request: Request, code: Code, fields: Fields, asking: Asking, kept: Kept) -> Response:
    """Keep the report of a deficiency of the tool that concerns no patient."""
    request.state.action = "evaluation.incident"
    return await run_in_threadpool(_reported, Conduct(kept), code, fields, asking)


def _reported(conduct: Conduct, code: str, fields: Mapping[str, str], asking: Caller) -> Response:
    lang = _language(fields)
    try:
        number = conduct.report_incident(code, incident_of(fields))
    except (NotAllowed, InvalidInput) as error:
        return _trial(conduct, code, lang, asking, problem=error)
    return _trial(conduct, code, lang, asking, done=pages.words(lang)("incident_kept", number=number))


@router.get("/participants", dependencies=[Depends(_evaluator)])
def find(request: Request, identifier: Annotated[str, Query()] = "", lang: str = "en") -> Response:
    """Go to the page of a participant whose identifier was typed."""
    request.state.action = "evaluation.participant"
    if not re.fullmatch(r"[0-9a-f]{16}", identifier):
        raise Unknown("no_participant")
    return _to(f"participants/{identifier}", pages.words(lang).language)


@router.get("/participants/{identifier}/tool", dependencies=[Depends(_evaluator)])
def tool(request: Request, identifier: Participant, kept: Kept, lang: str = "en") -> Response:
    """Open the viewer for a participant who consented and is allocated to its use; otherwise say why not."""
    request.state.action = "evaluation.tool"
    conduct, language = Conduct(kept), pages.words(lang).language
    try:
        conduct.require_tool(identifier)
    except NotAllowed as error:
        return _participant(conduct, identifier, language, problem=error, status=HTTPStatus.FORBIDDEN)
    return RedirectResponse(f"/viewer/?participant={identifier}&lang={language}", status_code=HTTPStatus.SEE_OTHER)


@router.get("/participants/{identifier}", dependencies=[Depends(_evaluator)])
def participant(request: Request, identifier: Participant, kept: Kept, lang: str = "en") -> Response:
    """Show what is due in a consultation."""
    request.state.action = "evaluation.participant"
    return _participant(Conduct(kept), identifier, lang)


@router.post("/participants/{identifier}/{step}", dependencies=[Depends(_evaluator)])
async def step(request: Request, identifier: Participant, step: str, fields: Fields, kept: Kept) -> Response:
    """Record one step: questionnaire, treatment considered, allocation, decision, visit, incident, withdrawal."""
    if step not in STEPS:
        raise Unknown("no_step")
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
        return _participant(conduct, identifier, lang, problem=error)
    return _to(f"participants/{identifier}", lang)


def _to(path: str, lang: str) -> Response:
    return RedirectResponse(f"{HOME}/{path}?lang={lang}", status_code=HTTPStatus.SEE_OTHER)


def _language(fields: Mapping[str, str]) -> str:
    return pages.words(fields.get("lang", "en")).language


def _trial(
    conduct: Conduct, code: str, lang: str, asking: Caller, *, problem: CdssError | None = None, done: str = ""
) -> Response:
    say = pages.words(lang)
    state, protocol = conduct.trial(code)
    body = pages.trial_page(
        say,
        protocol,
        monitor(conduct, code),
        conduct.visits_due(code),
        leads=asking.may(Permission.LEAD_TRIAL),
        departures=len(departures(conduct, code)) if state.status == CLOSED else None,
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if problem else HTTPStatus.OK
    why = pages.said(say, problem) if problem else ""
    text = pages.page(say, body, path=f"{HOME}/trials/{protocol.code}", problem=why, done=done)
    return HTMLResponse(text, status_code=status)


def _participant(
    conduct: Conduct,
    identifier: str,
    lang: str,
    *,
    problem: CdssError | None = None,
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
    why = pages.said(say, problem) if problem else ""
    text = pages.page(say, body, path=f"{HOME}/participants/{record.identifier}", problem=why, done=done)
    return HTMLResponse(text, status_code=status if problem else HTTPStatus.OK)
