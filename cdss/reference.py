"""The release that a process serves: opened once, shared read-only, opened again after a fault without hands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import structlog
from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from cdss.settings import Settings
from projection import Projection
from projection.disclosure import DisclosedProjector
from reference_db.errors import CdssError, ReleaseError, ReleaseNotFound
from reference_db.release import Release, active_release, open_release, verify_release
from selection import PatientOfInterest
from selection.selector import DEFAULT_K

_log = structlog.get_logger()

Answer = TypeVar("Answer")


MOST_TOGETHER = 8
"""Questions answered at once: more would save little, and let the others wait."""

_MOST_PATIENTS = MOST_TOGETHER * DEFAULT_K
"""Patients of reference of one class behind all of them: large questions gain nothing by company, and take long."""


@dataclass(eq=False, slots=True)
class _Asked:
    """A question that waits, and its answer once there is one."""

    patient: PatientOfInterest
    options: Mapping[str, Any]
    answer: Projection | CdssError | None = None


@dataclass
class Reference:
    """The projector on the served release, and why there is none while there is none.

    Parameters
    ----------
    settings : Settings
        Where the releases are and which one to serve.
    observe : callable, optional
        Told of every projection that is given out, to count it.
    """

    settings: Settings
    observe: Callable[[Projection], None] | None = None
    _projector: DisclosedProjector | None = None
    _release: Release | None = None
    _seen: tuple[tuple[str, int, int], ...] = ()
    _lock: Lock = field(default_factory=Lock)
    _asked: list[_Asked] = field(default_factory=list)
    # Computing holds the interpreter: two at once would take longer together than one after the other.
    _one_at_a_time: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))

    async def compute(self, work: Callable[[], Answer]) -> Answer:
        """Return what a computation in a thread of its own gives; the others of this process wait their turn."""
        return await run_sync(work, limiter=self._one_at_a_time)

    async def project(self, patient: PatientOfInterest, options: Mapping[str, Any]) -> Projection:
        """Project a patient of interest; those who wait their turn and ask the same way are answered together.

        Eight at once take half the time of one after the other.

        Parameters
        ----------
        patient : PatientOfInterest
        options : mapping
            Arguments of `DisclosedProjector.project`.

        Raises
        ------
        InvalidInput
            For an argument that cannot be used.
        ReleaseError
            If the release cannot be served.
        """
        own = _Asked(patient, options)
        self._asked.append(own)
        try:
            async with self._one_at_a_time:
                if own.answer is None:
                    waiting = [one for one in self._asked if one.answer is None and one is not own]
                    alike = [one for one in waiting if one.options == options]
                    few = min(MOST_TOGETHER, _MOST_PATIENTS // max(options.get("k") or DEFAULT_K, 1))
                    together = [own, *alike[: max(few - 1, 0)]]
                    answers = await run_sync(self._answers, [one.patient for one in together], options)
                    for one, answer in zip(together, answers, strict=True):
                        one.answer = answer
        finally:
            self._asked.remove(own)
        if isinstance(own.answer, Projection):
            return own.answer
        raise own.answer or RuntimeError("a question was not answered")

    def _answers(
        self, patients: Sequence[PatientOfInterest], options: Mapping[str, Any]
    ) -> Sequence[Projection | CdssError]:
        """Answer questions that differ in their patients only, each with its projection or what is wrong with it."""
        try:
            return self.projector().project_many(patients, **options)
        except CdssError as error:
            if len(patients) == 1:
                return [error]
        # What is wrong with one must not be said to the others.
        return [answer for patient in patients for answer in self._answers([patient], options)]

    def release_path_or_error(self) -> Release:
        """Open the release that the settings name, or else the active one.

        Raises
        ------
        ReleaseError
            If there is none, or it may not be used.
        """
        releases = self.settings.releases
        path = releases / self.settings.release if self.settings.release else active_release(releases)
        if path is None:
            raise ReleaseNotFound(f"no release is active in {releases}: run `cdss build`")
        return open_release(path)

    def check(self) -> None:
        """Verify that the files of the release that is served are still those that were opened.

        What is in memory stays whole whatever happens to the files, so answers go on; but a service whose release
        was altered or taken away says so, and could not be started again.

        Raises
        ------
        ReleaseError
            If they are not; files whose size or time changed are hashed again.
        """
        self.projector()
        if self._release is not None and _signature(self._release.path) != self._seen:
            verify_release(self._release.path)
            self._seen = _signature(self._release.path)

    @property
    def version(self) -> str:
        """Version of the open release; empty while there is none."""
        return self._release.version if self._release is not None else ""

    def projector(self) -> DisclosedProjector:
        """Return the projector, opening the release if that has not succeeded yet.

        Raises
        ------
        ReleaseError
            If the release cannot be served; the next call tries again.
        """
        with self._lock:
            if self._projector is None:
                try:
                    release = self.release_path_or_error()
                except ReleaseError as error:
                    _log.error("release_refused", reason=str(error))
                    raise
                self._seen = _signature(release.path)
                self._projector = DisclosedProjector(release, observe=self.observe)
                self._release = release
                _log.info("release_opened", version=release.version, patients=len(release.episodes))
            return self._projector


def _signature(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Return name, size and time of change of each file of a release; empty when it is gone."""
    try:
        return tuple(sorted((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in path.iterdir()))
    except OSError:
        return ()
