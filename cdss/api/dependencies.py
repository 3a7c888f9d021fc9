"""What routes are given."""

from __future__ import annotations

from typing import cast

from fastapi import Request

from cdss.reference import Reference


def reference(request: Request) -> Reference:
    """Return the reference database of the application."""
    return cast("Reference", request.app.state.reference)
