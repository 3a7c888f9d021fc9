"""The export desk: every request passes here, whether it comes by command, over HTTP or from the page."""

from __future__ import annotations

import datetime
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import structlog
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from cdss.errors import NotAllowed, NotFound
from cdss.evaluation.export import prepare_trial_export, require_closed
from cdss.exports.request import ExportEvent, ExportRequest
from cdss.exports.states import By, State, transition
from cdss.persistence import Database
from cdss.security.roles import Caller, Permission
from cdss.settings import Settings
from reference_db.errors import FieldProblem, InvalidInput, ReleaseError
from reference_db.release import open_release
from reference_db.release.export import (
    EarlierExport,
    ExportCheck,
    Prepared,
    Purpose,
    check_size,
    data_digest,
    prepare_export,
    write_export,
)

LONGEST_TEXT = 1000

_COUNTED = (State.CHECKED.value, State.APPROVED.value, State.DELIVERED.value)
"""States in which an export has left or may leave, so that later ones are compared with it."""

_LOCK = 4_702_111_937
"""Number that names the lock under which checks end, one at a time, among those of a PostgreSQL server."""

_log = structlog.get_logger()


class ExportDesk:
    """Requests, checks, decisions and deliveries.

    Parameters
    ----------
    settings : Settings
    database : Database
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database

    @property
    def _folder(self) -> Path:
        return self._settings.home / "exports"

    def request(
        self, caller: Caller, *, purpose: Purpose, release: str, recipient: str, reason: str, size: int | None = None
    ) -> ExportRequest:
        """File a request; it is checked by `check`.

        Raises
        ------
        NotAllowed
            If the caller is no steward.
        InvalidInput, ReleaseError
            If the request cannot be used, or the release may not be.
        """
        caller.require(Permission.REQUEST_EXPORT)
        problems = [
            FieldProblem(name, "must be said", f"1 to {longest} characters")
            for name, text, longest in (("recipient", recipient, 200), ("reason", reason, LONGEST_TEXT))
            if not 0 < len(text.strip()) <= longest or "\x00" in text
        ]
        if problems:
            raise InvalidInput(problems)
        version = self._subject(purpose, release, size)
        now = _now()
        filed = ExportRequest(
            identifier=f"x{secrets.token_hex(5)}",
            created=now,
            requester=caller.identifier,
            purpose=purpose.value,
            release=version,
            size=size,
            recipient=recipient.strip(),
            reason=reason.strip(),
            state=State.REQUESTED.value,
            checks=[],
            sha256="",
        )
        with self._database.session() as session:
            session.add(filed)
            session.flush()
            session.add(_event(filed, "request", caller.identifier, caller.role.value))
        return filed

    def check(self, identifier: str) -> ExportRequest:
        """Make the data set of a request and check it: what fails goes to quarantine, with an alert.

        Raises
        ------
        NotFound
            If there is no such request.
        """
        filed = self.find(identifier)
        if filed.state != State.REQUESTED:
            return filed
        while True:
            counted = self._counted(filed)
            checked = self._checked(filed, counted)
            if checked is not None:
                return checked
            # Another export passed its checks meanwhile: this one was not compared with it.
            self._remove_data(identifier)

    def _checked(self, filed: ExportRequest, counted: Sequence[ExportRequest]) -> ExportRequest | None:
        """Check a request against others; None when these are not all any more that it must be compared with."""
        identifier = filed.identifier
        prepared = self._prepared(filed, counted)
        description = {
            "identifier": identifier,
            "purpose": filed.purpose,
            "release": filed.release,
            "recipient": filed.recipient,
            "notice": "Anonymous synthetic patients, not patients. Not for decisions about anybody.",
        }
        digest = write_export(self._folder, identifier, prepared, description)
        with self._database.session() as session:
            if session.get_bind().dialect.name == "postgresql":
                session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            current = self._locked(session, identifier)
            if current.state != State.REQUESTED:
                return current
            if {other.identifier for other in self._counted_in(session, filed)} - {one.identifier for one in counted}:
                return None
            current.checks = [asdict(check) for check in prepared.checks]
            current.sha256 = digest
            verb = transition("pass" if prepared.passed else "quarantine")
            current.state = verb.after.value
            session.add(_event(current, verb.verb, "", "service"))
        if not prepared.passed:
            failed = [check.name for check in prepared.checks if not check.passed]
            _log.error("export_quarantined", export=identifier, failed=failed)
        return current

    def check_waiting(self) -> None:
        """Check every request whose check was never finished, because the service was stopped or killed."""
        with self._database.reading() as session:
            query = select(ExportRequest.identifier).where(ExportRequest.state == State.REQUESTED.value)
            waiting = list(session.scalars(query))
        for identifier in waiting:
            self.check(identifier)

    def decide(self, caller: Caller, identifier: str, verb: str, *, comment: str = "") -> ExportRequest:
        """Move a request, as the table of transitions allows.

        Parameters
        ----------
        caller : Caller
        identifier : str
        verb : str
            ``approve``, ``reject``, ``recheck``, ``cancel`` or ``deliver``.
        comment : str
            Must be given for a rejection.

        Raises
        ------
        NotFound
            If there is no such request.
        NotAllowed
            If the caller may not do it, or not in this state.
        InvalidInput
            If a rejection has no reason.
        """
        move = transition(verb)
        if move.permission is None:
            raise NotAllowed(f"only the service itself may {verb} an export")
        caller.require(move.permission)
        if len(comment) > LONGEST_TEXT or "\x00" in comment or (verb == "reject" and not comment.strip()):
            raise InvalidInput.of("comment", "must say why", f"1 to {LONGEST_TEXT} characters")
        with self._database.session() as session:
            current = self._locked(session, identifier)
            own = current.requester == caller.identifier
            if move.by is By.ANOTHER and own:
                raise NotAllowed(f"who requested an export may not {verb} it: another manager must")
            if move.by is By.REQUESTER and not own:
                raise NotAllowed(f"only who requested an export may {verb} it")
            if current.state not in {state.value for state in move.before}:
                states = " or ".join(move.before)
                raise NotAllowed(f"an export that is {current.state} cannot be moved by {verb}: it must be {states}")
            if verb in {"approve", "deliver"}:
                self._verify_data(current)
            current.state = move.after.value
            session.add(_event(current, verb, caller.identifier, caller.role.value, comment.strip()))
        if verb in {"reject", "cancel", "recheck"}:
            self._remove_data(identifier)
        return current

    def deliver(self, caller: Caller, identifier: str) -> Path:
        """Hand the data of an approved request to its requester: the folder with the data and their description.

        Raises
        ------
        NotFound, NotAllowed
            As `decide`.
        """
        self.decide(caller, identifier, "deliver")
        return self._folder / identifier

    def find(self, identifier: str) -> ExportRequest:
        """Return a request.

        Raises
        ------
        NotFound
            If there is none of that identifier.
        """
        with self._database.reading() as session:
            return _found(session.get(ExportRequest, identifier))

    def list_for(self, caller: Caller) -> Sequence[ExportRequest]:
        """Return the requests that a caller may see, the latest first: a steward's own, every one for a manager.

        Raises
        ------
        NotAllowed
            If the caller is neither.
        """
        caller.require(Permission.SEE_EXPORTS)
        query = select(ExportRequest).order_by(ExportRequest.created.desc(), ExportRequest.identifier)
        if not caller.may(Permission.DECIDE_EXPORT):
            query = query.where(ExportRequest.requester == caller.identifier)
        with self._database.reading() as session:
            return session.scalars(query).all()

    def visible(self, caller: Caller, identifier: str) -> ExportRequest:
        """Return a request that a caller may see.

        Raises
        ------
        NotFound
            If there is none, or it is somebody else's.
        """
        caller.require(Permission.SEE_EXPORTS)
        filed = self.find(identifier)
        if not caller.may(Permission.DECIDE_EXPORT) and filed.requester != caller.identifier:
            raise NotFound("there is no such export")
        return filed

    def history(self, identifier: str) -> Sequence[ExportEvent]:
        """Return everything that happened to a request, in order."""
        with self._database.reading() as session:
            query = select(ExportEvent).where(ExportEvent.request == identifier).order_by(ExportEvent.number)
            return session.scalars(query).all()

    def _subject(self, purpose: Purpose, release: str, size: int | None) -> str:
        """Return what is asked for, once it is sure that it can be: a release, or a closed trial."""
        if purpose is Purpose.TRIAL:
            require_closed(self._database, release)
            check_size(purpose, size, 0)
            return release
        opened = open_release(self._release_path(release))
        check_size(purpose, size, len(opened.episodes))
        return opened.version

    def _release_path(self, version: str) -> Path:
        releases = self._settings.releases
        if version not in {path.name for path in releases.glob("r*-*")}:
            raise InvalidInput.of("release", "is not a release here", "a version that `cdss release list` prints")
        return releases / version

    def _prepared(self, filed: ExportRequest, counted: Sequence[ExportRequest]) -> Prepared:
        """Make the data set; a release that may not be used any more is a failed check, not an accident."""
        if filed.purpose == Purpose.TRIAL:
            of_trial = [other for other in counted if other.release == filed.release]
            earlier = {other.identifier: other.sha256 for other in of_trial}
            return prepare_trial_export(self._database, filed.release, earlier=earlier)
        try:
            return prepare_export(
                self._settings.home,
                open_release(self._release_path(filed.release)),
                purpose=Purpose(filed.purpose),
                size=filed.size,
                earlier=[
                    EarlierExport(other.identifier, other.release, Purpose(other.purpose), other.size)
                    for other in counted
                ],
            )
        except (ReleaseError, InvalidInput) as error:
            reason = str(error).replace(str(self._settings.home), "CDSS_HOME")
            return Prepared(pd.DataFrame(), None, (ExportCheck("release assessment", False, reason),))

    def _counted(self, filed: ExportRequest) -> Sequence[ExportRequest]:
        """Return the exports, of a trial for a trial and of releases for a release, that have left or may leave."""
        with self._database.reading() as session:
            return self._counted_in(session, filed)

    def _counted_in(self, session: Session, filed: ExportRequest) -> Sequence[ExportRequest]:
        query = select(ExportRequest).where(
            ExportRequest.state.in_(_COUNTED),
            ExportRequest.identifier != filed.identifier,
            (ExportRequest.purpose == Purpose.TRIAL.value) == (filed.purpose == Purpose.TRIAL.value),
        )
        return session.scalars(query.order_by(ExportRequest.created)).all()

    def _locked(self, session: Session, identifier: str) -> ExportRequest:
        return _found(session.get(ExportRequest, identifier, with_for_update=True))

    def _verify_data(self, filed: ExportRequest) -> None:
        folder = self._folder / filed.identifier
        if not folder.is_dir() or data_digest(folder) != filed.sha256:
            raise NotAllowed(f"the data of export {filed.identifier} are not those that were checked: cancel it")

    def _remove_data(self, identifier: str) -> None:
        folder = self._folder / identifier
        if folder.is_dir():
            shutil.rmtree(folder)


def _found(filed: ExportRequest | None) -> ExportRequest:
    if filed is None:
        raise NotFound("there is no such export")
    return filed


def _event(filed: ExportRequest, verb: str, by: str, role: str, comment: str = "") -> ExportEvent:
    return ExportEvent(
        request=filed.identifier, at=_now(), verb=verb, state=filed.state, by=by, role=role, comment=comment
    )


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
