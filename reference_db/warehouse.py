"""The warehouse of original, pseudonymised patients (BKP) on disk.

These are personal data wherever the sources are real. They are read here to make avatars and to measure them, and
leave this package only through the release gate.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd

from reference_db.errors import InvalidInput
from reference_db.files import altered_files, finish, hashes, unfinished_folder, write_table
from reference_db.schema import SCHEMA_VERSION, LongTables, Source, check_long_tables

_INVENTORY = "bkp.json"
_TRUTH = "potential_outcomes"


@dataclass(frozen=True, slots=True)
class Warehouse:
    """The original patients.

    Attributes
    ----------
    tables : LongTables
        Patients, visits, relapses, mri and treatments of every source.
    sources : tuple of Source
        Every source named in the patients table.
    potential_outcomes : DataFrame or None
        What each patient's course would be under each class; only a simulation has it. Never part of a release.
    """

    tables: LongTables
    sources: tuple[Source, ...]
    potential_outcomes: pd.DataFrame | None = None


def write_bkp(
    path: Path,
    tables: LongTables,
    sources: Sequence[Source],
    *,
    potential_outcomes: pd.DataFrame | None = None,
) -> Warehouse:
    """Validate the originals and write them to a new folder, whole or not at all.

    Parameters
    ----------
    path : Path
        Folder to create.
    tables : LongTables
        The originals.
    sources : sequence of Source
        A description of every source in the tables.
    potential_outcomes : DataFrame, optional
        Ground truth of a simulation.

    Raises
    ------
    InvalidTable
        If a table breaks its schema.
    InvalidInput
        If a source is not described, or the folder exists.
    """
    checked = check_long_tables(tables)
    undescribed = set(checked.patients["source"]) - {source.name for source in sources}
    if undescribed:
        raise InvalidInput.of("patients.source", f"no description given for {', '.join(sorted(undescribed))}")
    try:
        with unfinished_folder(path.parent) as folder:
            for field in fields(LongTables):
                write_table(getattr(checked, field.name), folder / f"{field.name}.parquet")
            if potential_outcomes is not None:
                write_table(potential_outcomes, folder / f"{_TRUTH}.parquet")
            inventory = {
                "schema_version": SCHEMA_VERSION,
                "sources": [source.model_dump(mode="json") for source in sources],
                "files": hashes(folder, leave_out=_INVENTORY),
            }
            (folder / _INVENTORY).write_text(json.dumps(inventory, indent=2), encoding="utf-8")
            finish(folder, path, private=True)
    except FileExistsError as error:
        raise InvalidInput.of(
            "to", f"{path} already holds originals: choose another name, or remove the folder first"
        ) from error
    return Warehouse(checked, tuple(sources), potential_outcomes)


def read_bkp(path: Path) -> Warehouse:
    """Read the originals, every file verified against the inventory.

    Raises
    ------
    InvalidInput
        If the folder holds no originals, or they were altered since they were written.
    """
    try:
        inventory = json.loads((path / _INVENTORY).read_text(encoding="utf-8"))
        altered = altered_files(path, inventory["files"], leave_out=_INVENTORY)
    except (OSError, ValueError, KeyError) as error:
        raise InvalidInput.of(
            "bkp", f"{path} holds no originals, or its inventory is damaged: import them again"
        ) from error
    if altered:
        raise InvalidInput.of("bkp", f"{path} was altered since it was written: {', '.join(altered)}")
    if inventory["schema_version"] != SCHEMA_VERSION:
        raise InvalidInput.of("bkp", f"{path} was written with schema {inventory['schema_version']}: import it again")
    truth = path / f"{_TRUTH}.parquet"
    return Warehouse(
        tables=LongTables(
            **{field.name: pd.read_parquet(path / f"{field.name}.parquet") for field in fields(LongTables)}
        ),
        sources=tuple(Source.model_validate(source) for source in inventory["sources"]),
        potential_outcomes=pd.read_parquet(truth) if truth.exists() else None,
    )
