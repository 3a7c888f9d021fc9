"""Totals that a stratum must keep: of several avatars that could stand around each record, which one is taken.

Avatars are random. Their columns have the distributions of the originals, but what is made of several columns (who
relapsed at all, whose worsening held) has them only up to chance and to what mixing blurs. Calibration makes a few
avatars around each record and exchanges some of them for another of the same record until the totals of the stratum
are those of the originals, as balanced samples are drawn (Deville and Tillé, Biometrika 2004;91(4):893-912, doi
10.1093/biomet/91.4.893). The choice looks at totals and never at how near an avatar is to anybody.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.columns import EncodedTable
from reference_db.small_cells import SMALL_CELL

Floats = NDArray[np.float64]

BLUR = 0.1
"""Standard deviation of what is added to each total that is aimed at, in its standard errors: too little to move an
endpoint, enough that no total of the originals is given away as it was."""

FOREMOST = 2.0
"""How much more a gap of the foremost totals counts."""

MOST_EXCHANGES = 2000
"""Exchanges after which the search ends; a stratum of thousands of records needs some hundred."""

_LEAST_GAIN = 1e-5
"""The search ends when no exchange brings the totals nearer than this, in squared standard errors."""


def calibrated(
    tables: Sequence[EncodedTable], statistics: Sequence[Floats], rng: np.random.Generator, *, foremost: int = 0
) -> EncodedTable:
    """Return avatars taken from several tables, row by row, so that their totals are those of the originals.

    Parameters
    ----------
    tables : sequence of EncodedTable
        Each with one avatar around the same records.
    statistics : sequence of ndarray, shape (records, statistics)
        Of the originals, then of each table.
    rng : Generator
    foremost : int
        As in `calibrated_choice`.
    """
    if len(tables) < 2:
        return tables[0]
    chosen = calibrated_choice(np.stack(statistics[1:]), statistics[0], rng, foremost=foremost)
    rows = np.arange(len(chosen))
    numbers, codes = (
        np.stack(parts)[chosen, rows] for parts in zip(*((t.numbers, t.codes) for t in tables), strict=True)
    )
    return EncodedTable(numbers, codes)


def calibrated_choice(
    candidates: Floats, originals: Floats, rng: np.random.Generator, *, foremost: int = 0
) -> NDArray[np.intp]:
    """Choose one of the candidates of each avatar so that the totals of the statistics are those of the originals.

    The first candidates are exchanged one at a time, always the one that brings the totals nearest, each total
    measured in its standard error (root of n times the standard deviation over the originals).

    Parameters
    ----------
    candidates : ndarray, shape (candidates, avatars, statistics)
    originals : ndarray, shape (records, statistics)
        A statistic that all but fewer than `small_cells.SMALL_CELL` records have in common would say something
        about few people: its total stays what the candidates have on average, so that it neither follows the
        originals nor drifts while the others are brought near.
    rng : Generator
        Blurs the totals that are aimed at.
    foremost : int
        The first statistics, of which a gap counts `FOREMOST` times as much as one of the others.

    Returns
    -------
    ndarray of int, shape (avatars,)
        Candidate of each avatar.
    """
    _, avatars, _ = candidates.shape
    chosen = np.zeros(avatars, dtype=np.intp)
    rare = len(originals) - _most_frequent_count(originals) < SMALL_CELL
    spread = np.where(rare, candidates.std(axis=(0, 1)), originals.std(axis=0))
    kept = spread > 0
    if not kept.any():
        return chosen
    error = np.sqrt(avatars) * spread[kept]
    scale = error / np.where(np.flatnonzero(kept) < foremost, FOREMOST, 1.0)
    values = candidates[:, :, kept] / scale
    wanted = (originals[:, kept].mean(axis=0) * avatars + BLUR * error * rng.normal(size=len(error))) / scale
    wanted = np.where(rare[kept], values.sum(axis=1).mean(axis=0), wanted)
    gap = values[0].sum(axis=0) - wanted
    moves = values - values[0]
    lengths = (moves**2).sum(axis=2)
    for _ in range(MOST_EXCHANGES):
        gains = 2 * moves @ gap + lengths
        candidate, avatar = divmod(int(gains.argmin()), avatars)
        if gains[candidate, avatar] > -_LEAST_GAIN:
            break
        gap += moves[candidate, avatar]
        chosen[avatar] = candidate
        moves[:, avatar] = values[:, avatar] - values[candidate, avatar]
        lengths[:, avatar] = (moves[:, avatar] ** 2).sum(axis=1)
    return chosen


def _most_frequent_count(values: Floats) -> NDArray[np.intp]:
    """Count the records with the most frequent value of each statistic."""
    return np.array([np.unique(column, return_counts=True)[1].max() for column in values.T], dtype=np.intp)
