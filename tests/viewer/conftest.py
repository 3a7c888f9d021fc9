"""Projections to draw: plausible values, made here, so that figures are tested without a database."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from projection.result import ClassProjection, Curve, EdssCourse, Estimate, Projection
from reference_db.vocabulary import Treatment

MONTHS = np.array([0.0, 3, 6, 9, 12, 15, 18, 21, 24, 30, 36])
OUTCOMES = (
    "worsening_24w",
    "worsening_12w",
    "pira",
    "raw",
    "improvement",
    "relapse",
    "new_lesions",
    "loss_of_neda3",
)


def _events(final: float) -> Curve:
    value = final * (1 - np.exp(-MONTHS / 12))
    margin = 0.3 * value
    return Curve(MONTHS, value, value - margin, np.minimum(1.0, value + margin), 200.0 - MONTHS)


def _answered(treatment: Treatment, position: int) -> ClassProjection:
    value = 2.5 + 0.01 * position * MONTHS
    margin = 0.05 + 0.01 * MONTHS
    expected = Curve(MONTHS, value, value - margin, value + margin, 200.0 - MONTHS)
    return ClassProjection(
        treatment=treatment.value,
        n_eligible=1500,
        n=200,
        refusal=None,
        edss=EdssCourse(expected, value - 1, value - 0.5, value, value + 0.5, value + 1),
        probabilities={outcome: _events(0.04 * (rank + 1)) for rank, outcome in enumerate(OUTCOMES)},
        annualised_relapse_rate=Estimate(0.21, 0.16, 0.27, 200),
        sources={"OPERA I": 60, "registry": 140},
    )


def _refused(treatment: Treatment) -> ClassProjection:
    return ClassProjection(treatment.value, 7, 0, "only 7 patients are comparable", None, {}, None, {})


@pytest.fixture
def make_projection() -> Callable[..., Projection]:
    """Return a maker of projections on all classes, some of them refused."""

    def make(*, refused: frozenset[Treatment] = frozenset()) -> Projection:
        return Projection(
            release="test-1",
            k=200,
            weights={"age": 1.0},
            classes=tuple(
                _refused(treatment) if treatment in refused else _answered(treatment, position)
                for position, treatment in enumerate(Treatment)
            ),
            caveats=("research prototype",),
        )

    return make
