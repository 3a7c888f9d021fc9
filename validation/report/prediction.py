"""Figures of what projections are worth: their error, their truth, their prognosis, and privacy beside utility."""

from __future__ import annotations

from validation.report.conservation import Figures
from validation.report.drawing import COLOURS, GOOD, NEUTRAL, ORIGINAL, SYNTHETIC, canvas, numbers, svg, words
from validation.result import Section

_LABELS = {"edss": "EDSS", "worsening_24w": "24-week CDW", "relapse": "relapse"}


def errors(section: Section) -> Figures:
    """Draw the error over its noise floor by class, phenotype and source, and the effect of augmentation."""
    shown = ("all", "class", "phenotype", "source", "age", "EDSS", "patients of reference")
    rows = [row for row in section.tables["errors"] if row["by"] in shown]
    groups = list(dict.fromkeys((str(row["by"]), str(row["group"])) for row in rows))
    figure, (axis,) = canvas(height=0.2 * len(groups) + 1.0, width=7.5)
    for outcome, colour in zip(_LABELS, COLOURS, strict=False):
        ratio = {(str(row["by"]), str(row["group"])): row["ratio"] for row in rows if row["outcome"] == outcome}
        points = [(ratio.get(group), -i) for i, group in enumerate(groups)]
        known = [(float(x), y) for x, y in points if isinstance(x, int | float)]
        axis.scatter([x for x, _ in known], [y for _, y in known], s=14, color=colour, label=_LABELS[outcome])
    axis.axvline(1.0, color=NEUTRAL, lw=0.8)
    axis.set_yticks([-i for i in range(len(groups))], [f"{by}: {group}" for by, group in groups], fontsize=7)
    axis.set_xlabel("mean absolute error over its noise floor", fontsize=8)
    axis.legend(fontsize=7, frameon=False)
    figures = [
        (
            svg(figure, "Projection error over noise floor by group"),
            "1 is the error between two samples of the same patients: left of it, avatars are as good as a sample.",
        )
    ]
    augmentation = section.tables["augmentation"]
    if augmentation:
        figure, axes = canvas(len(_LABELS), height=2.4)
        for axis, (outcome, label) in zip(axes, _LABELS.items(), strict=True):
            chosen = [row for row in augmentation if row["outcome"] == outcome]
            for name, colour in (("mae", SYNTHETIC), ("rmse", ORIGINAL)):
                axis.plot(
                    numbers(chosen, "augmentation"), numbers(chosen, name), "o-", color=colour, label=name.upper()
                )
            axis.set_ylim(bottom=0)
            axis.set_title(label, fontsize=8)
            axis.set_xlabel("avatars per original", fontsize=8)
        axes[0].legend(fontsize=7, frameon=False)
        figures.append((svg(figure, "Error by augmentation"), "Errors of augmented releases, 1-1 to 1-10."))
    return figures


def truths(section: Section) -> Figures:
    """Draw the coverage of intervals by class, and the bias by indication."""
    outcomes = [row for row in section.tables["outcomes"] if row["database"] == "synthetic"]
    classes = list(dict.fromkeys(words(outcomes, "treatment")))
    figure, axes = canvas(2, height=3.2)
    for axis, outcome in zip(axes, ("edss", "relapse"), strict=True):
        chosen = [row for row in outcomes if row["outcome"] == outcome]
        axis.axvspan(0.93, 0.97, color=GOOD, alpha=0.2)
        axis.scatter(numbers(chosen, "coverage"), [-classes.index(name) for name in words(chosen, "treatment")], s=16)
        axis.set_yticks([-i for i in range(len(classes))], classes, fontsize=7)
        axis.set_title(_LABELS[outcome], fontsize=8)
        axis.set_xlabel("share of 95 % intervals that hold the truth", fontsize=8)
        axis.set_xlim(0, 1)
    figures = [(svg(figure, "Coverage of intervals by class"), "The green band is 93 to 97 %.")]
    indication = section.tables["indication"]
    if indication:
        figure, axes = canvas(2, height=3.2)
        for axis, outcome in zip(axes, ("edss", "relapse"), strict=True):
            chosen = [row for row in indication if row["outcome"] == outcome]
            at = [-i for i in range(len(chosen))]
            for name, colour, marker in (
                ("true", GOOD, "D"),
                ("naive", NEUTRAL, "x"),
                ("unadjusted_neighbours", ORIGINAL, "o"),
                ("adjusted", SYNTHETIC, "o"),
            ):
                label = name.replace("_", " ")
                axis.scatter(numbers(chosen, name), at, s=18, color=colour, marker=marker, label=label)
            axis.axvline(0.0, color=NEUTRAL, lw=0.8)
            axis.set_yticks(at, words(chosen, "treatment"), fontsize=7)
            axis.set_title(f"{_LABELS[outcome]}: difference from untreated", fontsize=8)
        axes[0].legend(fontsize=7, frameon=False)
        figures.append(
            (
                svg(figure, "Bias by indication in the registries"),
                "What treatment changes for those who take it, in the registries: the truth, the naive difference "
                "from the untreated, and projections.",
            )
        )
    return figures


def prognoses(section: Section) -> Figures:
    """Draw calibration and decision curves of every engine."""
    figures: Figures = []
    for table, x, y, title in (
        ("calibration", "predicted", "observed", "Calibration at 24 months, tenths of predicted risk"),
        ("decision_curves", "threshold", "net_benefit", "Decision curves: net benefit of acting above a risk"),
    ):
        rows = section.tables[table]
        figure, axes = canvas(2, height=3.2)
        for axis, endpoint in zip(axes, ("worsening_24w", "relapse"), strict=True):
            engines = list(dict.fromkeys(words([row for row in rows if row["endpoint"] == endpoint], "engine")))
            for engine, colour in zip(engines, COLOURS, strict=False):
                chosen = [row for row in rows if row["endpoint"] == endpoint and row["engine"] == engine]
                axis.plot(numbers(chosen, x), numbers(chosen, y), "o-", ms=3, lw=1, color=colour, label=engine)
            if table == "calibration":
                top = max([*numbers(rows, "predicted"), *numbers(rows, "observed")], default=1.0)
                axis.plot([0, top], [0, top], color=NEUTRAL, lw=0.8)
            else:
                axis.axhline(0.0, color=NEUTRAL, lw=0.8)
            axis.set_title(_LABELS[endpoint], fontsize=8)
            axis.set_xlabel(x, fontsize=8)
            axis.set_ylabel(y.replace("_", " "), fontsize=8)
        axes[0].legend(fontsize=6, frameon=False)
        figures.append((svg(figure, title), title + "."))
    return figures


def trade_off(section: Section) -> Figures:
    """Draw privacy against utility over the number of neighbours."""
    rows = section.tables["trade_off"]
    if not rows:
        return []
    figure, axes = canvas(2, height=2.8)
    for trial, colour in zip(dict.fromkeys(words(rows, "trial")), COLOURS, strict=False):
        chosen = [row for row in rows if row["trial"] == trial]
        for axis, utility in zip(axes, ("association_kept", "endpoints_replicated"), strict=True):
            x, y = numbers(chosen, "hidden_rate"), numbers(chosen, utility)
            axis.plot(x, y, "o-", ms=3, lw=1, color=colour, label=trial)
            for row, at_x, at_y in zip(chosen, x, y, strict=True):
                axis.annotate(f"k={row['k']}", (at_x, at_y), fontsize=6)
            axis.set_xlabel("hidden rate, % (lowest arm)", fontsize=8)
            axis.set_ylabel(utility.replace("_", " "), fontsize=8)
    for axis in axes:
        axis.axvline(90.0, color=NEUTRAL, lw=0.8)
    axes[0].legend(fontsize=7, frameon=False)
    return [(svg(figure, "Privacy against utility over the number of neighbours"), "The line is the privacy target.")]
