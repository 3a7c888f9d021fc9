"""The report as a page: verdicts first, then each section with its figures, tables and what falls short."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from importlib import resources

from validation.report import conservation, prediction, prognosis, replication
from validation.result import Check, Record, Section, ValidationReport, Value, Verdict
from validation.words import in_words

_FIGURES: Mapping[str, Callable[[Section], conservation.Figures]] = {
    "univariate": conservation.margins,
    "multivariate": conservation.associations,
    "discrimination": conservation.discriminators,
    "efficacy": replication.endpoints,
    "repetition": replication.repetitions,
    "projection_error": prediction.errors,
    "truth": prediction.truths,
    "prognosis": prognosis.prognoses,
    "privacy": prediction.trade_off,
}

OPEN_TABLES = (
    ("distributed", "errors"),
    ("projection_error", "augmentation"),
    ("repetition", "shares"),
    ("prognosis", "edss"),
    ("prognosis", "risks"),
    ("prognosis", "published"),
    ("discrimination", "experts"),
)
"""Section and table of those that are shown unfolded: the others are long, or drawn."""

TITLES: Mapping[tuple[str, str], str] = {
    ("structure", "missingness"): "Missing cells by column and arm, as shares from 0 to 1",
    ("structure", "arms"): "Rows by arm",
    ("univariate", "by_source"): "Every variable by source, original against synthetic, in the units of the variable",
    ("univariate", "by_arm"): "Every variable by arm",
    ("univariate", "quantiles"): "Quantiles of every variable, in its unit",
    ("univariate", "levels"): "Share of each level of the categories, 0 to 1",
    ("multivariate", "pairs"): "Rank correlation of every pair of variables",
    ("multivariate", "variables"): "Association that every variable keeps; 1 is all of it",
    ("discrimination", "areas"): "Cross-validated area under the curve; .5 is a coin's",
    ("efficacy", "endpoints"): "Every endpoint of every trial, with 95 % intervals",
    ("repetition", "shares"): "Share of repeated data sets, 0 to 1, that replicate every endpoint of a trial",
    ("projection_error", "errors"): "Errors by group; EDSS in points over months 3 to 24, others in probability; n: "
    "projections (patient and class)",
    ("projection_error", "augmentation"): "Errors by avatars per original; EDSS in points, others in probability; n: "
    "projections (patient and class)",
    ("distributed", "errors"): "Errors of each way of computing; EDSS in points, others in probability",
    (
        "truth",
        "outcomes",
    ): "Projections against the truth; EDSS in points, relapses a year, others in probability; n: projections "
    "(patient and class); coverage: share of 95 % intervals that hold the truth; half width: of these, on average",
    ("truth", "contrasts"): "Comparisons with untreated against the truth; EDSS in points, worsening and relapse in "
    "probability, hazard ratios as logarithms; n: patients of interest",
    (
        "truth",
        "indication",
    ): "Difference from untreated of registry patients who take a class: true, naive, projected",
    ("truth", "yardsticks"): "How wrong the yardstick itself is, in the unit of each outcome; deducted from errors",
    (
        "prognosis",
        "edss",
    ): "EDSS of held-out patients, in points; n: patients; coverage 80: share within the 10-90 % band",
    ("prognosis", "risks"): "Risks of held-out patients by 24 months; n: patients; events: of them by 24 months",
    ("prognosis", "calibration"): "Predicted and observed risk at 24 months, by tenths of the predicted risk",
    ("prognosis", "decision_curves"): "Net benefit per patient by the risk above which one acts",
    ("prognosis", "benefit"): "Projected and observed reduction of the relapse risk at a year, by thirds",
    ("prognosis", "published"): "Published models beside this release: on other data, an order of magnitude only",
}
"""What tables hold, with units, where the name of the table does not say it."""

MOST_ROWS = 60
"""Rows of a table that the page shows; the others stand in ``validation.json``."""

_WORDS = {
    Verdict.PASSED: "passed",
    Verdict.FAILED: "failed",
    Verdict.CONSEQUENCE: "fails with an earlier section",
    Verdict.REPORTED: "reported",
    Verdict.NOT_APPLICABLE: "not applicable",
}


_SIMULATED = "The originals are simulated, so that the truth is known; no figure here is about a real patient. "

_READING = """<details><summary>How to read this page</summary>
<p>Every section asks one question. Its first table has the figures that answer it: those with a target are judged,
the others are for information. A section that fails because an earlier one does says so: the cause stands there, and
it is no pass. Targets rest on published figures and usual conventions, named beside them.</p>
<p><strong>Noise floor</strong>: the same error between two independent resamples of the originals. A figure at its
noise floor is as good as another sample of the same patients. <strong>Published rule</strong>: an endpoint is
replicated when the synthetic effect has the direction of the original, lies in its 95 % interval, and leads to the
same conclusion on significance (Demuth et al., J Med Internet Res 2025;27:e71297).</p>
<p>CDW: confirmed disability worsening. CRPS: continuous ranked probability score, an error in EDSS points. MAE,
RMSE: mean absolute and root mean square error. All figures of this page are in <code>validation.json</code>.</p>
</details>"""


def html_report(report: ValidationReport) -> str:
    """Return a report as one HTML page that needs nothing beside it.

    Parameters
    ----------
    report : ValidationReport
        Also one read back from ``validation.json``: the page is made from its figures alone.
    """
    style = resources.files("validation.report").joinpath("report.css").read_text(encoding="utf-8")
    title = f"Validation of release {escape(report.release)}"
    sections = "\n".join(_section(section) for section in report.sections)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p>{report.synthetic:,} synthetic episodes against {report.originals:,} originals.
{"Short suite: small samples, no repetitions. " if report.quick else ""}Seed {report.seed}.
{_SIMULATED if any(section.name == "truth" for section in report.sections) else ""}A research prototype: the synthetic
data describe, they do not prove cause, and no figure here is about an identified patient.</p>
{_summary(report)}
{_READING}
{sections}
</main>
</body>
</html>
"""


def _summary(report: ValidationReport) -> str:
    rows = "".join(
        f'<tr><td><a href="#{escape(section.name)}">{escape(section.title)}</a></td>'
        f"<td>{escape(section.question)}</td><td>{_badge(section.verdict)}</td></tr>"
        for section in report.sections
    )
    if report.failures:
        falls_short = "".join(f"<li>{escape(failure)}</li>" for failure in report.failures)
        followed = "".join(f"<li>{escape(line)}</li>" for line in report.consequences)
        also = f"<h3>Missed as a consequence of these</h3><ul>{followed}</ul>" if followed else ""
        verdict = f"<h2>What falls short</h2><ul>{falls_short}</ul>{also}"
    else:
        verdict = "<p>Every target is met.</p>"
    return (
        f"{verdict}<h2>Verdicts</h2><table><thead><tr><th>Section</th><th>Question</th><th>Verdict</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def _section(section: Section) -> str:
    draw = _FIGURES.get(section.name)
    drawings = draw(section) if draw is not None else []
    figures = "".join(
        f"<figure>{drawing}<figcaption>{escape(caption)}</figcaption></figure>" for drawing, caption in drawings
    )
    tables = "".join(
        _table(
            TITLES.get((section.name, name), name.replace("_", " ")), rows, shown=(section.name, name) in OPEN_TABLES
        )
        for name, rows in section.tables.items()
        if rows and name != "factor_map"
    )
    remarks = "".join(f"<li>{escape(remark)}</li>" for remark in section.remarks)
    return (
        f'<section id="{escape(section.name)}"><h2>{escape(section.title)} {_badge(section.verdict)}</h2>'
        f"<p>{escape(section.question)}</p>{_checks(section.checks)}{figures}"
        f"{f'<h3>Remarks</h3><ul>{remarks}</ul>' if remarks else ''}{tables}</section>"
    )


def _checks(checks: tuple[Check, ...]) -> str:
    rows = "".join(
        f"<tr><td>{escape(one.label)}</td><td class='number'>{_shown(one.value)}</td>"
        f"<td class='number'>{escape(one.target)}</td><td>{_badge(one.verdict)}</td>"
        f"<td>{escape(one.meaning)}{_named(one)}</td></tr>"
        for one in checks
    )
    return (
        "<table><thead><tr><th>Figure</th><th>Value</th><th>Target</th><th>Verdict</th><th>What it tells</th></tr>"
        f"</thead><tbody>{rows}</tbody></table>"
    )


def _named(one: Check) -> str:
    return f" <strong>Missed by: {escape(one.named_misses)}.</strong>" if one.misses else ""


def _table(title: str, rows: tuple[Record, ...], *, shown: bool) -> str:
    columns = list(rows[0])
    head = "".join(f"<th>{escape(column.replace('_', ' '))}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{_shown(row.get(column))}</td>" for column in columns) + "</tr>"
        for row in rows[:MOST_ROWS]
    )
    more = f" ({len(rows):,} rows, the first {MOST_ROWS}; all in validation.json)" if len(rows) > MOST_ROWS else ""
    return (
        f"<details{' open' if shown else ''}><summary>{escape(title)}{more}</summary>"
        "<div class='wide'><table><thead>"
        f"<tr>{head}</tr></thead><tbody>{body}</tbody></table></div></details>"
    )


def _badge(verdict: Verdict) -> str:
    return f'<span class="badge {verdict.value.replace(" ", "-")}">{_WORDS[verdict]}</span>'


def _shown(value: Value) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return escape(f"{value:,}" if isinstance(value, int) else in_words(value))
