"""The page of stewards and managers, ``/exports``."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, BackgroundTasks, Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from cdss.api.dependencies import caller, desk
from cdss.api.exports import Decision, check_in_background, zipped
from cdss.api.language import language_asked
from cdss.api.session import declare
from cdss.errors import NotAllowed, NotFound
from cdss.exports import ExportDesk, ExportRequest
from cdss.exports import page as html
from cdss.security.roles import Caller, Permission, RoleUnfit
from reference_db.errors import CdssError, InvalidInput, ReleaseError
from reference_db.release import active_release
from reference_db.release.export import Purpose

router = APIRouter(include_in_schema=False)

Asking = Annotated[Caller, Depends(caller)]
Desk = Annotated[ExportDesk, Depends(desk)]


@router.get(html.ADDRESS)
def page(request: Request, asking: Asking, desk: Desk, lang: str = "") -> Response:
    """Show who is asking, what they may request, and the requests that they may see."""
    return _shown(request, asking, desk, lang=lang)


@router.post(html.ADDRESS + "/{action}")
async def act(action: str, request: Request, later: BackgroundTasks, asking: Asking, desk: Desk) -> Response:
    """Do what a form asks for, and show the page again."""
    try:
        fields = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
    except (UnicodeDecodeError, ValueError) as error:
        raise InvalidInput.of("body", "is not a form") from error
    return await run_in_threadpool(_done, action, fields, request, later, asking, desk)


def _done(
    action: str, fields: Mapping[str, str], request: Request, later: BackgroundTasks, asking: Caller, desk: ExportDesk
) -> Response:
    lang = html.words(fields.get("lang", "")).language
    again = RedirectResponse(f"{html.ADDRESS}?lang={lang}", status_code=HTTPStatus.SEE_OTHER, background=later)
    identifier = fields.get("export", "")
    try:
        if action == "session":
            return declare(request, again, name=fields.get("name", ""), role=fields.get("role", ""))
        request.state.action = (
            f"exports.{action}" if action in {*Decision, "request", "deliver"} else "exports.unknown"
        )
        if action == "request":
            filed = _requested(fields, asking, desk)
            request.state.subject = filed.identifier
            later.add_task(check_in_background, desk, filed.identifier, request.app.state.metrics)
            return again
        request.state.subject = desk.visible(asking, identifier).identifier
        if action == "deliver":
            return zipped(desk.deliver(asking, identifier))
        desk.decide(asking, identifier, _decision(action), comment=fields.get("comment", ""))
        if action == Decision.RECHECK:
            later.add_task(check_in_background, desk, identifier, request.app.state.metrics)
    except (NotAllowed, NotFound, InvalidInput) as error:
        status = HTTPStatus.FORBIDDEN if isinstance(error, NotAllowed) else HTTPStatus.UNPROCESSABLE_ENTITY
        said = error.said(lang) if isinstance(error, RoleUnfit) else str(error)
        return _shown(request, asking, desk, lang=lang, problem=f"{said}.", status=status)
    except ReleaseError:
        problem = "This release may not be used now: its state is told by cdss release list."
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return _shown(request, asking, desk, lang=lang, problem=problem, status=status)
    return again


def _decision(action: str) -> Decision:
    if action not in set(Decision):
        raise NotFound("there is no such action")
    return Decision(action)


def _requested(fields: Mapping[str, str], asking: Caller, desk: ExportDesk) -> ExportRequest:
    size = fields.get("size", "").strip()
    if size and not (size.isdecimal() and len(size) < 9):
        raise InvalidInput.of("size", "is not a number of patients or of avatars")
    if fields.get("purpose") not in set(Purpose):
        raise InvalidInput.of("purpose", "is not known", ", ".join(Purpose))
    return desk.request(
        asking,
        purpose=Purpose(fields["purpose"]),
        release=fields.get("release", ""),
        size=int(size) if size else None,
        recipient=fields.get("recipient", ""),
        reason=fields.get("reason", ""),
    )


def _shown(
    request: Request,
    asking: Caller,
    desk: ExportDesk,
    *,
    lang: str,
    problem: str = "",
    status: HTTPStatus = HTTPStatus.OK,
) -> Response:
    settings = request.app.state.settings
    say = html.words(lang or language_asked(request.headers.get("accept-language")))
    parts = [html.who(say, asking, declare=not settings.login_required)]
    if html.permitted(asking, Permission.REQUEST_EXPORT):
        active = active_release(settings.releases)
        parts.append(html.wish(say, active.name if active else ""))
    if html.permitted(asking, Permission.SEE_EXPORTS):
        try:
            filed = desk.list_for(asking)
        except CdssError:
            filed = None
        parts.append(html.requests(say, filed, asking))
    parts.append(html.rules(say))
    return HTMLResponse(html.page(say, "".join(parts), problem=problem), status_code=status)
