"""One stratum: from its records to their avatars, with the neighbours asked for or the fewest that protect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.columns import Codes, Columns, EncodedTable
from reference_db.avatar.margins import normal_scores, restore_covariance, restore_margins
from reference_db.avatar.method import Method
from reference_db.avatar.missing import Together, draw_missing, known_together, missing_cells, raked
from reference_db.avatar.neighbours import nearest_records
from reference_db.avatar.projection import fit_factor_space
from reference_db.avatar.quantiles import Margin, column_margins
from reference_db.avatar.sampling import Donors, donor_weights, draw_donors, draw_levels, mix_numbers
from reference_db.privacy.cloaking import spaced
from reference_db.privacy.metrics import Metric, all_metrics, distance_metrics
from reference_db.privacy.targets import FURTHER_TARGETS, MOST_RISK, Verdict

CANDIDATE_K: tuple[int, ...] = (20, 30, 45, 70, 100, 150, 220)
"""Numbers of neighbours that the automatic choice tries, fewest first."""

SMALLEST_STRATUM = 25
"""Fewest records of which the automatic choice tries to hide each among the others."""

_JUDGED = 5000
"""Records on which the automatic choice judges a large table; the gate judges all."""

_TRIED = 5000
"""Avatars on which it is tried how labels are kept best."""

_FEWEST_REHEARSALS, _MOST_REHEARSALS = 3, 30
_HELD_OUT = 1500
"""Membership is averaged over so many splits that this many records are held out in all: who is, is luck."""

_CLEAR = 3.0
"""Standard errors above the limit at which no further split is needed."""

_FEWEST_REHEARSED = 40
"""Records under which rehearsals tell nothing."""

MOST_AREA = (1 + MOST_RISK) / 2
"""Largest area under the ROC curve with which membership may be told."""

_HEADROOM = 1.02
"""The automatic choice wants the target of a distance metric exceeded by this factor: another draw would not come out
the same."""

_FURTHER = frozenset(target.name for target in FURTHER_TARGETS)


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
    ordered : tuple of int
        Categorical columns whose levels have an order, those of two levels among them: they can be mixed as numbers.
    """

    records: EncodedTable
    coordinates: NDArray[np.float64]
    steps: tuple[float | None, ...]
    series: tuple[int, ...]
    groups: tuple[Together, ...]
    end: int | None
    ordered: tuple[int, ...]

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
        mixed = tuple(position for position, column in enumerate(columns.categorical) if column.is_ordered)
        return cls(records, space.transform(records, axes=ncp), steps, series, groups, end, mixed)

    def avatars(
        self,
        around: NDArray[np.intp],
        *,
        k: int,
        method: Method,
        rng: np.random.Generator,
        progress: Callable[[float, str], None] | None = None,
    ) -> list[tuple[EncodedTable, NDArray[np.intp]]]:
        """Return the candidates of the method: one avatar around each of the given records in each.

        Each is returned with the main donor of its avatars, whose end of observation they have.
        """
        found = seek_neighbours(self.coordinates, around, k=k, progress=progress)
        absent = missing_cells(self.records)
        end = None if self.end is None else self.records.numbers[:, self.end]

        def mixed(
            material: Material, neighbours: NDArray[np.intp], distances: NDArray[np.float64]
        ) -> tuple[EncodedTable, NDArray[np.intp]]:
            weights = donor_weights(distances, least=method.least_distance, limit=method.donor_limit, rng=rng)
            donors = Donors(neighbours, weights)
            main = draw_donors(raked(donors, absent), rng)
            missing = draw_missing(absent, donors, main, self.groups, end=end, rng=rng)
            return mix(material, donors, main=main, missing=missing, method=method, rng=rng), main

        def material(ordered: tuple[int, ...]) -> Material:
            return Material.of(self.records, ordered, steps=self.steps, series=self.series, method=method, rng=rng)

        ordered = self.ordered
        if method.closest_labels and ordered:
            some = spaced(np.arange(len(around)), _TRIED)
            trials = [mixed(material(tried), found[0][some], found[1][some])[0] for tried in (ordered, ())]
            lost = [_lost_correlations(self.records, trial, ordered) for trial in trials]
            ordered = tuple(np.array(ordered)[lost[0] <= lost[1]])
        ready = material(ordered)
        return [mixed(ready, *found) for _ in range(method.candidates)]


def fewest_neighbours(
    make: Callable[[int], EncodedTable],
    originals: EncodedTable,
    columns: Columns,
    origin: NDArray[np.intp],
    *,
    method: Method,
    over: int = 0,
    membership: Callable[[int], float] | None = None,
    rng: np.random.Generator | None = None,
) -> tuple[EncodedTable, int, tuple[str, ...]]:
    """Return the avatars of the first of `CANDIDATE_K` that meets its targets.

    Every distance metric exceeds its target and, where they are asked for, the further metrics meet theirs and
    membership has an area under the curve of at most .55. When no number does, the avatars of the last are returned,
    with what they miss.

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
    over : int
        Numbers of neighbours up to this one were tried before; the last is tried again where there are no more.
    membership : callable, optional
        Area under the curve with `k` neighbours (`rehearsed_membership`).
    rng : Generator, optional
        Asks for the further metrics, which examine records at random.

    Returns
    -------
    avatars : EncodedTable
    k : int
    missed : tuple of str
        In words; empty where every target is met.
    """
    enough = [k for k in CANDIDATE_K if k * method.donor_limit >= 1] or [CANDIDATE_K[-1]]
    candidates = sorted({min(k, len(originals) - 1) for k in enough})
    candidates = [k for k in candidates if k > over] or candidates[-1:]
    for k in candidates:
        made = make(k)
        if rng is None:
            metrics = distance_metrics(columns, originals, made, origin, most=_JUDGED)
        else:
            metrics = all_metrics(columns, originals, made, origin, rng, most=_JUDGED)
        missed = tuple(
            f"{metric.label.lower()} is {metric.value:.3g}, it must exceed {metric.target:g}"
            for metric in metrics
            if metric.verdict is Verdict.FAILED
        )
        if not all(map(_meets, metrics)):
            continue
        area = 0.5 if membership is None else membership(k)
        if area <= MOST_AREA:
            return made, k, ()
        missed = (
            f"in rehearsals with held-out records membership has an area under the curve of {area:.4f}, "
            f"it must not exceed {MOST_AREA:g}",
        )
    return made, k, missed


def _meets(metric: Metric) -> bool:
    if metric.value is None or metric.name in _FURTHER:
        return metric.verdict is not Verdict.FAILED
    return metric.verdict is Verdict.PASSED and metric.value >= min(metric.target * _HEADROOM, 100.0)


def rehearsed_membership(
    records: EncodedTable,
    columns: Columns,
    *,
    k: int,
    ncp: int,
    weights: Mapping[str, float] | None,
    method: Method,
    rng: np.random.Generator,
    limit: float | None = None,
) -> float:
    """Return how well membership is told by distance, in rehearsals with held-out records.

    The area under the ROC curve in the space that serves the attacker best, averaged over several splits; .5 where
    there are too few records to tell. With a limit, no further split is made once the mean is `_CLEAR` standard
    errors above it.
    """
    from reference_db.privacy.attacks import Scene
    from reference_db.privacy.attacks.membership import Proximity

    if len(records) < _FEWEST_REHEARSED:
        return 0.5
    found = []
    for _ in range(min(max(_FEWEST_REHEARSALS, round(_HELD_OUT / (0.3 * len(records)))), _MOST_REHEARSALS)):
        order = rng.permutation(len(records))
        inside, outside = np.split(order, [round(0.7 * len(order))])
        members = records.rows(inside)
        stratum = Stratum.of(members, columns, ncp=ncp, weights=weights)
        around = np.arange(len(inside))
        made, _ = stratum.avatars(around, k=min(k, len(inside) - 1), method=method, rng=rng)[0]
        attacked = (members.rows(around[:_JUDGED]), made, records.rows(outside[:_JUDGED]))
        found.append(Proximity.of(Scene.of(columns, *attacked, rng)).areas)
        areas = np.array(found)
        best = areas.mean(axis=0).argmax()
        error = areas[:, best].std(ddof=1) / np.sqrt(len(areas)) if len(areas) > 1 else np.inf
        if limit is not None and len(areas) > _FEWEST_REHEARSALS and areas[:, best].mean() > limit + _CLEAR * error:
            break
    return float(areas[:, best].mean())


def seek_neighbours(
    coordinates: NDArray[np.float64],
    origins: NDArray[np.intp],
    *,
    k: int,
    progress: Callable[[float, str], None] | None = None,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the neighbours of the records around which avatars are made, and their distances.

    Parameters
    ----------
    coordinates : ndarray, shape (records, axes)
    origins : ndarray of int, shape (avatars,)
        Record of each avatar; never among its own neighbours.
    k : int
    progress : callable, optional

    Returns
    -------
    rows : ndarray of int, shape (avatars, k)
    distances : ndarray of float, shape (avatars, k)
    """
    around, position = np.unique(origins, return_inverse=True)
    neighbours, distances = nearest_records(coordinates, coordinates[around], k, others_of=around, progress=progress)
    return neighbours[position], distances[position]


@dataclass(frozen=True, slots=True)
class Material:
    """Records as they are mixed.

    Attributes
    ----------
    codes : ndarray of int, shape (records, categorical columns)
    ordered : ndarray of int
        Categorical columns that are mixed as numbers.
    numbers : ndarray, shape (records, numeric columns + ordered)
        Numbers and the codes of the ordered columns, NaN where missing.
    scores : ndarray
        What is mixed in their place.
    margins : tuple of Margin or None
        Distribution of each of these columns; empty where the method does not restore margins.
    """

    codes: Codes
    ordered: NDArray[np.intp]
    numbers: NDArray[np.float64]
    scores: NDArray[np.float64]
    margins: tuple[Margin | None, ...]

    @classmethod
    def of(
        cls,
        records: EncodedTable,
        ordered: tuple[int, ...],
        *,
        steps: tuple[float | None, ...],
        series: tuple[int, ...],
        method: Method,
        rng: np.random.Generator,
    ) -> Material:
        """Score the records, where the method restores margins; else numbers are mixed as they are."""
        labels = np.array(ordered if method.restored_margins else (), dtype=np.intp)
        codes = records.codes[:, labels]
        numbers = np.hstack([records.numbers, np.where(codes < 0, np.nan, codes)])
        scores = numbers
        margins: tuple[Margin | None, ...] = ()
        if method.restored_margins:
            names = range(records.numbers.shape[1], numbers.shape[1])
            scores = normal_scores(numbers, series=series, labels=names, rng=rng)
            margins = column_margins(numbers, (*steps, *(1.0 for _ in labels)))
        return cls(records.codes, labels, numbers, scores, margins)


def mix(
    material: Material,
    donors: Donors,
    *,
    main: NDArray[np.intp],
    missing: NDArray[np.bool_],
    method: Method,
    rng: np.random.Generator,
) -> EncodedTable:
    """Mix the records of a stratum into avatars.

    Parameters
    ----------
    material : Material
    donors : Donors
        Rows of the records and their weights, one line per avatar.
    main : ndarray of int, shape (avatars,)
        Row of the main donor (`draw_donors`), who lends the level of a label that could not be mixed.
    missing : ndarray of bool, shape (avatars, columns)
        Cells that are missing, numeric columns first (`draw_missing`).
    method : Method
    rng : Generator

    Returns
    -------
    EncodedTable
        As many rows as `donors`.
    """
    labels, original = material.ordered, material.numbers
    numeric = original.shape[1] - len(labels)
    absent = missing[:, np.concatenate([np.arange(numeric), numeric + labels])]
    mixed = mix_numbers(material.scores, donors, residual=method.residual, rng=rng)
    if method.restored_covariance:
        mixed = restore_covariance(mixed, material.scores)
    numbers = np.where(absent, np.nan, mixed)
    if method.restored_margins:
        numbers = restore_margins(numbers, material.margins, rng)
    elif method.residual > 0:
        known = ~np.isnan(original).all(axis=0)
        low, high = np.nanmin(original[:, known], axis=0), np.nanmax(original[:, known], axis=0)
        numbers[:, known] = np.clip(numbers[:, known], low, high)
    levels = _levels(material.codes, donors, main, labels, method, rng)
    placed = numbers[:, numeric:]
    levels[:, labels] = np.where(np.isnan(placed), levels[:, labels], np.nan_to_num(placed)).astype(np.int32)
    return EncodedTable(numbers[:, :numeric], np.where(missing[:, numeric:], np.int32(-1), levels))


def _levels(
    codes: Codes,
    donors: Donors,
    main: NDArray[np.intp],
    ordered: NDArray[np.intp],
    method: Method,
    rng: np.random.Generator,
) -> Codes:
    """Draw the levels of the columns that are not mixed; those of the others are the main donor's for now."""
    levels = codes[main]
    drawn = np.setdiff1d(np.arange(codes.shape[1]), ordered)
    levels[:, drawn] = draw_levels(codes[:, drawn], donors, rng, as_often=method.closest_labels)
    return levels


def _lost_correlations(records: EncodedTable, made: EncodedTable, labels: tuple[int, ...]) -> NDArray[np.float64]:
    """Return how far the correlations of some labels with all columns are from those of the records, summed."""
    plain = np.setdiff1d(np.arange(records.codes.shape[1]), labels)
    names = [np.unique(records.codes[:, column]) for column in plain]

    def correlations(table: EncodedTable) -> NDArray[np.float64]:
        codes = table.codes[:, labels]
        indicators = [table.codes[:, [column]] == named for column, named in zip(plain, names, strict=True)]
        every = np.hstack([np.where(codes < 0, np.nan, codes), table.numbers, *indicators])
        known = ~np.isnan(every)
        centre = np.where(known, every, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        deviations = np.where(known, every - centre, 0.0)
        spread = np.sqrt((deviations**2).sum(axis=0))
        standard = np.divide(deviations, spread, out=np.zeros_like(deviations), where=spread > 0)
        return np.asarray(standard[:, : len(labels)].T @ standard, dtype=np.float64)

    lost: NDArray[np.float64] = np.abs(correlations(made) - correlations(records)).sum(axis=1)
    return lost
