"""The Cox model of a trial where it has, and where it has no, estimate."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from cdss.evaluation.analysis.models import Design
from cdss.evaluation.analysis.survival import hazard_ratio
from cdss.evaluation.protocol import Randomisation


def wedge(rng: np.random.Generator) -> Design:
    """Ten neurologists of whom half use the tool from the second of three periods on, and all in the third."""
    cluster = np.repeat(np.arange(10), 30)
    period = np.tile(np.repeat(np.arange(3), 10), 10)
    use = (period == 2) | ((period == 1) & (cluster % 2 == 0))
    dummies = pd.DataFrame({"period 1": period == 1, "period 2": period == 2}).astype(float)
    months = rng.exponential(30.0, size=300)
    names = cluster.astype(object)
    return Design(
        np.minimum(months, 24.0), use.astype(float), use, names, period, dummies, Randomisation.STEPPED_WEDGE, 0.05
    )


def test_there_is_no_hazard_ratio_where_periods_leave_an_arm_without_an_event() -> None:
    design = wedge(np.random.default_rng(3))
    died = design.outcome < 24.0
    whole = hazard_ratio(design, died.astype(float))
    assert abs(math.log(whole.value)) < 1.5
    assert whole.lower < whole.value < whole.upper
    # Both arms have events, but those of the tool are all in the period in which everybody uses it.
    separated = hazard_ratio(design, (died & ~((design.period == 1) & design.use)).astype(float))
    assert separated.notes == ("what was adjusted for leaves an arm without an event",)
    assert separated.value == pytest.approx(math.nan, nan_ok=True)
