"""Commands that bring source data in: calibration of the simulated sources, import of real ones."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reference_db.vocabulary import SourceKind

if TYPE_CHECKING:
    from reference_db.sources.rejections import Imported

app = typer.Typer()


@app.command()
def calibrate(
    report: Annotated[Path, typer.Option(help="Markdown report to write.")] = Path("docs/calibration.md"),
    parameters: Annotated[
        Path | None, typer.Option(help="Parameter table to write; the one that the build reads by default.")
    ] = None,
    result: Annotated[
        Path, typer.Option(help="Where to write how many figures are met; what the viewer shows by default.")
    ] = Path("validation/calibration/result.yaml"),
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
            result=result,
            progress=progress,
        )
    typer.echo(f"{outcome.met} of {outcome.counted} published figures met: {report}")


class Format(StrEnum):
    """Layouts that can be imported."""

    SDTM = "sdtm"
    CSV = "csv"


@app.command()
def ingest(
    path: Annotated[
        Path, typer.Argument(help="Folder of a study in SDTM, or of tables with their mapping; or of such folders.")
    ],
    layout: Annotated[Format, typer.Option("--format", help="CDISC SDTM (XPT or CSV), or tables of any layout.")],
    to: Annotated[Path, typer.Option(help="Folder of originals to make; a bare name is put below the home's bkp/.")],
    mapping: Annotated[
        Path | None, typer.Option(help="YAML mapping of the tables; mapping.yaml in the folder by default.")
    ] = None,
    kind: Annotated[
        SourceKind | None, typer.Option(help="SDTM: whether patients were randomised; as the study says by default.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Where to write the rejected rows; beside the originals by default.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Import nothing when a row is rejected.")] = False,
) -> None:
    """Import real sources as originals; every row that cannot be used is reported with its reason.

    Nothing is written but the report when no patient can be accepted; exits with 2 then.
    """
    from cdss.settings import settings
    from reference_db.sources.importing import import_to_bkp, read_folder
    from reference_db.sources.sdtm import read_sdtm
    from reference_db.sources.tabular import read_tabular

    target = settings().home / "bkp" / to if to.parent == Path() and not to.is_absolute() else to
    listing = report or target.with_name(f"{target.name}-rejected.csv")

    def read(folder: Path) -> Imported:
        return read_sdtm(folder, kind=kind) if layout is Format.SDTM else read_tabular(folder, mapping=mapping)

    result = import_to_bkp(lambda: read_folder(path, read), target, report=listing, strict=strict)
    for note in result.notes:
        typer.echo(f"note: {note}")
    for name, rows in result.read.items():
        typer.echo(f"{name}: {result.accepted[name]:,} of {rows:,} rows accepted")
    typer.echo(f"{len(result.rejected):,} rejected: {listing}")
    typer.echo(f"originals: {target}")


@app.command("export-sdtm")
def export_simulated(
    folder: Annotated[Path, typer.Argument(help="Folder to make; one study per source in it.")],
    seed: Annotated[int, typer.Option(help="Seed of the simulation.")] = 1,
    scale: Annotated[float, typer.Option(min=0.001, max=1.0, help="Share of the full size.")] = 1.0,
) -> None:
    """Write the simulated sources as CDISC SDTM studies in SAS transport files."""
    from reference_db.sources.sdtm_export import export_sdtm
    from reference_db.sources.simulated import simulate

    simulated = simulate(seed=seed, scale=scale)
    for source in simulated.sources:
        export_sdtm(simulated.tables, source, folder / source.name)
        typer.echo(f"{folder / source.name}")
