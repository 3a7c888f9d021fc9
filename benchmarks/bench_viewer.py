"""How long a figure takes: plain dictionaries against Plotly's figure classes, in the same run.

Run with ``.venv/bin/python benchmarks/bench_viewer.py``.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import orjson
import plotly.graph_objects as go

from projection.result import ClassProjection, Curve, EdssCourse, Projection
from reference_db.vocabulary import Treatment
from viewer.figures.course import course_figure
from viewer.figures.style import LIGHT, Figure
from viewer.text import Language, catalogue

REPEATS = 30
MONTHS = np.array([0.0, 3, 6, 9, 12, 15, 18, 21, 24])


def projection() -> Projection:
    """Make nine classes with curves."""
    value = 2.5 + 0.02 * MONTHS
    curve = Curve(MONTHS, value, value - 0.2, value + 0.2, np.full(len(MONTHS), 200.0))
    course = EdssCourse(curve, value - 1, value - 0.5, value, value + 0.5, value + 1)
    classes = tuple(
        ClassProjection(treatment.value, 1500, 200, None, course, {}, None, {}) for treatment in Treatment
    )
    return Projection("bench", 200, {"age": 1.0}, classes, ())


def milliseconds(work: Callable[[], object]) -> float:
    """Return the median time of a piece of work."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def main() -> None:
    """Print medians and ratios."""
    text, answer, shown = catalogue(Language.ENGLISH), projection(), tuple(treatment.value for treatment in Treatment)

    def plain() -> Figure:
        return course_figure(answer, shown=shown, past=[(0.0, 2.5)], text=text, theme=LIGHT)

    def with_traces() -> go.Figure:
        figure = plain()
        drawn = go.Figure(layout=figure["layout"])
        for trace in figure["data"]:
            drawn.add_trace(go.Scatter({name: value for name, value in trace.items() if name != "type"}))
        return drawn

    floor = milliseconds(lambda: orjson.dumps(plain()))
    rivals = {
        "plain dictionary, orjson": floor,
        "go.Figure of the same lists, to_json": milliseconds(lambda: go.Figure(plain()).to_json()),
        "go.Figure, add_trace, to_json": milliseconds(lambda: with_traces().to_json()),
    }
    for name, taken in rivals.items():
        print(f"{name:40s} {taken:8.2f} ms {taken / floor:8.1f} x")


if __name__ == "__main__":
    main()
