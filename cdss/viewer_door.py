"""What stands before the viewer: its callbacks get only what its own pages could have sent.

Dash answers a malformed call with 500, and a callback that fails with 500 and no word in the log. Here the first is
refused with a reason, and the second is logged, by the name of the callback and never with what was in it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from cdss.api.problems import problem
from cdss.errors import DatabaseUnavailable
from cdss.security.limits import BodyTooLarge

if TYPE_CHECKING:
    from fastapi import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from cdss.ehr.handover import Handover

UPDATE = "_dash-update-component"
SUITES = "_dash-component-suites/"

_log = structlog.get_logger()


def sealing(handover: Handover) -> Callable[[Mapping[str, Any]], str | None]:
    """Return what seals a session for another device, as `viewer.create_viewer` takes it; the handover opens it."""

    def seal(content: Mapping[str, Any]) -> str | None:
        try:
            return handover.seal(content)
        except DatabaseUnavailable:
            return None

    return seal


@dataclass(frozen=True)
class ViewerDoor:
    """An ASGI application that lets usable requests through to the viewer.

    Parameters
    ----------
    app : ASGIApp
        The viewer.
    prefix : str
        Where it is served, with a final slash.
    callbacks : collection of str
        The outputs of its callbacks, as its pages name them.
    """

    app: ASGIApp
    prefix: str
    callbacks: Collection[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope["path"].removeprefix(self.prefix)
        name = ""
        if path == UPDATE and scope["method"] == "POST":
            try:
                body = await _body(receive)
            except BodyTooLarge as error:
                await problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, error.detail)(scope, receive, send)
                return
            called = _parsed(body)
            refusal = self._refusal(called)
            if refusal is not None:
                await refusal(scope, receive, send)
                return
            name = str(called["output"]) if called is not None else ""
            receive = _again(body, receive)
        failed = False

        async def sending(message: Message) -> None:
            nonlocal failed
            if message["type"] == "http.response.start":
                failed = message["status"] == HTTPStatus.INTERNAL_SERVER_ERROR
            if not failed:
                await send(message)

        await self.app(scope, receive, sending)
        if failed:
            await self._failure(path, name)(scope, receive, send)

    def _refusal(self, called: Mapping[str, Any] | None) -> Response | None:
        """Return the refusal of a call that no page of the viewer makes."""
        if called is None:
            return problem(HTTPStatus.BAD_REQUEST, "The body is not a call of a page of the viewer.")
        if called["output"] not in self.callbacks:
            return problem(HTTPStatus.BAD_REQUEST, "The viewer has no such callback: load its page again.")
        return None

    def _failure(self, path: str, name: str) -> Response:
        if path.startswith(SUITES):
            return problem(HTTPStatus.NOT_FOUND, "There is no such file.")
        _log.error("viewer_failed", callback=name or "page")
        if name:
            # The page is known and what it sent is not what its parts can hold: its own state, altered.
            return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "What was sent cannot be used: load the page again.")
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The request could not be answered.")


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read once more, and then whatever else comes."""
    given = False

    async def receiving() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receiving


def _parsed(body: bytes) -> Mapping[str, Any] | None:
    """Return the call of a callback; None when it has not the shape of one."""
    try:
        called = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(called, dict) or not isinstance(called.get("output"), str):
        return None
    changed = called.get("changedPropIds", [])
    if not isinstance(changed, list) or not all(isinstance(name, str) for name in changed):
        return None
    parts = [called.get(part, []) for part in ("inputs", "state", "outputs")]
    return called if "inputs" in called and all(map(_properties, parts)) else None


def _properties(value: object, deepest: int = 3) -> bool:
    """Tell whether a part of a call names properties of components, one or several, grouped or not."""
    if isinstance(value, list):
        return deepest > 0 and all(_properties(each, deepest - 1) for each in value)
    if not isinstance(value, dict):
        return False
    return isinstance(value.get("id"), str | dict) and isinstance(value.get("property"), str)
