"""The calibration report: every published figure beside the simulated one, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from reference_db.sources.simulated.designs import Arm, arms
from reference_db.sources.simulated.parameters import ARM_PARAMETERS, TRIAL_PARAMETERS, Calibration
from reference_db.sources.simulated.published import Figure, csv_rows
from validation.calibration.comparison import Comparison, published_value

_INTRODUCTION = """# Calibration of the simulated sources

Written by `cdss calibrate`; do not edit.

The original patients are personal data and are not part of this project. What stands in for them is simulated, and
every arm is calibrated on what its publication prints. This page shows each published figure beside its simulated
counterpart: the mean over {seeds} simulations of the full size (seeds {first} to {last}), each of them the size of
the real arm. A simulated arm stands for one whose results are known, so its patients are chosen to add up to what its
parameters let expect (`decisions/0012-totals-of-an-arm.md`).

**{met} of {counted} figures read in a publication are met** ({share:.1f} %). A figure is met when the simulated mean
lies in the published 95 % interval, or within 10 % (relative) where none was published. Figures that were not read in
the publication itself (unverified, secondary, derived, re-analyses) are shown and not counted. A printed frequency
table of patients is judged by the 95 % interval (Wilson) of each count. The standard error of a simulated mean is in
brackets: where it is not small against the range, another set of seeds may give the other verdict, and rows whose
distance to the bound is below two standard errors are marked `~`.

Confirmed disability worsening (CDW) is that of `projection.confirmed_worsening` with a fixed baseline; CLARITY is
judged by its own definition (half a step from EDSS 5.0 on). Where publications give percentages by Kaplan-Meier, so
does this page. Odds ratios of enhancing lesions compare patients with any lesion; the trials used an ordinal model.
The arm of REFLEX (173 patients) is neither of the trial's dosing groups and is set between the two.
"""


def calibration_report(
    comparisons: Sequence[Comparison],
    *,
    by_chance: Sequence[Comparison],
    seeds: Sequence[int],
    calibration: Calibration,
    class_table: pd.DataFrame,
    yields: pd.DataFrame,
) -> str:
    """Return the report as Markdown.

    Parameters
    ----------
    comparisons : sequence of Comparison
    by_chance : sequence of Comparison
        The same figures of arms whose totals are left to chance, as those of real trials are.
    seeds : sequence of int
        Seeds behind the means.
    calibration : mapping
        Parameters behind the simulations.
    class_table : DataFrame
        Patients with active disease per class: ``treatment``, ``published``, ``simulated`` and the same ``with
        mother``.
    yields : DataFrame
        As `reference_db.informative.yield_by_source` returns it.
    """
    counted = [c for c in comparisons if c.verdict in ("met", "missed")]
    met = sum(c.verdict == "met" for c in counted)
    parts = [
        _INTRODUCTION.format(
            seeds=len(seeds),
            first=seeds[0],
            last=seeds[-1],
            met=met,
            counted=len(counted),
            share=100.0 * met / len(counted),
        ),
        _section("Figures that are missed", _figures([c for c in counted if c.verdict == "missed"], len(seeds))),
        _section("Between arms", _contrasts(comparisons, by_chance)),
    ]
    for arm in arms():
        rows = [c for c in comparisons if c.figure.arm == arm.code and c.verdict != "not comparable"]
        parts.append(_section(_heading(arm), _figures(rows, len(seeds))))
    pooled = [c for c in comparisons if c.figure.arm.startswith("DC-") and c.verdict != "not comparable"]
    parts += [
        _section("DEFINE and CONFIRM pooled", _figures(pooled, len(seeds))),
        _section("Patients with active disease per class", _CLASSES + _table(class_table)),
        _section("Informative baselines", _INFORMATIVE + _table(yields)),
        _section("Published, without counterpart", _not_comparable(comparisons)),
        _section("Calibrated parameters", _parameters(calibration)),
        _section("Where presentation and publications differ", _DISCREPANCIES),
        _section("Sources", _sources(comparisons)),
    ]
    return "\n".join(parts)


_CLASSES = """Trial arms, and registry patients with a relapse in the 12 months before the index date or an enhancing
lesion at it: counts in the presentation of the sources, and simulated (exact at every seed).

"""

_INFORMATIVE = """Visits from which two years of clinical and MRI follow-up on one treatment are known
(`reference_db.informative`). Published: 611 patients of the high-definition cohort by their index date alone and
1,307 by any visit; 27.8 % of the mother cohort with 2.2 visits each; 12,953 patients in 13 source databases, of which
eleven trials. Fewer trials are simulated, and only their scanned subsets give informative baselines; ADVANCE, with 48
weeks, none.

"""

_DISCREPANCIES = """* The presentation lists 206 patients of ORACLE-MS under interferon; the trial tested cladribine,
and 206 is its 3.5 mg/kg arm: labelled cladribine here. The class table fits that reading.
* It counts 25,737 patients of reference; its rows sum to 25,726, which is what is simulated.
* Sizes of arms are those of the presentation; they differ by a few patients from those randomised (ADVANCE 490 and
  505 of 500 and 512, SENTINEL 595 of 582, CLARITY 434 and 430 of 437 and 433, REFLEX 169 and 173).
* ADVANCE ends at week 48 in both arms: its second year has no placebo.
* The class table asks for 93 % of the high-definition cohort on a treatment with active disease, its cohort profile
  for 19 % untreated: the class table is kept, since an index date is the start of a treatment and not the day of
  inclusion.
* Trials of a first event (REFLEX, ORACLE-MS) are followed to the second attack, the end of the double-blind
  treatment.
* Prior treatment in the pooled table of DEFINE and CONFIRM conflicts with the trials and is not used.
"""


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}\n"


def _heading(arm: Arm) -> str:
    return f"{arm.source}: {arm.name} ({arm.phenotype}, {arm.n} patients)"


def _table(table: pd.DataFrame) -> str:
    header = "| " + " | ".join(str(column) for column in table.columns) + " |"
    rule = "|" + "---|" * len(table.columns)
    rows = ["| " + " | ".join(str(value) for value in row) + " |" for row in table.itertuples(index=False)]
    return "\n".join([header, rule, *rows]) + "\n"


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def _source(figure: Figure) -> str:
    return f"{figure.source_key} ({figure.flag})"


def _figures(comparisons: Iterable[Comparison], seeds: int) -> str:
    rows = []
    for c in comparisons:
        error = c.spread / np.sqrt(seeds)
        narrow = min(c.simulated - c.lower, c.upper - c.simulated) < 2.0 * error
        mark = " ~" if narrow and c.verdict in ("met", "missed") else ""
        rows.append(
            {
                "figure": c.figure.name.replace("_", " "),
                "over": c.figure.timepoint,
                "published": _number(published_value(c.figure)),
                "range": f"{_number(c.lower)} to {_number(c.upper)}",
                "simulated": f"{_number(c.simulated)} ({_number(error)})",
                "verdict": f"{c.verdict}{mark}",
                "source": _source(c.figure),
            }
        )
    return _table(pd.DataFrame(rows)) if rows else "None.\n"


def _contrasts(comparisons: Iterable[Comparison], by_chance: Iterable[Comparison]) -> str:
    """Direction and significance of ratios: a ratio is significant where 1 is outside its 95 % interval."""
    rows = []
    for c, free in zip(comparisons, by_chance, strict=True):
        if not c.figure.comparator or c.verdict == "not comparable":
            continue
        log_spread = free.spread / free.simulated
        significant = abs(np.log(c.simulated)) > 1.96 * log_spread
        published = ""
        if c.figure.lower is not None and c.figure.upper is not None:
            published = "yes" if c.figure.upper < 1.0 or c.figure.lower > 1.0 else "no"
        rows.append(
            {
                "arm": c.figure.arm,
                "ratio": c.figure.name,
                "published": _number(c.figure.value),
                "simulated": _number(c.simulated),
                "same direction": "yes" if (c.figure.value < 1.0) == (c.simulated < 1.0) else "NO",
                "published significant": published,
                "simulated significant": "yes" if significant else "no",
            }
        )
    text = (
        "Direction and significance of the ratios between arms. Simulated: whether a single trial of this size finds "
        "the ratio different from 1, by the spread between seeds when the totals of an arm are left to chance.\n\n"
    )
    return text + _table(pd.DataFrame(rows))


def _not_comparable(comparisons: Iterable[Comparison]) -> str:
    reasons: dict[str, list[str]] = {}
    for c in comparisons:
        if c.verdict == "not comparable":
            reasons.setdefault(c.reason, []).append(f"{c.figure.name} ({c.figure.arm})")
    return "\n".join(f"* {reason}: {', '.join(names)}" for reason, names in reasons.items()) + "\n"


def _parameters(calibration: Calibration) -> str:
    def table(scopes: Sequence[str], names: Sequence[str]) -> str:
        return _table(
            pd.DataFrame([{"": scope} | {n: _number(calibration[scope, n]) for n in names} for scope in scopes])
        )

    trials = list(dict.fromkeys(arm.source for arm in arms()))
    return (
        table(trials, TRIAL_PARAMETERS)
        + "\n"
        + table([arm.code for arm in arms()], ARM_PARAMETERS)
        + "\nThe parameters of the disease model itself, with their sources, are in "
        "`reference_db/sources/simulated/parameters.csv`.\n"
    )


def _sources(comparisons: Iterable[Comparison]) -> str:
    bibliography: Mapping[str, Mapping[str, str]] = {row["source_key"]: row for row in csv_rows("bibliography.csv")}
    lines = []
    for key in sorted({c.figure.source_key for c in comparisons}):
        row = bibliography[key]
        words = [row["authors"], row["title"], row["journal"], row["year"]]
        doi = f" doi {row['doi']}" if row["doi"] else ""
        lines.append(f"* **{key}**: {'. '.join(word for word in words if word)}.{doi}")
    return "\n".join(lines) + "\n"
