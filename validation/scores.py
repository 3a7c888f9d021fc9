"""Scores of predictions: of a value with its quantiles, and of the risk of an event under censoring."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from validation.endpoints import FEWEST_EVENTS, survival_at_end
from validation.outcomes import TimeToEvent

Floats = NDArray[np.float64]

LEVELS: Floats = np.array([0.10, 0.25, 0.50, 0.75, 0.90])
"""Levels of the quantiles that projections give."""

_WIDTHS: Floats = np.diff(np.concatenate([[0.0], (LEVELS[1:] + LEVELS[:-1]) / 2.0, [1.0]]))

RISK_MONTHS: Floats = np.array([6.0, 12.0, 18.0, 24.0])
"""Months over which the Brier score is integrated."""

HORIZON = 24.0


def quantile_crps(outcome: Floats, quantiles: Floats) -> Floats:
    """Return the continuous ranked probability score of each prediction, from its quantiles.

    Twice the integral of the pinball loss over the levels, by the midpoint rule; for a single value it is the
    absolute error.

    Parameters
    ----------
    outcome : ndarray, shape (patients,)
    quantiles : ndarray, shape (5, patients)
        At `LEVELS`.

    References
    ----------
    Gneiting and Raftery, J Am Stat Assoc 2007, doi 10.1198/016214506000001437, equation 21 and section 6.
    """
    error = outcome - quantiles
    pinball = np.maximum(LEVELS[:, None] * error, (LEVELS[:, None] - 1.0) * error)
    return np.asarray(2.0 * (_WIDTHS[:, None] * pinball).sum(axis=0), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class RiskScores:
    """How good predicted risks are.

    Attributes
    ----------
    n, events : int
        Patients, and those with the event by 24 months.
    brier : float
        Integrated Brier score, 6 to 24 months, weighted for censoring.
    skill : float
        1 - brier / that of the population's curve; 0 tells no more than the population, 1 is certainty.
    auc : float
        Cumulative/dynamic area under the curve at 24 months.
    concordance : float
        Harrell's.
    slope : float
        Calibration slope: of the complementary log-log of the risk in a Cox regression. 1 is right, below 1 too
        extreme.
    expected_over_observed : float
        Mean predicted over observed (Kaplan-Meier) risk at 24 months.
    """

    n: int
    events: int
    brier: float
    skill: float
    auc: float
    concordance: float
    slope: float
    expected_over_observed: float


def risk_scores(times: TimeToEvent, risk: Floats, population: Floats) -> RiskScores:
    """Score predicted risks against what happened.

    Parameters
    ----------
    times : TimeToEvent
        Months to the event or to the end of observation, beyond 24 months where it goes on.
    risk : ndarray, shape (patients, len(RISK_MONTHS))
        Predicted cumulative probability of the event.
    population : ndarray, shape (len(RISK_MONTHS),)
        The same for everyone, as the population's curve says.
    """
    from sksurv.metrics import (
        brier_score,
        concordance_index_censored,
        cumulative_dynamic_auc,
    )

    record = survival_record(times)
    at_end = risk[:, -1]
    cut = times.months <= HORIZON
    first = TimeToEvent(np.minimum(times.months, HORIZON), times.event & cut)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, scores = brier_score(record, record, 1.0 - risk, RISK_MONTHS)
        _, flat = brier_score(record, record, np.tile(1.0 - population, (len(risk), 1)), RISK_MONTHS)
        auc, _ = cumulative_dynamic_auc(record, record, at_end, [HORIZON])
        concordance = concordance_index_censored(first.event, _observed_until(first), at_end)[0]
    brier, reference = (float(np.trapezoid(values, RISK_MONTHS) / np.ptp(RISK_MONTHS)) for values in (scores, flat))
    observed = 1.0 - survival_at_end(first)[0]
    return RiskScores(
        n=len(risk),
        events=int(first.event.sum()),
        brier=brier,
        skill=1.0 - brier / reference,
        auc=float(auc[0]),
        concordance=float(concordance),
        slope=calibration_slope(first, at_end),
        expected_over_observed=float(at_end.mean() / observed) if observed > 0 else float("nan"),
    )


def can_be_scored(times: TimeToEvent) -> bool:
    """Tell whether there is enough to score risks on: events, and patients who are seen to the last month."""
    events = int((times.event & (times.months <= HORIZON)).sum())
    until = _observed_until(times)
    return events >= FEWEST_EVENTS and bool((until > HORIZON).any()) and float(until.min()) < RISK_MONTHS[0]


def survival_record(times: TimeToEvent) -> NDArray[np.void]:
    """Return events and times as scikit-survival takes them.

    A patient seen without an event at a month is known to be free of it then, so the end of observation counts half a
    month later: otherwise whoever completes a trial would be unknown at its last month.
    """
    record = np.empty(len(times.months), dtype=[("event", np.bool_), ("months", np.float64)])
    record["event"], record["months"] = times.event, np.maximum(_observed_until(times), 0.1)
    return record


def _observed_until(times: TimeToEvent) -> Floats:
    return np.asarray(times.months + np.where(times.event, 0.0, 0.5), dtype=np.float64)


def calibration_slope(times: TimeToEvent, risk: Floats) -> float:
    """Return the coefficient of log(-log(1 - risk)) in a Cox regression on the events; NaN with too few events."""
    from lifelines import CoxPHFitter

    if times.event.sum() < FEWEST_EVENTS:
        return float("nan")
    bounded = np.clip(risk, 1e-3, 1.0 - 1e-3)
    data = pd.DataFrame({"months": times.months, "event": times.event, "x": np.log(-np.log1p(-bounded))})
    data = data[data["months"] > 0]
    if float(data["x"].std()) < 1e-6:
        return float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = CoxPHFitter().fit(data, "months", "event")
    return float(fitted.params_["x"])


def calibration_groups(times: TimeToEvent, risk: Floats, *, groups: int = 10) -> list[dict[str, float]]:
    """Return predicted and observed risk at 24 months in groups of equal size, ordered by predicted risk."""
    cut = times.months <= HORIZON
    first = TimeToEvent(np.minimum(times.months, HORIZON), times.event & cut)
    rows = []
    for part in np.array_split(np.argsort(risk, kind="stable"), groups):
        survival, error = survival_at_end(first.rows(part))
        rows.append(
            {"n": len(part), "predicted": float(risk[part].mean()), "observed": 1.0 - survival, "error": error}
        )
    return rows


def net_benefit(times: TimeToEvent, risk: Floats, thresholds: Floats) -> Floats:
    """Return the net benefit of acting on a risk above each threshold, per patient.

    Under censoring the events among those above the threshold are those of their Kaplan-Meier curve (Vickers et al.,
    BMC Med Inform Decis Mak 2008, doi 10.1186/1472-6947-8-53).
    """
    cut = times.months <= HORIZON
    first = TimeToEvent(np.minimum(times.months, HORIZON), times.event & cut)
    benefits = []
    for threshold in thresholds:
        above = risk > threshold
        share = float(above.mean())
        events = 1.0 - survival_at_end(first.rows(above))[0] if above.any() else 0.0
        benefits.append(share * events - share * (1.0 - events) * threshold / (1.0 - threshold))
    return np.array(benefits)
