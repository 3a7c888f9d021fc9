"""Whether the service may listen where it is told to: off loopback only with a login and encryption."""

from __future__ import annotations

from cdss.settings import Settings
from reference_db.errors import FieldProblem, InvalidInput


def check_exposure(settings: Settings) -> None:
    """Verify that an address is safe to listen on.

    Raises
    ------
    InvalidInput
        Naming every setting that is missing.
    """
    problems = []
    if settings.login_required and settings.oidc_audience is None:
        problems.append(FieldProblem("CDSS_OIDC_AUDIENCE", "is missing: tokens for other services would pass"))
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        problems.append(FieldProblem("CDSS_TLS_CERTIFICATE", "goes together with CDSS_TLS_KEY"))
    if not settings.loopback:
        if not settings.login_required:
            problems.append(
                FieldProblem(
                    "CDSS_OIDC_ISSUER", f"is missing: {settings.host} is not loopback, so a login is required"
                )
            )
        if not settings.secure:
            problems.append(
                FieldProblem(
                    "CDSS_TLS_CERTIFICATE",
                    f"is missing: {settings.host} is not loopback: give a certificate with its key, or the address "
                    "of a proxy that speaks TLS in CDSS_BEHIND_PROXY",
                )
            )
    if problems:
        raise InvalidInput(problems)


def trusted_hosts(settings: Settings) -> frozenset[str]:
    """Return the names by which the service may be asked for; empty for any.

    On loopback this stops other sites that make their own name resolve to this machine.
    """
    if settings.hosts:
        return frozenset(name.strip().lower() for name in settings.hosts.split(","))
    if settings.loopback:
        return frozenset({"localhost", "127.0.0.1", "[::1]", settings.host.lower()})
    return frozenset()
