"""Commands that make synthetic tables and measure their privacy."""

from __future__ import annotations

import typer

app = typer.Typer()
