"""Reading tables of any layout through a small mapping in YAML.

The mapping says which file and which column each column of the long tables comes from::

    source: {name: LYON, label: Lyon cohort, kind: registry, days_per_month: 30.4375}
    separator: ","             # optional; found out when left out
    patients:
      file: patients.csv
      columns:
        patient_id: id
        age: {column: age_months, factor: 0.083333333}
        sex: {column: gender, values: {"1": female, "2": male}}
        phenotype: {constant: RRMS}
    visits:
      file: visits.csv
      columns: {patient_id: id, day: {column: months, factor: 30.4375, whole: true}, edss: EDSS}
    relapses: {file: events.csv, where: {type: relapse}, columns: {patient_id: id, day: day}}
    treatments: {file: drugs.csv, columns: {patient_id: id, treatment: drug, start_day: from, end_day: to}}

``where`` keeps the rows whose columns have the values; rows left out by it are counted in the notes. ``distinct:
true`` keeps one row per patient where a file repeats patients. ``mri`` may be left out, and so may columns that a
source does not have. Where a day is a date, write ``{date: column, since: column}``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from reference_db.errors import FieldProblem, InvalidInput
from reference_db.schema import MRI, PATIENTS, RELAPSES, TREATMENTS, VISITS, Source
from reference_db.sources.admission import ForeignTable, admit
from reference_db.sources.files import Damage, read_csv
from reference_db.sources.rejections import Imported, ImportFailed, ImportReport, RejectedRow

TABLES = ("patients", "visits", "relapses", "mri", "treatments")
MAPPING_NAME = "mapping.yaml"

_SCHEMAS = {"patients": PATIENTS, "visits": VISITS, "relapses": RELAPSES, "mri": MRI, "treatments": TREATMENTS}


class ColumnRule(BaseModel):
    """Where the values of one column come from, and what is done with them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str | None = Field(default=None, description="Column of the file.")
    constant: str | float | None = Field(default=None, description="The same value in every row.")
    values: dict[str, str | float] = Field(default={}, description="Translation of values; others stay.")
    factor: float = Field(default=1.0, description="Multiplies numbers: to change units.")
    offset: float = Field(default=0.0, description="Is added to numbers after the factor.")
    whole: bool = Field(default=False, description="Rounds numbers to whole ones.")
    date: str | None = Field(default=None, description="Column with an ISO date.")
    since: str | None = Field(default=None, description="Column with the ISO date of the index day.")


def _short_form(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


class TableRule(BaseModel):
    """Which file holds the rows of one long table, which of its rows, and where each column comes from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = Field(min_length=1)
    columns: dict[str, Annotated[ColumnRule, BeforeValidator(_short_form)]]
    where: dict[str, str | int | float] = Field(default={}, description="Values that a row must have to be read.")
    distinct: bool = Field(default=False, description="One row per patient: the first.")


class Mapping(BaseModel):
    """How the files of a source become long tables."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Source
    separator: Literal[",", ";", "\t"] | None = None
    patients: TableRule
    visits: TableRule
    relapses: TableRule
    treatments: TableRule
    mri: TableRule | None = None


def read_mapping(path: Path) -> Mapping:
    """Return the mapping of a YAML file.

    Raises
    ------
    InvalidInput
        Naming each field that cannot be used.
    """
    try:
        given = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidInput.of("mapping", f"{path} cannot be read as YAML") from error
    try:
        mapping = Mapping.model_validate(given)
    except ValidationError as error:
        raise InvalidInput(
            [FieldProblem(".".join(map(str, p["loc"])) or "mapping", p["msg"]) for p in error.errors()]
        ) from error
    problems = [
        FieldProblem(f"{name}.columns.{column}", "is not a column of this table", ", ".join(_SCHEMAS[name].columns))
        for name in TABLES
        for column in (getattr(mapping, name).columns if getattr(mapping, name) else ())
        if column not in _SCHEMAS[name].columns
    ]
    if problems:
        raise InvalidInput(problems)
    return mapping


def read_tabular(path: Path, *, mapping: Path | None = None) -> Imported:
    """Read tables through a mapping and return what of them can be used, with the report of what cannot.

    Parameters
    ----------
    path : Path
        Folder of the files.
    mapping : Path, optional
        The mapping; ``mapping.yaml`` in the folder when left out.

    Raises
    ------
    ImportFailed
        If a file is missing or unreadable, or no patient can be accepted; with the report of all that is wrong.
    InvalidInput
        If the mapping cannot be used.
    """
    if not path.is_dir():
        raise InvalidInput.of("path", f"{path} is not a folder of tables")
    rules = read_mapping(mapping or path / MAPPING_NAME)
    notes: list[str] = []
    damages: list[RejectedRow] = []
    foreign: dict[str, ForeignTable] = {}
    for name in TABLES:
        rule: TableRule | None = getattr(rules, name)
        if rule is None:
            notes.append(f"no {name} in the mapping: none is recorded")
            foreign[name] = ForeignTable.of(pd.DataFrame({"patient_id": []}), name)
            continue
        try:
            raw = read_csv(path / rule.file, notes, separator=rules.separator)
            foreign[name] = _mapped(raw, rule, rules.source.name if name == "patients" else None, notes)
        except Damage as damage:
            damages.append(RejectedRow(rule.file, None, str(damage)))
    if damages:
        raise ImportFailed(ImportReport({}, {}, tuple(damages), tuple(notes)))
    tables, report = admit(foreign, tuple(notes))
    if tables.patients.empty:
        raise ImportFailed(report)
    return Imported(tables, (rules.source,), report)


def _mapped(raw: pd.DataFrame, rule: TableRule, source: str | None, notes: list[str]) -> ForeignTable:
    lacking = [
        name
        for column in rule.columns.values()
        for name in (column.column, column.date, column.since)
        if name is not None and name not in raw
    ] + [name for name in rule.where if name not in raw]
    if lacking:
        raise Damage(f"has no column {', '.join(dict.fromkeys(lacking))}")
    kept = np.ones(len(raw), dtype=np.bool_)
    for column, value in rule.where.items():
        kept &= (raw[column].str.strip() == str(value)).to_numpy()
    if rule.where:
        notes.append(f"{rule.file}: {int((~kept).sum())} rows left out by `where`")
    values = pd.DataFrame({name: _column(raw, column) for name, column in rule.columns.items()}, index=raw.index)
    if source is not None:
        values["source"] = source
    if rule.distinct:
        repeated = values[kept].duplicated("patient_id").to_numpy()
        notes.append(f"{rule.file}: {int(repeated.sum())} further rows of the same patients left out by `distinct`")
        kept[np.flatnonzero(kept)[repeated]] = False
    rows = np.flatnonzero(kept)
    return ForeignTable.of(values.iloc[rows], rule.file, rows.astype(np.int64) + 1)


def _column(raw: pd.DataFrame, rule: ColumnRule) -> pd.Series:
    if rule.constant is not None:
        return pd.Series(rule.constant, index=raw.index, dtype=object)
    if rule.date is not None:
        return _days_since(raw, rule)
    if rule.column is None:
        return pd.Series("", index=raw.index, dtype=object)
    text = raw[rule.column].str.strip()
    translation = rule.values  # noqa: PD011 - a field of the mapping, not of a DataFrame
    values = text.astype(object).where(~text.isin(translation.keys()), text.map(translation))
    if rule.factor == 1.0 and rule.offset == 0.0 and not rule.whole:
        return values
    number = pd.to_numeric(values, errors="coerce") * rule.factor + rule.offset
    number = number.round() if rule.whole else number
    # What is no number stays as it was written, so that its rejection can quote it.
    return values.where(number.isna(), number)


def _days_since(raw: pd.DataFrame, rule: ColumnRule) -> pd.Series:
    written = raw[str(rule.date)].str.strip()
    if rule.since is None:
        return written
    date = pd.to_datetime(written, errors="coerce", format="%Y-%m-%d")
    index_day = pd.to_datetime(raw[rule.since].str.strip(), errors="coerce", format="%Y-%m-%d")
    day = (date - index_day).dt.days
    return written.astype(object).where(day.isna(), day)
