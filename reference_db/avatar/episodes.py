"""Episodes as avatars: each stratum (source x arm) on its own, with what the projection needs kept true.

The method mixes EDSS *changes* since baseline rather than EDSS, and the relapses of the earlier year rather than
those of two years: what belongs together then stays together. The synthetic course is put back together afterwards
and mended by the rules that the schema declares. What is missing is drawn from donors as well, within the schedule of
the stratum and up to the end of follow-up of one of them. Of a few avatars around each record one is taken, so that
the totals on which endpoints rest are those of the stratum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.avatar.calibration import Candidates, calibrated
from reference_db.avatar.columns import Columns, EncodedTable, read_columns
from reference_db.avatar.courses import LEVEL_OF, course_statistics, importance
from reference_db.avatar.method import EPISODES, Method
from reference_db.avatar.missing import Together
from reference_db.avatar.postprocess import mended
from reference_db.avatar.projection import check_weights
from reference_db.avatar.strata import check_sizes, stratum_rows
from reference_db.avatar.stratum import CANDIDATE_K, SMALLEST_STRATUM, Stratum, fewest_neighbours
from reference_db.constraints import Constraint, Schedule
from reference_db.errors import FieldProblem, InvalidInput
from reference_db.privacy.metrics import distance_metrics
from reference_db.privacy.targets import Verdict
from reference_db.schema import (
    EDSS_HISTORY,
    EDSS_MONTHS,
    EPISODE_CONSTRAINTS,
    MRI_MONTHS,
    OUTCOME_MONTHS,
    check_episodes,
    edss_column,
    gd_column,
    new_t2_column,
)
from reference_db.vocabulary import PriorTreatment, T2Load

Floats = NDArray[np.float64]

STRATA = ("source", "arm")
"""Records that are anonymised together: never mixed with others, so that arm sizes hold exactly."""

APART = ("phenotype",)
"""Columns whose values an avatar has from its original, where a stratum has enough of them."""

SMALLEST_PART = 75
"""Fewest patients of a phenotype who are mixed among themselves: smoothing margins of fewer presses their tails."""

DEFAULT_NCP = 5

LARGEST_UNSURE = 300
"""Episodes of a stratum up to which its metrics are looked at again after avatars were exchanged."""

CHOICES = 3200
"""Avatars of a stratum from which those that keep its totals are taken, `MOST_CANDIDATES` of each record at most."""

MOST_CANDIDATES = 16
"""Most avatars around each record."""

_EDSS = (*(edss_column(month) for month in EDSS_MONTHS[1:]), EDSS_HISTORY)
"""Columns that are mixed as changes from the baseline EDSS."""

_NUMERIC = tuple(dict.fromkeys(name for rule in EPISODE_CONSTRAINTS for name in rule.columns))
"""Columns that stay numbers although they may take only two values: those with rules."""


_ORDERED = {
    "prior_treatment": tuple(level.value for level in PriorTreatment),
    "t2_lesions": tuple(level.value for level in T2Load),
}
"""Categories whose levels have an order, in it."""


@dataclass(frozen=True, slots=True)
class AnonymisedEpisodes:
    """Synthetic episodes.

    Attributes
    ----------
    table : DataFrame
        As `schema.check_episodes` accepts it; rows in random order, so that their numbers say nothing.
    origin : ndarray of int, shape (rows,)
        Row of the original behind each avatar. It links avatars to patients: for the privacy assessment in memory,
        never written.
    parameters : dict
        What was chosen for each stratum, plain values.
    """

    table: pd.DataFrame
    origin: NDArray[np.intp] = field(repr=False)
    parameters: dict[str, dict[str, Any]]


def anonymise_episodes(
    episodes: pd.DataFrame,
    *,
    rng: np.random.Generator,
    k: int | None = None,
    ncp: int | None = None,
    weights: Mapping[str, float] | None = None,
    augmentation: int = 1,
    method: Method = EPISODES,
    progress: Callable[[float, str], None] | None = None,
) -> AnonymisedEpisodes:
    """Replace every episode by an avatar, stratum by stratum.

    Parameters
    ----------
    episodes : DataFrame
        Originals, as `schema.check_episodes` accepts them.
    rng : Generator
        The same state gives the same table.
    k : int, optional
        Neighbours. When not given, each stratum gets the first of `stratum.CANDIDATE_K` at which every distance
        metric exceeds its target.
    ncp : int, optional
        Factor axes in which neighbours are sought; `DEFAULT_NCP` when not given.
    weights : mapping of str to float, optional
        Weights of the columns in the search for neighbours (1 where absent).
    augmentation : int
        Avatars per original. Over 1, analyses must count originals, not avatars.
    method : Method
    progress : callable, optional
        Called with the share done and the stratum.

    Returns
    -------
    AnonymisedEpisodes

    Raises
    ------
    InvalidInput
        If a parameter is out of its range.
    InvalidTable
        If a stratum has too few episodes to hide anyone, each named.
    """
    episodes = episodes.reset_index(drop=True)
    chosen_ncp = DEFAULT_NCP if ncp is None else ncp
    strata = list(stratum_rows(episodes, STRATA))
    _check(k=k, ncp=chosen_ncp, augmentation=augmentation)
    check_sizes(strata, max(SMALLEST_STRATUM, (k or 0) + 1))
    columns = read_columns(episodes, numeric=_NUMERIC, ordered=_ORDERED)
    check_weights(columns, weights)
    encoded = columns.encode(episodes)
    constraints = episode_constraints(episodes)
    extremes = _extremes(encoded.numbers)
    made: list[EncodedTable] = []
    origins: list[NDArray[np.intp]] = []
    parameters: dict[str, dict[str, Any]] = {}
    done = 0

    def candidates(rows: NDArray[np.intp], *, over: int = 0) -> _Part:
        around = np.tile(np.arange(len(rows)), augmentation)
        found, used = _candidates(
            encoded.rows(rows),
            columns,
            around,
            k=k,
            over=over,
            ncp=chosen_ncp,
            weights=weights,
            constraints=constraints,
            extremes=extremes,
            method=method,
            rng=rng,
        )
        return _Part(rows, rows[around], found, used)

    sources: dict[str, dict[str, list[_Part]]] = {}
    for name, rows in strata:
        parts = _parts(episodes["phenotype"].to_numpy()[rows], least=max(SMALLEST_PART, (k or 0) + 1))
        of_source = sources.setdefault(str(episodes["source"].iloc[rows[0]]), {})
        of_source[name] = [candidates(rows[part]) for part in parts]
        done += len(rows)
        if progress is not None:
            progress(done / len(episodes), f"avatars of {name}")
    for arms in sources.values():
        taken = _calibrated(arms, rng)
        while k is None and (weak := [arm for arm in arms if _is_exposed(arms[arm], taken[arm], encoded, columns)]):
            for arm in weak:
                arms[arm] = [candidates(part.rows, over=part.k) for part in arms[arm]]
            taken = _calibrated(arms, rng)
        for arm, of_arm in arms.items():
            used = max(part.k for part in of_arm)
            parameters[arm] = {"episodes": sum(len(part.rows) for part in of_arm), "k": used, "ncp": chosen_ncp}
            made += taken[arm]
            origins += [part.origin for part in of_arm]
    table = columns.decode(
        EncodedTable(np.vstack([part.numbers for part in made]), np.vstack([part.codes for part in made]))
    )
    order = rng.permutation(len(table))
    shuffled = table.iloc[order].reset_index(drop=True)
    return AnonymisedEpisodes(check_episodes(shuffled), np.concatenate(origins)[order], parameters)


@dataclass(frozen=True, slots=True)
class _Part:
    """One phenotype of a stratum.

    Attributes
    ----------
    rows, origin : ndarray of int
        Rows of the originals, and of the original of each avatar.
    candidates : Candidates
    k : int
        Neighbours.
    """

    rows: NDArray[np.intp]
    origin: NDArray[np.intp]
    candidates: Candidates
    k: int


def _calibrated(strata: Mapping[str, Sequence[_Part]], rng: np.random.Generator) -> dict[str, list[EncodedTable]]:
    """Return the avatars of the parts of each stratum of a source."""
    found = [part.candidates for parts in strata.values() for part in parts]
    taken = iter(calibrated(found, importance(found[0].originals.shape[1]), rng, level_of=LEVEL_OF))
    return {name: [next(taken) for _ in parts] for name, parts in strata.items()}


def _is_exposed(
    parts: Sequence[_Part], made: Sequence[EncodedTable], originals: EncodedTable, columns: Columns
) -> bool:
    """Tell whether a small stratum misses a target of distance that it met before avatars were exchanged.

    In large ones exchanges move no metric by what it may miss; where nothing but more neighbours than there are
    records would help, the gate will say what is missed.
    """
    rows = np.concatenate([part.rows for part in parts])
    if len(rows) > LARGEST_UNSURE or all(part.k >= min(CANDIDATE_K[-1], len(part.rows) - 1) for part in parts):
        return False
    avatars = EncodedTable(np.vstack([part.numbers for part in made]), np.vstack([part.codes for part in made]))
    position = np.argsort(rows)[np.searchsorted(np.sort(rows), np.concatenate([part.origin for part in parts]))]
    metrics = distance_metrics(columns, originals.rows(rows), avatars, position, apart=APART)
    return any(metric.verdict is Verdict.FAILED for metric in metrics)


def _parts(phenotypes: NDArray[Any], *, least: int) -> list[NDArray[np.intp]]:
    """Return the rows of each phenotype of a stratum that has enough to be mixed among themselves.

    Courses of different phenotypes are never alike. Phenotypes of few join the most frequent one.
    """
    names, codes, counts = np.unique(phenotypes.astype(str), return_inverse=True, return_counts=True)
    largest = int(counts.argmax())
    apart = [code for code in range(len(names)) if code != largest and counts[code] >= least]
    return [*(np.flatnonzero(codes == code) for code in apart), np.flatnonzero(~np.isin(codes, apart))]


def _candidates(
    originals: EncodedTable,
    columns: Columns,
    around: NDArray[np.intp],
    *,
    k: int | None,
    over: int,
    ncp: int,
    weights: Mapping[str, float] | None,
    constraints: Sequence[Constraint],
    extremes: tuple[Floats, Floats],
    method: Method,
    rng: np.random.Generator,
) -> tuple[Candidates, int]:
    """Make candidates of a stratum with the neighbours asked for, or with the fewest over some that protect it."""
    halves = {edss_column(0), *_EDSS}
    steps = tuple(0.5 if column.name in halves else column.step for column in columns.numeric)
    mixable = EncodedTable(to_changes(originals.numbers, columns), originals.codes)
    place = {column.name: position for position, column in enumerate(columns.numeric)}
    course = tuple(place[edss_column(month)] for month in EDSS_MONTHS[1:])
    follow_up = place["follow_up_months"]
    stratum = Stratum.of(
        mixable,
        columns,
        ncp=ncp,
        weights=weights,
        steps=steps,
        series=course,
        groups=_known_together(columns),
        end=follow_up,
    )

    several = replace(method, candidates=_number_of_candidates(len(around), method))
    last: list[EncodedTable] = []

    def make(neighbours: int) -> EncodedTable:
        found = stratum.avatars(around, k=neighbours, method=several, rng=rng)
        last[:] = [as_episodes(mixed, main) for mixed, main in found]
        return last[0]

    def as_episodes(mixed: EncodedTable, main: NDArray[np.intp]) -> EncodedTable:
        # A baseline and a change from two donors can add up to what no patient has.
        numbers = np.clip(from_changes(mixed.numbers, columns), *extremes)
        numbers[:, follow_up] = originals.numbers[main, follow_up]
        return mended(EncodedTable(numbers, mixed.codes), columns, constraints, rng)

    if k is not None:
        make(k)
    else:
        _, k, _ = fewest_neighbours(make, originals, columns, around, method=method, over=over)
    statistics = [course_statistics(table, columns) for table in (originals, *last)]
    return Candidates(tuple(last), statistics[0], np.stack(statistics[1:])), k


def _number_of_candidates(avatars: int, method: Method) -> int:
    """Return how many avatars are made around each record: more in small strata, where there are few to exchange."""
    if method.candidates == 1:
        return 1
    return max(method.candidates, min(MOST_CANDIDATES, -(-CHOICES // avatars)))


def _extremes(numbers: Floats) -> tuple[Floats, Floats]:
    """Return the lowest and the highest value of each column over all strata; infinite where nothing is known.

    Those of a stratum would tell of few patients.
    """
    known = ~np.isnan(numbers)
    low = np.where(known, numbers, np.inf).min(axis=0)
    high = np.where(known, numbers, -np.inf).max(axis=0)
    none = ~known.any(axis=0)
    return np.where(none, -np.inf, low), np.where(none, np.inf, high)


def _known_together(columns: Columns) -> tuple[Together, ...]:
    """Return the cells of one scan, of one interval, of one visit: known together or not at all."""
    names = [*(column.name for column in columns.numeric), *(column.name for column in columns.categorical)]
    place = {name: position for position, name in enumerate(names)}
    scans = [Together((place[gd_column(month)], place[new_t2_column(month)]), month) for month in MRI_MONTHS]
    single = set(OUTCOME_MONTHS) - {name(month) for name in (gd_column, new_t2_column) for month in MRI_MONTHS}
    others = [name for name in place if name not in OUTCOME_MONTHS and name not in ("gd_lesions", "t2_lesions")]
    return (
        *scans,
        *(Together((place[name],), OUTCOME_MONTHS[name]) for name in OUTCOME_MONTHS if name in single),
        Together((place["gd_lesions"], place["t2_lesions"])),
        *(Together((place[name],)) for name in others),
    )


def to_changes(numbers: Floats, columns: Columns) -> Floats:
    """Return the numbers of episodes with EDSS as change since baseline, and relapses of the earlier year only."""
    place = {column.name: position for position, column in enumerate(columns.numeric)}
    changed = numbers.copy()
    changed[:, [place[name] for name in _EDSS]] -= numbers[:, [place[edss_column(0)]]]
    changed[:, place["relapses_24m"]] -= np.nan_to_num(numbers[:, place["relapses_12m"]])
    return changed


def from_changes(mixed: Floats, columns: Columns) -> Floats:
    """Undo `to_changes`; the rules of episodes are not obeyed yet."""
    place = {column.name: position for position, column in enumerate(columns.numeric)}
    numbers = mixed.copy()
    numbers[:, [place[name] for name in _EDSS]] += numbers[:, [place[edss_column(0)]]]
    numbers[:, place["relapses_24m"]] += np.nan_to_num(numbers[:, place["relapses_12m"]])
    return numbers


def episode_constraints(episodes: pd.DataFrame) -> tuple[Constraint, ...]:
    """Return the rules of episodes, with the schedules of these."""
    return (*EPISODE_CONSTRAINTS, Schedule.of(episodes, by=STRATA, columns=list(OUTCOME_MONTHS)))


def _check(*, k: int | None, ncp: int, augmentation: int) -> None:
    problems = []
    if k is not None and k < 1:
        problems.append(FieldProblem("k", f"{k} neighbours cannot be mixed", "2 or more"))
    if ncp < 1:
        problems.append(FieldProblem("ncp", f"{ncp} axes hold no neighbours", "1 or more"))
    if augmentation < 1:
        problems.append(FieldProblem("augmentation", f"{augmentation} avatars per original", "1 or more"))
    if problems:
        raise InvalidInput(problems)
