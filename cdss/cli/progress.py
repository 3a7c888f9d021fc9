"""A progress bar for work that turns out to take long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer

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
    # By the clock, not with the first report: a first step can take minutes.
    patience = Timer(PATIENCE_SECONDS, bar.start)
    patience.daemon = True
    patience.start()

    def report(share: float, step: str) -> None:
        bar.update(task, completed=share, description=f"{title}: {step}")

    try:
        yield report
    finally:
        patience.cancel()
        patience.join()
        if bar.live.is_started:
            bar.stop()
