"""Avatars put right by the declared rules of their table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reference_db.avatar.columns import Columns, EncodedTable
from reference_db.constraints import Cells, Constraint, mend


def mended(
    encoded: EncodedTable, columns: Columns, constraints: Sequence[Constraint], rng: np.random.Generator
) -> EncodedTable:
    """Return records that obey every rule.

    Parameters
    ----------
    encoded : EncodedTable
        Numbers on their scales and labels as codes.
    columns : Columns
    constraints : sequence of Constraint
        About columns of the table; categorical columns are text to them.
    rng : Generator
    """
    if not constraints:
        return encoded
    wanted = {name for constraint in constraints for name in constraint.columns}
    cells: Cells = {
        column.name: encoded.numbers[:, position]
        for position, column in enumerate(columns.numeric)
        if column.name in wanted
    }
    for position, labels in enumerate(columns.categorical):
        if labels.name in wanted:
            names = np.array([*map(str, labels.levels), "nan"], dtype=object)
            cells[labels.name] = names[encoded.codes[:, position]]
    put_right = mend(cells, constraints, rng)
    numbers = encoded.numbers.copy()
    for position, column in enumerate(columns.numeric):
        if column.name in wanted:
            numbers[:, position] = put_right[column.name]
    return EncodedTable(numbers, encoded.codes)
