"""Requests to partners: short, never redirected, over one set of trusted certificates read once."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import cache

import httpx


@cache
def _trusted() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def outgoing(*, seconds: float, headers: Mapping[str, str] | None = None) -> httpx.AsyncClient:
    """Return a client for requests to partners.

    Parameters
    ----------
    seconds : float
        Longest wait for one step of an answer.
    headers : mapping of str to str, optional
        Sent with every request.
    """
    return httpx.AsyncClient(timeout=seconds, follow_redirects=False, headers=headers, verify=_trusted())
