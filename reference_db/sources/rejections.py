"""What an import could not use, row by row, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reference_db.errors import FieldProblem, InvalidInput
from reference_db.schema import LongTables, Source


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """One row, or one whole file, that was not imported.

    Attributes
    ----------
    file : str
        Name of the file.
    row : int or None
        Number of the record in the file, the first after the header being 1; None for a whole file.
    reason : str
        What is wrong and how to mend it.
    """

    file: str
    row: int | None
    reason: str

    def as_problem(self) -> FieldProblem:
        """Return it as one problem of an error."""
        return FieldProblem(f"{self.file}, row {self.row}" if self.row is not None else self.file, self.reason)

    def __str__(self) -> str:
        """One line: file, row, reason."""
        return str(self.as_problem())


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of every row of an import.

    Attributes
    ----------
    read, accepted : mapping of str to int
        Rows per file: read, and of these accepted.
    rejected : tuple of RejectedRow
    notes : tuple of str
        What was assumed or converted without loss of a row.
    """

    read: Mapping[str, int]
    accepted: Mapping[str, int]
    rejected: tuple[RejectedRow, ...]
    notes: tuple[str, ...] = ()

    def as_table(self) -> pd.DataFrame:
        """Return the rejected rows: ``file``, ``row``, ``reason``."""
        return pd.DataFrame(
            {
                "file": [rejected.file for rejected in self.rejected],
                "row": pd.array([rejected.row for rejected in self.rejected], dtype="Int64"),
                "reason": [rejected.reason for rejected in self.rejected],
            }
        )

    def write(self, path: Path) -> None:
        """Write the rejected rows as CSV; a table with a header alone says that nothing was rejected."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.as_table().to_csv(path, index=False)


@dataclass(frozen=True, slots=True)
class Imported:
    """Sources read from files.

    Attributes
    ----------
    tables : LongTables
        As `schema.check_long_tables` accepted them.
    sources : tuple of Source
    report : ImportReport
    """

    tables: LongTables
    sources: tuple[Source, ...]
    report: ImportReport


class ImportFailed(InvalidInput):
    """Nothing could be imported; carries the report of why."""

    def __init__(self, report: ImportReport) -> None:
        self.report = report
        super().__init__([rejected.as_problem() for rejected in report.rejected])
