"""The manifest of a release: what it holds, how it was made, whether it may be served."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from reference_db.schema import SCHEMA_VERSION, Source

EPISODES_FILE = "episodes.parquet"
MANIFEST_FILE = "manifest.json"
CARD_FILE = "card.md"


class Status(StrEnum):
    """Whether the privacy assessment let a release out."""

    USABLE = "usable"
    QUARANTINED = "quarantined"


class ReleaseContent(BaseModel):
    """What the maker of a release states about it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(ge=0, description="Seed of the whole build.")
    parameters: dict[str, Any] = Field(description="Parameters of the Avatar method and what it chose per stratum.")
    sources: tuple[Source, ...] = Field(description="Every source named in the episodes.")
    privacy: dict[str, Any] = Field(description="Privacy assessment, metric by metric and attack by attack.")
    reasons: tuple[str, ...] = Field(
        description="Targets that were missed and rules that were broken, in words; empty when none."
    )
    rules: dict[str, int] = Field(
        default_factory=dict,
        description="Declared rules between and within columns, each with the rows that break it.",
    )
    utility: dict[str, Any] = Field(
        default_factory=dict, description="How well the synthetic episodes keep the original figures."
    )

    @property
    def status(self) -> Status:
        """Quarantined as soon as one target was missed."""
        return Status.QUARANTINED if self.reasons else Status.USABLE


class Manifest(ReleaseContent):
    """What stands in ``manifest.json``.

    The version of a release is made from its content, so a manifest that was altered no longer bears its own name.
    """

    version: str = Field(description="Name of the release: r<schema>-<first 12 digits of the digest of its content>.")
    created: date = Field(description="Day on which it was made; the only field that is not part of the content.")
    schema_version: str
    row_counts: dict[str, int] = Field(description="Rows of each table.")
    files: dict[str, str] = Field(description="SHA-256 of every other file of the folder.")
    approval: str = Field(description="Who or what let it out, or held it back.")

    @classmethod
    def of(
        cls, content: ReleaseContent, *, row_counts: Mapping[str, int], files: Mapping[str, str], created: date
    ) -> Self:
        """Complete what the maker states with what was written, and name it."""
        verb = "Let out" if content.status is Status.USABLE else "Held back"
        draft = cls(
            **dict(content),
            version="",
            created=created,
            schema_version=SCHEMA_VERSION,
            row_counts=dict(row_counts),
            files=dict(files),
            approval=f"{verb} by the automatic privacy gate.",
        )
        return draft.model_copy(update={"version": draft.content_version()})

    def content_version(self) -> str:
        """Return the version that this content must bear."""
        content = json.loads(self.model_dump_json(exclude={"version", "created"}))
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return f"r{self.schema_version}-{hashlib.sha256(canonical.encode()).hexdigest()[:12]}"
