"""What an interrupted validation keeps: finished sections, and finished parts of the section under way.

Parts are tables of the report, or rows of them: figures over many patients. Projections of single patients are not
among them, so that no patient's course is written anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reference_db.files import sweep_unfinished, write_whole
from validation.result import Record, Section, section_from_json, section_to_json

PARTS = "parts"
"""Folder of the parts, beside the finished sections."""

Told = Callable[[int, int], None]
"""Told how many of how many parts are done."""


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Finished sections and parts on disk; without a folder nothing is kept.

    Attributes
    ----------
    folder : Path or None
    fingerprint : str
        Of release, originals, seed and mode; what was kept for another one does not count.
    """

    folder: Path | None = None
    fingerprint: str = ""

    def section(self, name: str) -> Section | None:
        """Return a finished section; None when there is none of this validation."""
        kept = self._read(name)
        return None if kept is None else section_from_json(kept)

    def keep_section(self, section: Section) -> None:
        """Keep a finished section; its parts are not needed any more."""
        self._write(section.name, section_to_json(section))
        self._clear_parts(f"{section.name}-")

    def rows(
        self, section: str, tasks: Mapping[str, Any], *, jobs: int, told: Told | None = None
    ) -> dict[str, tuple[Record, ...]]:
        """Run the parts of a section that are not kept yet through joblib, and keep each as it is finished.

        Parameters
        ----------
        section : str
            Name of the section.
        tasks : mapping of str to joblib task
            ``delayed`` calls by the name of their part; each returns records, of many patients each.
        jobs : int
            Processes.
        told : callable, optional

        Returns
        -------
        dict of str to tuple of records
            In the order of the tasks.
        """
        from joblib import Parallel

        found: dict[str, tuple[Record, ...]] = {}
        for name in tasks:
            kept = self._read(f"{PARTS}/{section}-{name}")
            if kept is not None:
                found[name] = tuple(kept["rows"])
        missing = {name: task for name, task in tasks.items() if name not in found}
        running = Parallel(n_jobs=jobs, return_as="generator")(missing.values())
        for name, rows in zip(missing, running, strict=True):
            found[name] = tuple(rows)
            self._write(f"{PARTS}/{section}-{name}", {"rows": [dict(row) for row in rows]})
            if told is not None:
                told(len(found), len(tasks))
        return {name: found[name] for name in tasks}

    def made(self, section: str, part: str, make: Callable[[], tuple[Record, ...]]) -> tuple[Record, ...]:
        """Return one part of a section: as it was kept, or as it is made now, and kept.

        Parameters
        ----------
        section, part : str
        make : callable
            Returns records of many patients each.
        """
        kept = self._read(f"{PARTS}/{section}-{part}")
        if kept is not None:
            return tuple(kept["rows"])
        rows = make()
        self._write(f"{PARTS}/{section}-{part}", {"rows": [dict(row) for row in rows]})
        return rows

    def clear(self, names: list[str]) -> None:
        """Remove what was kept of these sections, and what a killed validation left half written."""
        if self.folder is None or not self.folder.is_dir():
            return
        for folder in (self.folder, self.folder / PARTS):
            sweep_unfinished(folder)
        self._clear_parts("")
        for name in names:
            (self.folder / f"{name}.json").unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _clear_parts(self, beginning: str) -> None:
        parts = None if self.folder is None else self.folder / PARTS
        if parts is not None and parts.is_dir():
            for path in parts.glob(f"{beginning}*.json"):
                path.unlink()
            if not any(parts.iterdir()):
                parts.rmdir()

    def _read(self, name: str) -> dict[str, Any] | None:
        path = None if self.folder is None else self.folder / f"{name}.json"
        if path is None or not path.is_file():
            return None
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found: dict[str, Any] = kept["content"]
        return found if kept["fingerprint"] == self.fingerprint else None

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        if self.folder is not None:
            kept = {"fingerprint": self.fingerprint, "content": content}
            write_whole(self.folder / f"{name}.json", json.dumps(kept))
