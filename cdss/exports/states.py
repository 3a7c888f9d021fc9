"""The life of an export request: states, what moves it from one to another, and who may."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from cdss.security.roles import Permission


class State(StrEnum):
    """Where a request stands."""

    REQUESTED = "requested"
    CHECKED = "checked"
    QUARANTINED = "quarantined"
    APPROVED = "approved"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    DELIVERED = "delivered"


class By(StrEnum):
    """Who may move a request, beside having the permission."""

    SERVICE = "the service"
    REQUESTER = "the requester"
    ANOTHER = "a manager who is not the requester"


@dataclass(frozen=True, slots=True)
class Transition:
    """One way of moving a request.

    Attributes
    ----------
    verb : str
    before : tuple of State
    after : State
    by : By
    permission : Permission or None
        None for what the service does by itself.
    """

    verb: str
    before: tuple[State, ...]
    after: State
    by: By
    permission: Permission | None


TRANSITIONS: tuple[Transition, ...] = (
    Transition("pass", (State.REQUESTED,), State.CHECKED, By.SERVICE, None),
    Transition("quarantine", (State.REQUESTED,), State.QUARANTINED, By.SERVICE, None),
    Transition("recheck", (State.QUARANTINED,), State.REQUESTED, By.ANOTHER, Permission.DECIDE_EXPORT),
    Transition("approve", (State.CHECKED,), State.APPROVED, By.ANOTHER, Permission.DECIDE_EXPORT),
    Transition(
        "reject",
        (State.CHECKED, State.QUARANTINED, State.APPROVED),
        State.REJECTED,
        By.ANOTHER,
        Permission.DECIDE_EXPORT,
    ),
    Transition(
        "cancel",
        (State.REQUESTED, State.CHECKED, State.QUARANTINED, State.APPROVED),
        State.CANCELLED,
        By.REQUESTER,
        Permission.REQUEST_EXPORT,
    ),
    Transition(
        "deliver", (State.APPROVED, State.DELIVERED), State.DELIVERED, By.REQUESTER, Permission.REQUEST_EXPORT
    ),
)
"""Whatever is not here cannot happen: nothing that failed a check can be approved, whoever asks."""


def transition(verb: str) -> Transition:
    """Return the transition of a name."""
    return next(each for each in TRANSITIONS if each.verb == verb)


def table() -> str:
    """Return states and transitions as a Markdown table."""
    lines = ["| what | from | to | by whom |", "|---|---|---|---|"]
    lines += [
        f"| {each.verb} | {', '.join(each.before)} | {each.after} | {each.by} |"
        for each in (
            Transition("request", (), State.REQUESTED, By.REQUESTER, Permission.REQUEST_EXPORT),
            *TRANSITIONS,
        )
    ]
    return "\n".join(lines).replace("|  |", "| (nothing) |")
