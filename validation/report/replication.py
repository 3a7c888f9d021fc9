"""Figures of trials: every endpoint, original beside synthetic, and how often repeated data sets replicate them."""

from __future__ import annotations

import math

from validation.report.conservation import Figures
from validation.report.drawing import NEUTRAL, ORIGINAL, SYNTHETIC, canvas, numbers, svg
from validation.result import Record, Section


def endpoints(section: Section) -> Figures:
    """Draw every endpoint, original beside synthetic."""
    rows = section.tables["endpoints"]
    kinds = [("rate ratio", "hazard ratio"), ("difference of probability",)]
    figure, axes = canvas(2, height=0.26 * len(rows) + 1.2, width=10)
    for axis, measures in zip(axes, kinds, strict=True):
        chosen = [row for row in rows if row["measure"] in measures]
        for prefix, colour, shift in (("", ORIGINAL, 0.15), ("synthetic_", SYNTHETIC, -0.15)):
            value, lower, upper = (numbers(chosen, f"{prefix}{name}") for name in ("value", "lower", "upper"))
            bars = [
                [v - low for v, low in zip(value, lower, strict=True)],
                [high - v for v, high in zip(value, upper, strict=True)],
            ]
            axis.errorbar(
                value,
                [-i + shift for i in range(len(chosen))],
                xerr=bars,
                fmt="o",
                ms=3,
                lw=0.9,
                color=colour,
                label="avatars" if prefix else "originals",
            )
        labels = [
            f"{row['trial']} {str(row['arm']).split()[0][:12]}: {row['endpoint']}{'' if row['replicated'] else ' ✗'}"
            for row in chosen
        ]
        axis.set_yticks([-i for i in range(len(chosen))], labels, fontsize=7)
        if measures[0] == "rate ratio":
            axis.set_xscale("log")
            # Intervals without an upper end would leave no room for the others.
            axis.set_xlim(0.05, 10)
            axis.set_xticks([0.1, 0.2, 0.5, 1, 2, 5], ["0.1", "0.2", "0.5", "1", "2", "5"])
            axis.minorticks_off()
        axis.axvline(1.0 if measures[0] == "rate ratio" else 0.0, color=NEUTRAL, lw=0.8)
        axis.set_xlabel(
            f"{' or '.join(measures)}, active over control"
            if measures[0] == "rate ratio"
            else "share without a relapse, active minus control",
            fontsize=8,
        )
        axis.margins(y=0.02)
    axes[0].legend(fontsize=7, frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2)
    return [
        (
            svg(figure, "Endpoints of every trial"),
            "Endpoints with 95 % intervals; ✗ marks one that is not replicated by the published rule. Ratios are cut "
            "at 0.05 and 10. Patients and events behind them stand in the tables.",
        )
    ]


def repetitions(section: Section) -> Figures:
    """Draw how often repeated data sets replicate every endpoint of each trial."""
    rows = section.tables["shares"]
    if not rows:
        return []
    return [
        (
            _repetition_bars(rows),
            f"Share of {rows[0]['n']} data sets, made again with other seeds, that replicate every endpoint of a "
            "trial, with 95 % intervals; beside it as many resamples of the originals: what chance alone leaves of "
            "the rule. Where both are low, effects that are not significant are a matter of chance; where avatars "
            "alone are, they are biased. In brackets: endpoints. Black lines: published avatars of the real trials.",
        )
    ]


def _repetition_bars(rows: tuple[Record, ...]) -> str:
    trials = [f"{row['trial']} ({row['endpoints']})" for row in rows]
    figure, (axis,) = canvas(height=2.8, width=8)
    for data, colour, shift, label in (
        ("avatars", SYNTHETIC, -0.2, "avatars"),
        ("resamples", ORIGINAL, 0.2, "resamples of the originals"),
    ):
        shares, lower, upper = (numbers(rows, f"{data}{end}") for end in ("", "_lower", "_upper"))
        at = [i + shift for i in range(len(rows))]
        axis.bar(at, shares, 0.38, color=colour, label=label)
        reach = [
            [max(share - low, 0.0) for share, low in zip(shares, lower, strict=True)],
            [max(high - share, 0.0) for share, high in zip(shares, upper, strict=True)],
        ]
        axis.errorbar(at, shares, yerr=reach, fmt="none", ecolor="#1d2430", lw=0.8)
    named = False
    for place, published in enumerate(numbers(rows, "published")):
        if math.isfinite(published):
            axis.plot(
                [place - 0.45, place + 0.45],
                [published, published],
                color="black",
                lw=1.2,
                label=None if named else "published avatars",
            )
            named = True
    axis.set_xticks(range(len(trials)), trials, fontsize=7, rotation=20, ha="right")
    axis.set_ylim(0, 1.05)
    axis.set_ylabel("share of data sets", fontsize=8)
    axis.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return svg(figure, "Share of repeated data sets that replicate every endpoint, avatars beside resamples")
