"""Open, list and verify releases."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from reference_db.episodes import Episodes
from reference_db.errors import ReleaseCorrupted, ReleaseError, ReleaseNotFound, ReleaseQuarantined
from reference_db.files import altered_files, write_whole
from reference_db.release.manifest import EPISODES_FILE, MANIFEST_FILE, Manifest
from reference_db.schema import SCHEMA_VERSION

_ACTIVE = "active"


@dataclass(frozen=True)
class Release:
    """A frozen release, verified and loaded; read-only.

    Attributes
    ----------
    path : Path
        Its folder.
    manifest : Manifest
        How it was made and assessed.
    episodes : Episodes
        The anonymous synthetic episodes.
    """

    path: Path
    manifest: Manifest
    episodes: Episodes

    @property
    def version(self) -> str:
        """Name of the release, made from its content."""
        return self.manifest.version

    def attachment(self, name: str) -> bytes | None:
        """Return a further file of the release by its name; None when it has none of that name."""
        return (self.path / name).read_bytes() if name in self.manifest.files else None


def verify_release(path: Path) -> Manifest:
    """Return the manifest of a release whose every file and whose name match their hashes.

    Raises
    ------
    ReleaseNotFound
        If there is no release in that folder.
    ReleaseCorrupted
        If a file is missing, added or altered, or the manifest is not the one that was written.
    """
    if not path.is_dir():
        raise ReleaseNotFound(f"there is no release {path.name} in {path.parent}: see `cdss release list`")
    try:
        manifest = Manifest.model_validate_json((path / MANIFEST_FILE).read_bytes())
        altered = altered_files(path, manifest.files, leave_out=MANIFEST_FILE)
    except (OSError, ValidationError) as error:
        raise ReleaseCorrupted(f"release {path.name}: its manifest cannot be read; build it again") from error
    if manifest.version != manifest.content_version() or manifest.version != path.name:
        raise ReleaseCorrupted(f"release {path.name}: its manifest was altered since it was written; build it again")
    if altered:
        raise ReleaseCorrupted(
            f"release {path.name}: altered since it was written: {', '.join(altered)}; build it again"
        )
    return manifest


def open_release(path_or_version: Path | str) -> Release:
    """Open a release for use: verified, read-only, and only when its privacy assessment let it out.

    Parameters
    ----------
    path_or_version : Path or str
        Folder of the release, or its version: then it is looked for in ``releases`` below the folder that the
        environment variable ``CDSS_HOME`` names (``var`` when it names none).

    Raises
    ------
    ReleaseNotFound, ReleaseCorrupted
        As `verify_release`.
    ReleaseQuarantined
        If its privacy assessment missed a target.
    ReleaseError
        If it was made with another version of the schema.
    """
    path = Path(path_or_version)
    if len(path.parts) == 1 and not path.is_dir():
        path = Path(os.environ.get("CDSS_HOME", "var")) / "releases" / path
    manifest = verify_release(path)
    _ask_the_gate(manifest)
    if manifest.schema_version != SCHEMA_VERSION:
        raise ReleaseError(
            f"release {path.name} has schema {manifest.schema_version}, not {SCHEMA_VERSION}: build it again"
        )
    episodes = Episodes(
        table=pd.read_parquet(path / EPISODES_FILE), sources={source.name: source for source in manifest.sources}
    )
    return Release(path=path, manifest=manifest, episodes=episodes)


def _ask_the_gate(manifest: Manifest) -> None:
    """Refuse a release that was held back, or whose recorded assessment does not meet the present targets."""
    from reference_db.privacy.gate import broken_rules, reasons_to_refuse

    reasons = [*manifest.reasons, *reasons_to_refuse(manifest.privacy), *broken_rules(manifest.rules)]
    if reasons:
        raise ReleaseQuarantined(f"release {manifest.version} is in quarantine: {'; '.join(dict.fromkeys(reasons))}")


def list_releases(releases: Path) -> list[Path]:
    """Return the folders of finished releases, in the order of their names."""
    return sorted(path for path in releases.glob("r*-*") if path.is_dir()) if releases.is_dir() else []


def activate(releases: Path, version: str) -> None:
    """Make a release the one that is served by default.

    Raises
    ------
    ReleaseError
        If it cannot be opened for use.
    """
    _ask_the_gate(verify_release(releases / version))
    write_whole(releases / _ACTIVE, version + "\n")


def active_release(releases: Path) -> Path | None:
    """Return the folder of the release that is served by default; None when none was activated."""
    try:
        version = (releases / _ACTIVE).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    return releases / version
