"""Commands that build, list and verify releases."""

from __future__ import annotations

import typer

app = typer.Typer()
