"""Strata: the groups of records that are anonymised apart, and how many avatars each gets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.errors import FieldProblem, InvalidTable


def stratum_rows(table: pd.DataFrame, strata: Sequence[str]) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """Yield the name and the row numbers of each stratum, in the order of the names."""
    if not strata:
        yield "all", np.arange(len(table))
        return
    labels = table[strata[0]].astype("string").fillna("missing")
    for name in strata[1:]:
        labels = labels + " / " + table[name].astype("string").fillna("missing")
    names, codes = np.unique(labels.to_numpy(dtype=str), return_inverse=True)
    for position, name in enumerate(names):
        yield str(name), np.flatnonzero(codes == position)


def allotted(sizes: NDArray[np.int_], total: int) -> NDArray[np.int_]:
    """Share `total` rows between strata in proportion to their sizes, by largest remainder."""
    exact = sizes * (total / sizes.sum())
    shares: NDArray[np.int_] = np.floor(exact).astype(np.int_)
    remainder = np.argsort(shares - exact, kind="stable")[: total - shares.sum()]
    shares[remainder] += 1
    return shares


def origins_of(rows: int, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Originals to make avatars around: all of them as often as they fit, the rest drawn without replacement."""
    whole = np.repeat(np.arange(rows), count // rows)
    rest = rng.choice(rows, size=count % rows, replace=False) if count % rows else np.empty(0, dtype=np.intp)
    return np.sort(np.concatenate([whole, rest]))


def check_sizes(groups: Sequence[tuple[str, NDArray[np.intp]]], least: int) -> None:
    """Verify that each stratum has enough records.

    Raises
    ------
    InvalidTable
        Naming each stratum with fewer than `least`.
    """
    problems = [
        FieldProblem(
            f"stratum {name}" if len(groups) > 1 else "table",
            f"{len(rows)} row(s) are too few to hide each other; lower k, merge the stratum, or leave it out",
            f"{least} rows or more",
        )
        for name, rows in groups
        if len(rows) < least
    ]
    if problems:
        raise InvalidTable(problems)
