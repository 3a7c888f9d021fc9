"""Commands of stewards, managers and auditors: governed exports and the audit trail."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from cdss.settings import settings
from reference_db.errors import CdssError, InvalidInput
from reference_db.release import active_release
from reference_db.release.export import Purpose

if TYPE_CHECKING:
    from cdss.audit import AuditTrail, Head
    from cdss.exports import ExportDesk, ExportRequest
    from cdss.persistence import Database
    from cdss.security.roles import Caller

app = typer.Typer()
exports = typer.Typer(help="Request, decide and receive anonymous data sets.", no_args_is_help=True)
audit = typer.Typer(help="Verify and export the audit trail.", no_args_is_help=True)
app.add_typer(exports, name="export")
app.add_typer(audit, name="audit")

_Identifier = Annotated[str, typer.Argument(help="Identifier of a request, as `cdss export list` prints it.")]
_Name = Annotated[
    str | None,
    typer.Option("--as", help="Who you are, where no login is required; by default your account on this machine."),
]
_Comment = Annotated[str, typer.Option("--comment", help="Why.")]
_Role = Annotated[str, typer.Option(help="steward or manager")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@exports.command()
def request(
    purpose: Annotated[Purpose, typer.Option(help="Why the data set leaves; it decides its shape.")],
    recipient: Annotated[str, typer.Option(help="To whom it goes.")],
    reason: Annotated[str, typer.Option(help="What for.")],
    release: Annotated[
        str | None,
        typer.Option("--release", "--trial", help="Version, the active one by default; or code of a closed trial."),
    ] = None,
    size: Annotated[int | None, typer.Option(help="Patients (N' < N) or avatars per original (1-X).")] = None,
    name: _Name = None,
) -> None:
    """Request an export (steward); exits with 1 when its checks put it in quarantine."""
    from cdss.exports import State

    chosen = release
    if chosen is None and purpose is Purpose.TRIAL:
        raise InvalidInput.of("trial", "name the closed trial", "as `cdss evaluation list` prints it")
    if chosen is None:
        active = active_release(settings().releases)
        if active is None:
            raise InvalidInput.of("release", "none is active: name one", "as `cdss release list` prints it")
        chosen = active.name
    caller = _caller(name, "steward")
    with _desk() as (desk, trail), _audited(trail, caller, "request") as about:
        filed = desk.request(caller, purpose=purpose, release=chosen, recipient=recipient, reason=reason, size=size)
        about.append(filed.identifier)
        filed = desk.check(filed.identifier)
    _print(filed)
    if filed.state == State.QUARANTINED:
        raise typer.Exit(1)


@exports.command("list")
def list_all(name: _Name = None, role: _Role = "manager", as_json: _AsJson = False) -> None:
    """List requests: a steward's own, every one for a manager."""
    caller = _caller(name, role)
    with _desk() as (desk, trail), _audited(trail, caller, "list"):
        found = desk.list_for(caller)
    if as_json:
        typer.echo(json.dumps([_plain(filed) for filed in found], indent=2))
        return
    table = Table("export", "state", "purpose", "release", "size", "requested by", "recipient")
    for column in table.columns[:4]:
        column.no_wrap = True
    for filed in found:
        size = "all" if filed.size is None else str(filed.size)
        table.add_row(
            *(filed.identifier, filed.state, filed.purpose, filed.release, size, filed.requester, filed.recipient)
        )
    Console().print(table)


@exports.command()
def show(identifier: _Identifier, name: _Name = None, role: _Role = "manager") -> None:
    """Print a request with its checks and everything that happened to it, as JSON."""
    caller = _caller(name, role)
    with _desk() as (desk, trail), _audited(trail, caller, "show", identifier):
        filed = desk.visible(caller, identifier)
        history = [
            {
                "at": event.at.isoformat(),
                "verb": event.verb,
                "state": event.state,
                "by": event.by,
                "comment": event.comment,
            }
            for event in desk.history(identifier)
        ]
    typer.echo(json.dumps(_plain(filed) | {"history": history}, indent=2))


@exports.command()
def approve(identifier: _Identifier, comment: _Comment = "", name: _Name = None) -> None:
    """Approve a request that passed its checks (manager, not the requester)."""
    _decide("approve", identifier, comment, _caller(name, "manager"))


@exports.command()
def reject(identifier: _Identifier, comment: _Comment, name: _Name = None) -> None:
    """Reject a request, saying why (manager, not the requester)."""
    _decide("reject", identifier, comment, _caller(name, "manager"))


@exports.command()
def recheck(identifier: _Identifier, comment: _Comment = "", name: _Name = None) -> None:
    """Check a quarantined request again, once the cause is gone (manager, not the requester)."""
    _decide("recheck", identifier, comment, _caller(name, "manager"))


@exports.command()
def cancel(identifier: _Identifier, comment: _Comment = "", name: _Name = None) -> None:
    """Withdraw a request (its requester)."""
    _decide("cancel", identifier, comment, _caller(name, "steward"))


@exports.command()
def deliver(identifier: _Identifier, name: _Name = None) -> None:
    """Print the folder of the data of an approved request (its requester)."""
    caller = _caller(name, "steward")
    with _desk() as (desk, trail), _audited(trail, caller, "deliver", identifier):
        folder = desk.deliver(caller, identifier)
    typer.echo(str(folder))


@exports.command()
def states() -> None:
    """Print the states of a request, and what moves it from one to another, as a table."""
    from cdss.exports.states import table

    typer.echo(table())


@audit.command()
def verify(
    expect: Annotated[
        list[str] | None, typer.Option(help="Head noted down earlier, as `cdss audit head` prints it. Repeatable.")
    ] = None,
    new_witness: Annotated[
        bool, typer.Option("--new-witness", help="Allow that a witness was begun later (a machine was added).")
    ] = False,
) -> None:
    """Check every record of the audit trail; exits with 1 and names the first broken one."""
    with _desk() as (_, trail):
        found = trail.verify(expected=[_head(text) for text in expect or []], new_witness_allowed=new_witness)
    if found.intact:
        typer.echo(f"intact: {found.records:,} records, head {found.head}")
        return
    where = f"record {found.broken}" if found.broken is not None else "the trail"
    typer.echo(f"BROKEN at {where}: {found.problem}", err=True)
    raise typer.Exit(1)


@audit.command()
def head() -> None:
    """Print the number and digest of the last record, to be noted down elsewhere; exits with 1 when it is broken."""
    with _desk() as (_, trail):
        found = trail.verify()
    if not found.intact:
        typer.echo(f"BROKEN: {found.problem}; run `cdss audit verify`", err=True)
        raise typer.Exit(1)
    typer.echo(str(found.head) if found.head is not None else "")


@audit.command("export")
def export_fhir() -> None:
    """Print the audit trail as FHIR R4 AuditEvent resources, one a line (NDJSON)."""
    from cdss.audit.fhir import audit_event
    from cdss.ehr.configuration import ehr_configuration

    server = ehr_configuration(settings()).public_url
    with _desk() as (_, trail):
        for record in trail.records():
            typer.echo(json.dumps(audit_event(record, server=server)))


@audit.command()
def pseudonym(name: Annotated[str, typer.Argument(help="Identifier of a person.")]) -> None:
    """Print what stands for a person in the trail."""
    from cdss.audit import audit_key

    typer.echo(audit_key(settings()).pseudonym("actor", name))


def _decide(verb: str, identifier: str, comment: str, caller: Caller) -> None:
    with _desk() as (desk, trail), _audited(trail, caller, verb, identifier):
        filed = desk.decide(caller, identifier, verb, comment=comment)
        if verb == "recheck":
            filed = desk.check(identifier)
    _print(filed)


def _caller(name: str | None, role: str) -> Caller:
    """Return who gives the command: the bearer of ``CDSS_TOKEN`` where a login is required."""
    from cdss.errors import NotAuthenticated
    from cdss.security.roles import Caller, Role
    from cdss.security.tokens import Provider

    if settings().login_required:
        token = os.environ.get("CDSS_TOKEN", "")
        if not token:
            raise NotAuthenticated("a login is required: put a token of the identity provider into CDSS_TOKEN")
        return Provider(settings()).caller(token)
    if role not in set(Role):
        raise InvalidInput.of("role", f"{role!r} is not a role", ", ".join(Role))
    return Caller(identifier=name or getpass.getuser(), role=Role(role), session="command line")


@contextmanager
def _desk() -> Iterator[tuple[ExportDesk, AuditTrail]]:
    from cdss.audit import open_trail
    from cdss.exports import ExportDesk
    from cdss.persistence import open_database

    database: Database = open_database(settings())
    try:
        yield ExportDesk(settings(), database), open_trail(settings(), database)
    finally:
        database.close()


@contextmanager
def _audited(trail: AuditTrail, caller: Caller, verb: str, identifier: str = "") -> Iterator[list[str]]:
    """Record a command, whatever comes of it, before anything is printed."""
    from cdss.audit import AuditEntry, Outcome

    about = [identifier] if identifier else []

    def record(outcome: Outcome, status: int) -> None:
        # An identifier that does not exist may be anything that somebody typed.
        subject = about[0] if about and about[0].isalnum() and len(about[0]) <= 20 else ""
        trail.append(
            [
                AuditEntry(
                    actor=caller.identifier,
                    role=caller.role.value,
                    action=f"exports.{verb}",
                    session=caller.session,
                    subject=subject,
                    outcome=outcome,
                    status=status,
                )
            ]
        )

    try:
        yield about
    except CdssError:
        record(Outcome.REFUSED, 2)
        raise
    record(Outcome.SUCCESS, 0)


def _head(text: str) -> Head:
    from cdss.audit import Head

    sequence, _, digest = text.partition(":")
    if not sequence.isdecimal() or not digest:
        raise InvalidInput.of("expect", f"{text!r} is not a head", "number:digest, as `cdss audit head` prints it")
    return Head(int(sequence), digest)


def _plain(filed: ExportRequest) -> dict[str, object]:
    names = (
        "identifier",
        "state",
        "purpose",
        "release",
        "size",
        "requester",
        "recipient",
        "reason",
        "checks",
        "sha256",
    )
    return {name: getattr(filed, name) for name in names} | {"created": filed.created.isoformat()}


def _print(filed: ExportRequest) -> None:
    typer.echo(f"export {filed.identifier}: {filed.state}")
    for check in filed.checks:
        typer.echo(f"  {'passed' if check['passed'] else 'FAILED'}  {check['name']}: {check['detail']}")
