"""Calibration: find the parameters of each trial and arm under which the simulation prints the published figures.

Every parameter has one measure that answers to it (``aims.csv``: which, what it should be, how strongly to respond).
Rounds of stochastic approximation (Robbins and Monro 1951) simulate large arms, compare each measure with its aim,
and move the parameter by a step that shrinks; the parameters of the last third of the rounds are averaged (Polyak and
Juditsky 1992). An aim is the published figure, or, where figures of one trial pull apart (a hazard ratio and the two
percentages behind it), a value between them inside the tolerance of each.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from reference_db.sources.simulated.designs import arms
from reference_db.sources.simulated.parameters import Calibration
from reference_db.sources.simulated.trials import simulate_arm
from validation.calibration.comparison import TRIAL_END, parts_of, pooled
from validation.calibration.measures import MEASURES, Arms
from validation.calibration.outcomes import Outcomes, arm_outcomes

_SETTLING_ROUNDS = 5
_BOUNDS: Mapping[str, tuple[float, float]] = {
    "relapse_shape": (0.2, 20.0),
    "lesion_shape": (0.1, 5.0),
    "gd_shape": (0.05, 10.0),
    "gd_share": (0.002, 5.0),
    "progression_ratio": (0.02, 2.5),
    "residual_ratio": (0.05, 2.0),
    "lesion_correlation": (-0.2, 0.9),
    "worsening_modification": (0.0, 4.0),
}
_ADDITIVE = frozenset({"lesion_correlation", "worsening_modification"})
_LARGEST_STEP = 0.7


@dataclass(frozen=True, slots=True)
class Aim:
    """What one parameter is fitted to.

    Attributes
    ----------
    scope, parameter : str
        The parameter: of a trial by its name, or of an arm by its code.
    arm, comparator, measure : str
        The measure that answers to it.
    value : float
        What the measure should be.
    gain : float
        Step of the parameter's logarithm per unit of the measure's error (on the log-odds scale for percentages);
        negative where the measure falls as the parameter rises.
    """

    scope: str
    parameter: str
    arm: str
    measure: str
    comparator: str
    value: float
    gain: float

    def error(self, simulated: float) -> float:
        """Return how far a simulated value stands below the aim, on the log or log-odds scale."""
        if self.value <= 0.0 or simulated <= 0.0:
            return 1.0 if simulated <= 0.0 else -1.0
        if _is_percentage(self.measure):
            aimed, got = self.value / 100.0, min(simulated / 100.0, 0.999)
            return float(np.log(aimed / (1.0 - aimed)) - np.log(got / (1.0 - got)))
        return float(np.log(self.value / simulated))


def _is_percentage(measure: str) -> bool:
    return measure.startswith(("relapsed", "CDW", "free", "NEDA", "CDMS", "dropout"))


def read_aims() -> tuple[Aim, ...]:
    """Return the aims of ``aims.csv``."""
    text = resources.files("validation.calibration").joinpath("aims.csv").read_text(encoding="utf-8")
    return tuple(
        Aim(
            scope=row["scope"],
            parameter=row["parameter"],
            arm=row["arm"],
            measure=row["measure"],
            comparator=row["comparator"],
            value=float(row["aim"]),
            gain=float(row["gain"]),
        )
        for row in csv.DictReader(text.splitlines())
    )


def simulate_arms(
    calibration: Calibration, *, patients: int, seed: Sequence[int], wanted: frozenset[str] | None = None
) -> dict[str, Outcomes]:
    """Return the outcomes of arms, each simulated with the same number of patients, pooled arms included.

    Parameters
    ----------
    calibration : mapping
    patients : int
        Of each arm.
    seed : sequence of int
    wanted : frozenset of str, optional
        Codes of the arms to simulate; all when left out. An arm comes out the same whatever others are wanted.
    """
    needed = None if wanted is None else parts_of(wanted)
    streams = np.random.default_rng(seed).spawn(len(arms()))
    by_arm = {
        arm.code: arm_outcomes(
            simulate_arm(arm, n=patients, first_number=1, calibration=calibration, rng=stream).tables
        )
        for arm, stream in zip(arms(), streams, strict=True)
        if needed is None or arm.code in needed
    }
    return pooled(by_arm)


def calibrate(
    start: Calibration,
    aims: Sequence[Aim],
    *,
    patients: int = 3000,
    rounds: int = 15,
    seed: int = 0,
    report: Callable[[int, float], None] = lambda _round, _error: None,
) -> dict[tuple[str, str], float]:
    """Return the parameters that meet the aims.

    Parameters
    ----------
    start : mapping
        Parameters to start from; those without an aim are kept.
    aims : sequence of Aim
    patients : int
        Size of each simulated arm.
    rounds : int
    seed : int
    report : callable
        Told the round and the root mean square of the errors after each.
    """
    values = dict(start)
    wanted = frozenset(code for aim in aims for code in (aim.arm, aim.comparator) if code)
    kept: list[dict[tuple[str, str], float]] = []
    for number in range(rounds):
        by_arm = simulate_arms(values, patients=patients, seed=(seed, number), wanted=wanted)
        shrink = min(1.0, _SETTLING_ROUNDS / (number + 1))
        errors = []
        for aim in aims:
            comparator = by_arm[aim.comparator] if aim.comparator else None
            simulated = MEASURES[aim.measure](Arms(by_arm[aim.arm], comparator, TRIAL_END[aim.arm]))
            error = aim.error(simulated)
            errors.append(error)
            key = (aim.scope, aim.parameter)
            values[key] = _moved(aim.parameter, values[key], shrink * aim.gain * error)
        report(number + 1, float(np.sqrt(np.mean(np.square(errors)))))
        if number >= rounds * 2 // 3:
            kept.append(dict(values))
    return {key: _average(key[1], [round_[key] for round_ in kept]) for key in values}


def _moved(parameter: str, value: float, step: float) -> float:
    step = float(np.clip(step, -_LARGEST_STEP, _LARGEST_STEP))
    moved = value + step if parameter in _ADDITIVE else value * float(np.exp(step))
    return float(np.clip(moved, *_BOUNDS.get(parameter, (1e-4, 100.0))))


def _average(parameter: str, values: Sequence[float]) -> float:
    mean = np.mean(values) if parameter in _ADDITIVE else np.exp(np.mean(np.log(values)))
    return float(np.round(mean, 5))


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write the parameter table that the simulation reads."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["scope", "parameter", "value"])
        writer.writerows([scope, parameter, f"{value:.5g}"] for (scope, parameter), value in calibration.items())
