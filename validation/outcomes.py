"""The outcomes of an episode that endpoints are made of: worsening, relapses and lesions with their follow-up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from projection.worsening import confirmed_worsening
from reference_db.episodes import Episodes
from reference_db.schema import EDSS_MONTHS, MRI_MONTHS, RELAPSE_MONTHS

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

HORIZON = 24
"""Months over which endpoints are counted; a trial that was shorter ends where it ended."""


@dataclass(frozen=True, slots=True)
class TimeToEvent:
    """Months to the first event or, without one, to the end of observation; shape (patients,) each.

    Attributes
    ----------
    months : ndarray
    event : ndarray of bool
    """

    months: Floats
    event: Booleans

    def rows(self, rows: NDArray[np.intp] | Booleans) -> TimeToEvent:
        """Return some patients."""
        return TimeToEvent(self.months[rows], self.event[rows])


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of each episode up to the horizon.

    Attributes
    ----------
    worsening_12w, worsening_24w : TimeToEvent
        Confirmed disability worsening; observation ends at the last EDSS.
    relapse : TimeToEvent
        First relapse, dated at the end of its interval of the grid.
    relapses : ndarray
        Number over the follow-up.
    years : ndarray
        Follow-up in years, up to the horizon.
    new_t2 : ndarray
        New or enlarging T2 lesions over the scans; NaN without a scan.
    gd : ndarray
        Enhancing lesions on the last scan; NaN without a scan.
    """

    worsening_12w: TimeToEvent
    worsening_24w: TimeToEvent
    relapse: TimeToEvent
    relapses: Floats
    years: Floats
    new_t2: Floats
    gd: Floats


def outcomes(episodes: Episodes, *, horizon: int = HORIZON) -> Outcomes:
    """Return the outcomes of each episode up to a month of the grid.

    Parameters
    ----------
    episodes : Episodes
    horizon : int
        Last month that counts. A worsening that begins by then may be confirmed later.
    """
    follow_up = np.minimum(episodes.table["follow_up_months"].to_numpy(dtype=np.float64), horizon)
    counted = np.asarray(RELAPSE_MONTHS) <= horizon
    relapses = np.where(np.isnan(episodes.relapses), 0.0, episodes.relapses)[:, counted]
    relapse_month = np.asarray(RELAPSE_MONTHS, dtype=np.float64)[counted]
    first = relapses > 0
    relapsed = np.asarray(first.any(axis=1))
    scanned = np.asarray(MRI_MONTHS) <= horizon
    return Outcomes(
        worsening_12w=worsening(episodes, weeks=12, horizon=horizon),
        worsening_24w=worsening(episodes, weeks=24, horizon=horizon),
        relapse=TimeToEvent(np.where(relapsed, relapse_month[first.argmax(axis=1)], follow_up), relapsed),
        relapses=relapses.sum(axis=1),
        years=follow_up * episodes.days_per_month / 365.25,
        new_t2=_total(episodes.new_t2[:, scanned]),
        gd=_last(episodes.gd[:, scanned]),
    )


def worsening(episodes: Episodes, *, weeks: float, horizon: int = HORIZON) -> TimeToEvent:
    """Return the time to the first worsening confirmed `weeks` later, in months of the source."""
    days = np.asarray(EDSS_MONTHS, dtype=np.float64) * episodes.days_per_month[:, None]
    found = confirmed_worsening(episodes.edss, days, weeks=weeks)
    month = found.day / episodes.days_per_month
    event = found.event & (month <= horizon)
    seen = ~np.isnan(episodes.edss)
    last = len(EDSS_MONTHS) - 1 - seen[:, ::-1].argmax(axis=1)
    observed = np.minimum(np.asarray(EDSS_MONTHS, dtype=np.float64)[last], horizon)
    return TimeToEvent(np.where(event, month, observed), np.asarray(event))


def _total(counts: Floats) -> Floats:
    known = ~np.isnan(counts)
    return np.where(known.any(axis=1), np.where(known, counts, 0.0).sum(axis=1), np.nan)


def _last(counts: Floats) -> Floats:
    known = ~np.isnan(counts)
    position = counts.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
    return np.asarray(counts[np.arange(len(counts)), position], dtype=np.float64)
