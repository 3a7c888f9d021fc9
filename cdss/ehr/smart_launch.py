"""SMART App Launch: the viewer opened on the patient of a record, from within it (EHR launch) or from outside.

The access token lives for the one reading of the record. The patient reaches the viewer encrypted, in an address that
opens once; the service writes nothing of it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

import httpx
import jwt
import orjson
import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from cdss.api.language import language_asked
from cdss.ehr.configuration import SmartIssuer, is_loopback
from cdss.ehr.doors import Doors, doors
from cdss.ehr.elements import text
from cdss.ehr.fhir_server import FhirServer
from cdss.ehr.launch_refusals import LaunchFailed, Why, refusal_page
from cdss.ehr.outgoing import outgoing
from cdss.ehr.patient_record import read_record
from cdss.ehr.prefetch import DataMissing, gather, launch_templates
from cdss.ehr.smart_scopes import asked_scopes, lacking
from cdss.security.guard import cookie_header
from cdss.security.roles import Role

router = APIRouter(prefix="/smart", tags=["SMART"])

COOKIE = "cdss_launch"
LAUNCH_SECONDS = 600
VIEWER = "/viewer/"

_AUDIENCE = "ms-cdss launch"
_log = structlog.get_logger()

DoorsHere = Annotated[Doors, Depends(doors)]


@router.get("/launch")
async def launch(request: Request, doors: DoorsHere, iss: str = "", launch: str = "") -> Response:
    """Begin an EHR launch: send the browser to the authorisation server of the record."""
    if not launch:
        return _failed(request, LaunchFailed(Why.NO_LAUNCH_PARAMETER))
    return await _begin(request, doors, iss, launch)


@router.get("/standalone")
async def standalone(request: Request, doors: DoorsHere, iss: str = "") -> Response:
    """Begin a standalone launch: the patient is chosen at the authorisation server."""
    return await _begin(request, doors, iss, "")


@router.get("/callback")
async def callback(request: Request, doors: DoorsHere, code: str = "", state: str = "", error: str = "") -> Response:
    """End a launch: read the record once and open the viewer on its patient."""
    try:
        begun = _begun(request, doors, state)
        granted = await _exchange(begun, "" if error else code)
        document = await _patient(begun, granted, doors)
    except LaunchFailed as reason:
        failed = _failed(request, reason)
        failed.delete_cookie(COOKIE, path="/smart")
        return failed
    opened = RedirectResponse(f"{VIEWER}{doors.handover.fragment(document)}", HTTPStatus.SEE_OTHER)
    opened.delete_cookie(COOKIE, path="/smart")
    settings = request.app.state.settings
    if settings.login_required:
        # The person proved who they are to a record system on our list: that opens the viewer, and nothing more.
        ours = request.app.state.sessions.issue(f"smart {begun['iss']}", Role.CLINICIAN, proven=True)
        opened.headers.append("set-cookie", cookie_header(ours, secure=settings.secure))
    return opened


def _failed(request: Request, failed: LaunchFailed) -> Response:
    _log.warning("smart_launch_failed", why=failed.why.value)
    # The record system may ask for a language (SMART `ui_locales` of OpenID Connect); otherwise the browser does.
    asked = request.query_params.get("ui_locales", "").replace(" ", ",")
    language = language_asked(asked or request.headers.get("accept-language"))
    return HTMLResponse(refusal_page(failed, language), HTTPStatus.BAD_REQUEST, {"Vary": "Accept-Language"})


async def _begin(request: Request, doors: Doors, iss: str, launch: str) -> Response:
    issuer = doors.configuration.smart_issuer(iss)
    if issuer is None:
        return _failed(request, LaunchFailed(Why.ISSUER_NOT_LISTED))
    try:
        endpoints = await _endpoints(issuer)
    except LaunchFailed as reason:
        return _failed(request, reason)
    verifier, state = secrets.token_urlsafe(64), secrets.token_urlsafe(32)
    redirect_uri = f"{_own_base(request, doors)}/smart/callback"
    asked = {
        "response_type": "code",
        "client_id": issuer.client_id,
        "redirect_uri": redirect_uri,
        "scope": asked_scopes(launched=bool(launch)),
        "state": state,
        "aud": issuer.issuer,
        "code_challenge": challenge(verifier),
        "code_challenge_method": "S256",
        **({"launch": launch} if launch else {}),
    }
    kept = {
        "iss": issuer.issuer,
        "client": issuer.client_id,
        "token_endpoint": endpoints["token_endpoint"],
        "redirect": redirect_uri,
        "verifier": verifier,
        "state": hashlib.sha256(state.encode()).hexdigest(),
    }
    address = endpoints["authorization_endpoint"]
    joined = "&" if urlsplit(address).query else "?"
    answer = RedirectResponse(f"{address}{joined}{urlencode(asked)}", HTTPStatus.SEE_OTHER)
    answer.set_cookie(
        COOKIE,
        jwt.encode(
            {**kept, "aud": _AUDIENCE, "exp": int(time.time()) + LAUNCH_SECONDS}, doors.secret, algorithm="HS256"
        ),
        max_age=LAUNCH_SECONDS,
        path="/smart",
        secure=redirect_uri.startswith("https"),
        httponly=True,
        samesite="lax",
    )
    return answer


def challenge(verifier: str) -> str:
    """Return the S256 code challenge of a verifier (RFC 7636, section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _own_base(request: Request, doors: Doors) -> str:
    """Return the base URL to come back to: the public one, or in a sandbox the one the browser used."""
    if doors.configuration.dev and is_loopback(str(request.base_url)):
        return f"{request.url.scheme}://{request.url.netloc}"
    return doors.configuration.public_url


async def _endpoints(issuer: SmartIssuer) -> dict[str, str]:
    document = await _json("GET", f"{issuer.issuer}/.well-known/smart-configuration")
    found = {name: text(document.get(name)) for name in ("authorization_endpoint", "token_endpoint")}
    for address in found.values():
        if urlsplit(address).scheme != "https" and not (urlsplit(address).scheme == "http" and is_loopback(address)):
            raise LaunchFailed(Why.ENDPOINTS_NOT_SAFE)
    methods = document.get("code_challenge_methods_supported")
    if not isinstance(methods, list) or "S256" not in methods:
        raise LaunchFailed(Why.NO_PKCE)
    return found


async def _json(method: str, url: str, form: dict[str, str] | None = None) -> dict[str, Any]:
    try:
        async with outgoing(seconds=10) as client:
            answer = await client.request(method, url, data=form, headers={"Accept": "application/json"})
        document = orjson.loads(answer.content) if answer.status_code == httpx.codes.OK else None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise LaunchFailed(Why.NOT_REACHED) from error
    if not isinstance(document, dict):
        raise LaunchFailed(Why.REFUSED)
    return document


def _begun(request: Request, doors: Doors, state: str) -> dict[str, str]:
    """Return what was kept in this browser at the beginning of the launch."""
    try:
        begun: dict[str, str] = jwt.decode(
            request.cookies.get(COOKIE, ""),
            doors.secret,
            algorithms=["HS256"],
            audience=_AUDIENCE,
            options={"require": ["exp"]},
        )
    except jwt.PyJWTError as error:
        raise LaunchFailed(Why.NOT_BEGUN_HERE) from error
    if not hmac.compare_digest(begun["state"], hashlib.sha256(state.encode()).hexdigest()):
        raise LaunchFailed(Why.OTHER_STATE)
    return begun


async def _exchange(begun: dict[str, str], code: str) -> dict[str, Any]:
    if not code:
        raise LaunchFailed(Why.NOT_AUTHORISED)
    granted = await _json(
        "POST",
        begun["token_endpoint"],
        {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": begun["redirect"],
            "client_id": begun["client"],
            "code_verifier": begun["verifier"],
        },
    )
    if not text(granted.get("access_token")) or text(granted.get("token_type")).lower() != "bearer":
        raise LaunchFailed(Why.GRANT_UNUSABLE)
    missing = lacking(text(granted.get("scope")))
    if missing:
        raise LaunchFailed(Why.SCOPES_LACKING, tuple(missing))
    if not text(granted.get("patient")):
        raise LaunchFailed(Why.NO_PATIENT)
    return granted


async def _patient(begun: dict[str, str], granted: dict[str, Any], doors: Doors) -> Mapping[str, Any]:
    """Read the record with the token, which is dropped with the answer, and return what it says of the patient."""
    patient = text(granted["patient"])
    server = FhirServer(begun["iss"], text(granted["access_token"]))
    try:
        gathered = await gather({}, patient=patient, templates=launch_templates(), server=server)
    except DataMissing as error:
        raise LaunchFailed(Why.RECORD_NOT_READ, tuple(error.missing)) from error
    reading = await run_in_threadpool(read_record, gathered.resources, today=doors.today())
    if reading.subject != f"Patient/{patient}":
        raise LaunchFailed(Why.OTHER_PATIENT)
    if not reading.has_ms:
        raise LaunchFailed(Why.NO_DIAGNOSIS)
    return reading.document
