"""Who may do what, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from cdss.errors import NotAllowed, NotAuthenticated


class Role(StrEnum):
    """What a person is here for; a person has one role at a time."""

    CLINICIAN = "clinician"
    STEWARD = "steward"
    MANAGER = "manager"
    TRIALIST = "trialist"
    ADMINISTRATOR = "administrator"


class Permission(StrEnum):
    """What can be done, by its kind."""

    CONSULT = "consult"
    EVALUATE = "evaluate"
    LEAD_TRIAL = "open, close and analyse a trial"
    REQUEST_EXPORT = "request an export"
    SEE_EXPORTS = "see export requests"
    DECIDE_EXPORT = "approve or reject an export"
    OBSERVE = "observe the service"


PERMISSIONS: Mapping[Permission, frozenset[Role]] = {
    Permission.CONSULT: frozenset(Role),
    Permission.EVALUATE: frozenset({Role.TRIALIST, Role.CLINICIAN, Role.MANAGER}),
    Permission.LEAD_TRIAL: frozenset({Role.TRIALIST}),
    Permission.REQUEST_EXPORT: frozenset({Role.STEWARD}),
    Permission.SEE_EXPORTS: frozenset({Role.STEWARD, Role.MANAGER}),
    Permission.DECIDE_EXPORT: frozenset({Role.MANAGER}),
    Permission.OBSERVE: frozenset({Role.ADMINISTRATOR}),
}
"""Roles that have each permission. A manager does not request and a steward does not decide, so no role has both."""


_ROLES_FR = {
    Role.CLINICIAN: "clinicien",
    Role.STEWARD: "intendant des données",
    Role.MANAGER: "gestionnaire",
    Role.TRIALIST: "responsable d'essai",
    Role.ADMINISTRATOR: "administrateur",
}
_PERMISSIONS_FR = {
    Permission.CONSULT: "consulter",
    Permission.EVALUATE: "prendre part à une évaluation",
    Permission.LEAD_TRIAL: "ouvrir, clore ou analyser un essai",
    Permission.REQUEST_EXPORT: "demander un export",
    Permission.SEE_EXPORTS: "voir les demandes d'export",
    Permission.DECIDE_EXPORT: "approuver ou rejeter un export",
    Permission.OBSERVE: "observer le service",
}


class RoleUnfit(NotAllowed):
    """The role of the caller does not have the permission; the message names the roles that have it."""

    def __init__(self, role: Role, permission: Permission) -> None:
        self._role, self._permission = role, permission
        super().__init__(self.said("en"))

    def said(self, language: str) -> str:
        """Return the refusal in ``en`` or ``fr``, without the full stop."""
        able = PERMISSIONS[self._permission]
        if language == "fr":
            needed = ", ".join(sorted(_ROLES_FR[role] for role in able))
            what = _PERMISSIONS_FR[self._permission]
            return f"le rôle « {_ROLES_FR[self._role]} » n'autorise pas à {what} (il faut : {needed})"
        return f"a {self._role} may not {self._permission} (allowed: {', '.join(sorted(able))})"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking.

    Attributes
    ----------
    identifier : str
        Subject of the identity provider, or the name declared on a laptop; empty for nobody in particular.
    role : Role
    session : str
        What tells this session from others; kept as a pseudonym only.
    proven : bool
        An identity provider vouches for it; otherwise it was only declared, which the open loopback allows.
    by_cookie : bool
        The browser sent it by itself, so another site may be behind the request.
    """

    identifier: str
    role: Role
    session: str = ""
    proven: bool = False
    by_cookie: bool = False

    def may(self, permission: Permission) -> bool:
        """Tell whether the role has a permission."""
        return self.role in PERMISSIONS[permission]

    def require(self, permission: Permission) -> None:
        """Verify a permission.

        Raises
        ------
        NotAuthenticated
            If nobody in particular is asking for more than a consultation.
        RoleUnfit
            If the role does not have it; the message names those that have.
        """
        if permission is not Permission.CONSULT and not self.identifier:
            raise NotAuthenticated(f"say who you are to {permission}: see POST /api/v1/session")
        if not self.may(permission):
            raise RoleUnfit(self.role, permission)


NOBODY = Caller(identifier="", role=Role.CLINICIAN)
"""Whoever sits at the machine of an open loopback service."""
