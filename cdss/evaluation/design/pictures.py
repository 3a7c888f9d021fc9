"""Power curves as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cdss.evaluation.design.power import PowerPoint
from reference_db.errors import InvalidInput

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_STYLES = ("-", "--", ":", "-.")


def draw_power(points: Sequence[PowerPoint], path: Path) -> None:
    """Write the power curves as PNG or SVG, by the file's name: a colour per endpoint, a line style per clusters.

    Raises
    ------
    InvalidInput
        If the name says another format, or the folder cannot be written to.
    """
    from matplotlib.figure import Figure

    if path.suffix.lower() not in (".png", ".svg"):
        raise InvalidInput.of("picture", f"{path.name} is neither PNG nor SVG", "a name ending in .png or .svg")
    figure = Figure(figsize=(9.5, 4.8))
    axes = figure.subplots()
    endpoints = list(dict.fromkeys(point.endpoint for point in points))
    clusters = sorted({point.clusters for point in points})
    sizes = [point.consultations for point in points]
    apart = 0.006 * ((max(sizes) - min(sizes)) or max(sizes))  # so that intervals do not hide one another
    for i, endpoint in enumerate(endpoints):
        for j, number in enumerate(clusters):
            curve = [p for p in points if p.endpoint == endpoint and p.clusters == number]
            curve.sort(key=lambda point: point.consultations)
            shift = apart * (i * len(clusters) + j - (len(endpoints) * len(clusters) - 1) / 2)
            x, y = [p.consultations + shift for p in curve], [p.power for p in curve]
            error = [[max(p.power - p.lower, 0.0) for p in curve], [max(p.upper - p.power, 0.0) for p in curve]]
            axes.errorbar(
                x,
                y,
                yerr=error,
                color=_COLOURS[i % len(_COLOURS)],
                linestyle=_STYLES[j % len(_STYLES)],
                marker="o",
                capsize=3,
                label=f"{endpoint}, {number} neurologists",
            )
    axes.axhline(0.8, color="#888888", linewidth=1.0)
    axes.set_xlabel("consultations")
    axes.set_ylabel("power, with the interval of the simulation")
    axes.set_ylim(0.0, 1.02)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5))
    axes.set_xticks(sorted(set(sizes)))
    axes.spines[["top", "right"]].set_visible(False)
    try:
        figure.savefig(path, dpi=150, bbox_inches="tight", metadata={"Date": None} if path.suffix == ".svg" else None)
    except OSError as error:
        raise InvalidInput.of("picture", f"{path} cannot be written: {error.strerror or error}") from error
