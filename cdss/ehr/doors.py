"""What the routes for clinical systems share: configuration, trust and memory, made once per application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import cast

import structlog
from fastapi import FastAPI, Request, Response
from starlette.middleware.cors import CORSMiddleware

from cdss.ehr.configuration import EhrConfiguration
from cdss.ehr.feedback import FeedbackTally
from cdss.ehr.handover import Handover
from cdss.ehr.trust import ClientTrust, UsedTokens
from cdss.persistence import Database

_log = structlog.get_logger()


def _today() -> date:
    return datetime.now(UTC).date()


@dataclass
class Doors:
    """State of the routes for clinical systems.

    Parameters
    ----------
    configuration : EhrConfiguration
    database : Database
    draw_secret : callable
        Gives what signs the access tokens of machine clients; all processes of an installation share it. Asked for
        when it is used: where it is kept may be out of reach when the service starts.
    draw_handover_key : callable
        Gives the key of patients handed over to the viewer.
    today : callable
        Day of the consultation.
    """

    configuration: EhrConfiguration
    database: Database
    draw_secret: Callable[[], str] = field(repr=False)
    draw_handover_key: Callable[[], bytes] = field(repr=False)
    trust: ClientTrust = field(init=False)
    feedback: FeedbackTally = field(init=False)
    handover: Handover = field(init=False)
    today: Callable[[], date] = _today

    def __post_init__(self) -> None:
        used = UsedTokens(self.database)
        self.trust = ClientTrust(self.configuration, used)
        self.feedback = FeedbackTally(self.database)
        self.handover = Handover(self.draw_handover_key, used)

    @property
    def secret(self) -> str:
        """What signs the access tokens of machine clients."""
        return self.draw_secret()

    def base_urls(self, request: Request) -> tuple[str, ...]:
        """Return the base URLs that a token may name; a sandbox may use any name of this machine."""
        if not self.configuration.dev:
            return (self.configuration.public_url,)
        asked = f"{request.url.scheme}://{request.url.netloc}"
        return tuple({self.configuration.public_url, asked})


def doors(request: Request) -> Doors:
    """Return the state of the routes for clinical systems."""
    return cast("Doors", request.app.state.doors)


def install_doors(
    app: FastAPI,
    configuration: EhrConfiguration,
    *,
    secret: Callable[[], str],
    handover_key: Callable[[], bytes],
) -> None:
    """Add every route for clinical systems to an application.

    Parameters
    ----------
    app : FastAPI
        With the state that `cdss.app.create_interface` gives it.
    configuration : EhrConfiguration
    secret : callable
        Gives what is shared by all processes of an installation.
    handover_key : callable
        Gives the key of patients handed over to the viewer.
    """
    from cdss.ehr import cds_hooks, fhir_api, machine_access, smart_launch

    app.state.doors = Doors(configuration, app.state.database, secret, handover_key)
    app.include_router(cds_hooks.router)
    app.include_router(machine_access.router)
    app.include_router(fhir_api.router)
    app.include_router(smart_launch.router)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"] if configuration.dev else list(configuration.partners.cors_origins),
        allow_methods=["GET", "POST"],
        allow_headers=["Authorization", "Content-Type", "Accept"],
        max_age=600,
    )
    if configuration.dev:
        _log.warning("ehr_profile_dev", trusts=configuration.trusted_in_words())


def bare_401() -> Response:
    """Return the answer to a call whose token cannot be used: it says nothing about why."""
    return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})
