"""The server of the questionnaire: loopback, behind an address that nobody can guess, until it is stopped."""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

from cdss.questionnaire.page import PATH, questionnaire_page
from cdss.questionnaire.sitting import Sitting
from cdss.security.headers import add_safe_headers
from projection.disclosure import DisclosedProjector
from reference_db.errors import InvalidInput
from viewer import create_viewer

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from selection.selector import ReferenceRelease

HOST = "127.0.0.1"
"""Records of patients are among those shown: no setting opens this page to another machine."""


def serve_questionnaire(
    release: ReferenceRelease, sitting: Sitting, *, port: int, started: Callable[[str], None]
) -> None:
    """Serve the viewer with the questionnaire as one of its pages, until Ctrl-C.

    Parameters
    ----------
    release : ReferenceRelease
        The release that the synthetic records are of.
    sitting : Sitting
    port : int
        TCP port; 0 takes a free one.
    started : callable
        Told the address of the page.

    Raises
    ------
    InvalidInput
        If the port is taken.
    """
    import uvicorn

    app, path = questionnaire_app(release, sitting)
    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            raise InvalidInput.of("port", f"{port} cannot be listened on: {error.strerror}") from error
        started(f"http://{HOST}:{listener.getsockname()[1]}{path}")
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def questionnaire_app(release: ReferenceRelease, sitting: Sitting) -> tuple[ASGIApp, str]:
    """Return the application and the path of the page.

    Every path begins with a secret drawn now, so that other users of the machine find nothing, and pages of other
    sites that a browser has open cannot ask for it either.
    """
    prefix = f"/{secrets.token_urlsafe(24)}/"
    viewer = create_viewer(DisclosedProjector(release), prefix=prefix, pages=[questionnaire_page(sitting)])
    hashes = tuple(f"'{digest.strip(chr(39))}'" for digest in viewer.csp_hashes())
    return _private(viewer.server, hashes), f"{prefix}{PATH}"


def _private(app: ASGIApp, hashes: tuple[str, ...]) -> ASGIApp:
    """Add to every answer that it is to be kept nowhere and to load nothing from elsewhere."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Cache-Control"] = "no-store"
                add_safe_headers(headers, path=scope["path"], script_hashes=hashes, secure=False)
            await send(message)

        await app(scope, receive, sent)

    return answer
