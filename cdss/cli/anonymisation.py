"""Commands that make synthetic tables and measure their privacy."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from cdss.cli.progress import late_progress_bar
from cdss.cli.rules import read_rules
from cdss.cli.tables import read_table, write_table
from cdss.cli.tuning import tune_command
from cdss.cli.weights import read_weights
from reference_db.avatar import REFERENCE, RELEASE, make_avatars
from reference_db.constraints import violations
from reference_db.errors import InvalidInput
from reference_db.files import write_whole
from reference_db.privacy import PrivacyAssessment, Verdict, assess_privacy
from reference_db.privacy.evidence import evidence_page
from reference_db.privacy.gate import broken_rules
from reference_db.privacy.targets import ASSESSED_AXES

app = typer.Typer()
app.command("tune")(tune_command)

_Labels = Annotated[
    list[str] | None, typer.Option("--categorical", help="Numeric column whose values are labels; may be repeated.")
]
_Strata = Annotated[
    list[str] | None, typer.Option("--strata", help="Column whose values are kept apart; may be repeated.")
]
_Rules = Annotated[
    Path | None, typer.Option("--rules", help="YAML list of rules within and between columns that every row obeys.")
]
_Seed = Annotated[int, typer.Option(help="Seed of everything random: the same seed gives the same bytes.", min=0)]


class MethodName(StrEnum):
    """The ways to make an avatar that the command line offers."""

    RELEASE = "release"
    REFERENCE = "reference"


@app.command("avatarize")
def avatarize_command(
    source: Annotated[Path, typer.Argument(metavar="IN", help="CSV or Parquet table.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="CSV (in the dialect of IN) or Parquet.")],
    k: Annotated[
        int | None,
        typer.Option("--k", help="Neighbours mixed into an avatar; by default the fewest that meet every target."),
    ] = None,
    ncp: Annotated[int, typer.Option(help="Factor axes in which neighbours are sought.")] = 5,
    weights: Annotated[
        list[str] | None, typer.Option(help="COLUMN=WEIGHT in the search for neighbours; may be repeated.")
    ] = None,
    strata: _Strata = None,
    size: Annotated[int | None, typer.Option(help="Rows to make; as many as IN by default.")] = None,
    categorical: _Labels = None,
    rules: _Rules = None,
    method: Annotated[
        MethodName, typer.Option(help="The default, or the published method for replication.")
    ] = MethodName.RELEASE,
    shuffle: Annotated[
        bool, typer.Option("--shuffle", help="Rows in random order, as a table that is given away needs them.")
    ] = False,
    seed: _Seed = 0,
) -> None:
    """Replace every row of a table by an avatar: a random mixture of its nearest others.

    Row i of OUT is the avatar of row i of IN, so that `cdss privacy` can judge it, unless rows are shuffled or
    --size is given. Exits with 1 where no number of neighbours meets every target, and says which is missed; OUT is
    written all the same, to be judged.
    """
    if target.resolve() == source.resolve():
        raise InvalidInput.of("OUT", "is the same file as IN; the originals would be lost")
    table, dialect = read_table(source)
    rng = np.random.default_rng(seed)
    with late_progress_bar("avatars") as progress:
        made = make_avatars(
            table,
            k=k,
            ncp=ncp,
            rng=rng,
            weights=read_weights(weights or []),
            strata=strata or [],
            size=size,
            categorical=categorical or [],
            constraints=read_rules(rules),
            method=RELEASE if method is MethodName.RELEASE else REFERENCE,
            progress=progress,
        )
    synthetic = made.table
    if shuffle:
        synthetic = synthetic.iloc[rng.permutation(len(synthetic))]
    write_table(synthetic, target, dialect)
    if size is not None and size > len(table):
        typer.echo(
            f"{size} avatars of {len(table)} records: analyses must not count them as {size} patients", err=True
        )
    for stratum, reasons in made.missed.items():
        for reason in reasons:
            typer.echo(f"{stratum}: {reason}, at every number of neighbours that was tried", err=True)
    if made.missed:
        typer.echo("a target is missed: not for release", err=True)
        raise typer.Exit(1)


@app.command("privacy")
def privacy_command(
    original: Annotated[Path, typer.Argument(help="The originals, CSV or Parquet.")],
    synthetic: Annotated[Path, typer.Argument(help="The synthetic table; row i is the avatar of row i.")],
    holdout: Annotated[
        Path | None, typer.Option(help="Records of the same population that were not used: the attacks' controls.")
    ] = None,
    strata: _Strata = None,
    categorical: _Labels = None,
    ncp: Annotated[
        int, typer.Option(min=1, help="Factor axes in which hidden rate and local cloaking are measured.")
    ] = ASSESSED_AXES,
    rules: _Rules = None,
    evidence: Annotated[Path | None, typer.Option(help="Also write the evidence as one HTML page.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    seed: _Seed = 0,
) -> None:
    """Measure how well a synthetic table protects the originals; exits with 1 when a target is missed."""
    originals, _ = read_table(original)
    made, _ = read_table(synthetic)
    controls = None if holdout is None else read_table(holdout)[0]
    broken = broken_rules(violations(made, read_rules(rules)))
    with late_progress_bar("privacy") as progress:
        assessment = assess_privacy(
            originals,
            made,
            rng=np.random.default_rng(seed),
            holdout=controls,
            strata=strata or [],
            categorical=categorical or [],
            axes=ncp,
            progress=progress,
        )
    if evidence is not None:
        write_whole(evidence, evidence_page(assessment.to_json_dict(), title=f"Privacy of {synthetic.name}"))
    if as_json:
        typer.echo(json.dumps(assessment.to_json_dict() | {"broken_rules": broken}, indent=2))
    else:
        _print(assessment)
        for reason in broken:
            typer.echo(reason)
    if broken or not assessment.passed:
        raise typer.Exit(1)


def _print(assessment: PrivacyAssessment) -> None:
    console = Console()
    table = Table(
        title=f"{assessment.originals:,} originals, {assessment.avatars:,} avatars, "
        f"targets version {assessment.targets_version}"
    )
    for heading in ("metric", "value", "target", "verdict", "space"):
        table.add_column(heading)
    for metric in assessment.metrics:
        value = "" if metric.value is None else f"{metric.value:.3g} {metric.unit}"
        style = "bold red" if metric.verdict is Verdict.FAILED else ""
        table.add_row(metric.label, value, f"> {metric.target:g}", metric.verdict.value, metric.space, style=style)
    console.print(table)
    attacks = Table(title=f"attacks; control: {assessment.control}")
    for heading in ("attack", "success", "control", "guessing", "risk (95 % interval)", "target", "verdict"):
        attacks.add_column(heading)
    for attack in assessment.attacks:
        rates = (f"{rate.value:.3f}" for rate in (attack.success, attack.control, attack.baseline))
        risk = f"{attack.risk.value:.3f} ({attack.risk.lower:.3f} to {attack.risk.upper:.3f})"
        style = "bold red" if attack.verdict is Verdict.FAILED else ""
        attacks.add_row(attack.label, *rates, risk, f"at most {attack.target:g}", attack.verdict.value, style=style)
    console.print(attacks)
    for failure in assessment.failures:
        typer.echo(failure)
    unknown = any(
        attack.criterion == "membership" and attack.verdict is Verdict.UNINFORMATIVE for attack in assessment.attacks
    )
    met = "every target is met" + (", but membership cannot be told without --holdout" if unknown else "")
    typer.echo(met if assessment.passed else "a target is missed: not for release")
