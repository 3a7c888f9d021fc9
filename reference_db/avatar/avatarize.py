"""The Avatar method on any table: each record is replaced by a random mixture of its nearest others.

Reference: Guillaudeux et al., npj Digital Medicine 2023, doi 10.1038/s41746-023-00771-5. The `REFERENCE` method is
that paper's; `RELEASE` is the default, chosen by measurement (docs/decisions/avatar-defaults.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.avatar.columns import EncodedTable, read_columns
from reference_db.avatar.margins import normal_scores, restore_margins
from reference_db.avatar.neighbours import nearest_records
from reference_db.avatar.projection import check_weights, fit_factor_space
from reference_db.avatar.sampling import Donors, donor_weights, draw_donors, draw_levels, mix_numbers
from reference_db.errors import FieldProblem, InvalidInput, InvalidTable

Progress = Callable[[float, str], None]
"""Told the share of the work that is done, from 0 to 1, and what is being done."""


@dataclass(frozen=True, slots=True)
class Method:
    """How neighbours become an avatar: privacy on one side, fidelity on the other.

    Attributes
    ----------
    donor_limit : float
        Largest weight of one neighbour, over 0 to 1. Lower hides each patient better among the others and smooths
        local structure; 1 is no limit (in the reference method the median largest weight is then .54).
    residual : float
        Share of the local spread that is put back, 0 to 1. 0 gives means, whose standard deviations fall to about
        three quarters; 1 restores them, and moves avatars away from their neighbours' centre.
    restored_margins : bool
        Mix normal scores and give every numeric column its smoothed distribution back. Counts and scales keep their
        mean and their zeros; without it they are rounded means.
    """

    donor_limit: float = 1.0
    residual: float = 0.0
    restored_margins: bool = False

    def __post_init__(self) -> None:
        problems = []
        if not 0 < self.donor_limit <= 1:
            problems.append(FieldProblem("donor_limit", f"{self.donor_limit} is not a share", "over 0, up to 1"))
        if not 0 <= self.residual <= 1:
            problems.append(FieldProblem("residual", f"{self.residual} is not a share", "0 to 1"))
        if problems:
            raise InvalidInput(problems)


REFERENCE = Method()
"""The published method, for replication."""

RELEASE = Method(donor_limit=0.1, residual=1.0, restored_margins=True)
"""The default."""


@dataclass(frozen=True, slots=True)
class Avatars:
    """A synthetic table and where it comes from.

    Attributes
    ----------
    table : DataFrame
    origin : ndarray of int, shape (avatars,)
        Row of the original that each avatar was made around. It links avatars to patients: it is for the privacy
        assessment in memory, and is never written.
    """

    table: pd.DataFrame
    origin: NDArray[np.intp]


def avatarize(
    table: pd.DataFrame,
    *,
    k: int,
    ncp: int,
    rng: np.random.Generator,
    weights: Mapping[str, float] | None = None,
    strata: str | Sequence[str] | None = None,
    size: int | None = None,
    categorical: Sequence[str] = (),
    method: Method = RELEASE,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Return a synthetic table with the columns, types and levels of a table.

    Row i is the avatar of row i when `size` is None. Shuffle the rows before giving them away.

    Parameters
    ----------
    table : DataFrame
        Numbers, booleans, text, categories and dates, with missing values.
    k : int
        Neighbours of each record, at least 2 and less than the rows of the smallest stratum.
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
        method=method,
        progress=progress,
    ).table


def make_avatars(
    table: pd.DataFrame,
    *,
    k: int,
    ncp: int,
    rng: np.random.Generator,
    weights: Mapping[str, float] | None = None,
    strata: str | Sequence[str] | None = None,
    size: int | None = None,
    categorical: Sequence[str] = (),
    method: Method = RELEASE,
    progress: Progress | None = None,
) -> Avatars:
    """Do what `avatarize` does and also return the origin of each avatar; same parameters and errors."""
    kept_apart = [strata] if isinstance(strata, str) else list(strata or ())
    check_parameters(table, k=k, ncp=ncp, size=size, strata=kept_apart)
    columns = read_columns(table, categorical=categorical)
    check_weights(columns, weights)
    groups = list(stratum_rows(table, kept_apart))
    _check_sizes(groups, k)
    encoded = columns.encode(table)
    wanted = _allotted(np.array([len(rows) for _, rows in groups]), len(table) if size is None else size)
    steps = tuple(column.step for column in columns.numeric)
    made: list[EncodedTable] = []
    origins: list[NDArray[np.intp]] = []
    done = 0
    for (name, rows), count in zip(groups, wanted, strict=True):
        stratum = encoded.rows(rows)
        coordinates = fit_factor_space(stratum, columns, weights=weights).transform(stratum)[:, :ncp]
        chosen = _origins(len(rows), int(count), rng)
        donors = draw_neighbours(coordinates, chosen, k=k, method=method, rng=rng)
        patterns = draw_donors(donors, rng)
        made.append(mix(stratum, donors, patterns=patterns, steps=steps, method=method, rng=rng))
        origins.append(rows[chosen])
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
    return Avatars(synthetic, origin[order])


def mix(
    stratum: EncodedTable,
    donors: Donors,
    *,
    patterns: NDArray[np.intp],
    steps: tuple[float | None, ...],
    method: Method,
    rng: np.random.Generator,
) -> EncodedTable:
    """Mix the records of a stratum into avatars.

    Which cells are missing is taken from one donor, so that the missing pattern of every avatar is one that exists.

    Parameters
    ----------
    stratum : EncodedTable
    donors : Donors
        Rows of `stratum` and their weights, one line per avatar.
    patterns : ndarray of int, shape (avatars,)
        Row of the donor whose missing cells each avatar takes over (`draw_donors`).
    steps : tuple of float or None
        Grid step of each numeric column; None is continuous.
    method : Method
    rng : Generator

    Returns
    -------
    EncodedTable
        As many rows as `donors`.
    """
    missing = np.isnan(stratum.numbers)
    source = normal_scores(stratum.numbers) if method.restored_margins else stratum.numbers
    mixed = mix_numbers(source, donors, residual=method.residual, rng=rng)
    numbers = np.where(missing[patterns], np.nan, mixed)
    if method.restored_margins:
        numbers = restore_margins(numbers, stratum.numbers, steps, rng)
    elif method.residual > 0:
        known = ~missing.all(axis=0)
        low, high = np.nanmin(stratum.numbers[:, known], axis=0), np.nanmax(stratum.numbers[:, known], axis=0)
        numbers[:, known] = np.clip(numbers[:, known], low, high)
    levels = draw_levels(stratum.codes, donors, rng)
    return EncodedTable(numbers, np.where(stratum.codes[patterns] < 0, np.int32(-1), levels))


def stratum_rows(table: pd.DataFrame, strata: Sequence[str]) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """Yield the name and the row numbers of each stratum, in the order of the names."""
    if not strata:
        yield "all", np.arange(len(table))
        return
    labels = table[list(strata)].astype("string").fillna("missing").agg(" / ".join, axis=1)
    names, codes = np.unique(labels.to_numpy(dtype=str), return_inverse=True)
    for position, name in enumerate(names):
        yield str(name), np.flatnonzero(codes == position)


def check_parameters(table: pd.DataFrame, *, k: int, ncp: int, size: int | None, strata: Sequence[str]) -> None:
    """Verify the parameters of a generation.

    Raises
    ------
    InvalidInput
        Naming each parameter out of its range.
    """
    problems = []
    if k < 1:
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


def _check_sizes(groups: Sequence[tuple[str, NDArray[np.intp]]], k: int) -> None:
    small = [(name, len(rows)) for name, rows in groups if len(rows) <= k]
    if small:
        raise InvalidTable(
            [
                FieldProblem(
                    f"stratum {name}" if len(groups) > 1 else "table",
                    f"{rows} row(s) have no {k} other neighbours; lower k, or merge the stratum with another",
                    f"more than {k} rows",
                )
                for name, rows in small
            ]
        )


def _allotted(sizes: NDArray[np.int_], total: int) -> NDArray[np.int_]:
    """Share `total` rows between strata in proportion to their sizes, by largest remainder."""
    exact = sizes * (total / sizes.sum())
    shares: NDArray[np.int_] = np.floor(exact).astype(np.int_)
    remainder = np.argsort(shares - exact, kind="stable")[: total - shares.sum()]
    shares[remainder] += 1
    return shares


def _origins(rows: int, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Originals to make avatars around: all of them as often as they fit, the rest drawn without replacement."""
    whole = np.repeat(np.arange(rows), count // rows)
    rest = rng.choice(rows, size=count % rows, replace=False) if count % rows else np.empty(0, dtype=np.intp)
    return np.sort(np.concatenate([whole, rest]))


def draw_neighbours(
    coordinates: NDArray[np.float64],
    origins: NDArray[np.intp],
    *,
    k: int,
    method: Method,
    rng: np.random.Generator,
) -> Donors:
    """Return the neighbours of the records around which avatars are made, with their random weights.

    Parameters
    ----------
    coordinates : ndarray, shape (records, axes)
    origins : ndarray of int, shape (avatars,)
        Record of each avatar; never among its own donors.
    k : int
    method : Method
    rng : Generator

    Returns
    -------
    Donors
    """
    around, position = np.unique(origins, return_inverse=True)
    neighbours, distances = nearest_records(coordinates, coordinates[around], k, others_of=around)
    weights = donor_weights(distances[position], limit=method.donor_limit, rng=rng)
    return Donors(neighbours[position], weights)
