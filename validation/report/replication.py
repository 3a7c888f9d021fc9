"""Figures of trials: every endpoint, original beside synthetic, and how often repeated data sets replicate them."""

from __future__ import annotations

from validation.repetition import PUBLISHED_SHARE
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
            else "difference in the share without a relapse, active minus control",
            fontsize=8,
        )
        axis.margins(y=0.02)
    axes[0].legend(fontsize=7, frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2)
    return [
        (
            svg(figure, "Endpoints of every trial"),
            "Endpoints with 95 % intervals; ✗ marks one that is not replicated by the published rule. Ratios are cut "
            "at 0.05 and 10.",
        )
    ]


def repetitions(section: Section) -> Figures:
    """Draw how often repeated data sets replicate every endpoint of each trial."""
    rows = section.tables["repetitions"]
    if not rows:
        return []
    seeds = len({row["seed"] for row in rows})
    return [
        (
            _repetition_bars(rows),
            f"Share of {seeds} data sets, made again with other seeds, that replicate every endpoint of a trial; "
            "beside it resamples of the originals. Black lines: published avatars of the real trials.",
        )
    ]


def _repetition_bars(repetitions: tuple[Record, ...]) -> str:
    trials = sorted({str(row["trial"]) for row in repetitions})
    figure, (axis,) = canvas(height=2.6, width=8)
    for data, colour, shift in (("avatars", SYNTHETIC, -0.2), ("resample", ORIGINAL, 0.2)):
        shares = []
        for trial in trials:
            chosen = [bool(row["replicated"]) for row in repetitions if row["trial"] == trial and row["data"] == data]
            shares.append(sum(chosen) / max(len(chosen), 1))
        label = "avatars" if data == "avatars" else "resamples of the originals"
        axis.bar([i + shift for i in range(len(trials))], shares, 0.38, color=colour, label=label)
    for trial, published in PUBLISHED_SHARE.items():
        if trial in trials:
            at = trials.index(trial)
            axis.plot(
                [at - 0.45, at + 0.45],
                [published, published],
                color="black",
                lw=1.2,
                label="published avatars" if trial == "CLARITY" else None,
            )
    axis.set_xticks(range(len(trials)), trials, fontsize=7)
    axis.set_ylim(0, 1.05)
    axis.set_ylabel("share of data sets", fontsize=8)
    axis.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return svg(figure, "Share of repeated data sets that replicate every endpoint; lines are the published shares")
