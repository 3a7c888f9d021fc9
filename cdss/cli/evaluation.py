"""Commands of the clinical evaluation: design, open, rehearse, monitor, close, verify, report."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from cdss.cli.progress import late_progress_bar
from cdss.cli.recruiting import chosen_assumptions, recruited, whole_numbers
from cdss.settings import settings
from reference_db.errors import CdssError, InvalidInput

if TYPE_CHECKING:
    import httpx

    from cdss.evaluation.conduct import Conduct

app = typer.Typer()
evaluation = typer.Typer(help="Evaluate what the use of the tool changes: a randomised trial.", no_args_is_help=True)
app.add_typer(evaluation, name="evaluation")

_Protocol = Annotated[Path, typer.Argument(help="YAML file of the protocol.")]
_Code = Annotated[str, typer.Argument(help="Code of a trial, as `cdss evaluation list` prints it.")]
_AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Assume = Annotated[
    list[str] | None,
    typer.Option(
        "--assume", help="An assumption, as name=value; repeatable. `cdss evaluation assumptions` lists them."
    ),
]
_Seed = Annotated[int, typer.Option(help="Seed of everything random.", min=0)]


@evaluation.command()
def protocol(path: Annotated[Path, typer.Argument(help="YAML file to write.")]) -> None:
    """Write an example protocol to start from."""
    from cdss.evaluation.examples import example_text

    if path.exists():
        raise InvalidInput.of(str(path), "exists already: choose another name")
    _write(path, example_text().encode())
    typer.echo(f"{path} written: edit it, then `cdss evaluation design {path}`")


@evaluation.command("assumptions")
def list_assumptions() -> None:
    """List what a simulated trial assumes, with defaults and ranges."""
    from cdss.evaluation.simulation import Assumptions

    ranges = Assumptions.model_json_schema()["properties"]
    table = Table("assumption", "default", "range", "what")
    for name, field in Assumptions.model_fields.items():
        bounds = ranges[name]
        least = f"{bounds['minimum']:g}" if "minimum" in bounds else f"above {bounds['exclusiveMinimum']:g}"
        table.add_row(name, f"{field.default:g}", f"{least} to {bounds['maximum']:g}", field.description or "")
    Console().print(table)


@evaluation.command()
def design(
    path: _Protocol,
    sizes: Annotated[
        str, typer.Option(help="Numbers of consultations, comma-separated; the protocol's by default.")
    ] = "",
    clusters: Annotated[
        str, typer.Option(help="Numbers of neurologists, comma-separated; the protocol's by default.")
    ] = "",
    endpoint: Annotated[
        list[str] | None, typer.Option(help="Endpoint; repeatable, `all` for all; the primary one by default.")
    ] = None,
    repetitions: Annotated[int, typer.Option(help="Simulated trials per size.", min=10)] = 200,
    assume: _Assume = None,
    seed: _Seed = 1,
    jobs: Annotated[int, typer.Option(help="Processes; -1 for one per core.")] = -1,
    release: Annotated[str | None, typer.Option(help="Release to recruit from; the active one by default.")] = None,
    picture: Annotated[Path | None, typer.Option(help="PNG or SVG file for the power curves.")] = None,
    as_json: _AsJson = False,
) -> None:
    """Compute power by simulation: patients of the release, the protocol's allocation, the planned analysis."""
    from cdss.evaluation.design import simulate_power
    from cdss.evaluation.design.pictures import draw_power
    from cdss.evaluation.protocol import read_protocol

    planned = read_protocol(path)
    chosen = chosen_assumptions(assume)
    names = [e.name for e in planned.endpoints] if endpoint == ["all"] else endpoint
    numbers = whole_numbers(sizes, "sizes") or [planned.sample_size]
    of_clusters: list[int | None] = [*whole_numbers(clusters, "clusters")] or [None]
    asked = [(n, k) for k in of_clusters for n in numbers]
    with late_progress_bar("design") as progress:
        progress(0.0, "patients of the release")
        points = simulate_power(
            planned,
            recruited(release, seed),
            chosen,
            sizes=asked,
            endpoints=names,
            repetitions=repetitions,
            seed=seed,
            jobs=jobs,
            progress=progress,
        )
    if picture is not None:
        draw_power(points, picture)
        typer.echo(f"{picture} written", err=True)
    if as_json:
        typer.echo(json.dumps([asdict(point) for point in points], indent=2))
        return
    table = Table("endpoint", "clusters", "n", "power (95 % interval)", "effect", "s.e.")
    for column in (table.columns[0], table.columns[3]):
        column.no_wrap = True
    for point in points:
        power = f"{point.power:.2f} ({point.lower:.2f} to {point.upper:.2f})"
        row = (point.endpoint, str(point.clusters), str(point.consultations), power)
        table.add_row(*row, f"{point.effect:.2f}", f"{point.standard_error:.2f}")
    Console().print(table)
    typer.echo(f"{repetitions} simulated trials per line, two-sided level {planned.analysis.alpha:g}, seed {seed}")
    typer.echo("effect: mean over the trials, in the unit of the endpoint, or a ratio; s.e.: of one trial")


@evaluation.command("open")
def open_trial(
    path: _Protocol,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the allocation, for rehearsals; drawn by default.", min=0)
    ] = None,
) -> None:
    """Open a trial: fix its protocol, and publish the commitment to its allocation."""
    from cdss.evaluation.protocol import read_protocol

    planned = read_protocol(path)
    with _conduct("open", planned.code) as conduct:
        state = conduct.open(planned, seed=seed)
    typer.echo(f"trial {state.code} is open\nprotocol    {state.digest}\ncommitment  {state.commitment}")


@evaluation.command("list")
def list_trials() -> None:
    """List the trials."""
    with _conduct("read") as conduct:
        states = conduct.trials()
    if not states:
        typer.echo("no trial yet: `cdss evaluation open PROTOCOL`", err=True)
        return
    table = Table("trial", "status", "opened", "protocol")
    for state in states:
        table.add_row(state.code, state.status, f"{state.opened_at:%Y-%m-%d}", state.digest[:12])
    Console().print(table)


@evaluation.command()
def close(code: _Code) -> None:
    """Close a trial to new patients, and make seed and salt of its allocation known."""
    with _conduct("close", code) as conduct:
        state = conduct.close(code)
    typer.echo(f"trial {state.code} is closed\nseed  {state.seed}\nsalt  {state.salt}")


@evaluation.command()
def verify(code: _Code) -> None:
    """Check that the allocation of a closed trial is the one committed to, and was followed; exits with 1 if not."""
    from cdss.evaluation.verification import departures

    with _conduct("verify", code) as conduct:
        found = departures(conduct, code)
    for line in found:
        typer.echo(line, err=True)
    if found:
        raise typer.Exit(1)
    typer.echo(f"trial {code}: allocated as committed")


@evaluation.command("monitor")
def show_monitoring(code: _Code, as_json: _AsJson = False) -> None:
    """Show accrual, balance, completeness and deviations; no outcome by arm."""
    from cdss.evaluation.monitoring import monitor

    with _conduct("monitor", code) as conduct:
        state = monitor(conduct, code)
    if as_json:
        typer.echo(json.dumps(asdict(state), indent=2, default=str))
        return
    table = Table("what", "number")
    table.add_row("allocated of planned", f"{state.allocated} of {state.planned}")
    for name, counts in (
        ("arm", state.by_arm),
        ("neurologist", state.by_cluster),
        ("not randomised", state.not_randomised),
        ("incidents", state.incidents),
    ):
        for key, count in counts.items():
            table.add_row(f"{name}: {key}", str(count))
    for name, share in (*state.questionnaires.items(), *((f"visit, month {m}", v) for m, v in state.visits.items())):
        table.add_row(name, f"{share.received} of {share.expected}")
    table.add_row("withdrawn (erased)", f"{state.withdrawn} ({state.erased})")
    table.add_row("visits due and not reported", str(state.visits_overdue))
    table.add_row("tool opened, as allocated", str(state.opened))
    table.add_row("tool used in a usual consultation", str(state.deviations))
    table.add_row("no decision recorded", str(state.incomplete_consultations))
    Console().print(table)


@evaluation.command()
def rehearse(
    path: _Protocol,
    url: Annotated[str, typer.Option(help="Address of a running service.")] = "http://127.0.0.1:8000",
    seed: _Seed = 1,
    assume: _Assume = None,
    release: Annotated[str | None, typer.Option(help="Release to recruit from; the active one by default.")] = None,
) -> None:
    """Conduct a simulated trial through the HTTP interface of a running service; open it there first if need be."""
    import httpx
    import numpy as np

    from cdss.evaluation.protocol import read_protocol
    from cdss.evaluation.simulation import simulate_consultations
    from cdss.evaluation.simulation.rehearsal import API
    from cdss.evaluation.simulation.rehearsal import rehearse as conduct_simulated
    from cdss.evaluation.simulation.truth import true_effects

    planned = read_protocol(path)
    rng = np.random.default_rng(seed)
    pool, chosen = recruited(release, seed), chosen_assumptions(assume)
    trial = simulate_consultations(planned, pool, chosen, rng=rng)
    try:
        with httpx.Client(base_url=url, timeout=60.0, trust_env=False) as client:
            client.headers["Authorization"] = f"Bearer {_session(client)}"
            if client.get(f"{API}/trials/{planned.code}").status_code == httpx.codes.NOT_FOUND:
                opened = client.post(f"{API}/trials", json={"protocol": planned.document(), "seed": seed})
                if opened.is_error:
                    raise InvalidInput.of("protocol", f"the service refused it: {opened.text}")
            with late_progress_bar("rehearsal") as progress:
                done = conduct_simulated(client, planned, trial, rng=rng, progress=progress)
    except httpx.TransportError as error:
        raise InvalidInput.of("url", f"{url} does not answer: start `cdss serve` first") from error
    typer.echo(f"{len(done.arms)} consultations of trial {planned.code} conducted with {done.requests} requests")
    table = Table("endpoint", "true effect", title="What the analysis should find")
    for name, effect in true_effects(planned, pool, chosen, rng=np.random.default_rng(seed)).items():
        table.add_row(name, f"{effect:.3f}")
    Console().print(table)


@evaluation.command()
def report(
    code: _Code,
    to: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
    seed: _Seed = 1,
    language: Annotated[str, typer.Option(help="Language of the report: en or fr.")] = "en",
) -> None:
    """Analyse a closed trial as planned; write its report: flow, baseline, effects, missing outcomes, checklists."""
    from cdss.evaluation.report import report_language, trial_report

    chosen = report_language(language)
    with _conduct("report", code) as conduct, late_progress_bar("report") as progress:
        progress(0.1, "analysis")
        page = trial_report(conduct, code, seed=seed, language=chosen)
    _write(to, page.encode())
    typer.echo(f"{to} written")


@evaluation.command("file")
def certification_file(
    root: Annotated[Path, typer.Option(help="Folder of the project, with lock file, tests and docs.")] = Path(),
    check: Annotated[
        bool, typer.Option("--check", help="Only say what is missing or out of date; exits with 1.")
    ] = False,
) -> None:
    """Make the generated pages of the certification file; say which requirement or hazard lacks its test."""
    from cdss.evaluation.file import faults, generated_pages, hazards, requirements, test_names

    if not (root / "requirements.txt").is_file() or not (root / "tests").is_dir():
        raise InvalidInput.of("root", f"{root} is not the folder of the project", "with requirements.txt and tests")
    found = list(faults(requirements(), hazards(), test_names(root / "tests")))
    folder = root / "docs" / "file"
    for name, text in generated_pages(root).items():
        present = folder / name
        if check:
            if not present.is_file() or present.read_text(encoding="utf-8") != text:
                found.append(f"{present} is out of date: run `cdss evaluation file`")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            _write(present, text.encode())
            typer.echo(f"{present} written")
    for line in found:
        typer.echo(line, err=True)
    if found:
        raise typer.Exit(1)


@contextmanager
def _conduct(verb: str, subject: str = "") -> Iterator[Conduct]:
    """Give the conduct of trials on the service's database, and record the command whatever comes of it."""
    from cdss.audit import AuditEntry, Outcome, open_trail
    from cdss.evaluation.conduct import Conduct
    from cdss.persistence import open_database

    chosen = settings()
    if chosen.login_required:
        raise InvalidInput.of("command", "where a login is required, use the HTTP interface", "/api/v1/evaluation")
    database = open_database(chosen)
    trail = open_trail(chosen, database)

    def record(outcome: Outcome, status: int) -> None:
        entry = AuditEntry(
            actor=getpass.getuser(),
            role="trialist",
            action=f"evaluation.{verb}",
            session="command line",
            subject=subject[:40],
            outcome=outcome,
            status=status,
        )
        trail.append([entry])

    try:
        try:
            yield Conduct(database)
        except CdssError:
            record(Outcome.REFUSED, 2)
            raise
        record(Outcome.SUCCESS, 0)
    finally:
        database.close()


def _session(client: httpx.Client) -> str:
    """Return a bearer token: ``CDSS_TOKEN`` where a login is required, otherwise a declared session."""
    token = os.environ.get("CDSS_TOKEN", "")
    if token:
        return token
    answered = client.post("/api/v1/session", json={"name": getpass.getuser(), "role": "trialist"})
    if answered.is_error:
        raise InvalidInput.of("url", f"no session could be opened: {answered.text}", "a token in CDSS_TOKEN")
    return str(answered.json()["token"])


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise InvalidInput.of(str(path), f"cannot be written: {error.strerror or error}") from error
