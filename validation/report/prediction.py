"""Figures of what projections are worth: their error and their truth; and of privacy beside utility."""

from __future__ import annotations

from validation.report.conservation import Figures
from validation.report.drawing import COLOURS, GOOD, NEUTRAL, ORIGINAL, SYNTHETIC, canvas, numbers, svg, words
from validation.result import Record, Section

_LABELS = {"edss": "EDSS", "worsening_24w": "24-week CDW", "relapse": "relapse"}

_OUTCOMES = {
    "edss": "EDSS at 24 months",
    "worsening_24w": "24-week CDW by 24 months",
    "relapse": "relapse by 24 months",
    "relapse_rate": "relapses a year",
    "hazard_worsening_24w": "hazard ratio, 24-week CDW",
    "hazard_relapse": "hazard ratio, relapse",
}


def errors(section: Section) -> Figures:
    """Draw the error over its noise floor by class, phenotype and source, and the effect of augmentation."""
    shown = ("all", "class", "phenotype", "source", "age", "EDSS", "patients of reference")
    rows = [row for row in section.tables["errors"] if row["by"] in shown]
    if not rows:
        return []
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
    axis.margins(y=0.01)
    axis.legend(fontsize=7, frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3)
    figures = [
        (
            svg(figure, "Projection error over noise floor by group"),
            "1 is the error between two resamples of the originals: left of it, avatars are as good as another "
            "sample of the same patients. EDSS: months 3 to 24; 24-week CDW and relapse: probability by month 24. "
            f"In all {rows[0]['sampled_n']:,} projections (patient and class) of the EDSS, fewer in each group.",
        )
    ]
    augmentation = section.tables["augmentation"]
    if augmentation:
        told = [outcome for outcome in _LABELS if outcome in words(augmentation, "outcome")]
        figure, axes = canvas(len(told), height=2.6)
        for axis, outcome in zip(axes, told, strict=True):
            chosen = [row for row in augmentation if row["outcome"] == outcome]
            at = numbers(chosen, "augmentation")
            for name, colour in (("mae", SYNTHETIC), ("rmse", ORIGINAL)):
                axis.plot(at, numbers(chosen, name), "o-", ms=4, color=colour, label=name.upper())
                axis.plot(
                    at, numbers(chosen, f"floor_{name}"), "--", lw=0.9, color=colour, label=f"floor, {name.upper()}"
                )
            highest = max(max(numbers(chosen, name)) for name in ("rmse", "floor_rmse"))
            axis.set_ylim(0, 1.15 * highest)
            axis.set_title(_LABELS[outcome], fontsize=8)
            axis.set_xticks(at)
            axis.set_xlabel("avatars per original", fontsize=8)
            axis.set_ylabel("EDSS points" if outcome == "edss" else "probability", fontsize=8)
        axes[0].legend(fontsize=6, frameon=False, loc="lower right")
        figures.append(
            (
                svg(figure, "Error by augmentation"),
                "Errors of augmented releases, one to ten avatars per original, with as many times the patients of "
                "reference. Dashed: the noise floor, the same error between two resamples of the originals. "
                f"{augmentation[0]['n']:,} projections of the EDSS.",
            )
        )
    return figures


def truths(section: Section) -> Figures:
    """Draw the coverage of intervals by class, and the bias by indication."""
    figures = [
        (
            _coverage(section),
            "Share of nominal 95 % intervals, from the synthetic patients, that hold the truth: of the expected "
            "course under each class, and of its comparison with untreated as the release answers it. The green band "
            "is 93 to 97 %; all: over patients and classes. "
            f"{_of_all(section, 'outcomes'):,} projections of the EDSS and {_of_all(section, 'contrasts'):,} "
            "comparisons (patient and class).",
        )
    ]
    indication = section.tables["indication"]
    if indication:
        figures.append(
            (
                _indication(indication),
                "What treatment changes for those who take it, in the registries: the truth, the naive difference "
                "between treated and untreated, and projections. Left of 0: less than untreated.",
            )
        )
    return figures


def _of_all(section: Section, table: str) -> int:
    """Count the projections, or comparisons, of the EDSS from the synthetic patients, over all classes."""
    return sum(
        int(row["n"] or 0)
        for row in section.tables[table]
        if row["database"] == "synthetic" and row["outcome"] == "edss" and row["treatment"] != "all"
    )


def _coverage(section: Section) -> str:
    tables = {
        name: [row for row in section.tables[name] if row["database"] == "synthetic"]
        for name in ("outcomes", "contrasts")
    }
    classes = list(dict.fromkeys(words([*tables["outcomes"], *tables["contrasts"]], "treatment")))
    outcomes = list(dict.fromkeys(words([*tables["outcomes"], *tables["contrasts"]], "outcome")))
    figure, axes = canvas(min(len(outcomes), 3), -(-len(outcomes) // 3), height=3.2 * -(-len(outcomes) // 3))
    for axis, outcome in zip(axes, outcomes, strict=False):
        axis.axvspan(0.93, 0.97, color=GOOD, alpha=0.2)
        lowest = 0.6
        for name, colour, marker, label in (
            ("outcomes", SYNTHETIC, "o", "expected course"),
            ("contrasts", ORIGINAL, "D", "against untreated"),
        ):
            chosen = [row for row in tables[name] if row["outcome"] == outcome]
            covered = numbers(chosen, "coverage")
            lowest = min([lowest, *(value - 0.03 for value in covered)])
            axis.scatter(
                covered,
                [-classes.index(treatment) for treatment in words(chosen, "treatment")],
                s=18,
                color=colour,
                marker=marker,
                label=label,
            )
        axis.set_yticks([-i for i in range(len(classes))], classes, fontsize=7)
        axis.set_title(_OUTCOMES.get(outcome, outcome), fontsize=8)
        axis.set_xlabel("share that hold the truth", fontsize=8)
        axis.set_xlim(lowest, 1.01)
    for axis in axes[len(outcomes) :]:
        axis.set_axis_off()
    axes[0].legend(fontsize=7, frameon=False, loc="lower left")
    return svg(figure, "Coverage of intervals by class")


def _indication(indication: tuple[Record, ...]) -> str:
    outcomes = list(dict.fromkeys(words(indication, "outcome")))
    figure, axes = canvas(len(outcomes), height=3.2)
    for axis, outcome in zip(axes, outcomes, strict=True):
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
        axis.set_title(_OUTCOMES.get(outcome, outcome), fontsize=8)
        axis.set_xlabel(
            f"difference from untreated, {'EDSS points' if outcome == 'edss' else 'probability'}", fontsize=8
        )
    axes[0].legend(fontsize=7, frameon=False)
    return svg(figure, "Bias by indication in the registries")


def trade_off(section: Section) -> Figures:
    """Draw privacy and utility over the number of neighbours."""
    rows = section.tables["trade_off"]
    if not rows:
        return []
    panels = {
        "hidden_rate": ("hidden rate, % (lowest arm)", 90.0),
        "local_cloaking": ("local cloaking, records (lowest arm)", 5.0),
        "association_kept": ("association kept", None),
        "endpoints_replicated": ("share of endpoints replicated", None),
    }
    figure, axes = canvas(len(panels), height=2.8, width=11)
    for axis, (name, (label, target)) in zip(axes, panels.items(), strict=True):
        for trial, colour in zip(dict.fromkeys(words(rows, "trial")), COLOURS, strict=False):
            chosen = [row for row in rows if row["trial"] == trial]
            axis.plot(numbers(chosen, "k"), numbers(chosen, name), "o-", ms=3, lw=1, color=colour, label=trial)
        axis.set_xscale("log")
        ticks = sorted(set(numbers(rows, "k")))
        axis.set_xticks(ticks, [f"{k:g}" for k in ticks], fontsize=7)
        axis.minorticks_off()
        axis.set_xlabel("neighbours per avatar (k)", fontsize=8)
        axis.set_ylabel(label, fontsize=8)
        if target is not None:
            axis.axhline(target, color=NEUTRAL, lw=0.8)
    axes[0].legend(fontsize=7, frameon=False)
    return [
        (
            svg(figure, "Privacy and utility over the number of neighbours"),
            "The same trials made with few to many neighbours: privacy at the left (lines: targets), utility at the "
            "right. A single draw per point.",
        )
    ]
