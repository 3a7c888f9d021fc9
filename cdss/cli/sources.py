"""Commands that bring source data in: calibration of the simulated sources, import of real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def calibrate(
    report: Annotated[Path, typer.Option(help="Markdown report to write.")] = Path("docs/calibration.md"),
    parameters: Annotated[
        Path | None, typer.Option(help="Parameter table to write; the one that the build reads by default.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=0, help="Rounds of fitting; 0 only compares.")] = 18,
    patients: Annotated[int, typer.Option(min=100, help="Patients per arm while fitting.")] = 5000,
    seeds: Annotated[int, typer.Option(min=2, help="Simulations behind the report.")] = 20,
    seed: Annotated[int, typer.Option(help="First seed of the simulations behind the report.")] = 1,
) -> None:
    """Calibrate the simulated sources on the published figures, and write the comparison."""
    from cdss.cli.progress import late_progress_bar
    from validation.calibration import recalibrate

    with late_progress_bar("calibrate") as progress:
        outcome = recalibrate(
            rounds=rounds,
            patients=patients,
            seeds=range(seed, seed + seeds),
            parameters=parameters,
            report=report,
            progress=progress,
        )
    typer.echo(f"{outcome.met} of {outcome.counted} published figures met: {report}")
