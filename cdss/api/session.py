"""Sessions: logging in at the identity provider, or saying who one is where no login is required."""

from __future__ import annotations

import base64
import hashlib
import secrets
from http import HTTPStatus
from typing import Annotated, Any, cast
from urllib.parse import urlencode

import httpx
import jwt
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cdss.api.dependencies import caller
from cdss.errors import NotAllowed, NotAuthenticated, NotFound
from cdss.security.guard import cookie_header, session_cookie
from cdss.security.roles import Caller, Role
from cdss.security.tokens import Provider, Sessions
from cdss.settings import Settings
from reference_db.errors import InvalidInput

router = APIRouter(tags=["session"])
login = APIRouter(include_in_schema=False)

_BEGUN = "cdss_login"
_MINUTES = 10


class Declaration(BaseModel):
    """Who somebody says they are."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=80, pattern=r"^[\w .@-]+$", examples=["a steward"])
    role: Role = Field(examples=[Role.STEWARD])


class Opened(BaseModel):
    """A session."""

    token: str = Field(description="Bearer token of the session.")
    role: Role
    proven: bool = Field(description="Whether an identity provider vouches for it.")


@router.post(
    "/session",
    responses={
        200: {"model": Opened, "description": "The session, as a bearer token and as a cookie."},
        401: {"description": "A login is required and the token does not give one (RFC 9457)."},
    },
)
def open_session(
    request: Request, asking: Annotated[Caller, Depends(caller)], declared: Declaration | None = None
) -> Response:
    """Open a session: from a bearer token where a login is required, otherwise by saying who one is."""
    settings, sessions = _installation(request)
    if settings.login_required:
        if not asking.proven:
            raise NotAuthenticated("send a token of the identity provider as Authorization: Bearer")
        opened = asking
    elif declared is None:
        raise NotAuthenticated("say who you are: a name and a role")
    else:
        opened = Caller(identifier=declared.name, role=declared.role)
    token = sessions.issue(opened.identifier, opened.role, proven=opened.proven)
    request.state.caller = opened
    answer = JSONResponse({"token": token, "role": opened.role.value, "proven": opened.proven})
    answer.headers.append("set-cookie", cookie_header(token, secure=settings.secure))
    return answer


def declare(request: Request, answer: Response, *, name: str, role: str) -> Response:
    """Open a session for a name that was typed into a page, where no login is required.

    Raises
    ------
    InvalidInput
        If name or role cannot be used.
    NotAllowed
        Where a login is required.
    """
    settings, sessions = _installation(request)
    if settings.login_required:
        raise NotAllowed("a login is required here")
    try:
        declared = Declaration.model_validate({"name": name.strip(), "role": role})
    except ValidationError as error:
        raise InvalidInput.of("name and role", "cannot be used", "letters and digits; one of the roles") from error
    request.state.caller = Caller(identifier=declared.name, role=declared.role)
    token = sessions.issue(declared.name, declared.role, proven=False)
    answer.headers.append("set-cookie", cookie_header(token, secure=settings.secure))
    return answer


@login.get("/login")
def begin(request: Request, next_page: Annotated[str, Query(alias="next")] = "/viewer/") -> Response:
    """Send a browser to the identity provider (authorization code with PKCE)."""
    settings, _ = _installation(request)
    provider = _provider(request)
    if settings.oidc_client_id is None or provider is None:
        raise NotFound("no login page is configured here")
    verifier, state, nonce = (secrets.token_urlsafe(48) for _ in range(3))
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": settings.oidc_client_id,
        "redirect_uri": str(request.url_for("callback")),
        "scope": "openid",
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    try:
        target = f"{provider.document()['authorization_endpoint']}?{urlencode(asked)}"
    except (httpx.HTTPError, KeyError, ValueError) as error:
        raise NotAuthenticated("the identity provider cannot be reached") from error
    page = next_page if next_page.startswith("/") and not next_page.startswith(("//", "/\\")) else "/viewer/"
    begun = _sessions(request).sealed(
        {"verifier": verifier, "state": state, "nonce": nonce, "next": page}, minutes=_MINUTES
    )
    answer = RedirectResponse(target, status_code=HTTPStatus.SEE_OTHER)
    answer.set_cookie(_BEGUN, begun, max_age=_MINUTES * 60, httponly=True, secure=settings.secure, samesite="lax")
    return answer


@login.get("/login/callback")
def callback(request: Request, code: str = "", state: str = "") -> Response:
    """Exchange the code that the identity provider gave for a session."""
    settings, sessions = _installation(request)
    provider = _provider(request)
    begun = sessions.unsealed(request.cookies.get(_BEGUN, ""))
    if provider is None or begun is None or not code or not secrets.compare_digest(begun["state"], state):
        raise NotAuthenticated("this login was not begun here, or too long ago: begin again")
    secret = settings.oidc_client_secret
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": str(request.url_for("callback")),
        "client_id": settings.oidc_client_id,
        "code_verifier": begun["verifier"],
    }
    if secret is not None:
        form["client_secret"] = secret.get_secret_value()
    try:
        answered = httpx.post(str(provider.document()["token_endpoint"]), data=form, timeout=10)
        answered.raise_for_status()
        token = str(answered.json()["id_token"])
        opened = provider.caller(token, audience=settings.oidc_client_id)
        nonce: Any = jwt.decode(token, options={"verify_signature": False}).get("nonce")
    except (httpx.HTTPError, KeyError, ValueError) as error:
        raise NotAuthenticated("the identity provider did not confirm the login") from error
    if nonce != begun["nonce"]:
        raise NotAuthenticated("the identity provider did not confirm the login")
    request.state.caller = opened
    answer = RedirectResponse(begun["next"], status_code=HTTPStatus.SEE_OTHER)
    issued = sessions.issue(opened.identifier, opened.role, proven=True)
    answer.headers.append("set-cookie", cookie_header(issued, secure=settings.secure))
    answer.delete_cookie(_BEGUN)
    return answer


@login.post("/logout")
def close(request: Request) -> Response:
    """End the session: take it back from the browser, and let no copy of its token pass again."""
    settings, sessions = _installation(request)
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    for token in (session_cookie(request.headers), bearer.strip() if scheme.lower() == "bearer" else ""):
        if token:
            sessions.end(token)
    answer = RedirectResponse("/", status_code=HTTPStatus.SEE_OTHER)
    answer.headers.append("set-cookie", cookie_header("", secure=settings.secure))
    return answer


def _installation(request: Request) -> tuple[Settings, Sessions]:
    return cast("Settings", request.app.state.settings), _sessions(request)


def _sessions(request: Request) -> Sessions:
    return cast("Sessions", request.app.state.sessions)


def _provider(request: Request) -> Provider | None:
    return cast("Provider | None", request.app.state.provider)
