"""From a reader of foreign files to a folder of originals: whole or not at all, and never without its report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reference_db.errors import FieldProblem, InvalidInput
from reference_db.sources.rejections import Imported, ImportFailed, ImportReport
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
    problems = [
        FieldProblem(f"{r.file}, row {r.row}" if r.row is not None else r.file, r.reason)
        for r in outcome.rejected[:_SHOWN]
    ]
    more = len(outcome.rejected) - len(problems)
    rest = f" and {more} more" if more > 0 else ""
    return InvalidInput([*problems, FieldProblem("import", f"{consequence}{rest}: every rejection is in {report}")])
