"""SMART scopes: what we ask for, and whether what was granted covers it."""

from __future__ import annotations

import re

NEEDED = (
    "patient/Patient.r",
    "patient/Condition.rs",
    "patient/Observation.rs",
)
"""Without these there is nothing to show."""

WISHED = (
    "patient/MedicationStatement.rs",
    "patient/MedicationRequest.rs",
    "patient/MedicationAdministration.rs",
    "patient/Medication.r",
)
"""Without these the treatments so far are not known, and the viewer says so."""

_SCOPE = re.compile(r"(patient|user|system)/(\w+|\*)\.(\*|read|write|c?r?u?d?s?)(\?.*)?")
_VERSION_1 = {"read": "rs", "write": "cud", "*": "cruds"}


def asked_scopes(*, launched: bool) -> str:
    """Return the scopes of an authorisation request.

    Parameters
    ----------
    launched : bool
        From within the record of a patient; otherwise the patient is to be chosen.
    """
    return " ".join(["launch" if launched else "launch/patient", *NEEDED, *WISHED])


def lacking(granted: str) -> tuple[str, ...]:
    """Return the needed scopes that were not granted.

    Scopes of version 1 (``read``), wildcards and wider levels count; one narrowed by a query does not, as it would
    show part of the record only.

    Parameters
    ----------
    granted : str
        As the token response has it.

    Examples
    --------
    >>> lacking("patient/*.rs")
    ()
    >>> lacking("patient/Patient.read patient/Observation.rs?category=laboratory")
    ('patient/Condition.rs', 'patient/Observation.rs')
    """
    given = [match.groups() for match in map(_SCOPE.fullmatch, granted.split()) if match]
    return tuple(scope for scope in NEEDED if not any(_covers(one, scope) for one in given))


def _covers(given: tuple[str | None, ...], needed: str) -> bool:
    level, kind, actions, query = given
    name, _, letters = needed.removeprefix("patient/").partition(".")
    allowed = _VERSION_1.get(actions or "", actions or "")
    return level in ("patient", "user") and kind in (name, "*") and set(letters) <= set(allowed) and not query
