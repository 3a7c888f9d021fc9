"""Figures of what the synthetic data keep: margins, associations, endpoints."""

from __future__ import annotations

from validation.report.drawing import COLOURS, NEUTRAL, ORIGINAL, SYNTHETIC, canvas, numbers, svg, words
from validation.result import Record, Section

Figures = list[tuple[str, str]]
"""Drawings with their captions."""

_FEATURED = "ADVANCE"

_PANELS = {
    "worsening_12w": ("12-week CDW", "share of patients"),
    "worsening_24w": ("24-week CDW", "share of patients"),
    "gd_12": ("GdE lesions, month 12", "mean per scan"),
    "new_t2_12": ("N/E T2 lesions, month 12", "mean per scan"),
}

_NAMES = {
    "age": "age, years",
    "edss_0": "EDSS at baseline",
    "edss_12": "EDSS, month 12",
    "edss_24": "EDSS, month 24",
    "relapses_12m": "relapses, 12 months before",
    "relapses_12": "relapses, months 10 to 12",
    "gd_12": "GdE lesions, month 12",
    "new_t2_12": "N/E T2 lesions, month 12",
    "new_t2_24": "N/E T2 lesions, month 24",
}

Z = 1.96
"""Standard errors on either side of a 95 % interval."""


def margins(section: Section) -> Figures:
    """Draw the means of the featured trial's outcomes, its distributions, and all distances beside their floor."""
    by_arm = section.tables["by_arm"]
    trial = _FEATURED if any(row["source"] == _FEATURED for row in by_arm) else str(by_arm[0]["source"])
    figures: Figures = [
        (
            _outcome_bars(by_arm, trial),
            f"Outcomes of {trial} by arm, means with 95 % intervals; n: originals observed. CDW: confirmed "
            "disability worsening within 24 months, as share of all patients. GdE: gadolinium-enhancing. N/E T2: new "
            "or enlarging T2.",
        )
    ]
    quantiles = section.tables["quantiles"]
    if quantiles:
        figures.append(
            (
                _quantile_plot(quantiles, trial),
                f"Quantiles (2.5 % to 97.5 %) of avatars against originals, {trial}, one colour per arm. On the line "
                "both have the same distribution.",
            )
        )
    levels = section.tables["levels"]
    if levels:
        figures.append(
            (
                _level_plot(levels, trial),
                f"Share of patients at each value, {trial}, per arm: originals as lines, avatars as dots. Values of "
                "few originals are left out.",
            )
        )
    figure, (axis,) = canvas(height=3.8, width=5.0)
    rows = section.tables["by_source"]
    axis.scatter(numbers(rows, "floor"), numbers(rows, "hellinger"), s=9, color=SYNTHETIC, alpha=0.6)
    top = max([*numbers(rows, "floor"), *numbers(rows, "hellinger")], default=0.1)
    axis.plot([0, top], [0, top], color=NEUTRAL, lw=0.8)
    axis.set_xlabel("noise floor (Hellinger distance of two resamples)", fontsize=8)
    axis.set_ylabel("Hellinger distance, avatars to originals", fontsize=8)
    figures.append(
        (
            svg(figure, "Hellinger distance of every variable and source beside its noise floor"),
            "Every variable of every source: distance of avatars to originals against the distance between two "
            f"resamples of the originals ({len(rows):,} points). Points on or below the line are as near as chance "
            "allows. Variables with few observed values are shown and not judged.",
        )
    )
    return figures


def _short(arm: object) -> str:
    return str(arm).split()[0][:14]


def _outcome_bars(by_arm: tuple[Record, ...], trial: str) -> str:
    figure, axes = canvas(len(_PANELS), height=2.6)
    for axis, (variable, (title, unit)) in zip(axes, _PANELS.items(), strict=True):
        rows = [row for row in by_arm if row["source"] == trial and row["variable"] == variable]
        at = range(len(rows))
        for shift, table, colour, label in (
            (-0.2, "original", ORIGINAL, "originals"),
            (0.2, "synthetic", SYNTHETIC, "avatars"),
        ):
            axis.bar(
                [i + shift for i in at],
                numbers(rows, f"mean_{table}"),
                0.38,
                color=colour,
                label=label,
                yerr=[Z * error for error in numbers(rows, f"error_{table}")],
                error_kw={"lw": 0.8, "ecolor": "#1d2430"},
            )
        counted = zip(words(rows, "arm"), numbers(rows, "n_original"), strict=True)
        axis.set_xticks(list(at), [f"{_short(name)}\nn = {n:,.0f}" for name, n in counted], fontsize=7)
        axis.set_title(title, fontsize=8)
        axis.set_ylabel(unit, fontsize=7)
    axes[0].legend(fontsize=7, frameon=False, loc="upper left")
    axes[0].margins(y=0.25)
    return svg(figure, f"Outcomes of {trial} by arm, originals beside avatars")


def _quantile_plot(quantiles: tuple[Record, ...], trial: str) -> str:
    of_trial = [row for row in quantiles if row["source"] == trial] or list(quantiles)
    variables = sorted({str(row["variable"]) for row in of_trial})[:4]
    figure, axes = canvas(len(variables), height=2.8, width=3.0 * len(variables))
    arms = list(dict.fromkeys(words(of_trial, "arm")))
    for axis, variable in zip(axes, variables, strict=True):
        of_variable = [row for row in of_trial if row["variable"] == variable]
        for arm, colour in zip(arms, COLOURS, strict=False):
            rows = [row for row in of_variable if row["arm"] == arm]
            axis.plot(
                numbers(rows, "original"), numbers(rows, "synthetic"), "o", ms=3, color=colour, label=_short(arm)
            )
        x = numbers(of_variable, "original")
        axis.plot([min(x), max(x)], [min(x), max(x)], color=NEUTRAL, lw=0.8)
        axis.set_title(_NAMES.get(variable, variable), fontsize=8)
        axis.set_xlabel("originals", fontsize=7)
    axes[0].set_ylabel("avatars", fontsize=7)
    axes[0].legend(fontsize=7, frameon=False)
    return svg(figure, f"Quantiles of avatars against originals in {trial}")


def _level_plot(levels: tuple[Record, ...], trial: str) -> str:
    of_trial = [row for row in levels if row["source"] == trial] or list(levels)
    present = set(words(of_trial, "variable"))
    variables = [name for name in ("edss_0", "edss_12", "relapses_12m", "gd_12") if name in present]
    figure, axes = canvas(max(len(variables), 1), height=2.8, width=3.0 * max(len(variables), 1))
    arms = list(dict.fromkeys(words(of_trial, "arm")))
    for axis, variable in zip(axes, variables, strict=False):
        for arm, colour in zip(arms, COLOURS, strict=False):
            rows = [row for row in of_trial if row["variable"] == variable and row["arm"] == arm]
            axis.plot(numbers(rows, "level"), numbers(rows, "original"), "-", lw=1, color=colour)
            axis.plot(numbers(rows, "level"), numbers(rows, "synthetic"), "o", ms=3, color=colour, label=_short(arm))
        axis.set_xlabel(_NAMES[variable], fontsize=8)
        axis.set_ylim(bottom=0)
    axes[0].set_ylabel("share of patients", fontsize=8)
    axes[0].legend(fontsize=7, frameon=False)
    return svg(figure, f"Share of patients at each value in {trial}")


def associations(section: Section) -> Figures:
    """Draw all correlations against each other, and the factor maps side by side."""
    figure, (axis,) = canvas(height=4.0, width=4.2)
    axis.set_aspect("equal")
    pairs = section.tables["pairs"]
    axis.scatter(numbers(pairs, "original"), numbers(pairs, "synthetic"), s=5, color=SYNTHETIC, alpha=0.5)
    axis.plot([-1, 1], [-1, 1], color=NEUTRAL, lw=0.8)
    axis.set_xlabel("rank correlation, originals", fontsize=8)
    axis.set_ylabel("rank correlation, avatars", fontsize=8)
    figures = [
        (
            svg(figure, "Rank correlations of avatars against originals"),
            f"Spearman correlation of every pair of variables ({len(pairs):,} pairs), within sources. On the line it "
            "is kept.",
        )
    ]
    figure, axes = canvas(2, height=3.4, width=8)
    points = section.tables["factor_map"]
    shares = [*numbers(section.tables["factor_axes"], "share"), 0.0, 0.0]
    for axis, (table, colour) in zip(axes, (("original", ORIGINAL), ("synthetic", SYNTHETIC)), strict=True):
        rows = [row for row in points if row["table"] == table]
        axis.scatter(numbers(rows, "x"), numbers(rows, "y"), s=3, color=colour, alpha=0.35, rasterized=True)
        axis.set_title("originals" if table == "original" else "avatars", fontsize=9)
        axis.set_xlabel(f"factor 1 ({shares[0]:.0%} of the variance)", fontsize=8)
    axes[0].set_ylabel(f"factor 2 ({shares[1]:.0%} of the variance)", fontsize=8)
    limits = [min(axis.get_xlim()[0] for axis in axes), max(axis.get_xlim()[1] for axis in axes)]
    heights = [min(axis.get_ylim()[0] for axis in axes), max(axis.get_ylim()[1] for axis in axes)]
    for axis in axes:
        axis.set_xlim(limits)
        axis.set_ylim(heights)
    figures.append(
        (
            svg(figure, "First two factors of originals and avatars side by side"),
            "The first two factors of a factor analysis of mixed data (FAMD) fitted on the originals; "
            f"{len(points) // 2:,} records of each table, jittered.",
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
    axis.set_xlabel("cross-validated area under the curve", fontsize=8)
    axis.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return [
        (
            svg(figure, "Areas under the curve of the discriminators"),
            f"0.5 is a coin. Bars: 95 % intervals over {rows[0]['folds']} folds of up to "
            f"{max(numbers(rows, 'n')):,.0f} records, half of each kind. Originals against originals shows what a "
            "coin looks like at this size.",
        )
    ]
