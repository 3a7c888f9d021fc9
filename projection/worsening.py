"""Confirmed disability worsening and improvement: the first of each patient."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from projection.disability_events import EventKind, Rule, disability_events
from reference_db.errors import InvalidInput


class FirstEvent(NamedTuple):
    """Per patient, whether there was an event and the day of its onset (NaN where there was none)."""

    event: NDArray[np.bool_]
    day: NDArray[np.float64]


class RuleOptions(TypedDict, total=False):
    """The finer options of `projection.disability_events.Rule`, which explains them."""

    tolerance_days: tuple[float, float]
    relapse_influence_days: float
    sub_threshold: bool
    rebaseline_after_relapse: bool
    sustained_weeks: float
    minimum_edss: float
    unconfirmed_last_visit: bool
    half_step_from: float


_KINDS: dict[str, tuple[EventKind, ...]] = {
    "any": (EventKind.RAW, EventKind.PIRA, EventKind.OTHER_WORSENING),
    "PIRA": (EventKind.PIRA,),
    "RAW": (EventKind.RAW,),
}


def confirmed_worsening(
    edss: ArrayLike,
    days: ArrayLike,
    *,
    weeks: float = 24.0,
    relapse_days: ArrayLike | None = None,
    baseline: Literal["fixed", "roving"] = "fixed",
    kind: Literal["any", "PIRA", "RAW"] = "any",
    **options: Unpack[RuleOptions],
) -> FirstEvent:
    """Find each patient's first confirmed disability worsening.

    Worsening is +1.5 from EDSS 0, +1.0 from 1.0 to 5.5 and +0.5 from 6.0 on, still there at every visit up to the
    first one that stands at least `weeks` later and more than 30 days after a relapse.

    Parameters
    ----------
    edss : array_like, shape (patients, visits)
        EDSS, 0 to 10; NaN where there was no visit.
    days : array_like, shape (patients, visits) or (visits,)
        Day of each visit.
    weeks : float
        Weeks between onset and confirmation, usually 12 or 24.
    relapse_days : array_like, shape (patients, relapses), optional
        Onsets of relapses; NaN pads the rows.
    baseline : {"fixed", "roving"}
        Whether change is counted from the first visit or from the level the last confirmed change left.
    kind : {"any", "PIRA", "RAW"}
        Any worsening, or the first that is independent of (PIRA) or associated with (RAW) a relapse.
    **options
        Finer options of `projection.disability_events.Rule`.

    Returns
    -------
    FirstEvent
        ``event`` and ``day``, each of shape (patients,).

    Raises
    ------
    InvalidInput
        When an option is unknown or shapes do not fit.

    References
    ----------
    Montobbio et al., Multiple Sclerosis Journal 2024, doi 10.1177/13524585241243157; Lublin et al., Brain 2022,
    doi 10.1093/brain/awac016 (PIRA and RAW).

    Examples
    --------
    >>> worse = confirmed_worsening([[2.0, 3.0, 3.5, 3.0], [2.0, 3.0, 2.0, 3.0]], [0, 90, 180, 270])
    >>> worse.event.tolist(), worse.day.tolist()
    ([True, False], [90.0, nan])
    """
    if kind not in _KINDS:
        raise InvalidInput.of("kind", f"{kind!r} is not known", ", ".join(_KINDS))
    rule = Rule(weeks=weeks, baseline=baseline, **options)
    wanted: Literal["first worsening", "all"] = "first worsening" if kind == "any" else "all"
    found = disability_events(edss, days, rule=rule, relapse_days=relapse_days, wanted=wanted)
    day = found.first(_KINDS[kind], len(np.atleast_2d(np.asarray(edss))))
    return FirstEvent(~np.isnan(day), day)


def confirmed_improvement(
    edss: ArrayLike,
    days: ArrayLike,
    *,
    weeks: float = 24.0,
    relapse_days: ArrayLike | None = None,
    baseline: Literal["fixed", "roving"] = "fixed",
    **options: Unpack[RuleOptions],
) -> FirstEvent:
    """Find each patient's first confirmed improvement: a fall of EDSS as large as worsening's rise would have to be.

    Parameters and returned value are those of `confirmed_worsening`.

    Examples
    --------
    >>> confirmed_improvement([[4.0, 3.0, 3.0, 2.5]], [0, 90, 180, 270]).day.tolist()
    [90.0]
    """
    rule = Rule(weeks=weeks, baseline=baseline, **options)
    found = disability_events(edss, days, rule=rule, relapse_days=relapse_days)
    day = found.first((EventKind.IMPROVEMENT,), len(np.atleast_2d(np.asarray(edss))))
    return FirstEvent(~np.isnan(day), day)
