"""The hub: agrees on a standard, chooses radii, and adds up what silos answer. It never sees a patient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from selection.criteria import LARGEST_DISTANCE
from selection.features import COLUMN_FEATURE, NUMERIC
from selection.silos.messages import FeatureMoments, Floats, GroupSums, Question, Standard
from selection.silos.silo import Silo

RADII: Floats = np.round(np.arange(1, 201) * LARGEST_DISTANCE / 200.0, 6)
"""Radii at which silos count; single distances stay with them."""


class Hub:
    """Asks silos in rounds.

    Parameters
    ----------
    silos : sequence of Silo

    Attributes
    ----------
    standard : Standard
        How features are standardised, from the moments of all silos.
    """

    def __init__(self, silos: Sequence[Silo]) -> None:
        self.silos = tuple(silos)
        self.standard = agreed([silo.moments() for silo in self.silos])
        for silo in self.silos:
            silo.adopt(self.standard)

    def radius(self, question: Question, k: int) -> Floats:
        """Return per class the smallest radius within which silos count k patients; the largest where fewer."""
        within = np.sum([silo.counts(question, RADII) for silo in self.silos], axis=0)
        enough = within >= k
        first = np.where(enough.any(axis=1), enough.argmax(axis=1), len(RADII) - 1)
        return np.asarray(RADII[first], dtype=np.float64)

    def sums(self, question: Question, radius: Floats) -> GroupSums:
        """Return the sums over all silos of the patients within the radius of each class."""
        known = [silo.known_sums(question, radius) for silo in self.silos]
        count = np.sum([part[0] for part in known], axis=0)
        total = np.sum([part[1] for part in known], axis=0)
        unknown = total / np.maximum(count, 1.0)
        return GroupSums.added([silo.sums(question, radius, unknown) for silo in self.silos])


def agreed(parts: Sequence[FeatureMoments]) -> Standard:
    """Return the standard of all silos, as `selection.features.Scaling` learns it from pooled patients."""
    count = np.maximum(np.sum([part.count for part in parts], axis=0), 1.0)
    mean = np.sum([part.total for part in parts], axis=0) / count
    variance = np.maximum(np.sum([part.square for part in parts], axis=0) / count - mean**2, 0.0)
    per_feature = np.bincount(COLUMN_FEATURE, weights=variance)[COLUMN_FEATURE]
    spread = np.sqrt(np.where(NUMERIC, variance, per_feature))
    spread = np.where(spread > 0, spread, 1.0)
    return Standard(mean, spread, np.where(NUMERIC, 1.0, variance / spread**2))
