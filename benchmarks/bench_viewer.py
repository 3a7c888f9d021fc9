"""How long the viewer takes: a figure made in different ways, and a changed field until all is drawn anew.

Run with ``.venv/bin/python benchmarks/bench_viewer.py`` for the figures in one process. With the address of a
running viewer, such as ``http://127.0.0.1:8000/viewer/``, a field is changed in a real Chromium, and the time is
taken from the click until the browser has painted curves and table; times on a busy machine say little, so the load
is printed too, and the processor time of the page's main thread, which other work hardly moves.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import orjson
import plotly.graph_objects as go

from projection.result import ClassProjection, Curve, EdssCourse, Projection
from reference_db.vocabulary import Treatment
from viewer.figures.course import course_figure
from viewer.figures.style import LIGHT, Figure
from viewer.text import Language, catalogue

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession

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


CHANGE = """async (sex) => {
    const plots = ["figure-edss", "figure-worsening"].map(id => document.querySelector(`#${id} .js-plotly-plot`));
    const before = performance.getEntriesByType("resource").length;
    const drawn = Promise.all(plots.map(plot => new Promise(done => plot.once("plotly_afterplot", done))));
    const begin = performance.now();
    document.querySelector(`#poi-sex input[value='${sex}'] + label`).click();
    await drawn;
    await new Promise(painted => requestAnimationFrame(() => requestAnimationFrame(painted)));
    const taken = performance.now() - begin;
    const asked = performance.getEntriesByType("resource").slice(before).filter(one => one.name.includes("_dash-up"));
    return [taken, asked.length ? Math.max(...asked.map(one => one.responseEnd)) - begin : 0, asked.length];
}"""
"""Changes a field; returns milliseconds until painted, until the last answer came, and how many were asked for."""


PARTS = {
    "TaskDuration": "processor time of the page",
    "ScriptDuration": "of that, scripts",
    "LayoutDuration": "of that, layout",
    "RecalcStyleDuration": "of that, styles",
}
"""Counters of Chromium, in seconds."""


def _processor_time(tools: CDPSession) -> dict[str, float]:
    found = {one["name"]: float(one["value"]) for one in tools.send("Performance.getMetrics")["metrics"]}
    return {name: found[name] for name in PARTS}


def in_a_browser(address: str, changes: int = 40) -> None:
    """Print how long a changed field takes until it is seen."""
    from playwright.sync_api import sync_playwright

    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    taken = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(address)
        page.wait_for_selector("#figure-worsening .scatterlayer .trace", timeout=30_000)
        page.wait_for_timeout(1000)
        tools = page.context.new_cdp_session(page)
        tools.send("Performance.enable", {"timeDomain": "threadTicks"})
        before = dict.fromkeys(PARTS, 0.0)
        for change in range(changes + 5):
            if change == 5:
                before = _processor_time(tools)
            measured = page.evaluate(CHANGE, "male" if change % 2 == 0 else "female")
            taken += [measured] if change >= 5 else []  # the first warm the browser up
            page.wait_for_timeout(200)
        after = _processor_time(tools)
        browser.close()
    painted, answered = (sorted(one[column] for one in taken) for column in (0, 1))
    print(f"a changed field, {changes} times; load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for name, times in (("answered", answered), ("painted", painted)):
        tail = times[int(0.9 * len(times))]
        print(f"{name:40s} median {statistics.median(times):5.0f} ms, 90 % {tail:5.0f} ms, best {times[0]:5.0f} ms")
    for name, what in PARTS.items():
        print(f"{what:40s} {1000 * (after[name] - before[name]) / changes:12.1f} ms per change")
    print(f"{'requests per change':40s} {statistics.median(one[2] for one in taken):5.0f}, side by side")


def main() -> None:
    """Print medians and ratios."""
    if len(sys.argv) > 1:
        in_a_browser(sys.argv[1])
        return
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
