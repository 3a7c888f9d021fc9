"""Who attacks whom with what: targets, control, and the tables as distances can be taken in.

With held-out records the control is the same attack on them. Without, it is the same attack on the same targets with
all *other original* records in the place of the avatars: what real people who are not the target tell about the
target is knowledge about the population. They are as many as the avatars, or the larger table would come nearer by
chance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.columns import Columns, EncodedTable

Floats = NDArray[np.float64]
Success = NDArray[np.bool_]
Own = NDArray[np.intp] | None

MOST_TARGETS = 2000
"""Patients attacked, drawn at random from larger tables: an interval of two percentage points either side."""


Attempt = Callable[[EncodedTable, EncodedTable, Own], Success]
"""An attack of a table on targets; of each target, the row of the table that may not be used."""


@dataclass(frozen=True, slots=True)
class Scene:
    """The setting of every attack on one table.

    Attributes
    ----------
    columns : Columns
    avatars, targets : EncodedTable
        The attacker's table; patients behind it, of whom the attacker knows some columns.
    control_source, control_targets : EncodedTable
        The same for the control.
    own : ndarray of int, shape (control targets,), or None
        Row of the control's source that each control target itself is, and that the control may not use; None when
        the control targets are held-out records.
    members, others : EncodedTable
        Everybody behind the table, and every held-out record, each in random order. Without held-out records, others
        are half of the members.
    asking : EncodedTable
        Records from which the control of singling out takes its questions about the others: as many for each of them
        as there are avatars for each member, since being the only one depends on how many there are.
    looks : int
        In how many strata the same attack is looked at. Intervals are so wide that all of them hold together.
    """

    columns: Columns
    avatars: EncodedTable
    targets: EncodedTable
    control_source: EncodedTable
    control_targets: EncodedTable
    own: NDArray[np.intp] | None
    members: EncodedTable
    others: EncodedTable
    asking: EncodedTable
    looks: int = 1

    @classmethod
    def of(
        cls,
        columns: Columns,
        originals: EncodedTable,
        avatars: EncodedTable,
        holdout: EncodedTable | None,
        rng: np.random.Generator,
        *,
        looks: int = 1,
    ) -> Scene:
        """Draw targets and control."""
        order = rng.permutation(len(originals))
        members = originals.rows(order)
        if holdout is not None:
            others = holdout.rows(rng.permutation(len(holdout))[: len(originals)])
            drawn = np.arange(min(MOST_TARGETS, len(members), len(others)))
            targets, control_targets = members.rows(drawn), others.rows(drawn)
            control_source, asking, own = avatars, avatars, None
        else:
            half = len(originals) // 2
            others, asking = members.rows(np.arange(half)), members.rows(np.arange(half, len(members)))
            own = order[:MOST_TARGETS]
            targets = control_targets = originals.rows(own)
            control_source = originals
            # More avatars than people come nearer by their number alone.
            avatars = avatars.rows(np.sort(rng.permutation(len(avatars))[: len(originals)]))
        asked = round(len(others) * len(avatars) / max(len(originals), 1))
        return cls(
            columns,
            avatars,
            targets,
            control_source,
            control_targets,
            own,
            members,
            others,
            asking.rows(rng.permutation(len(asking))[:asked]),
            looks=looks,
        )

    @property
    def held_out(self) -> bool:
        """Whether the control targets are held-out records."""
        return self.own is None

    def attack(self, attempt: Attempt) -> tuple[Success, Success]:
        """Run an attack (of a table on targets) and its control."""
        return (
            attempt(self.avatars, self.targets, None),
            attempt(self.control_source, self.control_targets, self.own),
        )


@dataclass(frozen=True, slots=True)
class Features:
    """Columns as coordinates in which any set of columns gives a distance.

    A categorical mismatch counts 1 in the squared distance; numbers are standardised so that two random records
    differ by 1 on average; a number that only one of two records has counts 1.

    Attributes
    ----------
    means, deviations : ndarray, shape (numeric columns,)
    level_counts : tuple of int
    blocks : tuple of slice
        Coordinates of each column, numeric columns first.
    names : tuple of str
    """

    means: Floats
    deviations: Floats
    level_counts: tuple[int, ...]
    blocks: tuple[slice, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, columns: Columns, reference: EncodedTable) -> Features:
        """Learn means and spreads from a table."""
        known = ~np.isnan(reference.numbers)
        count = np.maximum(known.sum(axis=0), 1)
        values = np.where(known, reference.numbers, 0.0)
        means = values.sum(axis=0) / count
        deviations = np.sqrt((np.where(known, reference.numbers - means, 0.0) ** 2).sum(axis=0) / count)
        # The mean of equal numbers is not always that number.
        deviations = np.where(deviations > 1e-12 * np.maximum(np.abs(means), 1.0), deviations, np.inf)
        level_counts = tuple(len(column.levels) for column in columns.categorical)
        widths = [2] * len(columns.numeric) + list(level_counts)
        ends = np.cumsum([0, *widths])
        blocks = tuple(slice(int(start), int(end)) for start, end in pairwise(ends))
        names = (*(str(c.name) for c in columns.numeric), *(str(c.name) for c in columns.categorical))
        return cls(means, deviations, level_counts, blocks, names)

    def of_table(self, table: EncodedTable) -> NDArray[np.float32]:
        """Return the coordinates of every record on every column."""
        missing = np.isnan(table.numbers)
        scaled = np.where(missing, 0.0, (table.numbers - self.means) / self.deviations) / np.sqrt(2)
        numbers = np.stack([scaled, missing.astype(np.float64)], axis=2).reshape(len(table), -1)
        levels = [
            (table.codes[:, position, None] == np.arange(count)) / np.sqrt(2)
            for position, count in enumerate(self.level_counts)
        ]
        return np.ascontiguousarray(np.hstack([numbers, *levels]), dtype=np.float32)

    def selected(self, coordinates: NDArray[np.float32], chosen: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the coordinates of some columns only."""
        return np.ascontiguousarray(np.hstack([coordinates[:, self.blocks[column]] for column in chosen]))


def varied_columns(table: EncodedTable) -> NDArray[np.intp]:
    """Return the columns that tell records apart, numeric ones first."""
    numbers = [
        position
        for position in range(table.numbers.shape[1])
        if len(np.unique(table.numbers[~np.isnan(table.numbers[:, position]), position])) > 1
    ]
    offset = table.numbers.shape[1]
    levels = [offset + p for p in range(table.codes.shape[1]) if len(np.unique(table.codes[:, p])) > 1]
    return np.array(numbers + levels, dtype=np.intp)
