"""From a reader of foreign files to a folder of originals: whole or not at all, and never without its report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pandas as pd

from reference_db.errors import FieldProblem, InvalidInput
from reference_db.schema import LongTables
from reference_db.sources.rejections import Imported, ImportFailed, ImportReport, RejectedRow
from reference_db.warehouse import write_bkp

_SHOWN = 20


def import_to_bkp(read: Callable[[], Imported], to: Path, *, report: Path, strict: bool = False) -> ImportReport:
    """Import sources as originals.

    Parameters
    ----------
    read : callable
        Reads the sources, for instance `sdtm.read_sdtm` or `tabular.read_tabular` of a folder.
    to : Path
        Folder of originals to make.
    report : Path
        CSV file of the rejected rows; written whatever becomes of the import.
    strict : bool
        Import nothing when anything is rejected.

    Returns
    -------
    ImportReport

    Raises
    ------
    InvalidInput
        If nothing can be imported, or, when strict, if anything is rejected; names the first problems and the report.
        No folder of originals is left then.
    """
    if to.exists():
        raise InvalidInput.of("to", f"{to} already exists: choose another name, or remove the folder first")
    try:
        imported = read()
    except ImportFailed as failure:
        _write(failure.report, report)
        raise _refusal(failure.report, report, "nothing was imported") from failure
    _write(imported.report, report)
    if strict and imported.report.rejected:
        raise _refusal(imported.report, report, "nothing was imported, as asked by --strict")
    write_bkp(to, imported.tables, imported.sources)
    return imported.report


def _write(outcome: ImportReport, path: Path) -> None:
    try:
        outcome.write(path)
    except OSError as error:
        raise InvalidInput.of("report", f"{path} cannot be written: {error.strerror}") from error


def _refusal(outcome: ImportReport, report: Path, consequence: str) -> InvalidInput:
    problems = [rejected.as_problem() for rejected in outcome.rejected[:_SHOWN]]
    more = len(outcome.rejected) - len(problems)
    rest = f" and {more} more" if more > 0 else ""
    return InvalidInput([*problems, FieldProblem("import", f"{consequence}{rest}: every rejection is in {report}")])


def read_folder(path: Path, read: Callable[[Path], Imported]) -> Imported:
    """Read one source, or every source of a folder of folders as one import.

    Parameters
    ----------
    path : Path
        Folder of files, or of one folder per source.
    read : callable
        Reads one source from its folder.

    Raises
    ------
    ImportFailed
        If any of the sources cannot be imported; with the reports of all.
    InvalidInput
        If the folder cannot be read, or two sources have the same name or patient.
    """
    folders = sorted(p for p in path.iterdir() if p.is_dir()) if path.is_dir() else []
    if not folders or any(p.is_file() for p in path.iterdir()):
        return read(path)
    imports: list[Imported] = []
    reports: list[ImportReport] = []
    failed = False
    for folder in folders:
        try:
            imported = read(folder)
        except ImportFailed as failure:
            failed = True
            reports.append(_below(folder.name, failure.report))
        else:
            imports.append(imported)
            reports.append(_below(folder.name, imported.report))
    report = ImportReport(
        read={file: rows for r in reports for file, rows in r.read.items()},
        accepted={file: rows for r in reports for file, rows in r.accepted.items()},
        rejected=tuple(rejected for r in reports for rejected in r.rejected),
        notes=tuple(note for r in reports for note in r.notes),
    )
    if failed:
        raise ImportFailed(report)
    sources = tuple(source for imported in imports for source in imported.sources)
    tables = LongTables(
        **{
            field.name: pd.concat([getattr(imported.tables, field.name) for imported in imports], ignore_index=True)
            for field in fields(LongTables)
        }
    )
    names = pd.Series([source.name for source in sources])
    for what, repeated in (
        ("source", names[names.duplicated()]),
        ("patient_id", tables.patients.loc[tables.patients["patient_id"].duplicated(), "patient_id"]),
    ):
        if len(repeated):
            raise InvalidInput.of(what, f"{repeated.iloc[0]!r} is in two of the folders: it must be unique")
    return Imported(tables, sources, report)


def _below(folder: str, report: ImportReport) -> ImportReport:
    """Return a report with the folder before each file."""
    return ImportReport(
        read={f"{folder}/{file}": rows for file, rows in report.read.items()},
        accepted={f"{folder}/{file}": rows for file, rows in report.accepted.items()},
        rejected=tuple(RejectedRow(f"{folder}/{r.file}", r.row, r.reason) for r in report.rejected),
        notes=tuple(f"{folder}: {note}" for note in report.notes),
    )
