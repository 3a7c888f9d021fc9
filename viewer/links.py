"""Links that carry a patient: what stands after the ``#`` of an address, which browsers never send to servers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from selection.patient import PatientOfInterest
from viewer.session import Form, Session

OpenPatient = Callable[[str], PatientOfInterest | Mapping[str, Any] | None]
"""From the token of a link to its patient, or what is known of one in the exchange form; None when it is no good."""

TOKEN = "#patient="  # noqa: S105 - the name of a part of a link, no secret
SHORTEST = 10
"""Fragments shorter than this are places on a page, such as ``#main``."""


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
        A fresh session when the link carries none; None when it carries one that cannot be opened.
    """
    if not fragment or len(fragment) < SHORTEST:
        return Session()
    if not fragment.startswith(TOKEN):
        return Session.of_fragment(fragment)
    patient = open_patient(fragment.removeprefix(TOKEN)) if open_patient is not None else None
    if patient is None:
        return None
    return Session(
        form=Form.of_patient(patient) if isinstance(patient, PatientOfInterest) else Form.of_document(patient)
    )
