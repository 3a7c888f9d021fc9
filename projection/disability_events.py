"""Confirmed changes of disability in a course of EDSS visits: the search, for all patients at once.

The rules are those of the field's reference implementation (Montobbio et al., Multiple Sclerosis Journal 2024,
doi 10.1177/13524585241243157): a change from the baseline value is looked for visit by visit; it counts when it is
at least the minimum that is meaningful from that baseline and when it is still there at every visit up to a
confirming visit outside the influence of a relapse. Each pass of the loop takes one change per patient, and the
passes end after at most as many as there are visits, so the cost hardly depends on the number of patients.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from projection.visits import Booleans, Floats, Indices, Visits, first_true, packed_visits
from reference_db.errors import InvalidInput


class EventKind(IntEnum):
    """What a confirmed change is."""

    IMPROVEMENT = 0
    RAW = 1
    """Worsening whose onset stands within the influence of a relapse."""
    PIRA = 2
    """Worsening with no relapse from the baseline to the confirmation, nor shortly after it."""
    OTHER_WORSENING = 3
    """Worsening with a relapse in between, but not at its onset: neither RAW nor PIRA can be claimed."""


Wanted = Literal["first", "first each", "first worsening", "first worsening of each kind", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How a change of disability is defined and confirmed.

    Parameters
    ----------
    weeks : float
        Weeks after the onset at which the change must still be there; 12 and 24 are usual.
    tolerance_days : tuple of float
        How many days before and after that time the confirming visit may stand. The default has no upper bound: the
        first visit at or after it confirms, as the trials' "sustained for at least 24 weeks".
    baseline : {"fixed", "roving"}
        Whether every change is counted from the first visit, or from the level that the last confirmed change left.
    relapse_influence_days : float
        A visit that many days or fewer after a relapse is neither a baseline nor a confirmation.
    sub_threshold : bool
        Roving baseline: whether confirmed changes below the minimum move the baseline too.
    rebaseline_after_relapse : bool
        Whether PIRA is searched a second time with a new baseline after each relapse.
    sustained_weeks : float
        Weeks after the confirmation during which the change must hold; 0 asks nothing.
    minimum_edss : float
        Worsening counts only at or above this EDSS.
    unconfirmed_last_visit : bool
        Whether worsening first seen at the last visit counts without confirmation.
    half_step_from : float
        Baseline EDSS from which 0.5 is a meaningful change: 6.0 in most trials, 5.5 in some.
    """

    weeks: float = 24.0
    tolerance_days: tuple[float, float] = (0.0, np.inf)
    baseline: Literal["fixed", "roving"] = "fixed"
    relapse_influence_days: float = 30.0
    sub_threshold: bool = False
    rebaseline_after_relapse: bool = False
    sustained_weeks: float = 0.0
    minimum_edss: float = 0.0
    unconfirmed_last_visit: bool = False
    half_step_from: float = 6.0

    def __post_init__(self) -> None:
        if self.baseline not in ("fixed", "roving"):
            raise InvalidInput.of("baseline", f"{self.baseline!r} is not known", "fixed or roving")
        if not self.weeks > 0:
            raise InvalidInput.of("weeks", f"{self.weeks} is no time to confirm", "more than 0 weeks")

    def smallest_change(self, baseline: Floats) -> Floats:
        """Return the smallest meaningful change from each baseline EDSS: 1.5 from 0, then 1.0, then 0.5."""
        return np.where(baseline < 0.5, 1.5, np.where(baseline < self.half_step_from, 1.0, 0.5))


@dataclass(frozen=True, slots=True)
class DisabilityEvents:
    """Confirmed changes, one entry per event, ordered by patient and day.

    Attributes
    ----------
    patient : ndarray of int
        Row of the patient.
    kind : ndarray of int
        Values of `EventKind`.
    day, baseline_day, confirmed_day : ndarray of float
        Onset, the baseline it is counted from, and the visit that confirmed it.
    edss, baseline_edss : ndarray of float
        EDSS at the onset and at the baseline.
    """

    patient: Indices
    kind: NDArray[np.int8]
    day: Floats
    baseline_day: Floats
    confirmed_day: Floats
    edss: Floats
    baseline_edss: Floats

    def first(self, kinds: tuple[EventKind, ...], patients: int) -> Floats:
        """Return the day of each patient's first event among `kinds`, NaN where there is none."""
        day = np.full(patients, np.nan)
        chosen = np.flatnonzero(np.isin(self.kind, kinds))[::-1]
        day[self.patient[chosen]] = self.day[chosen]
        return day


class _Search:
    """The state of the search: for each patient its baseline visit, the visit to go on from, and what was found."""

    def __init__(self, visits: Visits, rule: Rule, wanted: Wanted) -> None:
        patients, self.width = visits.edss.shape
        self.visits, self.rule, self.wanted = visits, rule, wanted
        self.clear = ~np.isnan(visits.day) & (visits.since_relapse > rule.relapse_influence_days)
        self.baseline = np.zeros(patients, dtype=np.intp)
        self.onward = np.ones(patients, dtype=np.intp)
        self.second_pass = np.zeros(patients, dtype=np.bool_)
        self.active = visits.count > 0
        self.found = np.zeros((patients, len(EventKind)), dtype=np.bool_)
        self.events: list[tuple[Indices, ...]] = []

    def run(self) -> tuple[Indices, ...]:
        """Search until every patient is done; return patient, kind, visits of onset, baseline and confirmation."""
        while self.active.any():
            rows = np.flatnonzero(self.active)
            done = self._clear_baseline(rows)
            self._end(rows[done])
            rows = rows[~done]
            change = self._next_change(rows)
            none = change >= self.width
            self._end(rows[none])
            self._judge(rows[~none], change[~none])
            self._stop_when_satisfied()
            self._follow_relapses()
        empty = np.empty(0, dtype=np.intp)
        return tuple(np.concatenate(parts) for parts in zip(*self.events, strict=True)) or (empty,) * 5

    def _clear_baseline(self, rows: Indices) -> Booleans:
        """Move baselines out of the influence of relapses; tell where too few visits are left."""
        at = self.baseline[rows]
        later = self.clear[rows] & (np.arange(self.width) >= at[:, None])
        moved = first_true(later)
        done: Booleans = (moved != at) & (moved >= self.visits.count[rows] - 1)
        step = np.where(done, 0, moved - at)
        self.baseline[rows] += step
        self.onward[rows] += step
        return done

    def _next_change(self, rows: Indices) -> Indices:
        value = self.visits.edss[rows]
        base = self.visits.edss[rows, self.baseline[rows]]
        ahead = np.arange(self.width) >= self.onward[rows, None]
        return first_true(ahead & ~np.isnan(value) & (value != base[:, None]))

    def _end(self, rows: Indices) -> None:
        """Finish, or begin the second pass that looks for PIRA after each relapse."""
        again = rows[~self.second_pass[rows]] if self.rule.rebaseline_after_relapse else rows[:0]
        self.active[rows] = False
        self.active[again] = True
        self.second_pass[again] = True
        self.baseline[again], self.onward[again] = 0, 1

    def _judge(self, rows: Indices, change: Indices) -> None:
        """Decide what the change at visit `change` is, record it, and set where each patient goes on."""
        visits, rule, index = self.visits, self.rule, np.arange(self.width)
        value, day = visits.edss[rows], visits.day[rows]
        here = np.arange(len(rows))
        base = value[here, self.baseline[rows]][:, None]
        needed = rule.smallest_change(base)
        first_pass = ~self.second_pass[rows]
        waited = day - day[here, change][:, None]
        early, late = rule.tolerance_days
        target = rule.weeks * 7
        after = index > change[:, None]
        in_window = (waited >= target - early) & (waited <= target + late)
        confirming = first_true(after & in_window & self.clear[rows])
        has = confirming < self.width
        confirm = np.minimum(confirming, self.width - 1)
        between = after & (index <= confirm[:, None])
        down, up = value - base <= -needed, value - base >= needed
        at_change, at_confirm = value[here, change], value[here, confirm]

        improved = has & down[here, change] & (down | ~between).all(axis=1) & first_pass
        high = value >= rule.minimum_edss
        held = has & ((up & high) | ~between).all(axis=1)
        at_end = (change == visits.count[rows] - 1) & rule.unconfirmed_last_visit
        worsened = ~improved & up[here, change] & high[here, change] & (held | at_end)
        slight_down = has & (at_change < base[:, 0]) & (at_confirm < base[:, 0])
        slight_up = has & (at_change > base[:, 0]) & (at_confirm > base[:, 0])
        drifting = first_pass & (rule.baseline == "roving") & rule.sub_threshold
        drift_down = drifting & slight_down & ~improved
        drift_up = drifting & slight_up & ~worsened & ~improved & ~drift_down

        confirm = np.where(worsened & at_end, change, confirm)
        beyond = (index > confirm[:, None]) & ~np.isnan(value)
        lost = beyond & np.where(improved[:, None], ~down, ~up)
        at_confirm = value[here, confirm][:, None]
        turned = lost | (beyond & (np.abs(value - at_confirm) >= rule.smallest_change(at_confirm)))
        lost_at, turned_at = first_true(lost), first_true(turned)
        lasting = (lost_at >= self.width) | (
            day[here, np.minimum(lost_at, self.width - 1)] - day[here, confirm] >= rule.sustained_weeks * 7
        )
        event = (improved | worsened) & lasting
        self._record(rows, change, confirm, improved & lasting, worsened & lasting)

        last = visits.count[rows] - 1
        turn = np.where(turned_at < self.width, turned_at, last + 1)
        roving = (rule.baseline == "roving") & first_pass & event
        crossed = beyond & np.where(drift_down[:, None], value > base, value < base)
        drift = drift_down | drift_up
        crossing = np.minimum(first_true(crossed), last + 1)
        self.onward[rows] = np.where(event, turn, np.where(drift, crossing, change + 1))
        self.baseline[rows] = np.where(roving, turn - 1, np.where(drift, crossing - 1, self.baseline[rows]))

    def _record(self, rows: Indices, change: Indices, confirm: Indices, better: Booleans, worse: Booleans) -> None:
        visits, influence = self.visits, self.rule.relapse_influence_days
        near_relapse = visits.since_relapse[rows, change] <= influence
        quiet = ~visits.relapse_between(rows, self.baseline[rows], confirm)
        quiet &= visits.until_relapse[rows, confirm] > influence
        kind = np.where(near_relapse, EventKind.RAW, np.where(quiet, EventKind.PIRA, EventKind.OTHER_WORSENING))
        kind = np.where(better, EventKind.IMPROVEMENT, kind).astype(np.intp)
        # The second pass looks for PIRA only.
        keep = better | (worse & (~self.second_pass[rows] | (kind == EventKind.PIRA)))
        self.found[rows[keep], kind[keep]] = True
        self.events.append((rows[keep], kind[keep], change[keep], self.baseline[rows][keep], confirm[keep]))

    def _stop_when_satisfied(self) -> None:
        improvement, *worsening = self.found.T
        raw, pira, other = worsening
        if self.wanted == "first":
            self.active &= ~self.found.any(axis=1)
        elif self.wanted == "first each":
            self.active &= ~(improvement & other)
        elif self.wanted == "first worsening":
            self.active &= ~(raw | pira | other)
        elif self.wanted == "first worsening of each kind":
            self.active &= ~(raw & pira & other)

    def _follow_relapses(self) -> None:
        """Second pass: when a relapse stands between baseline and search, take the next clear visit as baseline."""
        rows = np.flatnonzero(self.active & self.second_pass & (self.onward <= self.visits.count - 1))
        rows = rows[self.visits.relapse_between(rows, self.baseline[rows], self.onward[rows])]
        start = self.baseline[rows]
        relapsed = self.visits.relapses_until[rows] > self.visits.relapses_before[rows, start][:, None]
        following = first_true(relapsed & self.clear[rows] & (np.arange(self.width) > start[:, None]))
        self.active[rows] = following < self.visits.count[rows] - 1
        go_on = following < self.width
        self.baseline[rows[go_on]] = following[go_on]
        self.onward[rows[go_on]] = following[go_on] + 1


def disability_events(
    edss: ArrayLike, days: ArrayLike, *, rule: Rule, relapse_days: ArrayLike | None = None, wanted: Wanted = "all"
) -> DisabilityEvents:
    """Find the confirmed changes of disability of every patient.

    Parameters
    ----------
    edss : array_like, shape (patients, visits)
        EDSS, 0 to 10; NaN where there was no visit.
    days : array_like, shape (patients, visits) or (visits,)
        Day of each visit, in any order; of two visits on one day the last in the row counts.
    rule : Rule
        Definition and confirmation.
    relapse_days : array_like, shape (patients, relapses), optional
        Onsets of relapses; NaN pads the rows. Without it no relapse is known, and worsening is PIRA.
    wanted : str
        Which events are asked for; the search stops once a patient has them.

    Returns
    -------
    DisabilityEvents

    Raises
    ------
    InvalidInput
        When shapes do not fit.
    """
    visits = packed_visits(edss, days, relapse_days, rule.relapse_influence_days)
    patient, kind, change, baseline, confirm = _Search(visits, rule, wanted).run()
    # An onset found in both passes is one event, as the second pass saw it.
    order = np.lexsort((np.arange(len(patient)), change, patient))
    patient, kind, change, baseline, confirm = (a[order] for a in (patient, kind, change, baseline, confirm))
    superseded = np.zeros(len(patient), dtype=np.bool_)
    superseded[:-1] = (patient[:-1] == patient[1:]) & (change[:-1] == change[1:])
    keep = np.flatnonzero(~superseded)
    keep = keep[_wanted_only(patient[keep], kind[keep], wanted)]
    patient, kind, change, baseline, confirm = (a[keep] for a in (patient, kind, change, baseline, confirm))
    return DisabilityEvents(
        patient=patient,
        kind=kind.astype(np.int8),
        day=visits.day[patient, change],
        baseline_day=visits.day[patient, baseline],
        confirmed_day=visits.day[patient, confirm],
        edss=visits.edss[patient, change],
        baseline_edss=visits.edss[patient, baseline],
    )


def _wanted_only(patient: Indices, kind: Indices, wanted: Wanted) -> Booleans:
    """Tell which events, ordered by patient and visit, were asked for."""
    if wanted == "all":
        return np.ones(len(patient), dtype=np.bool_)
    if wanted == "first":
        group = np.zeros_like(kind)
    elif wanted == "first worsening of each kind":
        group = kind
    else:
        group = np.minimum(kind, EventKind.RAW)
    first = np.zeros(len(patient), dtype=np.bool_)
    first[np.unique(patient * len(EventKind) + group, return_index=True)[1]] = True
    only_worsening = wanted in ("first worsening", "first worsening of each kind")
    return first & (kind != EventKind.IMPROVEMENT) if only_worsening else first
