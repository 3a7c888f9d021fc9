"""The clinical evaluation over HTTP: open a trial, enrol, allocate, collect, monitor, close, report.

Every route needs a caller who may evaluate; opening, closing and reporting is the trialist's. What was done on which
trial goes to the audit trail with the guard's record of the request.
"""

from __future__ import annotations

from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from cdss.api.answers import answer
from cdss.api.dependencies import caller, database, reference
from cdss.evaluation import forms
from cdss.evaluation.conduct import Conduct
from cdss.evaluation.examples import example_protocol
from cdss.evaluation.instruments import instruments
from cdss.evaluation.monitoring import monitor
from cdss.evaluation.protocol import parse_protocol
from cdss.persistence import Database
from cdss.reference import Reference
from cdss.security.roles import Caller, Permission
from reference_db.errors import ReleaseError


def _evaluator(request: Request, asking: Annotated[Caller, Depends(caller)]) -> Caller:
    asking.require(Permission.EVALUATE)
    request.state.subject = str(request.path_params.get("code", ""))[:40]
    return asking


def _trialist(asking: Annotated[Caller, Depends(_evaluator)]) -> Caller:
    asking.require(Permission.LEAD_TRIAL)
    return asking


def _conduct(kept: Annotated[Database, Depends(database)]) -> Conduct:
    return Conduct(kept)


def _as(action: str) -> Any:  # noqa: ANN401  # what FastAPI's Depends returns
    """Name what a route does in the audit trail."""

    def name(request: Request) -> None:
        request.state.action = f"evaluation.{action}"

    return Depends(name)


_PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"description": "Nobody in particular is asking: open a session first (RFC 9457)."},
    403: {"description": "The caller may not, or not in this state (RFC 9457)."},
    404: {"description": "There is no such trial or participant (RFC 9457)."},
    422: {"description": "Every field that cannot be used, with its allowed values (RFC 9457)."},
    503: {"description": "What the trial keeps cannot be read or written now (RFC 9457)."},
}

router = APIRouter(prefix="/evaluation", tags=["evaluation"], dependencies=[Depends(_evaluator)], responses=_PROBLEMS)

EVENTS = "/api/v1/evaluation/participants/{participant}/events"
"""Where the viewer reports the events of a consultation."""

Conducted = Annotated[Conduct, Depends(_conduct)]
Code = Annotated[str, Path(description="Code of the trial.", pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Participant = Annotated[str, Path(description="Identifier given at enrolment.", pattern=r"^[0-9a-f]{16}$")]


class Opening(BaseModel):
    """A trial to open."""

    model_config = ConfigDict(extra="forbid")

    protocol: dict[str, Any] = Field(
        description="The protocol, as `cdss evaluation protocol` writes it.", examples=[example_protocol().document()]
    )
    seed: int | None = Field(
        default=None, ge=0, lt=2**63, description="Seed of the allocation, for a rehearsal; drawn by default."
    )


class Enrolled(BaseModel):
    """A participant."""

    participant: str


class Allocated(BaseModel):
    """An allocation."""

    participant: str
    arm: str


class Recorded(BaseModel):
    """Events that were kept."""

    recorded: int
    ignored: int = Field(description="Sent once more, or after the consultation had ended.")
    deviations: int = Field(description="Uses of the tool in a consultation allocated to usual.")


class Reported(BaseModel):
    """An incident that was kept."""

    number: int = Field(description="Under which the site keeps its narrative.")


@router.get("/instruments", dependencies=[_as("read")])
def list_instruments() -> Response:
    """List the instruments: paraphrased items and anchors in English and French, scoring rule, source."""
    return answer(
        {
            code: {
                "names": chosen.names,
                "items": chosen.items,
                "anchors": chosen.anchors,
                "lowest": chosen.lowest,
                "highest": chosen.highest,
                "rule": chosen.rule,
                "source": chosen.source,
                "wording": chosen.wording,
            }
            for code, chosen in instruments().items()
        }
    )


@router.post("/trials", status_code=HTTPStatus.CREATED, dependencies=[Depends(_trialist), _as("open")])
def open_trial(opening: Opening, conduct: Conducted) -> Response:
    """Open a trial: its protocol is fixed, and the commitment to its allocation published."""
    opened = answer(conduct.open(parse_protocol(opening.protocol), seed=opening.seed))
    opened.status_code = HTTPStatus.CREATED
    return opened


@router.get("/trials", dependencies=[_as("read")])
def list_trials(conduct: Conducted) -> Response:
    """List the trials."""
    return answer(conduct.trials())


@router.get("/trials/{code}", dependencies=[_as("read")])
def show_trial(code: Code, conduct: Conducted) -> Response:
    """Return a trial's state, digest, commitment and protocol; once it is closed, also seed and salt."""
    state, protocol = conduct.trial(code)
    return answer({"trial": state, "protocol": protocol.document()})


@router.post("/trials/{code}/period", dependencies=[Depends(_trialist), _as("next_period")])
def begin_next_period(code: Code, conduct: Conducted) -> Response:
    """Begin the next period of a stepped wedge."""
    return answer(conduct.next_period(code))


@router.post("/trials/{code}/closure", dependencies=[Depends(_trialist), _as("close")])
def close_trial(code: Code, conduct: Conducted) -> Response:
    """Close a trial to new patients; seed and salt of the allocation become known."""
    return answer(conduct.close(code))


@router.get("/trials/{code}/allocation-list", dependencies=[Depends(_trialist), _as("read_allocation_list")])
def show_allocation_list(code: Code, conduct: Conducted) -> Response:
    """Return the allocation list of a closed trial."""
    return answer({"lines": list(conduct.allocation_list(code).lines())})


@router.get("/trials/{code}/monitoring", dependencies=[_as("monitor")])
def monitor_trial(code: Code, conduct: Conducted) -> Response:
    """Return accrual, balance, completeness and deviations; no outcome by arm."""
    return answer(monitor(conduct, code))


@router.get("/trials/{code}/report", dependencies=[Depends(_trialist), _as("report")], response_class=HTMLResponse)
def report_trial(
    code: Code, conduct: Conducted, seed: Annotated[int, Query(ge=0)] = 0, language: forms.Language = "en"
) -> HTMLResponse:
    """Return the report of a closed trial as one HTML page.

    The seed is that of the imputations for missing outcomes.
    """
    from cdss.evaluation.report import trial_report

    return HTMLResponse(trial_report(conduct, code, seed=seed, language=language))


@router.post("/trials/{code}/screening", status_code=HTTPStatus.NO_CONTENT, dependencies=[_as("screen")])
def count_not_randomised(code: Code, form: forms.NotRandomised, conduct: Conducted) -> None:
    """Count a patient who is not randomised, by reason; nothing else is stored."""
    conduct.count_not_randomised(code, form)


@router.get("/trials/{code}/visits-due", dependencies=[_as("monitor")])
def list_visits_due(code: Code, conduct: Conducted) -> Response:
    """List the outcome visits whose day has come and that are not reported, the longest due first."""
    return answer(conduct.visits_due(code))


@router.post("/trials/{code}/incidents", status_code=HTTPStatus.CREATED, dependencies=[_as("incident")])
def report_incident(code: Code, form: forms.Incident, conduct: Conducted) -> Reported:
    """Keep the report of an adverse event or of a deficiency of the tool, and give it a number."""
    return Reported(number=conduct.report_incident(code, form))


@router.post("/trials/{code}/participants", status_code=HTTPStatus.CREATED, dependencies=[_as("enrol")])
def enrol(code: Code, form: forms.Enrolment, conduct: Conducted) -> Enrolled:
    """Keep a patient who consented. Without consent the answer is 403 and nothing is stored."""
    return Enrolled(participant=conduct.enrol(code, form))


@router.post("/participants/{participant}/allocation", dependencies=[_as("allocate")])
def allocate(
    participant: Participant, conduct: Conducted, served: Annotated[Reference, Depends(reference)]
) -> Allocated:
    """Give the allocation, once, when the questionnaires of before the consultation are in."""
    try:
        release = served.projector().release.version
    except ReleaseError:
        release = ""
    return Allocated(participant=participant, arm=conduct.allocate(participant, release=release).value)


@router.post("/participants/{participant}/answers", status_code=HTTPStatus.CREATED, dependencies=[_as("answer")])
def submit_answers(participant: Participant, form: forms.Answers, conduct: Conducted) -> Response:
    """Keep the instruments filled in at one sitting, all or none, and return their scores."""
    scored = answer(conduct.answer(participant, form.answers))
    scored.status_code = HTTPStatus.CREATED
    return scored


@router.post("/participants/{participant}/events", status_code=HTTPStatus.CREATED, dependencies=[_as("events")])
def record_events(participant: Participant, form: forms.Events, conduct: Conducted) -> Recorded:
    """Keep consultation events."""
    return Recorded(**asdict(conduct.record_events(participant, form.events)))


@router.get("/participants/{participant}/tool", status_code=HTTPStatus.NO_CONTENT, dependencies=[_as("read")])
def may_open_tool(participant: Participant, conduct: Conducted) -> None:
    """Tell whether the viewer may be opened for a participant: 403 before the allocation or in the usual arm."""
    conduct.require_tool(participant)


@router.post("/participants/{participant}/outcomes", status_code=HTTPStatus.NO_CONTENT, dependencies=[_as("outcome")])
def record_outcomes(participant: Participant, form: forms.Outcomes, conduct: Conducted) -> None:
    """Keep what outcome visits found; a second report of the same month replaces the first."""
    conduct.record_outcomes(participant, form.visits)


@router.post(
    "/participants/{participant}/withdrawal", status_code=HTTPStatus.NO_CONTENT, dependencies=[_as("withdraw")]
)
def withdraw(participant: Participant, form: forms.Withdrawal, conduct: Conducted) -> None:
    """End a participation, and erase what was collected when the patient wants so."""
    conduct.withdraw(participant, keep_data=form.keep_data)
