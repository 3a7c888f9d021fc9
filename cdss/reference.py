"""The release that a process serves: opened once, shared read-only, opened again after a fault without hands."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock

import structlog

from cdss.settings import Settings
from projection import Projector
from reference_db.errors import ReleaseError, ReleaseNotFound
from reference_db.release import Release, active_release, open_release

_log = structlog.get_logger()


@dataclass
class Reference:
    """The projector on the served release, and why there is none while there is none.

    Parameters
    ----------
    settings : Settings
        Where the releases are and which one to serve.
    """

    settings: Settings
    _projector: Projector | None = None
    _lock: Lock = field(default_factory=Lock)

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

    def projector(self) -> Projector:
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
                self._projector = Projector(release)
                _log.info("release_opened", version=release.version, patients=len(release.episodes))
            return self._projector
