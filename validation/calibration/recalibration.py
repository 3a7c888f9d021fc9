"""The whole of a calibration: fit, write the parameter table, compare over seeds, write the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reference_db.errors import InvalidInput
from reference_db.informative import yield_by_source
from reference_db.sources.simulated import simulate
from reference_db.sources.simulated.parameters import Calibration, calibrated
from validation.calibration.comparison import Comparison, compare
from validation.calibration.fit import calibrate, read_aims, write_calibration
from validation.calibration.packaged import Result, digest, result_as_text, shipped_table
from validation.calibration.registry import class_table
from validation.calibration.report import calibration_report

Progress = Callable[[float, str], None]
_FITTING_SHARE = 0.6
_COMPARED_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Recalibration:
    """What a calibration gave.

    Attributes
    ----------
    calibration : mapping
    comparisons : tuple of Comparison
    """

    calibration: Calibration
    comparisons: tuple[Comparison, ...]

    @property
    def met(self) -> int:
        """Figures read in a publication that are met."""
        return sum(c.verdict == "met" for c in self.comparisons)

    @property
    def counted(self) -> int:
        """Figures read in a publication."""
        return sum(c.verdict in ("met", "missed") for c in self.comparisons)


def recalibrate(
    *,
    rounds: int,
    patients: int,
    seeds: Sequence[int],
    parameters: Path | None = None,
    report: Path | None = None,
    result: Path | None = None,
    scale: float = 1.0,
    progress: Progress = lambda _share, _step: None,
) -> Recalibration:
    """Fit the parameters, starting from those of the project, and compare with everything published.

    Parameters
    ----------
    rounds : int
        Rounds of fitting; 0 keeps the parameters.
    patients : int
        Size of each arm while fitting.
    seeds : sequence of int
        Of the simulations behind the comparison.
    parameters : Path, optional
        Where to write the parameter table; the one that the build reads when left out. Untouched without rounds.
    report : Path, optional
        Where to write the report.
    result : Path, optional
        Where to write how many figures are met.
    scale : float
        Size of the simulations behind the comparison.
    progress : callable
        Told the share done and the present step.

    Raises
    ------
    InvalidInput
        If a file cannot be written.
    """
    for path in (parameters, report, result):
        if path is not None:
            _write(path.with_name(f"{path.name}.tmp"), _touch_and_go)
    values: Calibration = calibrated()
    judged = shipped_table()
    if rounds:
        values = calibrate(
            values,
            read_aims(),
            patients=patients,
            rounds=rounds,
            report=lambda number, error: progress(
                _FITTING_SHARE * number / rounds, f"round {number}, error {error:.3f}"
            ),
        )
        judged = parameters or judged
        _write(judged, lambda path: write_calibration(path, values))
    progress(_FITTING_SHARE if rounds else 0.0, f"comparing over {len(seeds)} simulations")
    comparisons = compare(seeds=seeds, calibration=values, scale=scale)
    if report is not None:
        progress(_COMPARED_SHARE, "comparing what chance alone does between trials")
        by_chance = compare(seeds=seeds, calibration=values, scale=scale, candidates=1)
        simulated = simulate(seed=seeds[0], scale=scale, calibration=values)
        text = calibration_report(
            comparisons,
            by_chance=by_chance,
            seeds=seeds,
            calibration=values,
            class_table=class_table(simulated),
            yields=yield_by_source(simulated.tables, simulated.sources),
        )
        _write(report, lambda path: path.write_text(text, encoding="utf-8"))
    progress(1.0, "done")
    outcome = Recalibration(values, comparisons)
    if result is not None:
        counts = Result(outcome.met, outcome.counted, min(seeds), max(seeds), digest(judged))
        _write(result, lambda path: path.write_text(result_as_text(counts), encoding="utf-8"))
    return outcome


def _touch_and_go(path: Path) -> None:
    path.touch()
    path.unlink()


def _write(path: Path, write: Callable[[Path], object]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path)
    except OSError as error:
        raise InvalidInput.of("path", f"{path} cannot be written: {error.strerror}") from error
