"""Tables on the command line: CSV in whatever dialect, or Parquet, read once and written back as they came."""

from __future__ import annotations

import csv
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from reference_db.errors import InvalidInput

DELIMITERS = (",", ";", "\t", "|", "#")

_DATE_FORMATS = ("%Y-%m-%d", "%d/%m/%Y", "%Y/%m/%d", "%d.%m.%Y", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_PARQUET = frozenset({".parquet", ".pq"})
_MISSING = ("", "NA", "NaN", "nan", "null", "NULL", "N/A", "None")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a CSV file is written.

    Attributes
    ----------
    delimiter, decimal, encoding : str
    quoted_text : bool
        Texts stand between quotes, numbers do not.
    missing : str
        How an absent value is written.
    dates : dict of str to str
        Format of each date column.
    """

    delimiter: str = ","
    decimal: str = "."
    encoding: str = "utf-8"
    quoted_text: bool = False
    missing: str = ""
    dates: dict[str, str] = field(default_factory=dict)


def read_table(path: Path) -> tuple[pd.DataFrame, Dialect]:
    """Return the table of a CSV or Parquet file, and its dialect.

    Raises
    ------
    InvalidInput
        If the file is missing, empty or not a table.
    """
    if not path.is_file():
        raise InvalidInput.of(str(path), "there is no such file")
    if path.suffix.lower() in _PARQUET:
        try:
            return pd.read_parquet(path), Dialect()
        except (OSError, ValueError) as error:
            raise InvalidInput.of(str(path), f"cannot be read as Parquet: {_first_line(error)}") from error
    text, encoding = _text(path)
    try:
        delimiter = _delimiter(text)
    except csv.Error as error:
        raise InvalidInput.of(str(path), f"cannot be read as a table: {_first_line(error)}") from error
    quoted = text.lstrip("\ufeff").startswith('"')
    try:
        raw = pd.read_csv(
            path, sep=delimiter, dtype=str, encoding=encoding, keep_default_na=False, skipinitialspace=True
        )
    except (ValueError, UnicodeError) as error:
        raise InvalidInput.of(str(path), f"cannot be read as a table: {_first_line(error)}") from error
    if raw.empty:
        raise InvalidInput.of(str(path), "has no row under its header")
    decimal = "," if delimiter != "," and _has_decimal_commas(raw) else "."
    typed, dates, tokens = {}, {}, set()
    for name in raw.columns:
        column, absent = raw[name], raw[name].isin(_MISSING)
        tokens |= set(column[absent])
        typed[name], date = _typed(column.mask(absent), decimal)
        if date is not None:
            dates[name] = date
    missing = next(iter(tokens)) if len(tokens) == 1 else ""
    return pd.DataFrame(typed), Dialect(delimiter, decimal, encoding, quoted, missing, dates)


def write_table(table: pd.DataFrame, path: Path, dialect: Dialect) -> None:
    """Write a table as CSV in a dialect, or as Parquet, by the file's name; the file appears whole or not at all.

    Raises
    ------
    InvalidInput
        If the folder cannot be written to.
    """
    unfinished = path.with_name(f".unfinished-{os.getpid()}-{path.name}")
    try:
        if path.suffix.lower() in _PARQUET:
            table.to_parquet(unfinished, index=False)
        else:
            _as_text(table, dialect).to_csv(
                unfinished,
                sep=dialect.delimiter,
                decimal=dialect.decimal,
                index=False,
                encoding=dialect.encoding,
                na_rep=dialect.missing,
                quoting=csv.QUOTE_NONNUMERIC if dialect.quoted_text else csv.QUOTE_MINIMAL,
            )
        unfinished.replace(path)
    except OSError as error:
        raise InvalidInput.of(str(path), f"cannot be written: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _as_text(table: pd.DataFrame, dialect: Dialect) -> pd.DataFrame:
    dates = {name: table[name].dt.strftime(written) for name, written in dialect.dates.items()}
    return table.assign(**dates)


def _text(path: Path) -> tuple[str, str]:
    content = path.read_bytes()
    if b"\0" in content:
        raise InvalidInput.of(str(path), "is not a text file", "CSV, or Parquet named .parquet")
    encoding = "utf-8-sig" if content.startswith(b"\xef\xbb\xbf") else "utf-8"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text, encoding = content.decode("latin-1"), "latin-1"
    if not text.strip():
        raise InvalidInput.of(str(path), "is empty")
    return text, encoding


def _delimiter(text: str) -> str:
    """Return the delimiter that cuts the first lines into the same number of fields, and the most of them."""
    lines = [line for line in text.splitlines()[:50] if line.strip()]

    def fields_per_line(delimiter: str) -> set[int]:
        return {len(row) for row in csv.reader(lines, delimiter=delimiter)}

    regular = {d: counts for d in DELIMITERS if len(counts := fields_per_line(d)) == 1}
    candidates = regular or {d: fields_per_line(d) for d in DELIMITERS}
    return max(candidates, key=lambda delimiter: max(candidates[delimiter]))


def _has_decimal_commas(raw: pd.DataFrame) -> bool:
    return any(
        bool(values.str.fullmatch(_DECIMAL_COMMA).any()) and bool(values.str.fullmatch(r"[+-]?\d+(,\d+)?").all())
        for values in (raw[name][~raw[name].isin(_MISSING)] for name in raw.columns)
        if len(values)
    )


def _typed(values: pd.Series, decimal: str) -> tuple[pd.Series, str | None]:
    """Return a column of texts as what it holds, with the format of its dates."""
    known = values.dropna()
    if not len(known):
        return values.astype("float64"), None
    if known.isin(["True", "False"]).all():
        booleans = values.map({"True": True, "False": False})
        return (booleans.astype(bool) if len(known) == len(values) else booleans.astype("boolean")), None
    numbers = pd.to_numeric(known.str.replace(decimal, ".", regex=False), errors="coerce")
    if numbers.notna().all():
        numbers = numbers.reindex(values.index)
        if pd.api.types.is_integer_dtype(numbers):
            return numbers, None
        written_as_integers = bool(known.str.fullmatch(r"[+-]?\d+").all())
        return (numbers.astype("Int64") if written_as_integers else numbers), None
    for written in _DATE_FORMATS:
        dates = pd.to_datetime(values, format=written, errors="coerce")
        if dates[known.index].notna().all():
            return dates, written
    return values, None


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
