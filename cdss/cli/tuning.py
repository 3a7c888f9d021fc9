"""The command that searches K, NCP and W."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.table import Table

from cdss.cli.progress import late_progress_bar
from cdss.cli.tables import read_table
from cdss.cli.weights import read_weights
from reference_db.avatar.tuning import Trial, as_frame, chosen, pareto_front, picture, settings_of, tune
from reference_db.errors import InvalidInput
from reference_db.files import write_whole

_WIDTH = 110
"""Characters that the table needs, also where the terminal is narrower."""


def tune_command(
    table: Annotated[
        Path | None, typer.Argument(help="CSV or Parquet; the episodes of the simulated sources when there is none.")
    ] = None,
    k: Annotated[str, typer.Option("--k", help="Numbers of neighbours to try.")] = "10,20,30,50",
    ncp: Annotated[str, typer.Option(help="Numbers of factor axes to try.")] = "3,5,10",
    weights: Annotated[
        list[str] | None,
        typer.Option(help="COLUMN=WEIGHT,COLUMN=WEIGHT to try beside equal weights; may be repeated."),
    ] = None,
    strata: Annotated[list[str] | None, typer.Option(help="Column whose values are kept apart.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for trials, table, picture and choice.")] = Path("tuning"),
    jobs: Annotated[int, typer.Option(help="Trials at the same time.", min=1)] = 1,
    scale: Annotated[float, typer.Option(help="Share of the simulated patients.", min=0.01, max=1.0)] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0)] = 0,
) -> None:
    """Search neighbours, axes and weights: privacy against utility, and the settings that nothing beats.

    A search that was stopped goes on where it was. Neighbours that a stratum does not have are reported as
    impossible, and the others are tried. Writes trials.csv, front.png and choice.yaml, which
    `cdss build --config` takes, into the folder.
    """
    if table is None:
        from reference_db.harmonise import episodes
        from reference_db.sources.simulated import simulate

        simulated = simulate(seed=seed, scale=scale)
        originals = episodes(simulated.tables, simulated.sources)
    else:
        originals, _ = read_table(table)
    weightings = [{}, *(read_weights([given]) for given in weights or [])]
    settings = settings_of(_numbers("k", k), _numbers("ncp", ncp), weightings)
    with late_progress_bar("tuning") as progress:
        trials = tune(
            originals,
            settings,
            results=out / "trials.jsonl",
            seed=seed,
            strata=strata or [],
            are_episodes=table is None,
            jobs=jobs,
            progress=progress,
        )
    _write(trials, out)
    _print(trials)
    if all(trial.impossible for trial in trials):
        typer.echo("no setting can be tried: try fewer neighbours, or merge small strata")
        raise typer.Exit(1)
    if chosen(trials) is None:
        typer.echo("every setting misses a target: try more neighbours")
        raise typer.Exit(1)


def _numbers(field: str, given: str) -> list[int]:
    try:
        numbers = [int(part) for part in given.split(",")]
    except ValueError as error:
        raise InvalidInput.of(
            field, f"{given} cannot be read", "whole numbers with commas, such as 10,20,50"
        ) from error
    if min(numbers) < 1:
        raise InvalidInput.of(field, f"{min(numbers)} is too small", "1 or more")
    return numbers


def _write(trials: list[Trial], out: Path) -> None:
    as_frame(trials).to_csv(out / "trials.csv", index=False)
    picture(trials).savefig(out / "front.png", dpi=150)
    best = chosen(trials)
    (out / "choice.yaml").unlink(missing_ok=True)
    if best is not None:
        choice: dict[str, object] = {"k": best.setting.k, "ncp": best.setting.ncp}
        if best.setting.weights:
            choice["weights"] = dict(best.setting.weights)
        write_whole(out / "choice.yaml", yaml.safe_dump(choice, sort_keys=False))


def _print(trials: list[Trial]) -> None:
    front = set(pareto_front(trials))
    best = chosen(trials)
    table = Table(title="K, NCP and W: privacy against utility")
    for heading in (
        "setting",
        "membership",
        "hidden rate",
        "cloaking",
        "missed",
        "Hellinger",
        "correlation",
        "spread",
    ):
        table.add_column(heading)
    for trial in sorted((trial for trial in trials if not trial.impossible), key=lambda trial: trial.membership):
        mark = " (chosen)" if trial is best else " (front)" if trial in front else ""
        table.add_row(
            f"{trial.setting}{mark}",
            f"{trial.membership:.3f}",
            f"{trial.hidden_rate:.1f}%",
            f"{trial.local_cloaking:g}",
            str(trial.missed),
            f"{trial.hellinger:.3f}",
            f"{trial.correlation_difference:.3f}",
            f"{trial.spread_ratio:.3f}",
            style="bold" if mark else "",
        )
    Console(width=max(Console().width, _WIDTH)).print(table)
    for trial in trials:
        if trial.impossible:
            typer.echo(f"{trial.setting} is impossible: {trial.impossible}")
