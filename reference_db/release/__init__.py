"""Frozen releases of the reference database: made once, hashed, verified at every opening, never overwritten."""

from reference_db.release.freeze import freeze
from reference_db.release.manifest import Manifest, ReleaseContent, Status
from reference_db.release.opening import (
    Release,
    activate,
    active_release,
    list_releases,
    open_release,
    verify_release,
)

__all__ = [
    "Manifest",
    "Release",
    "ReleaseContent",
    "Status",
    "activate",
    "active_release",
    "freeze",
    "list_releases",
    "open_release",
    "verify_release",
]
