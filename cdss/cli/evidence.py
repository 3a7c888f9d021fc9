"""The command that scores a release against its originals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from cdss.cli.progress import late_progress_bar
from cdss.settings import settings
from reference_db.errors import InvalidInput, ReleaseNotFound
from reference_db.files import write_whole
from reference_db.release import Manifest, Release, active_release, open_release
from reference_db.warehouse import Warehouse, read_bkp

if TYPE_CHECKING:
    from validation import ValidationReport

app = typer.Typer()

RESULT_FILE = "validation.json"
REPORT_FILE = "report.html"


@app.command()
def validate(
    release: Annotated[str | None, typer.Option(help="Version; the active one by default.")] = None,
    originals: Annotated[
        Path | None, typer.Option(help="Folder of the originals; those that the release was built from by default.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Small samples, no repetitions: under a minute.")] = False,
    to: Annotated[Path | None, typer.Option(help="Folder to write to; CDSS_HOME/validation/VERSION.")] = None,
    jobs: Annotated[int | None, typer.Option(help="Processes; one per core by default.", min=1)] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the validation's own draws.", min=0)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Score a release against its originals and the truth; writes validation.json and report.html.

    An interrupted validation goes on where it stopped. Exits with 1 when a target is missed.
    """
    from validation import html_report
    from validation import validate as run
    from validation.suite import DEFAULT_SEED

    opened = _release(release)
    warehouse = _originals(opened.manifest, originals)
    folder = to or settings().home / "validation" / opened.version
    with late_progress_bar("validation") as progress:
        report = run(
            opened,
            warehouse,
            quick=quick,
            seed=DEFAULT_SEED if seed is None else seed,
            jobs=jobs,
            checkpoints=folder / ("unfinished-quick" if quick else "unfinished"),
            progress=progress,
        )
    write_whole(folder / RESULT_FILE, json.dumps(report.to_json_dict(), allow_nan=False))
    write_whole(folder / REPORT_FILE, html_report(report))
    if as_json:
        typer.echo(json.dumps(report.summary() | {"folder": str(folder)}, indent=2))
    else:
        _print(report)
        typer.echo(f"report: {folder / REPORT_FILE}")
    if not report.passed:
        raise typer.Exit(1)


def _release(version: str | None) -> Release:
    path = settings().releases / version if version else active_release(settings().releases)
    if path is None:
        raise ReleaseNotFound(f"no release is active in {settings().releases}: run `cdss build`, or name a version")
    return open_release(path)


def _originals(manifest: Manifest, path: Path | None) -> Warehouse:
    """Read the originals that a release was built from, or those of a folder."""
    if path is None:
        built_from = str(manifest.parameters.get("bkp", ""))
        if built_from == "simulated":
            path = settings().bkp / f"simulated-{manifest.seed}-{manifest.parameters.get('scale', 1.0):g}"
        elif built_from:
            path = Path(built_from)
        else:
            raise InvalidInput.of("originals", "the manifest does not say what the release was built from: name them")
    return read_bkp(path)


def _print(report: ValidationReport) -> None:
    table = Table("section", "verdict", "what falls short", title=f"release {report.release}")
    for section in report.sections:
        short = "; ".join(
            f"{one.label}: {one.value:.3g} (target {one.target})"
            for one in section.checks
            if one.value is not None and one.verdict.value in ("failed", "consequence")
        )
        table.add_row(section.title, section.verdict.value, short)
    Console().print(table)
