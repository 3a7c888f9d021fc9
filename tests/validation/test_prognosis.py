"""Held-out patients: an engine that has no answer takes none from the others, and too few events give no score."""

from __future__ import annotations

import numpy as np

from validation.outcomes import TimeToEvent
from validation.prognosis import PRODUCT, _checks, _risk_tables
from validation.projections import RISKS
from validation.result import Verdict
from validation.rivals import Prediction
from validation.scores import RISK_MONTHS


def _observed(events: int) -> dict[str, TimeToEvent]:
    """120 patients seen to month 24, some with the event at month 12, whatever it is, and three who left at once."""
    event = np.arange(120) < events
    months = np.where(event, 12.0, 24.0)
    months[-3:] = 3.0
    return dict.fromkeys(RISKS, TimeToEvent(months, event))


def _engine(risk: float) -> Prediction:
    given = np.full((120, len(RISK_MONTHS)), risk) + np.linspace(0.1, 0.0, 120)[:, None]
    return Prediction({}, {}, dict.fromkeys(RISKS, given))


def test_an_engine_without_answers_leaves_the_others_scored() -> None:
    scores, calibration, _, remarks = _risk_tables({PRODUCT: _engine(0.2), "silent": _engine(np.nan)}, _observed(30))
    assert {(row["engine"], row["n"]) for row in scores} == {(PRODUCT, 120)}
    assert len(calibration) == 2 * 10
    assert len(remarks) == 2
    assert all("silent" in remark for remark in remarks)


def test_too_few_events_are_not_applicable_with_a_remark() -> None:
    scores, calibration, decisions, remarks = _risk_tables({PRODUCT: _engine(0.2)}, _observed(9))
    assert scores == calibration == decisions == ()
    assert all("9 events" in remark for remark in remarks)
    assert {one.verdict for one in _checks((), scores)} == {Verdict.NOT_APPLICABLE}
