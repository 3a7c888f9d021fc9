"""The command that scores a release against its originals."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from cdss.cli.progress import late_progress_bar
from cdss.evidence import SCORES_FILE, evidence_folder, expert_scores, keep_score, keep_validation
from cdss.settings import settings
from reference_db.errors import InvalidInput, ReleaseNotFound
from reference_db.release import Manifest, Release, active_release, open_release
from reference_db.warehouse import Warehouse, read_bkp

if TYPE_CHECKING:
    from validation import ValidationReport

app = typer.Typer()


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
    questionnaire: Annotated[
        bool,
        typer.Option(
            "--questionnaire",
            help="Instead, show a blinded expert 40 records in the viewer, on this machine only, and score the "
            "calls. Half of the records are synthetic, half are originals.",
        ),
    ] = False,
    port: Annotated[
        int, typer.Option(help="TCP port of the questionnaire; a free one by default.", min=0, max=65535)
    ] = 0,
    against: Annotated[
        Path | None,
        typer.Option(
            help="validation.json of another release of the same originals: also say what this one misses and that "
            "one does not."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Score a release against its originals and the truth; writes validation.json and report.html.

    An interrupted validation goes on where it stopped. Exits with 1 when a target is missed.
    """
    from validation import added_failures
    from validation import validate as run
    from validation.suite import DEFAULT_SEED

    base = None if against is None else _read_report(against)
    opened = _release(release)
    warehouse = _originals(opened.manifest, originals)
    folder = to or evidence_folder(settings().home, opened.version)
    if questionnaire:
        _questionnaire(opened, warehouse, folder, seed=seed, port=port)
        return
    with late_progress_bar("validation") as progress:
        report = run(
            opened,
            warehouse,
            quick=quick,
            seed=DEFAULT_SEED if seed is None else seed,
            jobs=jobs,
            checkpoints=folder / ("unfinished-quick" if quick else "unfinished"),
            experts=expert_scores(folder),
            progress=progress,
        )
    page = keep_validation(folder, report)
    added = None if base is None else added_failures(report, base)
    if as_json:
        told = report.summary() | {"folder": str(page.parent)}
        if added is not None:
            told["added"] = [line for section in added for line in section.missed()]
        typer.echo(json.dumps(told, indent=2))
    else:
        _print(report)
        if added is not None:
            lines = [line for section in added for line in section.missed()]
            typer.echo("\n".join([f"missed here and not in {against}:", *(lines or ["nothing"])]))
        typer.echo(f"report: {page}")
    if not report.passed:
        raise typer.Exit(1)


def _questionnaire(release: Release, originals: Warehouse, folder: Path, *, seed: int | None, port: int) -> None:
    """Deal records, and show them to one expert until Ctrl-C."""
    from cdss.questionnaire import Sitting, serve_questionnaire
    from validation.material import gather
    from validation.questionnaire import deal

    # Another sitting sees other records: whoever has been told a score might know some of them again.
    dealt_with = secrets.randbits(31) if seed is None else seed
    cards, key = deal(gather(release, originals, quick=True, seed=dealt_with), seed=dealt_with)
    sitting = Sitting(cards, key, scored=lambda score: keep_score(folder, score, seed=dealt_with))
    typer.echo("Half of the records are originals: for those who may see them only.", err=True)
    serve_questionnaire(
        release,
        sitting,
        port=port,
        started=lambda address: typer.echo(f"Questionnaire   {address}\nStop with Ctrl-C."),
    )
    if sitting.result is None:
        typer.echo("Nothing was scored.")
    else:
        typer.echo(f"{sitting.result.sentence} Kept in {folder / SCORES_FILE}")


def _read_report(path: Path) -> ValidationReport:
    from validation import report_from_json

    try:
        return report_from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInput.of("against", f"{path} is no validation.json: {type(error).__name__}") from error


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
