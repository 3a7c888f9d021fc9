"""What browsers are told: load nothing from elsewhere, be framed by nobody else, keep nothing."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import MutableHeaders

_SAFE = {
    "X-Content-Type-Options": "nosniff",
    # Under "no-referrer" browsers send the forms of our own pages as from nowhere ("Origin: null"), which is refused.
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "SAMEORIGIN",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_NOTHING_ELSE = (
    "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; font-src 'self' data:; style-src 'self' 'unsafe-inline'"
)
"""Styles may be inline: the component library and the figures place elements by style attributes."""


def policy(script_hashes: Sequence[str]) -> str:
    """Return the content security policy of a page.

    Parameters
    ----------
    script_hashes : sequence of str
        Of the inline scripts that the viewer consists of, such as ``'sha256-...'``.
    """
    scripts = " ".join(["'self'", *script_hashes])
    return f"{_NOTHING_ELSE}; script-src {scripts}"


def add_safe_headers(headers: MutableHeaders, *, path: str, script_hashes: Sequence[str], secure: bool) -> None:
    """Add the headers to an answer, without touching those that it has already.

    Parameters
    ----------
    headers : MutableHeaders
    path : str
        What was asked for.
    script_hashes : sequence of str
        As for `policy`.
    secure : bool
        The service is reached by TLS, here or at a declared proxy.
    """
    for name, value in _SAFE.items():
        headers.setdefault(name, value)
    if headers.get("content-type", "").startswith("text/html"):
        headers.setdefault("Content-Security-Policy", policy(script_hashes))
    if not path.startswith(("/viewer/assets/", "/viewer/_dash-component-suites/")):
        headers.setdefault("Cache-Control", "no-store")
    if secure:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
