"""A closed trial as a data set that may leave: SDTM-like tables of avatars of its patients, with their checks.

Requests, decisions and deliveries are those of the export desk, as for a release of the reference database. The same
trial gives the same avatars each time it is asked for: several sets of avatars of the same patients would together
tell more of them than one, which is what was assessed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import pandas as pd

from cdss.errors import NotAllowed
from cdss.evaluation.anonymous import AnonymousTrial, anonymous_trial
from cdss.evaluation.collection import collect
from cdss.evaluation.conduct import CLOSED, Conduct
from cdss.evaluation.sdtm import sdtm_tables
from cdss.persistence import Database
from reference_db.errors import InvalidInput
from reference_db.release.export import ExportCheck, Prepared, acro_check, files_digest
from reference_db.small_cells import SMALL_CELL


def require_closed(database: Database, code: str) -> None:
    """Verify that the data of a trial may be asked for.

    Raises
    ------
    NotFound
        If there is no trial of that code.
    NotAllowed
        If it is open: its data would tell the effects before the end.
    """
    state, _ = Conduct(database).trial(code)
    if state.status != CLOSED:
        raise NotAllowed(f"trial {code} is open: its data can be asked for once it is closed")


def prepare_trial_export(database: Database, code: str, *, earlier: Mapping[str, str]) -> Prepared:
    """Make the data set of a trial and check it.

    Parameters
    ----------
    database : Database
    code : str
        Of a closed trial.
    earlier : mapping of str to str
        SHA-256 of every data set of this trial that has left, or may leave, by the identifier of its export.
    """
    state, protocol = Conduct(database).trial(code)
    seed = int.from_bytes(hashlib.sha256(f"{state.digest}|{state.seed}".encode()).digest()[:16], "big")
    try:
        made = anonymous_trial(collect(database, protocol), rng=np.random.default_rng(seed))
    except InvalidInput as error:
        return Prepared(pd.DataFrame(), None, (ExportCheck("privacy assessment", False, str(error)),))
    table = made.data.table
    files = {
        f"{domain.lower()}.csv": rows.to_csv(index=False).encode()
        for domain, rows in sdtm_tables(protocol, made.data).items()
    }
    checks = (_assessed(made), _small_cells(table), _unchanged(files, earlier), acro_check(table["arm"]))
    return Prepared(table, None, checks, files)


def _assessed(made: AnonymousTrial) -> ExportCheck:
    failures = made.assessment.failures
    verdict = "; ".join(map(str, failures[:3])) if failures else "the avatars meet every privacy target"
    return ExportCheck("privacy assessment", not failures, verdict)


def _small_cells(table: pd.DataFrame) -> ExportCheck:
    small = bool((table["arm"].value_counts() < SMALL_CELL).any())
    return ExportCheck("small cells", not small, "an arm is too small to be shown" if small else "no arm is small")


def _unchanged(files: Mapping[str, bytes], earlier: Mapping[str, str]) -> ExportCheck:
    digest = files_digest({name: hashlib.sha256(content).hexdigest() for name, content in files.items()})
    others = sorted(identifier for identifier, left in earlier.items() if left != digest)
    detail = (
        f"the trial has changed since export {others[0]}, which holds other avatars of the same patients"
        if others
        else f"compared with {len(earlier)} earlier export(s) of the trial"
    )
    return ExportCheck("differencing", not others, detail)
