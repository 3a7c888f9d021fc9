"""A projection for print: the course of the EDSS class by class, and what is expected at two years side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from projection.reading import latest_shown
from projection.result import ClassProjection, Projection

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LAST_MONTH = 24.0
"""Last month drawn."""

PANELS: dict[str, str] = {
    "worsening_24w": "24-week confirmed worsening",
    "relapse": "relapse",
    "new_lesions": "new or enlarging T2 lesion",
}
"""Probabilities that are compared, with their names."""

_IN_A_ROW = 3


def save_figures(projection: Projection, path: Path) -> None:
    """Save the figures of a projection as PNG or SVG, by the ending of the path.

    Every class has a panel of its own, on the same axes: nine intervals on top of each other cannot be told apart.
    """
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    drawn = [part for part in projection.classes if part.refusal is None]
    with_course = [part for part in drawn if part.edss is not None]
    rows = -(-len(with_course) // _IN_A_ROW)
    heights = [2.1 * rows + 0.01, 0.32 * len(drawn) + 1.2]
    figure = pyplot.figure(figsize=(11, sum(heights) + 0.6), layout="constrained")
    parts = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)
    courses, compared = parts[:, 0]
    figure.suptitle(
        f"Release {projection.release}. 95 % intervals of the expectation; pale: where 10 to 90 % of patients are. "
        "Research prototype, not a medical device; descriptive, not causal.",
        fontsize="small",
    )
    if with_course:
        panels = courses.subplots(rows, _IN_A_ROW, sharex=True, sharey=True, squeeze=False).ravel()
        for panel, part in zip(panels, with_course, strict=False):
            _course(panel, part)
        for panel in panels[len(with_course) :]:
            panel.set_visible(False)
        courses.supxlabel("months from today", fontsize="small")
        courses.supylabel("EDSS", fontsize="small")
    if drawn:
        for panel, (name, label) in zip(compared.subplots(1, len(PANELS), sharey=True), PANELS.items(), strict=True):
            _at_the_end(panel, drawn, name, label)
    else:
        compared.text(0.5, 0.5, "no class can be projected", ha="center")
    figure.savefig(path)
    pyplot.close(figure)


def _course(panel: Axes, part: ClassProjection) -> None:
    """Draw the expected EDSS of one class, its interval, and where single patients are."""
    if part.edss is None:
        return
    expected = part.edss.expected
    seen = (expected.months <= LAST_MONTH) & ~np.isnan(expected.value)
    months = expected.months[seen]
    panel.fill_between(months, part.edss.p10[seen], part.edss.p90[seen], color="0.9", lw=0)
    panel.fill_between(months, expected.lower[seen], expected.upper[seen], color="C0", alpha=0.3, lw=0)
    panel.plot(months, expected.value[seen], color="C0")
    panel.set_title(f"{part.treatment} (n = {part.n})", fontsize="small")
    panel.set_xticks(np.arange(0.0, LAST_MONTH + 1.0, 6.0))
    panel.grid(axis="y", color="0.93")


def _at_the_end(panel: Axes, drawn: list[ClassProjection], name: str, label: str) -> None:
    """Draw one probability at the last month under every class, with its interval."""
    for line, part in enumerate(drawn):
        found = latest_shown(part.probabilities.get(name), LAST_MONTH)
        if found is None:
            panel.text(0.5, line, "not known", fontsize="small", color="0.5", va="center")
            continue
        value, lower, upper = (
            100.0 * each for each in (found.estimate.value, found.estimate.lower, found.estimate.upper)
        )
        panel.plot([lower, upper], [line, line], color="C0", lw=1.5)
        whole = found.month == LAST_MONTH
        panel.plot([value], [line], "o", color="C0", ms=4, markerfacecolor="C0" if whole else "white")
        if not whole:
            # An open mark, with its month: this class was not observed until the last one.
            panel.annotate(
                f"month {found.month}",
                (upper, line),
                xytext=(4, 0),
                textcoords="offset points",
                fontsize="x-small",
                color="0.35",
                va="center",
            )
    panel.set_yticks(range(len(drawn)), [part.treatment for part in drawn], fontsize="small")
    panel.set_ylim(len(drawn) - 0.5, -0.5)
    panel.set_xlim(left=0.0)
    panel.set_title(f"{label} by {LAST_MONTH:g} months", fontsize="small")
    panel.set_xlabel("% of patients", fontsize="small")
    panel.grid(axis="x", color="0.93")
