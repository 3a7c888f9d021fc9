"""The pictures of the report, as SVG inside the page: effects, and time to confirmed worsening."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cdss.evaluation.analysis import EndpointAnalysis
from cdss.evaluation.analysis.survival import SurvivalCurve
from cdss.evaluation.protocol import Arm
from cdss.evaluation.report.writing import ReportWords

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {Arm.USE: "#0072b2", Arm.USUAL: "#d55e00"}


def svg(figure: Figure) -> str:
    """Return a figure as an SVG element; the same figure gives the same text."""
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "evaluation", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight")
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def forest(analysed: Sequence[EndpointAnalysis], say: ReportWords) -> str:
    """Draw each effect in units of its own standard error, so that different scales share one axis."""
    from matplotlib.figure import Figure

    shown = [a for a in analysed if math.isfinite(a.effect.value)]
    figure = Figure(figsize=(7.0, 0.6 + 0.42 * max(len(shown), 1)))
    axes = figure.subplots()
    for y, analysis in enumerate(reversed(shown)):
        effect = analysis.effect
        moved = [math.log(v) if effect.is_ratio else v for v in (effect.value, effect.lower, effect.upper)]
        value, lower, upper = (v / effect.standard_error for v in moved)
        axes.plot([lower, upper], [y, y], color="#444444", linewidth=1.5)
        axes.plot([value], [y], marker="s", color=COLOURS[Arm.USE])
    axes.axvline(0.0, color="#888888", linewidth=1.0)
    axes.set_yticks(range(len(shown)), [a.endpoint.name for a in reversed(shown)])
    axes.set_xlabel(say("picture_forest"))
    axes.spines[["top", "right"]].set_visible(False)
    return svg(figure)


def worsening(curves: Sequence[SurvivalCurve], say: ReportWords) -> str:
    """Draw the cumulative probability of 24-week confirmed worsening per arm."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 3.6))
    axes = figure.subplots()
    for curve in curves:
        colour = COLOURS[curve.arm]
        axes.step(curve.months, curve.probability, where="post", color=colour, label=say(f"arm_{curve.arm.value}"))
        axes.fill_between(curve.months, curve.lower, curve.upper, step="post", color=colour, alpha=0.15, linewidth=0)
    axes.set_xlabel(say("picture_months"))
    axes.set_ylabel(say("picture_worsening"))
    axes.set_ylim(bottom=0.0)
    axes.yaxis.set_major_formatter(lambda value, _: say.decimals(f"{value:g}"))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return svg(figure)
