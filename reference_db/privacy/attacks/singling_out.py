"""Singling out: a condition read off the synthetic table that exactly one patient meets.

Giomi et al., PoPETs 2023, section 4.1: univariate conditions are the extremes and the unique values of single
columns; multivariate ones combine several columns of one synthetic record. Conditions that match several synthetic
records are not used.

Without held-out records, the control of univariate conditions asks for the smoothed quantiles of each column, as
somebody would who knows how a column is distributed, and its scale, and nobody's value. Other originals would not do:
where the values of a column are spread evenly, as ages of a quota sample are, one person's value tells that nobody
else has it, and the control would find less than chance does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.columns import MAX_DECIMALS, Columns, EncodedTable
from reference_db.avatar.quantiles import smoothed_quantiles
from reference_db.privacy.attacks.result import Attack, judged
from reference_db.privacy.attacks.scene import Scene, varied_columns
from reference_db.privacy.targets import ATTACK_TARGETS

Floats = NDArray[np.float64]

MOST_CONDITIONS = 1000
COLUMNS_PER_CONDITION: tuple[int, ...] = (4, 8, 12)
"""Tried in turn until there are enough conditions."""

_DISTRIBUTIONS = 4
"""Tables of smoothed quantiles from which the control of single columns asks."""

_MISSING = -1e300
_FEW_VALUES, _REPEATED = 30, 4
"""A column takes few values when there are no more, and as many records to each: of 30 records hardly two share an
age."""

_TRIES = 2000
_ENOUGH = 200

_AT_MOST, _AT_LEAST, _EQUAL = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Conditions:
    """Conditions on columns, all of which must hold.

    Attributes
    ----------
    columns, comparisons : ndarray of int, shape (conditions, terms)
        Numeric columns first; at most, at least or equal.
    values : ndarray of float, shape (conditions, terms)
        For categorical columns, the code.
    """

    columns: NDArray[np.intp]
    comparisons: NDArray[np.intp]
    values: Floats

    def __len__(self) -> int:
        return len(self.columns)

    def some(self, rows: NDArray[np.intp]) -> Conditions:
        """Return some of the conditions."""
        return Conditions(self.columns[rows], self.comparisons[rows], self.values[rows])

    def matches(self, table: EncodedTable) -> NDArray[np.intp]:
        """Count the records that meet each condition.

        Of the terms of a condition the one that fewest records meet is asked first, and each further one only of
        those that met the ones before: comparing all records with all terms takes a hundred times as long.
        """
        # Being missing can be asked for as well: missing cells compare as a number that no cell has.
        cells = np.ascontiguousarray(np.nan_to_num(_values(table), nan=_MISSING).T)
        wanted = np.nan_to_num(self.values, nan=_MISSING)
        begin, end = np.empty(wanted.shape, dtype=np.intp), np.empty(wanted.shape, dtype=np.intp)
        orders = {}
        for column in np.unique(self.columns).tolist():
            asked = self.columns == column
            orders[column] = np.argsort(cells[column], kind="stable")
            begin[asked], end[asked] = _meeting(cells[column, orders[column]], self.comparisons[asked], wanted[asked])
        counts = np.empty(len(self), dtype=np.intp)
        for condition, terms in enumerate(np.argsort(end - begin, axis=1)):
            first, *others = terms.tolist()
            order = orders[int(self.columns[condition, first])]
            met = order[begin[condition, first] : end[condition, first]]
            for term in others:
                comparison, value = int(self.comparisons[condition, term]), float(wanted[condition, term])
                met = met[_holds(cells[self.columns[condition, term], met], comparison, value)]
            counts[condition] = len(met)
        return counts


def _meeting(
    ascending: Floats, comparisons: NDArray[np.intp], values: Floats
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where the cells that meet each term begin and end in a column in ascending order."""
    begin = np.searchsorted(ascending, values, side="left")
    end = np.searchsorted(ascending, values, side="right")
    known = np.searchsorted(ascending, _MISSING, side="right")
    begin = np.where(comparisons == _AT_MOST, known, begin)
    return begin, np.where(comparisons == _AT_LEAST, len(ascending), np.maximum(end, begin))


def _holds(cells: Floats, comparison: int, value: float) -> NDArray[np.bool_]:
    if comparison == _EQUAL:
        return np.asarray(cells == value)
    if comparison == _AT_LEAST:
        return np.asarray(cells >= value)
    return np.asarray((cells <= value) & (cells > _MISSING))


def univariate(scene: Scene, rng: np.random.Generator) -> Attack:
    """Attack with the extremes and unique values of single columns."""
    controls = [(scene.asking, scene.others)]
    if not scene.held_out:
        drawn = (_distributions_of(scene.control_source, scene.columns, rng) for _ in range(_DISTRIBUTIONS))
        controls = [(asking, scene.members) for asking in drawn]
    return _attack(scene, "singling_out_univariate", _single_column_conditions, controls, rng)


def multivariate(scene: Scene, rng: np.random.Generator) -> Attack:
    """Attack with combinations of columns of single synthetic records."""
    controls = [(scene.asking, scene.others)]
    if not scene.held_out:
        # Either half of the originals asks the other.
        controls.append((scene.others, scene.asking))
    return _attack(scene, "singling_out_multivariate", record_conditions, controls, rng)


def _attack(
    scene: Scene,
    name: str,
    conditions_of: Callable[[EncodedTable, np.random.Generator], Conditions],
    controls: Sequence[tuple[EncodedTable, EncodedTable]],
    rng: np.random.Generator,
) -> Attack:
    """Ask the members what the avatars give, and as a control some people what other records give: asking, asked."""
    if not all(len(varied_columns(table)) for table in (scene.avatars, *(asking for asking, _ in controls))):
        # Where all records are alike there is nothing to ask for.
        nothing = np.zeros(0, dtype=bool)
        return judged(ATTACK_TARGETS[name], success=nothing, control=nothing, baseline=nothing)
    main = conditions_of(scene.avatars, rng)
    guesses = _guesses(scene.avatars, max(len(main), 1), main.columns.shape[1], rng)
    questions = [conditions_of(asking, rng) for asking, _ in controls]
    hits = [asked.matches(who) == 1 for asked, (_, who) in zip(questions, controls, strict=True)]
    return judged(
        ATTACK_TARGETS[name],
        success=main.matches(scene.members) == 1,
        control=of_the_same_kind(main, questions, np.concatenate(hits), rng),
        baseline=guesses.matches(scene.members) == 1,
        looks=scene.looks,
    )


def of_the_same_kind(
    main: Conditions, control: Sequence[Conditions], hits: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return for each condition on one column whether a random one of the control on the same column hits.

    Columns differ in how often one of their values is met once, and the control has other columns with unique values
    than the avatars have. Where it asks nothing of a column, any question of it serves. Conditions on several columns
    are drawn alike on both sides, and stay as they are.

    Parameters
    ----------
    main : Conditions
        Of the attack.
    control : sequence of Conditions
    hits : ndarray of bool, shape (conditions of the control,)
        In their order.
    rng : Generator

    Returns
    -------
    ndarray of bool, shape (conditions of the attack,)
        Or `hits`, of conditions on several columns.
    """
    if not len(main) or not len(hits) or main.columns.shape[1] > 1:
        return hits
    wanted = 3 * main.columns[:, 0] + main.comparisons[:, 0]
    kinds = np.concatenate([3 * part.columns[:, 0] + part.comparisons[:, 0] for part in control])
    order = np.argsort(kinds, kind="stable")
    begin, end = (np.searchsorted(kinds[order], wanted, side=side) for side in ("left", "right"))
    begin, end = np.where(begin == end, 0, begin), np.where(begin == end, len(order), end)
    return np.asarray(hits[order[rng.integers(begin, end)]])


def _distributions_of(table: EncodedTable, columns: Columns, rng: np.random.Generator) -> EncodedTable:
    """Return as many records, each column on its own, its values the smoothed quantiles."""
    numbers = np.full(table.numbers.shape, np.nan)
    for position, column in enumerate(columns.numeric):
        known = np.flatnonzero(~np.isnan(table.numbers[:, position]))
        if len(known):
            levels = (np.arange(len(known)) + rng.random()) / len(known)
            drawn = rng.permutation(smoothed_quantiles(table.numbers[known, position], levels))
            scale = np.unique(table.numbers[known, position])
            if len(scale) <= _FEW_VALUES:
                drawn = scale[np.searchsorted((scale[1:] + scale[:-1]) / 2, drawn)]
            elif column.step is not None:
                drawn = np.floor(drawn / column.step + rng.random(len(drawn))) * column.step
            numbers[known, position] = drawn
    return EncodedTable(np.round(numbers, MAX_DECIMALS), rng.permuted(table.codes, axis=0))


def _values(table: EncodedTable) -> Floats:
    return np.hstack([table.numbers, np.where(table.codes < 0, np.nan, table.codes)])


def _singling(conditions: Conditions, table: EncodedTable) -> Conditions:
    """Those conditions that exactly one record of the attacker's table meets, and no more than needed.

    No more than there are records either: further questions about the same few are no further evidence, and the
    interval would be too narrow.
    """
    most = min(MOST_CONDITIONS, len(table))
    return conditions.some(np.flatnonzero(conditions.matches(table) == 1)[:most])


def _single_column_conditions(table: EncodedTable, rng: np.random.Generator) -> Conditions:
    values = _values(table)
    numeric = table.numbers.shape[1]
    found: list[tuple[int, int, float]] = []
    for column in varied_columns(table):
        known = values[~np.isnan(values[:, column]), column]
        distinct, counts = np.unique(known, return_counts=True)
        found += [(column, _EQUAL, value) for value in distinct[counts == 1]]
        if column < numeric:
            found += [(column, _AT_MOST, distinct[0]), (column, _AT_LEAST, distinct[-1])]
    if not found:
        return Conditions(np.empty((0, 1), np.intp), np.empty((0, 1), np.intp), np.empty((0, 1)))
    # As many of each column as of any other would favour columns of few values; a draw over all is what is tried.
    chosen = rng.permutation(len(found))[: 2 * _TRIES]
    columns, comparisons, against = (np.array(part)[chosen] for part in zip(*found, strict=True))
    return _singling(Conditions(columns[:, None], comparisons[:, None], against[:, None].astype(np.float64)), table)


def record_conditions(table: EncodedTable, rng: np.random.Generator) -> Conditions:
    """Return conditions on 4 to 12 columns, each read off one record of a table and met by no other of it.

    Parameters
    ----------
    table : EncodedTable
        At least one column varies.
    rng : Generator

    Returns
    -------
    Conditions
        At most `MOST_CONDITIONS`, and no more than there are records.
    """
    values = _values(table)
    varied = varied_columns(table)
    medians = np.array([np.median(v[~np.isnan(v)]) if (~np.isnan(v)).any() else 0.0 for v in values.T])
    # What takes few values is asked for as it is, what takes many by the side of the median it is on.
    few = min(_FEW_VALUES, len(table) / _REPEATED)
    coarse = np.array([len(np.unique(v[~np.isnan(v)])) <= few for v in values.T])
    coarse[table.numbers.shape[1] :] = True
    conditions = Conditions(np.empty((0, 1), np.intp), np.empty((0, 1), np.intp), np.empty((0, 1)))
    # Four columns single out where columns have many values; tables of yes and no need more of them.
    for wanted in COLUMNS_PER_CONDITION:
        terms = min(wanted, len(varied))
        rows = rng.integers(0, len(table), size=_TRIES)
        columns = varied[np.argsort(rng.random((_TRIES, len(varied))), axis=1)[:, :terms]]
        against = values[rows[:, None], columns]
        side = np.where(against > medians[columns], _AT_LEAST, _AT_MOST)
        comparisons = np.where(coarse[columns] | np.isnan(against), _EQUAL, side)
        conditions = _singling(_distinct(Conditions(columns, comparisons, against)), table)
        if len(conditions) >= min(_ENOUGH, len(table)) or terms < wanted:
            break
    return conditions


def _distinct(conditions: Conditions) -> Conditions:
    """Leave out what was drawn before: asking again is no further attempt."""
    asked = np.hstack([conditions.columns, conditions.comparisons, np.nan_to_num(conditions.values, nan=_MISSING)])
    _, first = np.unique(asked, axis=0, return_index=True)
    return conditions.some(np.sort(first))


def _guesses(table: EncodedTable, count: int, terms: int, rng: np.random.Generator) -> Conditions:
    """Conditions from random columns, comparisons and values in the columns' ranges."""
    values = _values(table)
    varied = varied_columns(table)
    numeric = table.numbers.shape[1]
    columns = varied[rng.integers(0, len(varied), size=(count, terms))]
    low, high = np.nanmin(values[:, varied], axis=0), np.nanmax(values[:, varied], axis=0)
    place = np.searchsorted(varied, columns)
    drawn = low[place] + rng.random(columns.shape) * (high[place] - low[place])
    comparisons = np.where(columns >= numeric, _EQUAL, rng.integers(0, 2, size=columns.shape))
    return Conditions(columns, comparisons, np.where(columns >= numeric, np.round(drawn), drawn))
