"""What a silo may say of a group of real patients: the small-cell rule, and what sums need beyond it.

A silo follows `reference_db.small_cells`: small groups are withheld, counts are moved and rounded, and five patients
are left out of every group that is described. Sums need one thing more. A patient who alone leaves at some month is
the difference between two months of one honest answer, and leaving five out hides nobody in a table of few events. So
each sum is moved as well, by about as much as two patients bring about.

Features are not summed at all, apart from their moments over everybody: the product of an outcome and twenty features
singles a patient out whose features are known, whatever is left out.

Everything is decided by a secret of the silo and the patients concerned: whoever asks again is told the same.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from reference_db.small_cells import HIDDEN_START, SMALL_CELL, CellKeys, rounded_counts
from selection.silos.messages import Floats, Integers, SiloError

DEVIATION = 2.0
"""Standard deviation by which a sum is moved, in patients, or in points of EDSS."""

_SHORTEST = 32


@dataclass(frozen=True)
class Described:
    """Whom a silo describes of a group, and how.

    Attributes
    ----------
    rows : ndarray of int
        Patients described.
    scale : float
        By what sums over them are multiplied, so that they are those of the number that is told.
    smallest : float
        Fewest patients behind a figure.
    clearly : float
        Fewest behind a figure by month, as it is told.
    generator : Generator or None
        From which deviations are drawn.
    """

    rows: Integers
    scale: float = 1.0
    smallest: float = 1.0
    clearly: float = 1.0
    generator: np.random.Generator | None = field(default=None, repr=False)

    @property
    def number(self) -> float:
        """How many patients the group is said to have."""
        return self.scale * len(self.rows)

    def deviations(self, *shape: int) -> Floats:
        """Draw by how much sums are moved."""
        return np.zeros(shape) if self.generator is None else self.generator.normal(0.0, DEVIATION, shape)


class Rule(Protocol):
    """How a silo answers."""

    def counts(self, rows: Integers, sizes: Integers) -> Floats:
        """Return how many patients there are among the first so many of some rows, as it may be told."""

    def described(self, rows: Integers, step: int) -> Described:
        """Return whom to describe of the patients within one of `RADII`."""


class Everything:
    """No protection at all: for simulated patients, to verify that sums add up."""

    def counts(self, rows: Integers, sizes: Integers) -> Floats:  # noqa: ARG002  # who they are does not matter
        """Return the sizes."""
        return sizes.astype(np.float64)

    def described(self, rows: Integers, step: int) -> Described:  # noqa: ARG002  # nor where
        """Return all."""
        return Described(rows)


class SmallCells:
    """The rule of this module.

    Parameters
    ----------
    secret : bytes
        Of the silo, 32 to 64 bytes. Another secret draws all deviations anew, and what is drawn many times can be
        averaged: it is to be kept as long as the patients are.
    patients : int
        Of the silo, in an order that stays the same.

    Raises
    ------
    SiloError
        The secret is shorter or longer.
    """

    def __init__(self, secret: bytes, patients: int) -> None:
        if not _SHORTEST <= len(secret) <= hashlib.blake2b.MAX_KEY_SIZE:
            raise SiloError(f"the secret of a silo has {_SHORTEST} to {hashlib.blake2b.MAX_KEY_SIZE} bytes")
        self._secret = secret
        self._cells = CellKeys.of(hashlib.blake2b(b"cells", key=secret).hexdigest(), patients)

    def counts(self, rows: Integers, sizes: Integers) -> Floats:
        """Return counts moved and rounded; 0 where they are withheld."""
        keys = np.append(np.uint64(0), np.cumsum(self._cells.of_rows[rows], dtype=np.uint64))
        return np.nan_to_num(rounded_counts(sizes, keys[sizes]), nan=0.0)

    def described(self, rows: Integers, step: int) -> Described:
        """Return all but five, or nobody where the count is withheld."""
        number = np.nan_to_num(self._cells.count(rows))
        # Radii between which nobody stands are answered differently: the same answer would say so.
        kept = rows[~self._cells.left_out(rows, wanted=step)] if number else rows[:0]
        if len(kept) < SMALL_CELL:
            return Described(rows[:0])
        drawn_from = hashlib.blake2b(f"{self._cells.key(rows)} {step}".encode(), key=self._secret, digest_size=16)
        return Described(
            kept,
            number / len(kept),
            SMALL_CELL,
            SMALL_CELL + HIDDEN_START,
            np.random.default_rng(int.from_bytes(drawn_from.digest())),
        )
