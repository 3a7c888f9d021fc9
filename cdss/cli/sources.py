"""Commands that bring source data in."""

from __future__ import annotations

import typer

app = typer.Typer()
