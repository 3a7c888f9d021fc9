"""From source cohorts to a frozen, anonymous, versioned database."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reference_db.avatar import avatarize
    from reference_db.episodes import Episodes
    from reference_db.privacy import PrivacyAssessment, assess_privacy
    from reference_db.release import Release, open_release

__all__ = ["Episodes", "PrivacyAssessment", "Release", "assess_privacy", "avatarize", "open_release"]

_ROOMS = {
    "Episodes": "reference_db.episodes",
    "PrivacyAssessment": "reference_db.privacy",
    "Release": "reference_db.release",
    "assess_privacy": "reference_db.privacy",
    "avatarize": "reference_db.avatar",
    "open_release": "reference_db.release",
}


def __getattr__(name: str) -> object:
    # Each room is opened on first use: whoever only reads a release does not wait for the anonymisation's libraries.
    if name in _ROOMS:
        return getattr(import_module(_ROOMS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
