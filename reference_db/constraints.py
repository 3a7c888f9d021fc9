"""Rules that every record of a table obeys, declared once: mended in avatars, counted in releases, told in the docs.

A mean of neighbours knows no rules: it may fall between two steps of a scale, beyond a bound, or on a combination
that cannot be. Whoever knows the table declares its rules as values of the classes below. `mend` puts records
right, in the order of the rules; `violations` counts what breaks each of them.

Rules work on *cells*: the columns of a table by name, numbers as floats with NaN where missing. A missing cell
breaks no rule about its value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.errors import FieldProblem, InvalidInput

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Cells: TypeAlias = dict[str, NDArray[Any]]


class Constraint(Protocol):
    """A rule between the cells of a record."""

    @property
    def name(self) -> str:
        """Short and unique, for counts."""
        ...

    @property
    def rule(self) -> str:
        """The rule in words."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it speaks of."""
        ...

    def broken(self, cells: Cells) -> Booleans:
        """Tell which records break it, shape (records,)."""
        ...

    def mend(self, cells: Cells, rng: np.random.Generator, /) -> None:
        """Put the records that break it right, replacing arrays of `cells`."""
        ...


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers between two bounds, and whole ones where they count something; mended to the nearest allowed number.

    Attributes
    ----------
    column : str
    low, high : float
        Both are allowed.
    whole : bool
    """

    column: str
    low: float
    high: float
    whole: bool = False

    @property
    def name(self) -> str:
        """Named after the column."""
        return f"range of {self.column}"

    @property
    def rule(self) -> str:
        """The bounds in words."""
        return f"{self.column} is {self.low:g} to {self.high:g}{', a whole number' if self.whole else ''}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The one column."""
        return (self.column,)

    def broken(self, cells: Cells) -> Booleans:
        """Tell which numbers are out of bounds or not whole."""
        values = cells[self.column]
        out = (values < self.low) | (values > self.high)
        return np.asarray(out | (values != np.round(values)) & ~np.isnan(values) if self.whole else out)

    def mend(self, cells: Cells, _rng: np.random.Generator, /) -> None:
        """Round and clip."""
        values = np.round(cells[self.column]) if self.whole else cells[self.column]
        cells[self.column] = np.clip(values, self.low, self.high)


@dataclass(frozen=True, slots=True)
class Scale:
    """Values of a scale with uneven steps; mended to the nearest.

    What lies halfway goes up or down at random, alike in all columns of a record: a course must not flicker.

    Attributes
    ----------
    label : str
        What the scale is called.
    columns : tuple of str
    values : tuple of float
        Rising.
    """

    label: str
    columns: tuple[str, ...]
    values: tuple[float, ...]

    @property
    def name(self) -> str:
        """Named after the scale."""
        return f"values of {self.label}"

    @property
    def rule(self) -> str:
        """The values in words."""
        listed = ", ".join(f"{value:g}" for value in self.values)
        return f"{self.label} takes only the values {listed}"

    def broken(self, cells: Cells) -> Booleans:
        """Tell which records have a value off the scale in any column."""
        off = [~np.isin(cells[column], self.values) & ~np.isnan(cells[column]) for column in self.columns]
        return np.asarray(np.logical_or.reduce(off))

    def mend(self, cells: Cells, rng: np.random.Generator, /) -> None:
        """Move every value to the nearest of the scale."""
        scale = np.asarray(self.values)
        records = len(cells[self.columns[0]])
        up = rng.random(records) < 0.5
        for column in self.columns:
            values = np.clip(cells[column], scale[0], scale[-1])
            above = np.clip(np.searchsorted(scale, values), 1, len(scale) - 1)
            low, high = scale[above - 1], scale[above]
            to_low, to_high = values - low, high - values
            nearest = np.where((to_high < to_low) | ((to_high == to_low) & up), high, low)
            cells[column] = np.where(np.isnan(values), np.nan, nearest)


@dataclass(frozen=True, slots=True)
class AtMost:
    """One number never exceeds another of the same record.

    Attributes
    ----------
    column, other : str
    mends : {"column", "other"}
        Whether the first is lowered or the second raised.
    """

    column: str
    other: str
    mends: Literal["column", "other"] = "column"

    @property
    def name(self) -> str:
        """Named after both columns."""
        return f"{self.column} within {self.other}"

    @property
    def rule(self) -> str:
        """The rule in words."""
        return f"{self.column} must not exceed {self.other}"

    @property
    def columns(self) -> tuple[str, ...]:
        """Both columns."""
        return (self.column, self.other)

    def broken(self, cells: Cells) -> Booleans:
        """Tell where the first is the greater."""
        return np.asarray(cells[self.column] > cells[self.other])

    def mend(self, cells: Cells, _rng: np.random.Generator, /) -> None:
        """Set the one to the other."""
        broken = self.broken(cells)
        mended, by = (self.column, self.other) if self.mends == "column" else (self.other, self.column)
        cells[mended] = np.where(broken, cells[by], cells[mended])


@dataclass(frozen=True, slots=True)
class NothingAfter:
    """Nothing is known after the end of a record's observation; what stands there is removed.

    Attributes
    ----------
    end : str
        Column with the end.
    times : mapping of str to float
        When each cell was observed, in the unit of the end.
    """

    end: str
    times: Mapping[str, float]

    @property
    def name(self) -> str:
        """Named after the end."""
        return f"nothing after {self.end}"

    @property
    def rule(self) -> str:
        """The rule in words."""
        return f"no outcome may stand after {self.end}"

    @property
    def columns(self) -> tuple[str, ...]:
        """The end, then the cells."""
        return (self.end, *self.times)

    def broken(self, cells: Cells) -> Booleans:
        """Tell which records have a cell that is known too late."""
        late = [(cells[self.end] < time) & ~np.isnan(cells[column]) for column, time in self.times.items()]
        return np.asarray(np.logical_or.reduce(late))

    def mend(self, cells: Cells, _rng: np.random.Generator, /) -> None:
        """Remove what stands too late."""
        for column, time in self.times.items():
            cells[column] = np.where(cells[self.end] < time, np.nan, cells[column])


@dataclass(frozen=True, slots=True)
class Schedule:
    """Cells that a group never has, because its schedule did not foresee them; what stands there is removed.

    Attributes
    ----------
    by : tuple of str
        Columns that name the group.
    never : mapping of str to tuple of str
        For each group (its names with `` / `` between), the columns without a single value.
    """

    by: tuple[str, ...]
    never: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, table: pd.DataFrame, *, by: Sequence[str], columns: Sequence[str]) -> Schedule:
        """Read the schedule of each group off a table."""
        groups = _joined([table[name].astype(str).to_numpy(dtype=object) for name in by])
        known = table[list(columns)].notna().groupby(groups).any()
        return cls(tuple(by), {str(group): tuple(row.index[~row]) for group, row in known.iterrows()})

    @property
    def name(self) -> str:
        """Named after the group."""
        return f"schedule of {' and '.join(self.by)}"

    @property
    def rule(self) -> str:
        """The rule in words."""
        return f"a cell that the schedule of its {' and '.join(self.by)} does not have is missing"

    @property
    def columns(self) -> tuple[str, ...]:
        """The group, then every column that some group never has."""
        return (*self.by, *dict.fromkeys(column for never in self.never.values() for column in never))

    def broken(self, cells: Cells) -> Booleans:
        """Tell which records have a cell that their group never has, or a group that is not known."""
        groups = _joined([cells[name] for name in self.by])
        broken = ~np.isin(groups, list(self.never))
        for group, never in self.never.items():
            of_group = groups == group
            for column in never:
                broken |= of_group & ~np.isnan(cells[column])
        return np.asarray(broken)

    def mend(self, cells: Cells, _rng: np.random.Generator, /) -> None:
        """Remove what the schedule does not have."""
        groups = _joined([cells[name] for name in self.by])
        for group in set(groups):
            for column in self.never.get(group, ()):
                cells[column] = np.where(groups == group, np.nan, cells[column])


def _joined(names: Sequence[NDArray[Any]]) -> NDArray[np.str_]:
    joined = names[0].astype(str)
    for more in names[1:]:
        joined = np.char.add(np.char.add(joined, " / "), more.astype(str))
    return joined


def check_constraints(table: pd.DataFrame, constraints: Sequence[Constraint]) -> None:
    """Verify that a table has the columns that rules speak of.

    Raises
    ------
    InvalidInput
        Naming each rule about a column that the table lacks.
    """
    problems = [
        FieldProblem(f"rule {constraint.name}", f"{column} is not a column", ", ".join(map(str, table.columns)))
        for constraint in constraints
        for column in constraint.columns
        if column not in table.columns
    ]
    if problems:
        raise InvalidInput(problems)


def cells_of(table: pd.DataFrame, constraints: Sequence[Constraint]) -> Cells:
    """Return the columns that rules speak of as arrays: numbers as floats, anything else as text.

    Raises
    ------
    InvalidInput
        As `check_constraints`.
    """
    check_constraints(table, constraints)
    wanted = dict.fromkeys(column for constraint in constraints for column in constraint.columns)
    return {
        column: table[column].to_numpy(dtype=np.float64, na_value=np.nan)
        if pd.api.types.is_numeric_dtype(table[column])
        else table[column].astype(str).to_numpy(dtype=object)
        for column in wanted
    }


def mend(cells: Cells, constraints: Sequence[Constraint], rng: np.random.Generator) -> Cells:
    """Return cells that obey every rule, mended in the order of the rules.

    Parameters
    ----------
    cells : dict of str to ndarray
        Not altered.
    constraints : sequence of Constraint
        A later one must not break an earlier one.
    rng : Generator
        Decides ties.
    """
    mended = dict(cells)
    for constraint in constraints:
        constraint.mend(mended, rng)
    return mended


def violations(table: pd.DataFrame, constraints: Sequence[Constraint]) -> dict[str, int]:
    """Return the number of records that break each rule, by its name.

    Raises
    ------
    InvalidInput
        Naming each rule about a column that the table lacks.
    """
    cells = cells_of(table, constraints)
    return {constraint.name: int(constraint.broken(cells).sum()) for constraint in constraints}
