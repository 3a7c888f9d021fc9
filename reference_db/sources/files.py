"""Reading foreign text files: whatever their encoding and separator, and never with a traceback."""

from __future__ import annotations

from pathlib import Path

import pandas as pd


class Damage(Exception):
    """A whole file cannot be read; the message says why."""


def read_csv(path: Path, notes: list[str], *, separator: str | None = None) -> pd.DataFrame:
    """Return a CSV file as text.

    UTF-8 (with or without a mark) is expected; a file that is not is read as Latin-1, which is noted. The separator
    is the most frequent of comma, semicolon and tab in the header, unless given.

    Raises
    ------
    Damage
        If the file is empty, is no text, or a row has more fields than the header.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Damage(f"cannot be read: {error.strerror}") from error
    if b"\x00" in content:
        raise Damage("is not a text file")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
        notes.append(f"{path.name} is not UTF-8: read as Latin-1")
    if not text.strip():  # also a byte order mark and nothing after it
        raise Damage("is empty")
    header = text.splitlines()[0]
    mark = separator or max(",;\t", key=header.count)
    from io import StringIO

    try:
        table = pd.read_csv(StringIO(text), sep=mark, dtype=str, keep_default_na=False, skip_blank_lines=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise Damage(f"is not a table: {str(error).strip().splitlines()[-1]}") from error
    if table.index.nlevels > 1 or not isinstance(table.index, pd.RangeIndex):
        raise Damage("has rows with more fields than the header")
    table.columns = [str(name).strip() for name in table.columns]
    if table.columns.duplicated().any():
        raise Damage(f"has two columns named {table.columns[table.columns.duplicated()][0]!r}")
    return table
