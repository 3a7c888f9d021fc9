"""One stratum: from its records to their avatars, with the neighbours asked for or the fewest that protect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.columns import Columns, EncodedTable
from reference_db.avatar.margins import normal_scores, restore_covariance, restore_margins
from reference_db.avatar.method import Method
from reference_db.avatar.missing import Together, draw_missing, known_together, missing_cells
from reference_db.avatar.neighbours import nearest_records
from reference_db.avatar.projection import fit_factor_space
from reference_db.avatar.sampling import Donors, donor_weights, draw_donors, draw_levels, mix_numbers
from reference_db.privacy.metrics import distance_metrics
from reference_db.privacy.targets import MOST_RISK, Verdict

CANDIDATE_K: tuple[int, ...] = (20, 30, 45, 70, 100, 150, 220)
"""Numbers of neighbours that the automatic choice tries, fewest first."""

SMALLEST_STRATUM = 25
"""Fewest records of which the automatic choice tries to hide each among the others."""

_JUDGED = 5000
"""Records on which the automatic choice judges a large table; the gate judges all."""

_REHEARSALS = 3
"""Splits over which membership is averaged."""

_FEWEST_REHEARSED = 200
"""Records under which a rehearsal tells nothing: with 60 held out the area has a standard error of .04."""

_HEADROOM = 1.02
"""The automatic choice wants every target exceeded by this factor: another draw would not come out the same."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """Records that are mixed with each other.

    Attributes
    ----------
    records : EncodedTable
        As they are mixed.
    coordinates : ndarray, shape (records, axes)
        Where neighbours are sought.
    steps : tuple of float or None
        Grid step of each numeric column; None is continuous.
    series : tuple of int
        Numeric columns that are one measure over time.
    groups : tuple of Together
        Columns that are known together.
    end : int or None
        Numeric column with the end of observation.
    """

    records: EncodedTable
    coordinates: NDArray[np.float64]
    steps: tuple[float | None, ...]
    series: tuple[int, ...]
    groups: tuple[Together, ...]
    end: int | None

    @classmethod
    def of(
        cls,
        records: EncodedTable,
        columns: Columns,
        *,
        ncp: int,
        weights: Mapping[str, float] | None,
        steps: tuple[float | None, ...] | None = None,
        series: tuple[int, ...] = (),
        groups: tuple[Together, ...] | None = None,
        end: int | None = None,
    ) -> Stratum:
        """Project the records of a stratum on the first `ncp` axes of their FAMD."""
        space = fit_factor_space(records, columns, weights=weights)
        if steps is None:
            steps = tuple(column.step for column in columns.numeric)
        if groups is None:
            groups = known_together(missing_cells(records))
        return cls(records, space.transform(records, axes=ncp), steps, series, groups, end)

    def avatars(
        self,
        around: NDArray[np.intp],
        *,
        k: int,
        method: Method,
        rng: np.random.Generator,
        progress: Callable[[float, str], None] | None = None,
    ) -> tuple[EncodedTable, NDArray[np.intp]]:
        """Return one avatar around each of the given records, and its main donor, whose end of observation it has."""
        donors = draw_neighbours(self.coordinates, around, k=k, method=method, rng=rng, progress=progress)
        main = draw_donors(donors, rng)
        end = None if self.end is None else self.records.numbers[:, self.end]
        missing = draw_missing(missing_cells(self.records), donors, main, self.groups, end=end, rng=rng)
        made = mix(
            self.records,
            donors,
            main=main,
            missing=missing,
            steps=self.steps,
            series=self.series,
            method=method,
            rng=rng,
        )
        return made, main


def fewest_neighbours(
    make: Callable[[int], EncodedTable],
    originals: EncodedTable,
    columns: Columns,
    origin: NDArray[np.intp],
    *,
    method: Method,
    membership: Callable[[int], float] | None = None,
) -> tuple[EncodedTable, int]:
    """Return the avatars of the first of `CANDIDATE_K` that meets its targets.

    Every distance metric exceeds its target and, where it is asked for, membership has an area under the curve of
    at most .55. When no number does, the avatars of the last are returned: the privacy gate will say what they miss.

    Parameters
    ----------
    make : callable
        Makes avatars of `k` neighbours.
    originals : EncodedTable
    columns : Columns
    origin : ndarray of int, shape (avatars,)
        Record of each avatar.
    method : Method
        Its donor limit asks for at least one over the limit neighbours.
    membership : callable, optional
        Area under the curve with `k` neighbours (`rehearsed_membership`).

    Returns
    -------
    avatars : EncodedTable
    k : int
    """
    enough = [k for k in CANDIDATE_K if k * method.donor_limit >= 1] or [CANDIDATE_K[-1]]
    candidates = sorted({min(k, len(originals) - 1) for k in enough})
    for k in candidates:
        made = make(k)
        metrics = distance_metrics(columns, originals, made, origin, most=_JUDGED)
        protected = all(
            metric.verdict is not Verdict.FAILED
            and (metric.value is None or metric.value >= min(metric.target * _HEADROOM, 100.0))
            for metric in metrics
        )
        if protected and (membership is None or membership(k) <= (1 + MOST_RISK) / 2):
            break
    return made, k


def rehearsed_membership(
    records: EncodedTable,
    columns: Columns,
    *,
    k: int,
    ncp: int,
    weights: Mapping[str, float] | None,
    method: Method,
    rng: np.random.Generator,
) -> float:
    """Return how well membership is told by distance, in rehearsals with held-out records.

    The area under the ROC curve in the space that serves the attacker best, averaged over `_REHEARSALS` splits; .5
    where there are too few records to tell.
    """
    from reference_db.privacy.attacks import Scene
    from reference_db.privacy.attacks.membership import Proximity

    if len(records) < _FEWEST_REHEARSED:
        return 0.5
    found = []
    for _ in range(_REHEARSALS):
        order = rng.permutation(len(records))
        inside, outside = np.split(order, [round(0.7 * len(order))])
        members = records.rows(inside)
        stratum = Stratum.of(members, columns, ncp=ncp, weights=weights)
        around = np.arange(len(inside))
        made = stratum.avatars(around, k=min(k, len(inside) - 1), method=method, rng=rng)[0]
        attacked = (members.rows(around[:_JUDGED]), made, records.rows(outside[:_JUDGED]))
        found.append(Proximity.of(Scene.of(columns, *attacked, rng)).areas)
    return float(np.mean(found, axis=0).max())


def draw_neighbours(
    coordinates: NDArray[np.float64],
    origins: NDArray[np.intp],
    *,
    k: int,
    method: Method,
    rng: np.random.Generator,
    progress: Callable[[float, str], None] | None = None,
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
    neighbours, distances = nearest_records(coordinates, coordinates[around], k, others_of=around, progress=progress)
    weights = donor_weights(distances[position], limit=method.donor_limit, rng=rng)
    return Donors(neighbours[position], weights)


def mix(
    stratum: EncodedTable,
    donors: Donors,
    *,
    main: NDArray[np.intp],
    missing: NDArray[np.bool_],
    steps: tuple[float | None, ...],
    series: tuple[int, ...],
    method: Method,
    rng: np.random.Generator,
) -> EncodedTable:
    """Mix the records of a stratum into avatars.

    Parameters
    ----------
    stratum : EncodedTable
    donors : Donors
        Rows of `stratum` and their weights, one line per avatar.
    main : ndarray of int, shape (avatars,)
        Row of the donor who lends the shared levels (`draw_donors`).
    missing : ndarray of bool, shape (avatars, columns)
        Cells that are missing, numeric columns first (`draw_missing`).
    steps : tuple of float or None
        Grid step of each numeric column; None is continuous.
    series : tuple of int
        Numeric columns that are one measure over time.
    method : Method
    rng : Generator

    Returns
    -------
    EncodedTable
        As many rows as `donors`.
    """
    source = stratum.numbers
    if method.restored_margins:
        source = normal_scores(stratum.numbers, series=series, rng=rng)
    mixed = mix_numbers(source, donors, residual=method.residual, rng=rng)
    if method.restored_covariance:
        mixed = restore_covariance(mixed, source)
    numeric = stratum.numbers.shape[1]
    numbers = np.where(missing[:, :numeric], np.nan, mixed)
    if method.restored_margins:
        numbers = restore_margins(numbers, stratum.numbers, steps, rng)
    elif method.residual > 0:
        known = ~np.isnan(stratum.numbers).all(axis=0)
        low, high = np.nanmin(stratum.numbers[:, known], axis=0), np.nanmax(stratum.numbers[:, known], axis=0)
        numbers[:, known] = np.clip(numbers[:, known], low, high)
    levels = draw_levels(stratum.codes, donors, rng)
    if method.shared_levels > 0:
        shared = rng.random(levels.shape) < method.shared_levels
        levels = np.where(shared & (stratum.codes[main] >= 0), stratum.codes[main], levels)
    return EncodedTable(numbers, np.where(missing[:, numeric:], np.int32(-1), levels))
