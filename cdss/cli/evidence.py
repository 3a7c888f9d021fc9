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
QUESTIONNAIRE_FILE = "questionnaire.html"


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
        typer.Option("--questionnaire", help="Instead, deal records for a blinded expert, half of them synthetic."),
    ] = False,
    answers: Annotated[
        Path | None, typer.Option(help="Instead, score the answers to the questionnaire: a file of that page.")
    ] = None,
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
    if questionnaire or answers is not None:
        _questionnaire(opened, warehouse, folder, answers, seed or 0)
        return
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


def _questionnaire(release: Release, originals: Warehouse, folder: Path, answers: Path | None, seed: int) -> None:
    """Deal the questionnaire, or score the answers to the one that the same seed deals."""
    from validation.material import gather
    from validation.questionnaire import deal, score
    from validation.report.questionnaire_page import questionnaire_page

    cards, key = deal(gather(release, originals, quick=True, seed=seed), seed=seed)
    if answers is None:
        page = folder / QUESTIONNAIRE_FILE
        write_whole(page, questionnaire_page(cards, release.version))
        # Half of the records are of patients: for their owner's eyes only.
        page.chmod(0o600)
        typer.echo(f"questionnaire: {page}")
        typer.echo(f"score it with: cdss validate --release {release.version} --answers answers.json --seed {seed}")
        return
    found = score(key, _calls(answers))
    typer.echo(
        f"{found.right} of {found.called} called right: {found.share:.0%} "
        f"(95 % interval {found.lower:.0%} to {found.upper:.0%}; "
        f"a coin does as well with probability {found.p_value:.2g})"
    )


def _calls(path: Path) -> dict[int, str]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        return {int(number): str(call) for number, call in read.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise InvalidInput.of(
            "answers", f"{path} cannot be read: it must be the file that the questionnaire's page saves"
        ) from error


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
