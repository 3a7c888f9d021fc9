"""Write a release: once, whole, under a name made from its content."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from reference_db.errors import BuildError
from reference_db.files import finish, hashes, unfinished_folder, write_table
from reference_db.release.card import data_set_card
from reference_db.release.manifest import CARD_FILE, EPISODES_FILE, MANIFEST_FILE, Manifest, ReleaseContent
from reference_db.schema import check_episodes


def freeze(
    releases: Path, episodes: pd.DataFrame, content: ReleaseContent, *, attachments: Mapping[str, bytes]
) -> Manifest:
    """Write a release into the folder of releases, and return its manifest.

    Parameters
    ----------
    releases : Path
        Folder of releases; created when absent.
    episodes : DataFrame
        The anonymous synthetic episodes.
    content : ReleaseContent
        How they were made and what their privacy assessment says. Any reason puts the release in quarantine.
    attachments : mapping of str to bytes
        Further files by name, derived from the synthetic episodes only, such as learned feature weights.

    Returns
    -------
    Manifest
        Of the release written, or of the identical one that was already there.

    Raises
    ------
    InvalidTable
        If the episodes break their schema.
    BuildError
        If the release cannot be written.
    """
    check_episodes(episodes)
    try:
        with unfinished_folder(releases) as folder:
            write_table(episodes, folder / EPISODES_FILE)
            for name, attachment in attachments.items():
                (folder / name).write_bytes(attachment)
            (folder / CARD_FILE).write_text(data_set_card(episodes, content), encoding="utf-8")
            manifest = Manifest.of(
                content,
                row_counts={"episodes": len(episodes)},
                files=hashes(folder, leave_out=MANIFEST_FILE),
                created=datetime.datetime.now(datetime.UTC).date(),
            )
            (folder / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2), encoding="utf-8")
            target = releases / manifest.version
            if not target.exists():
                finish(folder, target)
    except OSError as error:
        raise BuildError(f"the release could not be written to {releases}: {error.strerror}") from error
    return manifest
