"""Any table as numbers and codes, and back: what the Avatar method computes on.

A column is *numeric* (integers, floats, dates as days) or *categorical* (text, category, boolean, and numbers that
take only two values, of which a mean would make a third). Reading happens once, here; the rest trusts the arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.extensions import ExtensionDtype

from reference_db.errors import FieldProblem, InvalidTable

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]
Dtype: TypeAlias = np.dtype[Any] | ExtensionDtype

MAX_DECIMALS = 6
"""Decimals beyond which a column counts as continuous and is not rounded."""

_LEVEL_KINDS = frozenset({"string", "categorical", "boolean", "integer", "floating", "mixed-integer-float", "empty"})
"""Kinds of values, in pandas' words, that can be levels."""

_NANOSECONDS_PER_DAY = 86_400_000_000_000


@dataclass(frozen=True, slots=True)
class NumericColumn:
    """How a numeric column is written.

    Attributes
    ----------
    name : str
    decimals : int or None
        Decimals of its values, 0 for integers; None when it has more than `MAX_DECIMALS`.
    is_date : bool
        Its numbers are days since 1970.
    """

    name: str
    decimals: int | None
    is_date: bool

    @property
    def step(self) -> float | None:
        """Grid step of the values; None for a continuous column."""
        return None if self.decimals is None else 10.0**-self.decimals


@dataclass(frozen=True, slots=True)
class CategoricalColumn:
    """How a categorical column is written: its values, in the order of its codes.

    Attributes
    ----------
    name : str
    levels : Index
    is_ordered : bool
        Whether the order means something; that of two levels always does.
    """

    name: str
    levels: pd.Index
    is_ordered: bool = False


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table: names, kinds, and how to write them back.

    Attributes
    ----------
    order : tuple of str
        Column names as in the table.
    dtypes : dict of str to dtype
    numeric, categorical : tuple
        Descriptions, each in the table's order.
    """

    order: tuple[str, ...]
    dtypes: dict[str, Dtype]
    numeric: tuple[NumericColumn, ...]
    categorical: tuple[CategoricalColumn, ...]

    def encode(self, table: pd.DataFrame) -> EncodedTable:
        """Return a table of these columns as arrays; a level that is not known here is missing."""
        numbers = np.empty((len(table), len(self.numeric)))
        for position, column in enumerate(self.numeric):
            numbers[:, position] = _as_floats(table[column.name])
        codes = np.empty((len(table), len(self.categorical)), dtype=np.int32)
        for position, level_column in enumerate(self.categorical):
            codes[:, position] = level_column.levels.get_indexer(pd.Index(_comparable(table[level_column.name])))
        return EncodedTable(numbers, codes)

    def decode(self, encoded: EncodedTable) -> pd.DataFrame:
        """Return arrays as a table with the columns' types; numbers are rounded to the decimals of their column."""
        written: dict[str, pd.Series] = {}
        for position, column in enumerate(self.numeric):
            written[column.name] = _as_series(encoded.numbers[:, position], column, self.dtypes[column.name])
        for position, level_column in enumerate(self.categorical):
            written[level_column.name] = _as_labels(
                encoded.codes[:, position], level_column, self.dtypes[level_column.name]
            )
        return pd.DataFrame({name: written[name] for name in self.order}, columns=list(self.order))


@dataclass(frozen=True, slots=True)
class EncodedTable:
    """A table as arrays.

    Attributes
    ----------
    numbers : ndarray of float, shape (rows, numeric columns)
        NaN where missing; dates in days since 1970.
    codes : ndarray of int, shape (rows, categorical columns)
        Position of the level; -1 where missing.
    """

    numbers: Floats
    codes: Codes

    def __len__(self) -> int:
        return len(self.numbers)

    def rows(self, rows: NDArray[np.intp]) -> EncodedTable:
        """Return some rows."""
        return EncodedTable(self.numbers[rows], self.codes[rows])


def read_columns(
    table: pd.DataFrame,
    *,
    categorical: Sequence[str] = (),
    numeric: Sequence[str] = (),
    ordered: Mapping[str, Sequence[str]] | None = None,
) -> Columns:
    """Tell what each column of a table is.

    Parameters
    ----------
    table : DataFrame
        Numbers, booleans, text, categories and dates, with missing values; time zones are not accepted.
    categorical : sequence of str
        Numeric columns whose values are labels: their means have no sense.
    numeric : sequence of str
        Numeric columns that stay numbers although they take only two values here.
    ordered : mapping of str to sequence of str, optional
        Levels of text columns in the order that they mean; they must be all that occur.

    Returns
    -------
    Columns

    Raises
    ------
    InvalidTable
        One problem per column that cannot be anonymised: repeated names, infinite numbers, types that are neither
        number, text, boolean nor date, and text of which nearly every value is unique (an identifier or free text,
        which no method can replace by neighbours' values without copying them).
    """
    problems = [
        FieldProblem(str(name), "the column name appears more than once; rename it")
        for name in table.columns[table.columns.duplicated()].unique()
    ]
    problems += [
        FieldProblem(name, "is not a column of the table", ", ".join(map(str, table.columns)))
        for name in categorical
        if name not in table.columns
    ]
    if not len(table.columns):
        problems.append(FieldProblem("table", "has no column"))
    if problems:
        raise InvalidTable(problems)
    numbers: list[NumericColumn] = []
    levels: list[CategoricalColumn] = []
    for name in table.columns:
        values = table[name]
        if name in numeric or (name not in categorical and _is_numeric(values)):
            floats = _as_floats(values)
            problems += _number_problems(str(name), floats)
            numbers.append(NumericColumn(name, _decimals(values, floats), pd.api.types.is_datetime64_dtype(values)))
        else:
            problems += _level_problems(str(name), values)
            if not problems:
                levels.append(_level_column(name, values, (ordered or {}).get(str(name))))
    if problems:
        raise InvalidTable(problems)
    return Columns(
        order=tuple(table.columns),
        dtypes={name: table[name].dtype for name in table.columns},
        numeric=tuple(numbers),
        categorical=tuple(levels),
    )


def _is_numeric(values: pd.Series) -> bool:
    if pd.api.types.is_datetime64_dtype(values):
        return True
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return False
    if pd.api.types.is_complex_dtype(values):
        return False
    return bool(values.nunique() != 2)


def _number_problems(name: str, floats: Floats) -> list[FieldProblem]:
    if np.isinf(floats).any():
        infinite = int(np.isinf(floats).sum())
        return [FieldProblem(name, f"{infinite} value(s) are infinite", "finite numbers or missing")]
    return []


def _level_problems(name: str, values: pd.Series) -> list[FieldProblem]:
    kind = pd.api.types.infer_dtype(values, skipna=True)
    kind = "date with time zone" if isinstance(values.dtype, pd.DatetimeTZDtype) else kind
    if kind not in _LEVEL_KINDS:
        allowed = "numbers, text, booleans, or datetime64 without time zone"
        return [FieldProblem(name, f"holds {kind} values; convert the column", allowed)]
    observed = int(values.notna().sum())
    distinct = int(values.nunique())
    if observed >= 20 and distinct > 0.9 * observed:
        message = f"{distinct} different texts in {observed} rows would be copied as they are; leave the column out"
        return [FieldProblem(name, message, "labels that several records share")]
    return []


def _level_column(name: str, values: pd.Series, ordered: Sequence[str] | None) -> CategoricalColumn:
    if ordered is not None:
        return CategoricalColumn(name, pd.Index(ordered), is_ordered=True)
    levels = _levels(values)
    has_order = isinstance(values.dtype, pd.CategoricalDtype) and bool(values.dtype.ordered)
    return CategoricalColumn(name, levels, is_ordered=has_order or len(levels) == 2)


def _levels(values: pd.Series) -> pd.Index:
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.dtype.categories
    return pd.Index(_comparable(values).dropna().unique()).sort_values()


def _comparable(values: pd.Series) -> pd.Series:
    """Values whose equality is that of the levels: nullable and categorical types as plain objects or numbers."""
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return pd.Series(values.to_numpy(dtype=np.float64, na_value=np.nan), index=values.index)
    return values.astype(object)


def _as_floats(values: pd.Series) -> Floats:
    if pd.api.types.is_datetime64_dtype(values):
        days = values.to_numpy().astype("datetime64[ns]").astype(np.int64) / _NANOSECONDS_PER_DAY
        return np.where(values.isna().to_numpy(), np.nan, days)
    return values.to_numpy(dtype=np.float64, na_value=np.nan)


def _decimals(values: pd.Series, floats: Floats) -> int | None:
    if pd.api.types.is_integer_dtype(values):
        return 0
    observed = floats[np.isfinite(floats)]
    for decimals in range(MAX_DECIMALS + 1):
        if np.allclose(observed, np.round(observed, decimals), rtol=0, atol=1e-9):
            return decimals
    return None


def _as_labels(codes: Codes, column: CategoricalColumn, dtype: Dtype) -> pd.Series:
    if isinstance(dtype, pd.CategoricalDtype):
        return pd.Series(pd.Categorical.from_codes(codes.tolist(), dtype=dtype))
    values = np.empty(len(codes), dtype=object)
    known = codes >= 0
    values[known] = column.levels.to_numpy(dtype=object)[codes[known]]
    return _typed(pd.Series(values), dtype)


def _as_series(numbers: Floats, column: NumericColumn, dtype: Dtype) -> pd.Series:
    rounded = numbers if column.decimals is None else np.round(numbers, column.decimals)
    if column.is_date:
        missing = np.isnan(rounded)
        nanoseconds = (np.where(missing, 0.0, rounded) * _NANOSECONDS_PER_DAY).astype(np.int64)
        return _typed(pd.Series(nanoseconds.astype("datetime64[ns]")).mask(missing), dtype)
    if pd.api.types.is_integer_dtype(dtype) and pd.api.types.is_extension_array_dtype(dtype):
        return _typed(pd.Series(rounded).astype("Float64"), dtype)
    return _typed(pd.Series(rounded), dtype)


def _typed(values: pd.Series, dtype: Dtype) -> pd.Series:
    typed: pd.Series = values.astype(dtype)
    return typed
