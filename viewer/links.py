"""Links that carry a patient: sealed, after the ``#`` of an address, which browsers never send to servers.

An address stays in histories and screenshots, so nothing of the patient can be read in one. What seals and opens
tokens is given by whoever builds the viewer; a token is to open once, and only for minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from selection.patient import PatientOfInterest
from viewer.session import BLANK, Form, Session

OpenPatient = Callable[[str], PatientOfInterest | Mapping[str, Any] | None]
"""From the token of a link to its patient, or what is known of one in the exchange form; None when it is no good.

What `Seal` was given comes back as it was.
"""

Seal = Callable[[Mapping[str, Any]], str | None]
"""From what a link is to carry, as JSON can hold it, to its token; None when nothing can be sealed at present."""

TOKEN = "#patient="  # noqa: S105 - the name of a part of a link, no secret
FOLLOW = "#follow"
"""Ends the address of a window that waits for the session of the window that opened it."""

SHORTEST = 10
"""Fragments shorter than this are places on a page, such as ``#main``."""

SESSION = "session"
"""Under which a token holds a whole session rather than a patient; no field of a patient has this name."""


def session_fragment(session: Session, seal: Seal) -> str | None:
    """Return the end of an address that opens a session; None when it cannot be sealed at present."""
    token = seal({SESSION: session.as_json()})
    return None if token is None else f"{TOKEN}{token}"


def linked_session(fragment: str | None, open_patient: OpenPatient | None = None) -> Session | None:
    """Return the session that a link opens.

    Parameters
    ----------
    fragment : str or None
        The end of the address, with its ``#``.
    open_patient : callable, optional
        Opens tokens; without it a link with a token opens nothing.

    Returns
    -------
    Session or None
        A fresh session when the link carries none, an empty one when it is to follow another window; None when the
        link carries one that cannot be opened.
    """
    if fragment == FOLLOW:
        return Session(form=BLANK)
    if not fragment or len(fragment) < SHORTEST:
        return Session()
    opened = open_patient(fragment.removeprefix(TOKEN)) if open_patient and fragment.startswith(TOKEN) else None
    if opened is None:
        return None
    if isinstance(opened, PatientOfInterest):
        return Session(form=Form.of_patient(opened))
    return Session.of_json(opened[SESSION]) if SESSION in opened else Session(form=Form.of_document(opened))
