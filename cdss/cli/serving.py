"""Commands that start the service."""

from __future__ import annotations

import typer

app = typer.Typer()
