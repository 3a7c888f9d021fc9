"""Figures of what the synthetic data keep: margins, associations, endpoints."""

from __future__ import annotations

from validation.report.drawing import NEUTRAL, ORIGINAL, SYNTHETIC, canvas, numbers, svg, words
from validation.result import Record, Section

Figures = list[tuple[str, str]]
"""Drawings with their captions."""

_FEATURED = "ADVANCE"

_PANELS = {
    "worsening_12w": "12-week CDW",
    "worsening_24w": "24-week CDW",
    "gd_12": "GdE lesions, month 12",
    "new_t2_12": "N/E T2 lesions, month 12",
}


def margins(section: Section) -> Figures:
    """Draw the means of the featured trial's outcomes, its quantiles, and all distances beside their floor."""
    figures: Figures = []
    by_arm = section.tables["by_arm"]
    trial = _FEATURED if any(row["source"] == _FEATURED for row in by_arm) else str(by_arm[0]["source"])
    figures.append((_outcome_bars(by_arm, trial), f"Outcomes of {trial} by arm: means of originals and avatars."))
    quantiles = section.tables["quantiles"]
    if quantiles:
        figures.append(
            (_quantile_plot(quantiles, trial), f"Quantiles of avatars against originals, {trial}, all arms.")
        )
    figure, (axis,) = canvas(height=3.6, width=5.5)
    rows = section.tables["by_source"]
    axis.scatter(numbers(rows, "floor"), numbers(rows, "hellinger"), s=9, color=SYNTHETIC, alpha=0.6)
    top = max([*numbers(rows, "floor"), *numbers(rows, "hellinger")], default=0.1)
    axis.plot([0, top], [0, top], color=NEUTRAL, lw=0.8)
    axis.set_xlabel("noise floor", fontsize=8)
    axis.set_ylabel("Hellinger distance", fontsize=8)
    figures.append(
        (
            svg(figure, "Hellinger distance of every variable and source beside its noise floor"),
            "Every variable of every source: distance to the originals against the distance of a resample of them. "
            "Points on the line are as near as chance allows.",
        )
    )
    return figures


def _outcome_bars(by_arm: tuple[Record, ...], trial: str) -> str:
    figure, axes = canvas(len(_PANELS), height=2.6)
    for axis, (variable, title) in zip(axes, _PANELS.items(), strict=True):
        rows = [row for row in by_arm if row["source"] == trial and row["variable"] == variable]
        at = range(len(rows))
        axis.bar([i - 0.2 for i in at], numbers(rows, "mean_original"), 0.38, color=ORIGINAL, label="originals")
        axis.bar([i + 0.2 for i in at], numbers(rows, "mean_synthetic"), 0.38, color=SYNTHETIC, label="avatars")
        axis.set_xticks(list(at), [name.split()[0][:14] for name in words(rows, "arm")], fontsize=7)
        axis.set_title(title, fontsize=8)
    axes[0].legend(fontsize=7, frameon=False)
    return svg(figure, f"Outcomes of {trial} by arm, originals beside avatars")


def _quantile_plot(quantiles: tuple[Record, ...], trial: str) -> str:
    of_trial = [row for row in quantiles if row["source"] == trial] or list(quantiles)
    variables = sorted({str(row["variable"]) for row in of_trial})[:4]
    figure, axes = canvas(len(variables), height=2.6)
    for axis, variable in zip(axes, variables, strict=True):
        rows = [row for row in of_trial if row["variable"] == variable]
        x, y = numbers(rows, "original"), numbers(rows, "synthetic")
        axis.scatter(x, y, s=8, color=SYNTHETIC)
        axis.plot([min(x), max(x)], [min(x), max(x)], color=NEUTRAL, lw=0.8)
        axis.set_title(variable, fontsize=8)
        axis.set_xlabel("originals", fontsize=7)
    axes[0].set_ylabel("avatars", fontsize=7)
    return svg(figure, f"Quantiles of avatars against originals in {trial}")


def associations(section: Section) -> Figures:
    """Draw all correlations against each other, and the factor maps side by side."""
    figure, (axis,) = canvas(height=3.8, width=4.2)
    pairs = section.tables["pairs"]
    axis.scatter(numbers(pairs, "original"), numbers(pairs, "synthetic"), s=5, color=SYNTHETIC, alpha=0.5)
    axis.plot([-1, 1], [-1, 1], color=NEUTRAL, lw=0.8)
    axis.set_xlabel("rank correlation, originals", fontsize=8)
    axis.set_ylabel("rank correlation, avatars", fontsize=8)
    figures = [
        (svg(figure, "Rank correlations of avatars against originals"), "Every pair of variables, within sources.")
    ]
    figure, axes = canvas(2, height=3.4, width=8)
    points = section.tables["factor_map"]
    for axis, (table, colour) in zip(axes, (("original", ORIGINAL), ("synthetic", SYNTHETIC)), strict=True):
        rows = [row for row in points if row["table"] == table]
        axis.scatter(numbers(rows, "x"), numbers(rows, "y"), s=3, color=colour, alpha=0.35, rasterized=True)
        axis.set_title("originals" if table == "original" else "avatars", fontsize=9)
        axis.set_xlabel("factor 1", fontsize=8)
    axes[0].set_ylabel("factor 2", fontsize=8)
    limits = [min(axis.get_xlim()[0] for axis in axes), max(axis.get_xlim()[1] for axis in axes)]
    heights = [min(axis.get_ylim()[0] for axis in axes), max(axis.get_ylim()[1] for axis in axes)]
    for axis in axes:
        axis.set_xlim(limits)
        axis.set_ylim(heights)
    figures.append(
        (
            svg(figure, "First two factors of originals and avatars side by side"),
            "The first two factors (FAMD fitted on the originals), a sample of both tables, jittered.",
        )
    )
    return figures


def discriminators(section: Section) -> Figures:
    """Draw the areas under the curve of the discriminators."""
    figure, (axis,) = canvas(height=2.4, width=6)
    rows = section.tables["areas"]
    models = sorted({str(row["model"]) for row in rows})
    for against, colour, shift in (("originals", ORIGINAL, 0.15), ("synthetic", SYNTHETIC, -0.15)):
        chosen = [next(row for row in rows if row["model"] == m and row["against"] == against) for m in models]
        axis.errorbar(
            numbers(chosen, "auc"),
            [i + shift for i in range(len(models))],
            xerr=[1.96 * error for error in numbers(chosen, "standard_error")],
            fmt="o",
            color=colour,
            label="avatars against originals" if against == "synthetic" else "originals against originals",
        )
    axis.axvline(0.5, color=NEUTRAL, lw=0.8)
    axis.set_yticks(range(len(models)), models, fontsize=8)
    axis.set_xlabel("area under the curve", fontsize=8)
    axis.legend(fontsize=7, frameon=False)
    return [(svg(figure, "Areas under the curve of the discriminators"), "0.5 is a coin. Bars: 95 % intervals.")]


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
        axis.axvline(1.0 if measures[0] == "rate ratio" else 0.0, color=NEUTRAL, lw=0.8)
        axis.set_xlabel(" or ".join(measures), fontsize=8)
    axes[0].legend(fontsize=7, frameon=False)
    return [(svg(figure, "Endpoints of every trial"), "Endpoints with 95 % intervals; ✗ marks one not replicated.")]


def repetitions(section: Section) -> Figures:
    """Draw how often repeated data sets replicate every endpoint of each trial."""
    rows = section.tables["repetitions"]
    if not rows:
        return []
    return [(_repetition_bars(rows), "Share of repeated data sets that replicate every endpoint; lines: published.")]


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
    for trial, published in (("CLARITY", 0.725), ("ADVANCE", 0.808)):
        if trial in trials:
            at = trials.index(trial)
            axis.plot([at - 0.45, at + 0.45], [published, published], color="black", lw=1.2)
    axis.set_xticks(range(len(trials)), trials, fontsize=7)
    axis.set_ylim(0, 1.05)
    axis.legend(fontsize=7, frameon=False)
    return svg(figure, "Share of repeated data sets that replicate every endpoint; lines are the published shares")
