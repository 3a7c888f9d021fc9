"""A progress bar for work that turns out to take long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

PATIENCE_SECONDS = 2.0
"""Work that ends sooner shows nothing."""


@contextmanager
def late_progress_bar(title: str) -> Iterator[Callable[[float, str], None]]:
    """Give a function to call with the share done and the present step; the bar appears after two seconds.

    Parameters
    ----------
    title : str
        What is being done, in one or two words.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    timing = (TimeElapsedColumn(), TimeRemainingColumn())
    bar = Progress(*columns, *timing, console=Console(stderr=True), transient=True)
    task = bar.add_task(title, total=1.0)
    begun = time.monotonic()
    shown = False

    def report(share: float, step: str) -> None:
        nonlocal shown
        bar.update(task, completed=share, description=f"{title}: {step}")
        if not shown and time.monotonic() - begun > PATIENCE_SECONDS:
            bar.start()
            shown = True

    try:
        yield report
    finally:
        if shown:
            bar.stop()
