"""A projection as two panels for print: the course of the EDSS and the probability of worsening."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from projection.result import Projection

LAST_MONTH = 24.0
"""Last month drawn."""


def save_figures(projection: Projection, path: Path) -> None:
    """Save the figures of a projection as PNG or SVG, by the ending of the path."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    drawn = [part for part in projection.classes if part.edss is not None]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(13, 5.5), layout="constrained")
    for number, part in enumerate(drawn):
        colour = f"C{number}"
        if part.edss is None:
            continue
        for panel, curve in ((left, part.edss.expected), (right, part.probabilities.get("worsening_24w"))):
            if curve is None:
                continue
            seen = (curve.months <= LAST_MONTH) & ~np.isnan(curve.value)
            scale = 1.0 if panel is left else 100.0
            step = None if panel is left else "post"
            months, value = curve.months[seen], scale * curve.value[seen]
            style = "default" if step is None else "steps-post"
            panel.plot(months, value, color=colour, drawstyle=style, label=f"{part.treatment} (n = {part.n})")
            panel.fill_between(
                months,
                scale * curve.lower[seen],
                scale * curve.upper[seen],
                step=step,
                color=colour,
                alpha=0.12,
                lw=0,
            )
    left.set(title="Expected EDSS", xlabel="months", ylabel="EDSS")
    right.set(title="24-week confirmed worsening", xlabel="months", ylabel="% of patients")
    if drawn:
        left.legend(fontsize="small", frameon=False)
    else:
        left.text(0.5, 0.5, "no class can be projected", ha="center", transform=left.transAxes)
    figure.suptitle(
        f"Release {projection.release}. Bands: 95 % intervals of the expectation. Research prototype, not a medical "
        "device; descriptive, not causal.",
        fontsize="small",
    )
    figure.savefig(path)
    pyplot.close(figure)
