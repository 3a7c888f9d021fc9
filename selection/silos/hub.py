"""The hub: agrees on a standard, chooses radii, and adds up what silos answer. It sees totals, never a patient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from selection.features import COLUMN_FEATURE, NUMERIC
from selection.silos.masking import total
from selection.silos.messages import (
    RADII,
    FeatureMoments,
    FeatureSums,
    Floats,
    OutcomeSums,
    Question,
    Standard,
    filled,
)
from selection.silos.silo import Silo


class Hub:
    """Asks silos in rounds.

    Parameters
    ----------
    silos : sequence of Silo

    Attributes
    ----------
    standard : Standard
        How features are standardised, from the moments of all silos.
    exact : bool
        Whether all silos tell everything, sums of features too.

    Raises
    ------
    SiloError
        Silos do not answer together: they are too few, or joined others, or do not add up.
    """

    def __init__(self, silos: Sequence[Silo]) -> None:
        self.silos = tuple(silos)
        self.exact = all(silo.exact for silo in self.silos)
        roster = [silo.public for silo in self.silos]
        for silo in self.silos:
            silo.join(roster)
        self.standard = agreed(FeatureMoments(*np.split(total([silo.moments() for silo in self.silos]), 3)))
        for silo in self.silos:
            silo.adopt(self.standard)

    def radius(self, question: Question, k: int) -> Floats:
        """Return per class the smallest radius within which silos count k patients; the largest where fewer."""
        within = total([silo.counts(question) for silo in self.silos]).reshape(-1, len(RADII))
        enough = within >= k
        first = np.where(enough.any(axis=1), enough.argmax(axis=1), len(RADII) - 1)
        return np.asarray(RADII[first], dtype=np.float64)

    def outcomes(self, question: Question, radius: Floats) -> OutcomeSums:
        """Return what became of the patients within the radius of each class, over all silos."""
        return filled(self.silos[0].nobody, total([silo.outcomes(question, radius) for silo in self.silos]))

    def features(self, question: Question, radius: Floats) -> FeatureSums:
        """Return the sums of features of the patients within the radius of each class, over all silos.

        Raises
        ------
        SiloError
            A silo is not exact.
        """
        nothing = self.silos[0].no_features
        known = total([silo.known_sums(question, radius) for silo in self.silos])
        count, added = known.reshape(2, *nothing.first.shape)
        unknown = added / np.maximum(count, 1.0)
        return filled(nothing, total([silo.features(question, radius, unknown) for silo in self.silos]))


def agreed(moments: FeatureMoments) -> Standard:
    """Return the standard of all silos, as `selection.features.Scaling` learns it from pooled patients."""
    count = np.maximum(moments.count, 1.0)
    mean = moments.total / count
    variance = np.maximum(moments.square / count - mean**2, 0.0)
    per_feature = np.bincount(COLUMN_FEATURE, weights=variance)[COLUMN_FEATURE]
    spread = np.sqrt(np.where(NUMERIC, variance, per_feature))
    spread = np.where(spread > 0, spread, 1.0)
    return Standard(mean, spread, np.where(NUMERIC, 1.0, variance / spread**2))
