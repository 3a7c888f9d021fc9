"""What routes are given.

They are coroutines although nothing is waited for: others would each be sent to a thread and back at every request.
"""

from __future__ import annotations

from typing import cast

from fastapi import Request

from cdss.exports import ExportDesk
from cdss.persistence import Database
from cdss.reference import Reference
from cdss.security.roles import Caller


async def reference(request: Request) -> Reference:
    """Return the reference database of the application."""
    return cast("Reference", request.app.state.reference)


async def database(request: Request) -> Database:
    """Return the database of the application."""
    return cast("Database", request.app.state.database)


async def caller(request: Request) -> Caller:
    """Return who is asking, as the guard recognised them."""
    return cast("Caller", request.state.caller)


async def desk(request: Request) -> ExportDesk:
    """Return the export desk of the application."""
    return ExportDesk(request.app.state.settings, await database(request))
