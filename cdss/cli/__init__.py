"""The command line. One module per kind of work; this one joins them and turns errors into exit codes."""

from __future__ import annotations

import os
import sys

import typer

from cdss.cli import anonymisation, consultation, database, evaluation, evidence, governance, serving, sources
from cdss.logs import configure_logs
from reference_db.errors import CdssError

app = typer.Typer(
    name="cdss",
    help="Patients like this one, in an anonymous synthetic reference database, and what became of them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for commands in (
    serving.app,
    database.app,
    consultation.app,
    anonymisation.app,
    sources.app,
    governance.app,
    evidence.app,
    evaluation.app,
):
    app.add_typer(commands)


def main() -> None:
    """Run a command; exit with 2, and one line per problem on standard error, when an input cannot be used."""
    # Threads of learning libraries wait for each other in a busy loop, which takes many times as long beside other
    # work; what is worth several processors is shared out over processes. Read when those libraries are loaded.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    configure_logs()
    try:
        app()
    except CdssError as error:
        typer.echo(str(error), err=True)
        sys.exit(2)
    except OSError as error:
        # A full disk, a folder that may not be written to: nothing that a traceback would help to mend.
        where = f"{error.filename}: " if error.filename else ""
        typer.echo(f"{where}{error.strerror or error}", err=True)
        sys.exit(2)
