"""The page of stewards and managers: forms of plain HTML, no script."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from http import HTTPStatus
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, BackgroundTasks, Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from cdss.api.dependencies import caller, desk
from cdss.api.exports import Decision, check_in_background, zipped
from cdss.api.session import declare
from cdss.errors import NotAllowed, NotFound
from cdss.exports import TRANSITIONS, ExportDesk, ExportRequest
from cdss.exports.states import By
from cdss.security.roles import Caller, Permission, Role
from reference_db.errors import CdssError, InvalidInput
from reference_db.release import active_release
from reference_db.release.export import SHAPES, Purpose

router = APIRouter(include_in_schema=False)

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Exports of anonymous data</title>
<style>
body{{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}}
table{{border-collapse:collapse;width:100%}}
th,td{{text-align:left;padding:.4rem .6rem;border-bottom:1px solid #ccd3da;vertical-align:top}}
form{{display:inline}}fieldset{{border:1px solid #ccd3da;margin:1rem 0}}
label{{display:block;margin:.4rem 0}}input,select{{font:inherit;padding:.2rem .4rem}}button{{font:inherit}}
.quarantined{{background:#fff0e0}}.problem{{background:#fde8e8;padding:.6rem}}.failed{{font-weight:600}}
</style><main><h1>Exports of anonymous data</h1>{body}
<p>Only anonymous synthetic data leave. Every step is recorded. <a href="/">Back</a></p></main></html>"""


@router.get("/exports")
def page(
    request: Request, asking: Annotated[Caller, Depends(caller)], desk: Annotated[ExportDesk, Depends(desk)]
) -> Response:
    """Show who is asking, what they may request, and the requests that they may see."""
    return _shown(request, asking, desk)


@router.post("/exports/{action}")
async def act(
    action: str,
    request: Request,
    later: BackgroundTasks,
    asking: Annotated[Caller, Depends(caller)],
    desk: Annotated[ExportDesk, Depends(desk)],
) -> Response:
    """Do what a form asks for, and show the page again."""
    try:
        fields = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
    except (UnicodeDecodeError, ValueError) as error:
        raise InvalidInput.of("body", "is not a form") from error
    return await run_in_threadpool(_done, action, fields, request, later, asking, desk)


def _done(
    action: str, fields: Mapping[str, str], request: Request, later: BackgroundTasks, asking: Caller, desk: ExportDesk
) -> Response:
    again = RedirectResponse("/exports", status_code=HTTPStatus.SEE_OTHER, background=later)
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
        return _shown(request, asking, desk, problem=str(error), status=status)
    return again


def _decision(action: str) -> Decision:
    if action not in set(Decision):
        raise NotFound("there is no such action")
    return Decision(action)


def _requested(fields: Mapping[str, str], asking: Caller, desk: ExportDesk) -> ExportRequest:
    size = fields.get("size", "").strip()
    if size and not (size.isdigit() and len(size) < 9):
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
    request: Request, asking: Caller, desk: ExportDesk, *, problem: str = "", status: HTTPStatus = HTTPStatus.OK
) -> Response:
    settings = request.app.state.settings
    parts = [f'<p class="problem" role="alert">{escape(problem)}</p>'] if problem else []
    if asking.identifier:
        parts.append(f"<p>You are <strong>{escape(asking.identifier)}</strong>, {asking.role}.</p>")
    if not settings.login_required:
        parts.append(_declaration())
    if asking.identifier and asking.may(Permission.REQUEST_EXPORT):
        active = active_release(settings.releases)
        parts.append(_wish(active.name if active else ""))
    if asking.identifier and asking.may(Permission.SEE_EXPORTS):
        try:
            rows = "".join(_row(filed, asking) for filed in desk.list_for(asking))
        except CdssError:
            rows = '<tr><td colspan="6">The requests cannot be read now.</td></tr>'
        parts.append(
            "<table><thead><tr><th>Export<th>State<th>Purpose<th>Asked by, for<th>Checks<th></tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )
    parts.append(_rules())
    return HTMLResponse(_PAGE.format(body="".join(parts)), status_code=status)


def _declaration() -> str:
    roles = "".join(f"<option>{role}</option>" for role in (Role.STEWARD, Role.MANAGER))
    return (
        '<form method="post" action="/exports/session"><fieldset><legend>Who are you? (no login on this machine)'
        '</legend><label>Name <input name="name" required maxlength="80"></label>'
        f'<label>Role <select name="role">{roles}</select></label><button>That is me</button></fieldset></form>'
    )


def _wish(release: str) -> str:
    purposes = "".join(f'<option value="{each}">{each} ({escape(SHAPES[each])})</option>' for each in Purpose)
    return (
        '<form method="post" action="/exports/request"><fieldset><legend>Request an export</legend>'
        f'<label>Purpose <select name="purpose">{purposes}</select></label>'
        f'<label>Release <input name="release" required value="{escape(release)}"></label>'
        '<label>Size, where the purpose has one <input name="size" inputmode="numeric"></label>'
        '<label>Recipient <input name="recipient" required maxlength="200"></label>'
        '<label>Reason <input name="reason" required maxlength="1000" size="60"></label>'
        "<button>Request</button></fieldset></form>"
    )


def _row(filed: ExportRequest, asking: Caller) -> str:
    checks = "<br>".join(
        f"{escape(check['name'])}: {escape(check['detail'])}"
        if check["passed"]
        else f'<span class="failed">{escape(check["name"])}: FAILED, {escape(check["detail"])}</span>'
        for check in filed.checks
    )
    own = filed.requester == asking.identifier
    buttons = "".join(
        _button(move.verb, filed.identifier)
        for move in TRANSITIONS
        if move.permission is not None
        and asking.may(move.permission)
        and filed.state in {state.value for state in move.before}
        and (move.by is By.REQUESTER) == own
    )
    size = "" if filed.size is None else f", {filed.size:,}"
    cells = (
        f"{escape(filed.identifier)}<br>{escape(filed.release)}",
        escape(filed.state),
        f"{escape(filed.purpose)}{size}",
        f"{escape(filed.requester)}, {escape(filed.recipient)}: {escape(filed.reason)}",
        checks,
        buttons,
    )
    return f'<tr class="{escape(filed.state)}">{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _button(verb: str, identifier: str) -> str:
    why = '<input name="comment" placeholder="why" aria-label="why" required>' if verb == "reject" else ""
    return (
        f'<form method="post" action="/exports/{verb}">'
        f'<input type="hidden" name="export" value="{escape(identifier)}">'
        f"{why}<button>{verb}</button></form> "
    )


def _rules() -> str:
    rows = "".join(
        f"<tr><td>{move.verb}</td><td>{', '.join(move.before)}</td><td>{move.after}</td><td>{move.by}</td></tr>"
        for move in TRANSITIONS
    )
    return (
        "<details><summary>What happens to a request</summary><table><thead><tr><th>What<th>From<th>To<th>By whom"
        f"</tr></thead><tbody>{rows}</tbody></table></details>"
    )
