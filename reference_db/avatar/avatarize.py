"""The Avatar method on any table: each record is replaced by a random mixture of its nearest others.

Reference: Guillaudeux et al., npj Digital Medicine 2023, doi 10.1038/s41746-023-00771-5. The `REFERENCE` method is
that paper's; `RELEASE` is the default, chosen by measurement (docs/decisions/0006-avatar-defaults.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.avatar.columns import Columns, EncodedTable, read_columns
from reference_db.avatar.method import RELEASE, Method
from reference_db.avatar.postprocess import mended
from reference_db.avatar.projection import check_weights
from reference_db.avatar.strata import allotted, check_sizes, origins_of, stratum_rows
from reference_db.avatar.stratum import (
    MOST_AREA,
    SMALLEST_STRATUM,
    Stratum,
    fewest_neighbours,
    rehearsed_membership,
)
from reference_db.constraints import Constraint, check_constraints
from reference_db.errors import FieldProblem, InvalidInput

Progress = Callable[[float, str], None]
"""Told the share of the work that is done, from 0 to 1, and what is being done."""


@dataclass(frozen=True, slots=True)
class Avatars:
    """A synthetic table and where it comes from.

    Attributes
    ----------
    table : DataFrame
    origin : ndarray of int, shape (avatars,)
        Row of the original that each avatar was made around. It links avatars to patients: it is for the privacy
        assessment in memory, and is never written.
    neighbours : dict of str to int
        `k` of each stratum.
    missed : dict of str to tuple of str
        Targets that a stratum misses at every number of neighbours, in words; only where the number was to be chosen.
    """

    table: pd.DataFrame
    origin: NDArray[np.intp]
    neighbours: dict[str, int]
    missed: dict[str, tuple[str, ...]]


def avatarize(
    table: pd.DataFrame,
    *,
    k: int | None,
    ncp: int,
    rng: np.random.Generator,
    weights: Mapping[str, float] | None = None,
    strata: str | Sequence[str] | None = None,
    size: int | None = None,
    categorical: Sequence[str] = (),
    constraints: Sequence[Constraint] = (),
    method: Method = RELEASE,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Return a synthetic table with the columns, types and levels of a table.

    Row i is the avatar of row i when `size` is None. Shuffle the rows before giving them away.

    Parameters
    ----------
    table : DataFrame
        Numbers, booleans, text, categories and dates, with missing values.
    k : int or None
        Neighbours of each record, at least 2 and less than the rows of the smallest stratum. None gives each stratum
        the first of `CANDIDATE_K` at which every metric meets its target, those of distance with room to spare, and
        membership, rehearsed with held-out records, has an area under the curve of at most .55; a number does not
        carry over from a small table to a large one.
    ncp : int
        Factor axes in which neighbours are sought, at least 1; all of them when there are fewer.
    rng : Generator
        The same generator state gives the same table.
    weights : mapping of str to float, optional
        Weights of the columns in the search for neighbours (1 where absent).
    strata : str or sequence of str, optional
        Columns whose combinations are kept apart: each is replaced by itself, with its own number of rows.
    size : int, optional
        Rows to make. Fewer than the table's draws originals without replacement; more repeats them evenly
        (augmentation: analyses must then count originals, not avatars; see `combine_estimates`).
    categorical : sequence of str
        Numeric columns whose values are labels.
    constraints : sequence of Constraint
        Rules that every row obeys (`reference_db.constraints`); the rows that are made are mended in their order.
    method : Method
        `RELEASE` or `REFERENCE`, or one of your own.
    progress : callable, optional
        Called with the share done and the stratum.

    Returns
    -------
    DataFrame

    Raises
    ------
    InvalidInput
        If a parameter is out of its range.
    InvalidTable
        If a column cannot be anonymised or a stratum has too few rows, each named.
    """
    return make_avatars(
        table,
        k=k,
        ncp=ncp,
        rng=rng,
        weights=weights,
        strata=strata,
        size=size,
        categorical=categorical,
        constraints=constraints,
        method=method,
        progress=progress,
    ).table


def make_avatars(
    table: pd.DataFrame,
    *,
    k: int | None,
    ncp: int,
    rng: np.random.Generator,
    weights: Mapping[str, float] | None = None,
    strata: str | Sequence[str] | None = None,
    size: int | None = None,
    categorical: Sequence[str] = (),
    constraints: Sequence[Constraint] = (),
    method: Method = RELEASE,
    progress: Progress | None = None,
) -> Avatars:
    """Do what `avatarize` does and also return the origin of each avatar; same parameters and errors."""
    kept_apart = [strata] if isinstance(strata, str) else list(strata or ())
    check_parameters(table, k=k, ncp=ncp, size=size, strata=kept_apart)
    check_constraints(table, constraints)
    ruled = {name for rule in constraints for name in rule.columns if pd.api.types.is_numeric_dtype(table[name])}
    columns = read_columns(table, categorical=categorical, numeric=sorted(ruled - set(categorical)))
    check_weights(columns, weights)
    groups = list(stratum_rows(table, kept_apart))
    check_sizes(groups, SMALLEST_STRATUM if k is None else k + 1)
    encoded = columns.encode(table)
    wanted = allotted(np.array([len(rows) for _, rows in groups]), len(table) if size is None else size)
    made: list[EncodedTable] = []
    origins: list[NDArray[np.intp]] = []
    used: dict[str, int] = {}
    missed: dict[str, tuple[str, ...]] = {}
    done = 0
    for (name, rows), count in zip(groups, wanted, strict=True):
        around = origins_of(len(rows), int(count), rng)
        part = None if progress is None else _part_of(progress, name, done / len(table), len(rows) / len(table))
        avatars, used[name], failures = _of_stratum(
            encoded.rows(rows),
            columns,
            around,
            k=k,
            ncp=ncp,
            weights=weights,
            constraints=constraints,
            method=method,
            rng=rng,
            progress=part,
        )
        if failures:
            missed[name] = failures
        made.append(avatars)
        origins.append(rows[around])
        done += len(rows)
        if progress is not None:
            progress(done / len(table), name)
    origin = np.concatenate(origins)
    order = np.argsort(origin, kind="stable")
    numbers = np.vstack([part.numbers for part in made])[order]
    codes = np.vstack([part.codes for part in made])[order]
    synthetic = columns.decode(EncodedTable(numbers, codes))
    for column in kept_apart:
        synthetic[column] = table[column].to_numpy()[origin[order]]
        synthetic[column] = synthetic[column].astype(table[column].dtype)
    if size is None:
        synthetic.index = table.index
    return Avatars(synthetic, origin[order], used, missed)


def _of_stratum(
    records: EncodedTable,
    columns: Columns,
    around: NDArray[np.intp],
    *,
    k: int | None,
    ncp: int,
    weights: Mapping[str, float] | None,
    constraints: Sequence[Constraint],
    method: Method,
    rng: np.random.Generator,
    progress: Progress | None,
) -> tuple[EncodedTable, int, tuple[str, ...]]:
    if not len(around):
        return records.rows(around), 0, ()
    stratum = Stratum.of(records, columns, ncp=ncp, weights=weights)

    def make(neighbours: int) -> EncodedTable:
        made, _ = stratum.avatars(around, k=neighbours, method=method, rng=rng, progress=progress)[0]
        return mended(made, columns, constraints, rng)

    def membership(neighbours: int) -> float:
        if progress is not None:
            progress(1.0, f"rehearsing with {neighbours} neighbours")
        return rehearsed_membership(
            records, columns, k=neighbours, ncp=ncp, weights=weights, method=method, rng=rng, limit=MOST_AREA
        )

    if k is not None:
        return make(k), k, ()
    return fewest_neighbours(make, records, columns, around, method=method, membership=membership, rng=rng)


def _part_of(progress: Progress, name: str, begun: float, width: float) -> Progress:
    """Return the progress of one stratum as part of the whole: the neighbours are most of the work."""
    return lambda share, step: progress(begun + 0.8 * share * width, f"{name}: {step}")


def check_parameters(
    table: pd.DataFrame, *, k: int | None, ncp: int, size: int | None, strata: Sequence[str]
) -> None:
    """Verify the parameters of a generation.

    Raises
    ------
    InvalidInput
        Naming each parameter out of its range.
    """
    problems = []
    if k is not None and k < 1:
        problems.append(FieldProblem("k", f"{k} neighbours cannot be mixed", "2 or more; 1 copies the neighbour"))
    if ncp < 1:
        problems.append(FieldProblem("ncp", f"{ncp} axes hold no neighbours", "1 or more"))
    if size is not None and size < 1:
        problems.append(FieldProblem("size", f"{size} rows cannot be made", "1 or more"))
    problems += [
        FieldProblem("strata", f"{name} is not a column of the table", ", ".join(map(str, table.columns)))
        for name in strata
        if name not in table.columns
    ]
    if problems:
        raise InvalidInput(problems)
