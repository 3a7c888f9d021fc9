"""Calibration: what is published is met, parameters move towards their aims, and the report says all of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from reference_db.errors import InvalidInput
from reference_db.sources.simulated.designs import arms
from reference_db.sources.simulated.parameters import ARM_PARAMETERS, TRIAL_PARAMETERS, calibrated
from reference_db.sources.simulated.published import published_baseline, published_outcomes
from validation.calibration import recalibrate
from validation.calibration.comparison import (
    BASELINE_MEASURES,
    TRIAL_END,
    Comparison,
    bounds,
    compare,
    measure_name,
    published_value,
    why_not_comparable,
)
from validation.calibration.fit import Aim, calibrate, read_aims, simulate_arms, write_calibration
from validation.calibration.measures import MEASURES, Arms, relapse_rate
from validation.calibration.packaged import Result, digest


@pytest.fixture(scope="module")
def comparisons() -> tuple[Comparison, ...]:
    return compare(seeds=range(300, 303))


def test_published_figures_are_met_within_monte_carlo_error(comparisons: tuple[Comparison, ...]) -> None:
    """Three simulations: a figure fails only when it misses its range by three standard errors of their mean."""
    far = [
        (c.figure.arm, c.figure.name, c.simulated, c.lower, c.upper)
        for c in comparisons
        if c.verdict == "missed"
        and max(c.lower - c.simulated, c.simulated - c.upper)
        > 3.0 * max(c.spread / 3.0**0.5, 0.06 * abs(c.simulated))
    ]
    assert far == []
    verdicts = Counter(c.verdict for c in comparisons)
    assert verdicts["met"] > 0.85 * (verdicts["met"] + verdicts["missed"])


def test_every_published_figure_is_compared_or_says_why_not(comparisons: tuple[Comparison, ...]) -> None:
    simulated = {arm.code for arm in arms()} | {"DC-PBO", "DC-DMF", "REF-IFN-QW"}
    assert len(comparisons) == len(published_baseline()) + sum(f.arm in simulated for f in published_outcomes())
    for c in comparisons:
        assert (c.verdict == "not comparable") == bool(c.reason)
        assert (c.verdict in ("met", "missed")) == (c.figure.flag == "published" and not c.reason)


def test_every_comparable_figure_has_its_measure() -> None:
    assert {figure.name for figure in published_baseline()} <= set(BASELINE_MEASURES)
    for figure in published_outcomes():
        assert why_not_comparable(figure) or measure_name(figure) in MEASURES, figure


def test_ratios_keep_their_direction(comparisons: tuple[Comparison, ...]) -> None:
    """But for ratios close to 1, which a simulation of three seeds may put on the other side."""
    for c in comparisons:
        if c.figure.comparator and c.verdict in ("met", "missed") and abs(np.log(c.figure.value)) > 0.2:
            assert (c.simulated < 1.0) == (c.figure.value < 1.0), c.figure


def test_bounds_are_the_published_interval_or_a_tenth() -> None:
    figures = {(f.arm, f.name): f for f in published_outcomes()}
    assert bounds(figures["CLA-PBO", "ARR"]) == (0.29, 0.38)
    assert bounds(figures["ADV-PBO", "ARR"]) == pytest.approx((0.397 * 0.9, 0.397 * 1.1))
    assert bounds(figures["ORA-PBO", "Gd+ cumulative median"]) == pytest.approx((1.8, 2.2))
    frequency = figures["CLA-PBO", "patients with 3 relapses"]
    lower, upper = bounds(frequency)
    assert published_value(frequency) == pytest.approx(100 * 15 / 437)
    assert lower < published_value(frequency) < upper


def test_the_parameter_table_is_complete() -> None:
    names = {(arm.source, name) for arm in arms() for name in TRIAL_PARAMETERS}
    names |= {(arm.code, name) for arm in arms() for name in ARM_PARAMETERS}
    assert set(calibrated()) == names


def test_aims_name_parameters_and_measures_that_exist() -> None:
    for aim in read_aims():
        assert (aim.scope, aim.parameter) in calibrated()
        assert aim.measure in MEASURES
        assert aim.arm in TRIAL_END


def test_a_parameter_moves_to_its_aim() -> None:
    """Started at half the relapse rate, calibration finds the published one."""
    start = dict(calibrated())
    start["CLARITY", "relapse_rate"] *= 0.5
    aim = Aim("CLARITY", "relapse_rate", "CLA-PBO", "ARR", "", 0.33, 1.0)
    found = calibrate(start, [aim], patients=4000, rounds=4, seed=1)
    assert found["CLARITY", "relapse_rate"] == pytest.approx(calibrated()["CLARITY", "relapse_rate"], rel=0.1)
    outcomes = simulate_arms(found, patients=8000, seed=(7,), wanted=frozenset({"CLA-PBO"}))
    assert relapse_rate(outcomes["CLA-PBO"], 672.0) == pytest.approx(0.33, rel=0.07)


def test_pooled_arms_hold_both() -> None:
    outcomes = simulate_arms(calibrated(), patients=50, seed=(1,))
    pooled = outcomes["DC-PBO"]
    assert len(pooled.last_day) == 100
    both = Arms(pooled, outcomes["DC-DMF"], TRIAL_END["DC-PBO"])
    assert 0.0 < MEASURES["ARR"](both) < 3.0


def test_the_table_written_is_the_table_read(tmp_path: Path) -> None:
    write_calibration(tmp_path / "calibrated.csv", calibrated())
    lines = (tmp_path / "calibrated.csv").read_text().splitlines()
    assert len(lines) == len(calibrated()) + 1
    scope, parameter, value = lines[1].split(",")
    assert float(value) == pytest.approx(calibrated()[scope, parameter], rel=1e-4)


def test_a_recalibration_writes_its_table_and_its_report(tmp_path: Path) -> None:
    steps: list[float] = []
    outcome = recalibrate(
        rounds=1,
        patients=100,
        seeds=range(2),
        scale=0.05,
        parameters=tmp_path / "calibrated.csv",
        report=tmp_path / "docs" / "calibration.md",
        result=tmp_path / "result.yaml",
        progress=lambda share, _: steps.append(share),
    )
    assert steps == sorted(steps)
    assert steps[-1] == 1.0
    report = (tmp_path / "docs" / "calibration.md").read_text()
    assert f"**{outcome.met} of {outcome.counted} figures" in report
    kept = Result(**yaml.safe_load((tmp_path / "result.yaml").read_text()))
    assert kept == Result(outcome.met, outcome.counted, 0, 1, digest(tmp_path / "calibrated.csv"))
    for words in ("## Between arms", "CLARITY: placebo (RRMS, 434 patients)", "Informative baselines", "Gold2012"):
        assert words in report


def test_a_report_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="cannot be written"):
        recalibrate(rounds=0, patients=100, seeds=range(2), scale=0.02, report=tmp_path / "file" / "report.md")


def test_the_command_has_its_help() -> None:
    from cdss.cli import app

    result = CliRunner().invoke(app, ["calibrate", "--help"])
    assert result.exit_code == 0
    assert "--rounds" in result.output
