"""The guard at the one entrance of the service: limits, who is asking, what they may, and the record of it.

Every answer passes here, and none is sent before its record is kept.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote, urlsplit

import structlog
from fastapi.responses import RedirectResponse
from starlette.datastructures import Headers, MutableHeaders

from cdss.api.language import language_asked
from cdss.api.problems import problem
from cdss.audit import AuditEntry, AuditWriter, Outcome
from cdss.errors import DatabaseUnavailable, NotAllowed, NotAuthenticated
from cdss.security.access import Access, Door, access
from cdss.security.exposure import trusted_hosts
from cdss.security.headers import add_safe_headers
from cdss.security.limits import LARGEST_BODY, LARGEST_RECORD, BodyTooLarge, RateLimit, limited
from cdss.security.roles import NOBODY, Caller, RoleUnfit
from cdss.security.tokens import SESSION, Provider, Sessions
from cdss.settings import Settings

if TYPE_CHECKING:
    from fastapi import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "cdss_session"
DEFAULT_RATE = 1200
"""Requests a minute and caller where a login is required."""

_log = structlog.get_logger()


class Surroundings(Protocol):
    """What the guard asks the service about."""

    def release_version(self) -> str:
        """Return the version that is served; empty when none is."""

    def script_hashes(self) -> Collection[str]:
        """Return the hashes of the viewer's inline scripts."""

    def observe_request(self, kind: str, status: int, seconds: float) -> None:
        """Count a request."""


@dataclass
class Guard:
    """An ASGI application that lets requests through to another one.

    Parameters
    ----------
    app : ASGIApp
    settings : Settings
    sessions : Sessions
    provider : Provider or None
        None where no login is required.
    audit : AuditWriter
    surroundings : Surroundings
    resources : collection of str
        First part of the paths of the interface.
    """

    app: ASGIApp
    settings: Settings
    sessions: Sessions
    provider: Provider | None
    audit: AuditWriter
    surroundings: Surroundings
    resources: Collection[str]

    def __post_init__(self) -> None:
        given = self.settings.rate_limit
        default = DEFAULT_RATE if self.settings.login_required else 0
        self._rate = RateLimit(default if given is None else given)
        self._hosts = trusted_hosts(self.settings)
        # Nobody in particular has one session per process: it says nothing about the machine they come from.
        self._anonymous = secrets.token_hex(16)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope)
        needs = access(scope["method"], scope["path"], self.resources)
        state = scope.setdefault("state", {})
        state["caller"] = NOBODY
        answering = self._recorded(scope, headers, needs, send)
        refusal = self._refusal(scope, headers, needs)
        if refusal is not None:
            await refusal(scope, receive, answering)
        else:
            await self.app(scope, limited(receive, _largest(needs)), answering)

    def _refusal(self, scope: Scope, headers: Headers, needs: Access) -> Response | None:
        """Recognise the caller and return the refusal, if there is one."""
        if self._hosts and _host_name(headers.get("host", "")) not in self._hosts:
            return problem(HTTPStatus.MISDIRECTED_REQUEST, "The service is not known under that name.")
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > _largest(needs):
            return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, BodyTooLarge(_largest(needs)).detail)
        try:
            caller = self._caller(headers, needs)
        except NotAuthenticated as error:
            return self._asked_to_log_in(scope, headers, error)
        except DatabaseUnavailable as error:
            _log.error("session_not_read", reason=str(error))
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "Nothing can be answered now: see /readyz.")
        scope["state"]["caller"] = caller
        # Who proved who they are is one caller, with however many sessions and tokens.
        wait = self._rate.seconds_to_wait((caller.proven and caller.identifier) or caller.session or _client(scope))
        if wait:
            refused = problem(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests: wait before the next one.")
            refused.headers["Retry-After"] = str(math.ceil(wait))
            return refused
        if _from_elsewhere(scope["method"], headers) and needs.door is not Door.CLIENT:
            return problem(HTTPStatus.FORBIDDEN, "Another site may not act here.")
        if needs.permission is not None and (self.settings.login_required or caller.identifier):
            try:
                caller.require(needs.permission)
            except RoleUnfit as error:
                language = language_asked(headers.get("accept-language"))
                return problem(HTTPStatus.FORBIDDEN, f"{error.said(language)}.")
            except NotAllowed as error:
                return problem(HTTPStatus.FORBIDDEN, f"{error}.")
        return None

    def _caller(self, headers: Headers, needs: Access) -> Caller:
        if needs.door is Door.CLIENT:
            return NOBODY
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token:
            ours = self.sessions.caller(token.strip(), by_cookie=False)
            if ours is not None and self._usable(ours):
                return ours
            if self.provider is None:
                raise NotAuthenticated("the token cannot be used")
            return self.provider.caller(token.strip())
        cookie = session_cookie(headers)
        ours = self.sessions.caller(cookie, by_cookie=True) if cookie else None
        if ours is not None and self._usable(ours):
            return ours
        if self.settings.login_required and needs.door is Door.LOGIN:
            raise NotAuthenticated("a login is required")
        return NOBODY

    def _usable(self, caller: Caller) -> bool:
        """Tell whether a session may be used: a declared name is worth nothing where a login is required."""
        return caller.proven or not self.settings.login_required

    def _asked_to_log_in(self, scope: Scope, headers: Headers, error: NotAuthenticated) -> Response:
        page = scope["method"] == "GET" and "text/html" in headers.get("accept", "")
        if page and self.settings.oidc_client_id is not None:
            return RedirectResponse(f"/login?next={quote(scope['path'])}", status_code=HTTPStatus.SEE_OTHER)
        refused = problem(HTTPStatus.UNAUTHORIZED, f"{error}.".capitalize())
        refused.headers["WWW-Authenticate"] = "Bearer"
        return refused

    def _recorded(self, scope: Scope, headers: Headers, needs: Access, send: Send) -> Send:
        """Send an answer only when the record of it is kept; without one, a 503 goes out instead."""
        withheld = False
        begun = time.perf_counter()

        async def sending(message: Message) -> None:
            nonlocal withheld
            if withheld:
                return
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                add_safe_headers(
                    answer,
                    path=scope["path"],
                    script_hashes=tuple(self.surroundings.script_hashes()),
                    secure=self.settings.secure,
                )
                self._renew(headers, answer)
                kind = scope["state"].get("action", needs.action) or "other"
                self.surroundings.observe_request(kind, message["status"], time.perf_counter() - begun)
                if not await self._kept(scope, needs, message["status"]):
                    withheld = True
                    instead = problem(HTTPStatus.SERVICE_UNAVAILABLE, "Nothing can be answered now: see /readyz.")
                    await instead(scope, _no_body, send)
                    return
            await send(message)

        return sending

    async def _kept(self, scope: Scope, needs: Access, status: int) -> bool:
        if not needs.action:
            return True
        caller: Caller = scope["state"]["caller"]
        entry = AuditEntry(
            actor=caller.identifier,
            role=caller.role.value,
            action=scope["state"].get("action", needs.action),
            session=caller.session or self._anonymous,
            release=self.surroundings.release_version(),
            subject=scope["state"].get("subject", ""),
            outcome=Outcome.of_status(status),
            status=status,
        )
        try:
            await self.audit.record(entry)
        except DatabaseUnavailable as error:
            _log.error("audit_not_kept", reason=str(error))
            return False
        return True

    def _renew(self, headers: Headers, answer: MutableHeaders) -> None:
        cookie = session_cookie(headers)
        try:
            renewed = self.sessions.renewed(cookie) if cookie else None
        except DatabaseUnavailable:
            return
        if renewed is not None and "set-cookie" not in answer:
            answer.append("set-cookie", cookie_header(renewed, secure=self.settings.secure))


def _largest(needs: Access) -> int:
    return LARGEST_RECORD if needs.door is Door.CLIENT else LARGEST_BODY


def cookie_header(token: str, *, secure: bool) -> str:
    """Return the header that gives a session to a browser, or takes it back when the token is empty."""
    age = int(SESSION.total_seconds()) if token else 0
    return f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{'; Secure' if secure else ''}"


def session_cookie(headers: Headers) -> str:
    """Return the session token that a browser sent; empty when there is none."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def _from_elsewhere(method: str, headers: Headers) -> bool:
    """Tell whether a browser says that another site makes it change something here."""
    origin = headers.get("origin")
    return (
        method not in {"GET", "HEAD", "OPTIONS"}
        and origin is not None
        and urlsplit(origin).netloc != headers.get("host")
    )


def _host_name(host: str) -> str:
    name, _, port = host.rpartition(":")
    return (name if port.isdigit() and name else host).lower()


def _client(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


async def _no_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}
