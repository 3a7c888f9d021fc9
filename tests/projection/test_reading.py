"""A curve read at a month or before, never beyond what is shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from projection.reading import latest_shown
from projection.result import Curve

NAN = np.nan
CURVE = Curve(
    months=np.array([0.0, 6, 12, 18, 24, 30]),
    value=np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5]),
    lower=np.array([0.0, 0.05, 0.1, 0.2, 0.3, 0.4]),
    upper=np.array([0.0, 0.2, 0.3, 0.4, 0.5, 0.6]),
    n=np.array([100.0, 90, 80, 70, 60, 50]),
)


def withheld(*months: float, of: tuple[str, ...] = ("value", "lower", "upper")) -> Curve:
    gone = np.isin(CURVE.months, months)
    return replace(CURVE, **{name: np.where(gone, NAN, getattr(CURVE, name)) for name in of})


@pytest.mark.parametrize(
    ("curve", "month", "value", "n"),
    [
        (CURVE, 24, 0.4, 60),
        (withheld(24), 18, 0.3, 70),
        (withheld(18, 24), 12, 0.2, 80),
        (withheld(12), 24, 0.4, 60),
        (withheld(24, of=("upper",)), 18, 0.3, 70),
    ],
)
def test_the_latest_month_with_value_and_limits_is_read(curve: Curve, month: int, value: float, n: int) -> None:
    reading = latest_shown(curve, 24)
    assert reading is not None
    assert (reading.month, reading.estimate.value, reading.estimate.n) == (month, value, n)


def test_the_beginning_is_no_reading_and_nothing_is_none() -> None:
    assert latest_shown(withheld(6, 12, 18, 24), 24) is None
    assert latest_shown(None, 24) is None


def test_a_month_off_the_grid_reads_the_one_before_it() -> None:
    reading = latest_shown(CURVE, 23)
    assert reading is not None
    assert reading.month == 18
