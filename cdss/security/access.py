"""What a request is, by its method and path: who may make it, and under which name it is recorded."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from cdss.security.roles import Permission

API = "/api/v1/"

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Door(Enum):
    """How a caller is recognised."""

    OPEN = "nobody is asked who they are"
    CLIENT = "clinical systems prove themselves by their own signed tokens, checked where they are answered"
    LOGIN = "a session or a token of the identity provider, wherever a login is required"


@dataclass(frozen=True, slots=True)
class Access:
    """What a kind of request needs.

    Attributes
    ----------
    door : Door
    permission : Permission or None
        What the caller must be allowed; a route may ask for more.
    action : str
        Name in the audit trail; empty for what is not recorded.
    """

    door: Door
    permission: Permission | None
    action: str


_OPEN = Access(Door.OPEN, None, "")
_EXACT: dict[str, Access] = {
    "/": _OPEN,
    "/healthz": _OPEN,
    "/readyz": _OPEN,
    "/docs": _OPEN,
    "/openapi.json": _OPEN,
    "/viewer": _OPEN,
    "/login": Access(Door.OPEN, None, "session.begin"),
    "/login/callback": Access(Door.OPEN, None, "session.open"),
    "/logout": Access(Door.OPEN, None, "session.close"),
    "/metrics": Access(Door.LOGIN, Permission.OBSERVE, ""),
    "/api/v1/session": Access(Door.OPEN, None, "session.open"),
}
_BELOW: dict[str, tuple[Door, str]] = {
    "/cds-services": (Door.CLIENT, "cds-hooks"),
    "/smart": (Door.CLIENT, "smart"),
    "/fhir": (Door.CLIENT, "fhir"),
    "/viewer": (Door.LOGIN, "viewer"),
    "/exports": (Door.LOGIN, "exports"),
    "/evaluation": (Door.LOGIN, "evaluation"),
}
"""A path and everything below it. Who has a login may see the page; what it shows and does asks for more."""

_STATIC = ("/viewer/assets/", "/viewer/_dash-component-suites/", "/viewer/_favicon.ico")
_NOT_RECORDED = frozenset({"/cds-services"})
"""Discovery: it is the same for everybody."""


def access(method: str, path: str, resources: Collection[str]) -> Access:
    """Return what a request needs; what is in none of the tables needs a login and is recorded as unknown.

    Parameters
    ----------
    method, path : str
        Of the request. No part of a path that is not a name of ours reaches the audit trail.
    resources : collection of str
        First part of the paths below ``/api/v1/`` that exist.
    """
    if path in _EXACT:
        return _EXACT[path]
    if path.startswith(_STATIC):
        return _OPEN
    verb = "read" if method in _READING else "write"
    for prefix, (door, name) in _BELOW.items():
        if path == prefix or path.startswith(f"{prefix}/"):
            action = "" if path in _NOT_RECORDED else f"{name}.{verb}"
            return Access(door, None if door is Door.CLIENT else Permission.CONSULT, action)
    resource = path.removeprefix(API).partition("/")[0] if path.startswith(API) else ""
    name = resource if resource in resources else "unknown"
    return Access(Door.LOGIN, Permission.CONSULT, f"{name}.{verb}")
