"""SMART backend services: a programme proves itself by a signed assertion and gets a short access token."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import parse_qs

import jwt
import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from cdss.ehr.capability import TOKEN_PATH
from cdss.ehr.configuration import MachineClient
from cdss.ehr.doors import Doors, doors
from cdss.ehr.keys import KeyNotFound, key_of
from cdss.ehr.trust import NotTrusted, checked_claims, parse_unproven

router = APIRouter(tags=["SMART"])

ACCESS_SECONDS = 300
LARGEST_FORM = 20_000
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

_AUDIENCE = "ms-cdss fhir"
_log = structlog.get_logger()


@dataclass(frozen=True)
class _Refused(Exception):
    error: str
    status: HTTPStatus = HTTPStatus.BAD_REQUEST


@router.post(
    TOKEN_PATH,
    responses={400: {"description": "OAuth 2.0 error."}, 401: {"description": "OAuth 2.0 error: invalid_client."}},
)
async def token(request: Request, doors: Annotated[Doors, Depends(doors)]) -> Response:
    """Exchange a signed assertion (``private_key_jwt``) for an access token of five minutes."""
    try:
        granted = await _grant(await _form(request), request, doors)
    except _Refused as refusal:
        return JSONResponse({"error": refusal.error}, refusal.status, headers={"Cache-Control": "no-store"})
    return JSONResponse(granted, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


async def _form(request: Request) -> Mapping[str, str]:
    body = await request.body()
    if len(body) > LARGEST_FORM:
        raise _Refused("invalid_request")
    try:
        fields = parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=20)
    except ValueError as error:
        raise _Refused("invalid_request") from error
    if any(len(values) > 1 for values in fields.values()):
        raise _Refused("invalid_request")
    return {name: values[0] for name, values in fields.items()}


async def _grant(form: Mapping[str, str], request: Request, doors: Doors) -> dict[str, Any]:
    if form.get("grant_type") != "client_credentials":
        raise _Refused("unsupported_grant_type")
    if form.get("client_assertion_type") != ASSERTION:
        raise _Refused("invalid_request")
    try:
        client = await _client(form.get("client_assertion", ""), request, doors)
    except NotTrusted as reason:
        _log.warning("machine_client_refused", kind=str(reason))
        raise _Refused("invalid_client", HTTPStatus.UNAUTHORIZED) from reason
    scopes = form.get("scope", "").split()
    if not scopes or not set(scopes) <= set(client.scopes):
        raise _Refused("invalid_scope")
    now = int(time.time())
    claims = {"aud": _AUDIENCE, "sub": client.client_id, "scope": " ".join(scopes), "exp": now + ACCESS_SECONDS}
    return {
        "access_token": jwt.encode(claims, doors.secret, algorithm="HS256"),
        "token_type": "bearer",
        "expires_in": ACCESS_SECONDS,
        "scope": " ".join(scopes),
    }


async def _client(assertion: str, request: Request, doors: Doors) -> MachineClient:
    header, unproven = parse_unproven(assertion)
    known = doors.configuration.partners.machine_clients
    client = next((one for one in known if one.client_id == unproven.get("iss") == unproven.get("sub")), None)
    if client is None or header.get("jku") not in (None, client.jwks_url):
        raise NotTrusted("client not known")
    try:
        if client.jwks is not None:
            key = key_of(client.jwks, header["kid"], header["alg"])
        else:
            key = await doors.trust.keys.key(client.jwks_url or "", header["kid"], header["alg"])
    except KeyNotFound as error:
        raise NotTrusted("no such key") from error
    audiences = [f"{base}{TOKEN_PATH}" for base in doors.base_urls(request)]
    claims = checked_claims(assertion, key, header["alg"], audiences=audiences, issuer=client.client_id)
    if claims["exp"] - time.time() > ACCESS_SECONDS + 30:
        raise NotTrusted("lives too long")
    await run_in_threadpool(doors.trust.used.use, f"machine {client.client_id}", claims["jti"], claims["exp"])
    return client


def require_scope(request: Request, doors: Doors, scope: str) -> None:
    """Verify the access token of a call.

    Raises
    ------
    NotTrusted
        If there is none, or it does not cover what is asked. The ``dev`` profile lets calls without a token pass.
    """
    authorization = request.headers.get("authorization")
    if authorization is None and doors.configuration.dev:
        return
    scheme, _, access = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not access:
        raise NotTrusted("no token")
    try:
        claims = jwt.decode(
            access,
            doors.secret,
            algorithms=["HS256"],
            audience=_AUDIENCE,
            options={"require": ["exp", "scope", "sub"]},
        )
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise NotTrusted(type(error).__name__) from error
    if scope not in str(claims["scope"]).split():
        raise NotTrusted("scope")
