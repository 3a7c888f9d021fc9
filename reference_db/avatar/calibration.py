"""Totals that strata must keep: of several avatars that could stand around each record, which one is taken.

Avatars are random. Their columns have the distributions of the originals, but what is made of several columns (who
relapsed at all, whose worsening held) has them only up to chance and to what mixing blurs. Calibration makes a few
avatars around each record and exchanges some of them for another of the same record until the totals of the stratum
are those of the originals, as balanced samples are drawn (Deville and Tillé, Biometrika 2004;91(4):893-912, doi
10.1093/biomet/91.4.893). The choice looks at totals and never at how near an avatar is to anybody.

A total that fewer than `small_cells.SMALL_CELL` patients make up is not looked up. Of an event that few patients of
an arm had, only the *share* of the arm among the events of several arms is: how many there were over all of them, the
avatars decide. As where small cells of a table are suppressed, another cell is withheld with the only one that is
small, or it could be had by subtraction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.columns import EncodedTable
from reference_db.small_cells import SMALL_CELL

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

BLUR = 0.1
"""Standard deviation of what is added to each total that is aimed at, in its standard errors; at most the standard
deviation of one patient's contribution, which is less in strata of more than a hundred."""

AT_ONCE = 32
"""Exchanges that are tried before all are looked at again."""

_LEAST_GAIN = 1e-5
"""The search ends when no exchange brings the totals nearer than this, in squared standard errors."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Avatars of one stratum of which some are to be taken.

    Attributes
    ----------
    tables : tuple of EncodedTable
        Each with one avatar around the same records.
    originals : ndarray, shape (records, statistics)
        Statistics of the originals.
    made : ndarray, shape (tables, avatars, statistics)
        Statistics of the avatars.
    """

    tables: tuple[EncodedTable, ...]
    originals: Floats
    made: Floats

    def taken(self, chosen: NDArray[np.intp]) -> EncodedTable:
        """Return the chosen candidate of each avatar, shape (avatars,)."""
        rows = np.arange(len(chosen))
        numbers, codes = (
            np.stack(parts)[chosen, rows]
            for parts in zip(*((table.numbers, table.codes) for table in self.tables), strict=True)
        )
        return EncodedTable(numbers, codes)


@dataclass(frozen=True, slots=True)
class Aim:
    """The totals that a stratum is brought to.

    Attributes
    ----------
    totals : ndarray, shape (statistics,)
    error : ndarray, shape (statistics,)
        Their standard errors: root of n times the standard deviation over the originals.
    """

    totals: Floats
    error: Floats


def calibrated(
    strata: Sequence[Candidates], importance: Floats, rng: np.random.Generator, *, level_of: Sequence[int] = ()
) -> list[EncodedTable]:
    """Return the avatars of strata that are compared with each other, their totals those of the originals.

    Parameters
    ----------
    strata : sequence of Candidates
        With the same statistics.
    importance : ndarray, shape (statistics,)
        How much a gap counts.
    rng : Generator
    level_of : sequence of int
        As in `aims`.
    """
    return [
        stratum.taken(calibrated_choice(stratum.made, aim, importance))
        for stratum, aim in zip(strata, aims(strata, rng, level_of=level_of), strict=True)
    ]


def aims(strata: Sequence[Candidates], rng: np.random.Generator, *, level_of: Sequence[int] = ()) -> list[Aim]:
    """Return the totals to which strata are brought.

    A statistic that all but fewer than `small_cells.SMALL_CELL` records have in common would say something about few
    people: its total stays what the candidates have on average, so that it neither follows the originals nor drifts
    while the others are brought near.

    Parameters
    ----------
    strata : sequence of Candidates
    rng : Generator
        Blurs the totals that are looked up.
    level_of : sequence of int
        The first statistics are events, 0 or more. Where few of a stratum had them, strata that together have enough
        get their shares of as many as the candidates of all of them have; for each event the statistic by which that
        is measured, itself or one of which it is a part.
    """
    records = [len(stratum.originals) for stratum in strata]
    avatars = [stratum.made.shape[1] for stratum in strata]
    common = np.stack([_most_frequent_count(stratum.originals) for stratum in strata])
    looked_up = np.array(records)[:, None] - common >= SMALL_CELL
    totals = np.stack(
        [stratum.originals.mean(axis=0) * number for stratum, number in zip(strata, avatars, strict=True)]
    )
    usual = np.stack([stratum.made.sum(axis=1).mean(axis=0) for stratum in strata])
    spread = np.stack([stratum.originals.std(axis=0) for stratum in strata])
    spread = np.where(looked_up, spread, np.stack([stratum.made.std(axis=(0, 1)) for stratum in strata]))
    error = np.sqrt(avatars)[:, None] * spread
    wanted = np.where(looked_up, totals, usual)
    having = np.stack([np.count_nonzero(stratum.originals[:, : len(level_of)], axis=0) for stratum in strata])
    for event, level in enumerate(level_of):
        together = compared(having[:, event])
        if together.any():
            wanted[together, event] = (
                totals[together, event] * usual[together, level].sum() / totals[together, level].sum()
            )
            looked_up[together, event] = True
    blur = np.minimum(BLUR, 1 / np.sqrt(avatars))[:, None] * error * rng.normal(size=error.shape)
    return [Aim(*aim) for aim in zip(np.where(looked_up, wanted + blur, wanted), error, strict=True)]


def compared(having: NDArray[np.intp]) -> Booleans:
    """Return the strata of which only their shares of an event are looked up.

    Those where it happened to few, and of the others the smallest, until they are two or more and it happened to
    enough in all of them; none where that cannot be.

    Parameters
    ----------
    having : ndarray of int, shape (strata,)
        Records to which it happened.
    """
    is_few = (having > 0) & (having < SMALL_CELL)
    together = is_few.copy()
    if is_few.any():
        for other in np.argsort(having, kind="stable"):
            if together.sum() >= 2 and having[together].sum() >= SMALL_CELL:
                break
            together[other] |= having[other] >= SMALL_CELL
    if together.sum() < 2 or having[together].sum() < SMALL_CELL:
        return np.zeros(len(having), dtype=bool)
    return together


def calibrated_choice(made: Floats, aim: Aim, importance: Floats) -> NDArray[np.intp]:
    """Choose one of the candidates of each avatar so that the totals of the statistics are those aimed at.

    Starting from the first candidates, those exchanges are made one at a time that bring the totals nearest, each
    total measured in its standard error.

    Parameters
    ----------
    made : ndarray, shape (candidates, avatars, statistics)
    aim : Aim
    importance : ndarray, shape (statistics,)
        How much a gap counts.

    Returns
    -------
    ndarray of int, shape (avatars,)
        Candidate of each avatar.
    """
    _, avatars, _ = made.shape
    chosen = np.zeros(avatars, dtype=np.intp)
    kept = aim.error > 0
    scale = aim.error[kept] / importance[kept]
    values = made[:, :, kept] / scale
    gap = values[0].sum(axis=0) - aim.totals[kept] / scale
    moves = values - values[0]
    lengths = (moves**2).sum(axis=2)
    exchanged = True
    while exchanged:
        exchanged = False
        gains = 2 * moves @ gap + lengths
        best = gains.argmin(axis=0)
        order = np.argsort(gains[best, np.arange(avatars)], kind="stable")
        for avatar in order[:AT_ONCE]:
            move = moves[best[avatar], avatar].copy()
            # The exchanges just before have moved the totals.
            if 2 * move @ gap + lengths[best[avatar], avatar] < -_LEAST_GAIN:
                exchanged = True
                gap += move
                chosen[avatar] = best[avatar]
                moves[:, avatar] -= move
                lengths[:, avatar] = (moves[:, avatar] ** 2).sum(axis=1)
    return chosen


def _most_frequent_count(values: Floats) -> NDArray[np.intp]:
    """Count the records with the most frequent value of each statistic."""
    return np.array([np.unique(column, return_counts=True)[1].max() for column in values.T], dtype=np.intp)
