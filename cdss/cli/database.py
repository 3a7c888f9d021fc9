"""Commands that build, list and verify releases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console
from rich.table import Table

from cdss.cli.progress import late_progress_bar
from cdss.settings import settings
from reference_db.errors import CdssError
from reference_db.release import Manifest, Status, activate, active_release, list_releases, verify_release

app = typer.Typer()
releases = typer.Typer(help="List, verify and activate the frozen releases.", no_args_is_help=True)
app.add_typer(releases, name="release")

_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Version = Annotated[str, typer.Argument(help="Version of a release, as `cdss release list` prints it.")]


def build_and_activate(
    config: Path | None = None,
    *,
    seed: int | None = None,
    k: int | None = None,
    ncp: int | None = None,
    scale: float | None = None,
) -> Manifest:
    """Build a release with a progress bar, and make it the active one when its privacy assessment lets it out."""
    from cdss.attachments import attachments
    from reference_db.build import BuildConfig, build
    from validation.suite import utility

    chosen = BuildConfig.read(config, seed=seed, k=k, ncp=ncp, scale=scale)
    with late_progress_bar("build") as progress:
        manifest = build(settings().home, chosen, attachments=attachments, utility=utility, progress=progress)
    if manifest.status is Status.USABLE:
        activate(settings().releases, manifest.version)
    else:
        structlog.get_logger().error("release_quarantined", version=manifest.version, reasons=manifest.reasons)
    return manifest


@app.command()
def build(
    config: Annotated[Path | None, typer.Option(help="YAML file with what to build from and with.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    k: Annotated[int | None, typer.Option(help="Neighbours per avatar; chosen per stratum by default.")] = None,
    ncp: Annotated[int | None, typer.Option(help="FAMD components kept for the neighbour search.")] = None,
    scale: Annotated[float | None, typer.Option(help="Share of the simulated patients to make, 0 to 1.")] = None,
    as_json: _AsJson = False,
) -> None:
    """Build a release: sources, originals, avatars, privacy gate, frozen release.

    Exits with 1 when the release missed a privacy target and was put in quarantine.
    """
    manifest = build_and_activate(config, seed=seed, k=k, ncp=ncp, scale=scale)
    if as_json:
        typer.echo(manifest.model_dump_json(indent=2))
    else:
        typer.echo(f"release {manifest.version}: {manifest.status}, {sum(manifest.row_counts.values()):,} patients")
        for reason in manifest.reasons:
            typer.echo(f"  {reason}", err=True)
    if manifest.status is Status.QUARANTINED:
        raise typer.Exit(1)


@releases.command("list")
def list_all(as_json: _AsJson = False) -> None:
    """List the releases: version, status, patients, day of making."""
    active = active_release(settings().releases)
    rows = []
    for path in list_releases(settings().releases):
        try:
            manifest = verify_release(path)
            status, patients, created = str(manifest.status), manifest.row_counts["episodes"], str(manifest.created)
        except CdssError:
            status, patients, created = "corrupted", 0, ""
        rows.append(
            {
                "version": path.name,
                "status": status,
                "patients": patients,
                "created": created,
                "active": path == active,
            }
        )
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    if not rows:
        typer.echo(f"no release in {settings().releases}: run `cdss build`", err=True)
        return
    table = Table("version", "status", "patients", "created", "active")
    for row in rows:
        table.add_row(
            str(row["version"]),
            str(row["status"]),
            f"{row['patients']:,}",
            str(row["created"]),
            "*" * bool(row["active"]),
        )
    Console().print(table)


@releases.command()
def show(version: _Version) -> None:
    """Print the manifest of a release as JSON."""
    typer.echo(verify_release(settings().releases / version).model_dump_json(indent=2))


@releases.command()
def verify(version: Annotated[str | None, typer.Argument(help="Version; all when not given.")] = None) -> None:
    """Check every file of one release, or of all, against the hashes in the manifest; exits with 1 on a fault."""
    paths = [settings().releases / version] if version else list_releases(settings().releases)
    faults = 0
    for path in paths:
        try:
            typer.echo(f"{path.name}: intact, {verify_release(path).status}")
        except CdssError as error:
            faults += 1
            typer.echo(str(error), err=True)
    if faults:
        raise typer.Exit(1)


@releases.command("activate")
def make_active(version: _Version) -> None:
    """Make a release the one that is served by default."""
    activate(settings().releases, version)
    typer.echo(f"release {version} is active")
