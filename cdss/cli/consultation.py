"""Commands that answer for one patient of interest."""

from __future__ import annotations

import typer

app = typer.Typer()
