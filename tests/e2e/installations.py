"""Installations with a release that no build made: quick, of as many made-up patients as a test needs."""

from __future__ import annotations

from pathlib import Path

from reference_db.release import ReleaseContent, activate, freeze
from tests.episodes import random_episodes
from tests.privacy_records import passing_record


def made_up_installation(home: Path, patients: int = 1800) -> Path:
    """Freeze and activate a release of random patients below a folder, and return the folder."""
    episodes = random_episodes(patients)
    content = ReleaseContent(
        seed=1, parameters={}, sources=tuple(episodes.sources.values()), privacy=passing_record(), reasons=()
    )
    activate(home / "releases", freeze(home / "releases", episodes.table, content, attachments={}).version)
    return home
