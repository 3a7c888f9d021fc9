"""What an attack found: success on the patients of the table, on a control, and by guessing; and the risk they leave.

Giomi et al., PoPETs 2023 (doi 10.56553/popets-2023-0055): what an attacker also achieves on people who are not in the
table is knowledge about the population, not about a patient. The risk is what remains:
``(success - control) / (1 - control)``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from reference_db.privacy.targets import AttackTarget, Verdict

_Z = 1.959963984540054
"""97.5 % quantile of the normal distribution."""

UNSURE = 0.5
"""Share of the limit of an attack that the lower end of an interval must exceed for the attack to fail on a whole
table: an estimate over the limit always does with an interval of less than half of the limit to each side."""

FEWEST_ATTACKS = 20
"""Attempts under which an attack proves nothing."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A share from 0 to 1 with its 95 % interval."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack on one table.

    Attributes
    ----------
    name, label, criterion, definition : str
        `criterion` is the one of WP29 Opinion 05/2014 that it tests, or ``membership`` or ``reconstruction``.
    attempts : int
    success, control, baseline : Rate
        On the patients of the table; on the control; by guessing without the table.
    risk : Rate
        What the table adds. For membership, ``2 * AUC - 1``.
    target : float
        The risk must not be greater.
    verdict : Verdict
    columns : dict of str to float
        Risk per secret column, for inference.
    looks : int
        Strata in which the same attack was looked at. Over 1, the intervals of all of them hold together with 95 %.
    """

    name: str
    label: str
    criterion: str
    definition: str
    attempts: int
    success: Rate
    control: Rate
    baseline: Rate
    risk: Rate
    target: float
    verdict: Verdict
    columns: dict[str, float] = field(default_factory=dict)
    looks: int = 1


def z_of(looks: int) -> float:
    """Return the normal quantile of an interval that holds with 95 % in `looks` looks together (Bonferroni)."""
    from scipy.special import ndtri

    return float(ndtri(1 - 0.025 / looks)) if looks > 1 else _Z


def is_too_risky(risk: Rate, at_most: float, *, looks: int) -> bool:
    """Tell whether a risk misses its target.

    On a whole table the estimate must not exceed it, unless records are so few that the interval reaches down to half
    of the limit: one from .02 to .19 does not tell .10 from .05. Strata are many and small: one of them misses when
    its interval lies wholly above.
    """
    return risk.lower > at_most if looks > 1 else risk.value > at_most and risk.lower > at_most * UNSURE


def wilson(successes: float, attempts: int, *, z: float = _Z) -> Rate:
    """Return a share with its Wilson score interval; from 0 to 1 when nothing was attempted.

    Wilson, J Am Stat Assoc 1927;22:209-212.

    >>> wilson(0, 10).upper
    0.2775327998628892
    """
    if attempts == 0:
        return Rate(0.0, 0.0, 1.0)
    share = successes / attempts
    centre = (share + z**2 / (2 * attempts)) / (1 + z**2 / attempts)
    half = z / (1 + z**2 / attempts) * sqrt(share * (1 - share) / attempts + z**2 / (4 * attempts**2))
    return Rate(share, max(0.0, centre - half), min(1.0, centre + half))


def judged(
    target: AttackTarget,
    *,
    success: NDArray[np.bool_],
    control: NDArray[np.bool_],
    baseline: NDArray[np.bool_],
    columns: dict[str, float] | None = None,
    looks: int = 1,
) -> Attack:
    """Return the result of an attack whose attempts each succeed or not.

    It proves nothing, and says so, when there were fewer than `FEWEST_ATTACKS` attempts, or when nothing ever
    succeeded, not even on the control or by guessing. When it fails: `is_too_risky`.

    Parameters
    ----------
    target : AttackTarget
    success, control, baseline : ndarray of bool
        Attempts on patients of the table, on the control, and by guessing.
    columns : dict of str to float, optional
        Risk per secret column.
    looks : int
        Strata in which the same attack is looked at.
    """
    z = z_of(looks)
    main, beside, guessed = (wilson(float(tried.sum()), len(tried), z=z) for tried in (success, control, baseline))
    risk = _risk(main, beside)
    nothing_found = not (success.any() or control.any() or baseline.any())
    if min(len(success), len(control)) < FEWEST_ATTACKS or nothing_found:
        verdict = Verdict.UNINFORMATIVE
    else:
        verdict = Verdict.FAILED if is_too_risky(risk, target.at_most, looks=looks) else Verdict.PASSED
    return Attack(
        target.name,
        target.label,
        target.criterion,
        target.definition,
        len(success),
        main,
        beside,
        guessed,
        risk,
        target.at_most,
        verdict,
        columns or {},
        looks,
    )


def risk_of(success: NDArray[np.bool_], control: NDArray[np.bool_]) -> float:
    """Return the risk alone, from 0 to 1."""
    return _risk(wilson(float(success.sum()), len(success)), wilson(float(control.sum()), len(control))).value


def _risk(main: Rate, control: Rate) -> Rate:
    """Scale the excess over the control to what the control leaves; errors of both propagated to the interval."""
    room = 1 - control.value
    if room <= 0:
        return Rate(0.0, 0.0, 0.0)
    value = (main.value - control.value) / room
    half_main = (main.upper - main.lower) / 2
    half_control = (control.upper - control.lower) / 2
    half = sqrt(half_main**2 + ((1 - main.value) / room * half_control) ** 2) / room
    return Rate(max(0.0, value), min(max(0.0, value - half), 1.0), min(1.0, max(0.0, value + half)))
