"""Figures of prognosis: scores of every engine, calibration, decision curves, calibration for benefit."""

from __future__ import annotations

from validation.prognosis import ORIGINALS, PRODUCT
from validation.report.conservation import Figures, Z
from validation.report.drawing import COLOURS, NEUTRAL, ORIGINAL, SYNTHETIC, canvas, numbers, svg, words
from validation.result import Record, Section
from validation.rivals import POPULATION

_ENDPOINTS = {"worsening_24w": "24-week CDW", "relapse": "relapse"}

DRAWN = {PRODUCT: SYNTHETIC, ORIGINALS: ORIGINAL, POPULATION: NEUTRAL, "synthetic, Cox": "#2c7a4b"}
"""Engines of the curves, with their colours; all stand in the tables."""


def prognoses(section: Section) -> Figures:
    """Draw what prognosis is worth."""
    figures: Figures = [
        (
            _scores(section),
            "Scores on held-out patients by engine; the engine that a release serves in orange, the same engine on "
            "the originals in blue. CRPS of the EDSS, lower is better; Brier skill over the population's curve, "
            f"higher is better. Patients: {max(numbers(section.tables['edss'], 'n'), default=0):,.0f} with an EDSS, "
            f"{max(numbers(section.tables['risks'], 'n'), default=0):,.0f} followed for events.",
        ),
    ]
    if section.tables["risks"]:
        figures += [
            (
                _calibration(section.tables["calibration"]),
                "Calibration at 24 months: tenths of the predicted risk against what was observed (Kaplan-Meier), "
                "with 95 % intervals for the engine that a release serves.",
            ),
            (
                _decisions(section.tables["decision_curves"]),
                "Decision curves: net benefit per patient of acting above a risk, against treating all and treating "
                "none (the line at 0).",
            ),
        ]
    if section.tables["benefit"]:
        figures.append(
            (
                _benefit(section.tables["benefit"]),
                "Calibration for benefit: thirds of held-out trial patients by projected reduction of the relapse "
                "risk at a year, against the difference observed between the randomised arms, with 95 % intervals.",
            )
        )
    return figures


def _scored(rows: tuple[Record, ...]) -> dict[str, str]:
    """Return the endpoints that were scored, with their labels."""
    known = words(rows, "endpoint")
    return {endpoint: label for endpoint, label in _ENDPOINTS.items() if endpoint in known}


def _scores(section: Section) -> str:
    edss, risks = section.tables["edss"], section.tables["risks"]
    panels = [
        (f"CRPS of the EDSS, month {month}", [row for row in edss if row["month"] == month], "crps")
        for month in dict.fromkeys(row["month"] for row in edss)
    ] + [
        (f"Brier skill, {label}", [row for row in risks if row["endpoint"] == endpoint], "skill")
        for endpoint, label in _scored(risks).items()
    ]
    figure, axes = canvas(2, -(-len(panels) // 2) or 1, height=2.8 * (-(-len(panels) // 2) or 1), width=10)
    for axis, (title, rows, name) in zip(axes, panels, strict=False):
        # The best at the top.
        ordered = sorted(rows, key=lambda row: float(row[name] or 0.0), reverse=name == "crps")
        for at, row in enumerate(ordered):
            colour = {PRODUCT: SYNTHETIC, ORIGINALS: ORIGINAL}.get(str(row["engine"]), NEUTRAL)
            axis.plot(numbers([row], name), [at], "o", ms=5, color=colour)
        axis.set_yticks(range(len(ordered)), words(ordered, "engine"), fontsize=7)
        axis.grid(axis="y", lw=0.3)
        axis.set_xlabel("EDSS points" if name == "crps" else "1 - Brier score over that of the curve", fontsize=7)
        axis.set_title(title, fontsize=8)
        if name == "skill":
            axis.axvline(0.0, color=NEUTRAL, lw=0.8)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    return svg(figure, "Scores of every engine on held-out patients")


def _calibration(rows: tuple[Record, ...]) -> str:
    scored = _scored(rows)
    figure, axes = canvas(len(scored), height=3.6)
    for axis, (endpoint, label) in zip(axes, scored.items(), strict=True):
        of_endpoint = [row for row in rows if row["endpoint"] == endpoint and row["engine"] in DRAWN]
        top = 1.05 * max([*numbers(of_endpoint, "predicted"), *numbers(of_endpoint, "observed")], default=1.0)
        axis.plot([0, top], [0, top], color=NEUTRAL, lw=0.8)
        for engine, colour in DRAWN.items():
            chosen = [row for row in of_endpoint if row["engine"] == engine]
            x, y = numbers(chosen, "predicted"), numbers(chosen, "observed")
            axis.plot(x, y, "o-", ms=3, lw=1, color=colour, label=engine)
            if engine == PRODUCT:
                axis.errorbar(
                    x, y, yerr=[Z * error for error in numbers(chosen, "error")], fmt="none", ecolor=colour, lw=0.8
                )
        axis.set_title(label, fontsize=8)
        axis.set_xlabel("predicted risk at 24 months", fontsize=8)
        axis.set_ylabel("observed risk at 24 months", fontsize=8)
    axes[0].legend(fontsize=6, frameon=False)
    return svg(figure, "Calibration at 24 months")


def _decisions(rows: tuple[Record, ...]) -> str:
    scored = _scored(rows)
    figure, axes = canvas(len(scored), height=3.2)
    for axis, (endpoint, label) in zip(axes, scored.items(), strict=True):
        of_endpoint = [row for row in rows if row["endpoint"] == endpoint]
        for engine, colour in {**DRAWN, "treat all": COLOURS[4]}.items():
            chosen = [row for row in of_endpoint if row["engine"] == engine]
            axis.plot(
                numbers(chosen, "threshold"),
                numbers(chosen, "net_benefit"),
                "o-",
                ms=3,
                lw=1,
                color=colour,
                label=engine,
            )
        # Treating all falls far below what the others can be told apart at.
        drawn = numbers([row for row in of_endpoint if row["engine"] in DRAWN], "net_benefit")
        highest = max(drawn, default=0.1)
        axis.set_ylim(-0.25 * highest, 1.1 * highest)
        axis.axhline(0.0, color=NEUTRAL, lw=0.8)
        axis.set_title(label, fontsize=8)
        axis.set_xlabel("risk above which one acts", fontsize=8)
        axis.set_ylabel("net benefit per patient", fontsize=8)
    axes[0].legend(fontsize=6, frameon=False)
    return svg(figure, "Decision curves")


def _benefit(rows: tuple[Record, ...]) -> str:
    figure, (axis,) = canvas(height=3.2, width=4.2)
    x, y = numbers(rows, "predicted"), numbers(rows, "observed")
    axis.errorbar(x, y, yerr=[Z * error for error in numbers(rows, "error")], fmt="o", color=SYNTHETIC, lw=0.9)
    low, high = min([*x, *y, 0.0]), max([*x, *y, 0.1])
    axis.plot([low, high], [low, high], color=NEUTRAL, lw=0.8)
    axis.set_xlabel("projected reduction of the relapse risk at a year", fontsize=8)
    axis.set_ylabel("observed reduction", fontsize=8)
    return svg(figure, "Calibration for benefit")
