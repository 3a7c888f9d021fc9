"""The generated pages of the file: traceability, risks, SOUP, model card, data set card."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cdss import __version__
from cdss.evaluation.file.soup import soup
from cdss.evaluation.file.traceability import PROBABILITIES, SEVERITIES, acceptable, hazards, items, requirements
from cdss.evaluation.report.writing import ReportWords
from reference_db.privacy.targets import ATTACK_TARGETS, FURTHER_TARGETS, TARGETS, TARGETS_VERSION
from reference_db.schema import AGE_RANGE, DURATION_RANGE, EDSS_MONTHS, SCHEMA_VERSION
from reference_db.small_cells import ROUNDING, SMALL_CELL
from reference_db.sources.simulated.designs import arms, sources
from reference_db.vocabulary import Phenotype, SourceKind, Treatment

GENERATED = ("software.md", "risks.md", "soup.md", "model-card.md", "data-set-card.md")
_NOTE = "<!-- Made by `cdss evaluation file`; edit what it is made from, not this page. -->\n\n"
_STATUS = "Research prototype: descriptive, not causal; not a medical device.\n\n"


def generated_pages(root: Path) -> Mapping[str, str]:
    """Return the generated pages by file name.

    Parameters
    ----------
    root : Path
        Folder of the project, with the lock file.
    """
    lock = (root / "requirements.txt").read_text(encoding="utf-8")
    written = (software_page(), risk_page(), soup_page(lock), model_card(), data_set_card())
    return {name: _NOTE + text for name, text in zip(GENERATED, written, strict=True)}


_FIGURES = """
## Figures

This page describes what every release has in common and gives no measured figure: those belong to one release, named
by the hash of its content, and would be wrong here after the next build. The release that is served shows its own:

| figures | on the viewer's page *About this evidence* | in files |
|---|---|---|
| patients, by source and treatment | by source | `card.md` of the release |
| privacy, metric by metric and attack by attack | yes | `evidence.html` of the release; `manifest.json`, `privacy` |
| quick validation of the build, missed targets named | until a whole one is there | `manifest.json`, `utility` |
| whole validation: error, calibration, coverage | after `cdss validate` | `validation/` below `CDSS_HOME` |

`cdss release show VERSION` prints the manifest, `cdss release verify VERSION` compares every file with it. Whoever
hands this file in for an assessment names the release and encloses its figures.
"""
"""Where the figures stand; the same on both cards."""


def _algorithm() -> str:
    return ReportWords("en")("algorithm")


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(str(cell).replace('|', '/') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _tests(names: Iterable[str]) -> str:
    return "<br>".join(f"`{name}`" for name in names)


_PROCESSES = (
    ("5.1 development plan", "[architecture](../architecture.md), decisions in `docs/decisions/`, `CONTRIBUTING.md`"),
    ("5.2 requirements", "the table below, from `cdss/evaluation/file/requirements.yaml`"),
    (
        "5.3 architecture",
        "items below; imports go one way only, and a contract checked at every change keeps them apart",
    ),
    (
        "5.4, 5.5 design and units",
        "types, docstrings with shapes, units and errors; strict type checking and linting",
    ),
    ("5.6, 5.7 integration and system testing", "the test suite; end-to-end tests against a real server and browser"),
    ("5.8 release", "`CHANGELOG.md`; a release of data is named by the hash of its content"),
    ("6 maintenance", "[post-market plan](post-market.md)"),
    ("7 risk management", "[risks](risks.md): each control with its requirements and tests"),
    (
        "8 configuration management",
        "version control; [software of unknown provenance](soup.md) from the lock, with hashes",
    ),
    ("9 problem resolution", "incident form of the evaluation; issue tracker; not yet tied to one quality system"),
)
"""Where each process of the standard is met."""


def software_page() -> str:
    """Return the software description with traceability from requirement to test."""
    parts = [(f"`{item.name}`", item.safety_class, item.does) for item in items()]
    classes = {item.name: item.safety_class for item in items()}
    controls: dict[str, list[str]] = {}
    for hazard in hazards():
        for name in sorted({name for control in hazard.controls for name in control.requirements}):
            controls.setdefault(name, []).append(hazard.identifier)
    traced = [
        (
            r.identifier,
            f"`{r.item}`",
            classes[r.item],
            r.text,
            ", ".join(controls.get(r.identifier, ())),
            _tests(r.tests),
        )
        for r in requirements()
    ]
    return (
        f"# Software description\n\n{_STATUS}In the manner of IEC 62304:2006+A1:2015. Version {__version__}. "
        f"{_algorithm()}\n\n"
        "## Where the processes are\n\n"
        + _table(("clause", "where"), _PROCESSES)
        + "\n## Items\n\n"
        + _table(("item", "safety class", "does"), parts)
        + "\nClass B: a wrong figure could contribute to a less effective treatment. Harm from that can be serious; "
        "the class rests on a control outside the software (4.3), the neurologist, who decides with everything else "
        "that is known and to whom nothing is suggested. Whoever does not accept that control must take these items "
        "as class C. Class A: a failure shows no wrong figure in a consultation.\n\n"
        "## Traceability\n\nEach requirement with its item, the hazards that it controls, and the tests that verify "
        "it. A test fails when a requirement has no test, names one that does not exist, or belongs to no item; the "
        "suite runs at every change.\n\n"
        + _table(("requirement", "item", "class", "text", "controls", "tests"), traced)
    )


def risk_page() -> str:
    """Return the risk file."""
    rows = [
        (
            h.identifier,
            h.hazard,
            f"{h.situation}: {h.harm[:1].lower()}{h.harm[1:]}",
            f"{h.severity}, {h.before}",
            "<br>".join(f"{control.text} ({', '.join(control.requirements)})" for control in h.controls),
            _tests(test for control in h.controls for test in control.tests),
            f"{h.severity}, {h.residual}",
        )
        for h in hazards()
    ]
    matrix = [
        (
            probability,
            *("acceptable" if (severity, probability) in acceptable() else "not" for severity in SEVERITIES),
        )
        for probability in reversed(PROBABILITIES)
    ]
    return (
        f"# Risks\n\n{_STATUS}In the manner of ISO 14971:2019. Severity and probability are judgements of the "
        "developers; a manufacturer must repeat them with clinicians.\n\n## What is acceptable\n\n"
        + _table(("probability", *SEVERITIES), matrix)
        + "\n## Hazards and their controls\n\n"
        + _table(("hazard", "what", "situation and harm", "risk before", "controls", "verified by", "residual"), rows)
        + "\nAll residual risks are acceptable by the matrix. Whether a benefit outweighs them together is not "
        "known yet: that is what the clinical evaluation is for.\n"
    )


def soup_page(lock: str) -> str:
    """Return the list of software of unknown provenance."""
    listed = soup(lock)
    packages = len({s.name for s in listed})
    rows = [(s.name, s.version, s.condition, s.licence, "yes" if s.direct else "", s.origin) for s in listed]
    return (
        f"# Software of unknown provenance\n\n{_STATUS}Every package that runs ({packages}), from the lock file "
        "`requirements.txt`, which pins versions and hashes. What each direct one is for, and why this one, stands "
        "in [dependencies](../dependencies.md); its known anomalies are on its issue tracker. A machine-readable "
        "list (CycloneDX) comes from the same lock with `cyclonedx-py requirements requirements.txt`.\n\n"
        + _table(("package", "version", "where", "licence", "direct", "origin"), rows)
    )


def model_card() -> str:
    """Return the model card."""
    rows = [
        ("Kind", _algorithm()),
        (
            "Question",
            "What became of the patients of the reference database most like this one, per treatment class?",
        ),
        (
            "Input",
            "Age, phenotype and EDSS; sex, disease duration, relapses, lesions, earlier treatment, EDSS history",
        ),
        (
            "Allowed",
            f"Age {AGE_RANGE[0]:g} to {AGE_RANGE[1]:g} years, duration {DURATION_RANGE[0]:g} to "
            f"{DURATION_RANGE[1]:g} years, phenotype {', '.join(Phenotype)}",
        ),
        (
            "Output",
            f"{len(Treatment)} treatment classes: EDSS at {', '.join(map(str, EDSS_MONTHS))} months, confirmed "
            "worsening, relapses, lesions, each with a 95 % interval and its number of patients",
        ),
        ("Not for", "Choosing a treatment for a real patient; patients under 18; diagnosis; ranking treatments"),
        ("Learned", "Weights of the features in the similarity, from the release; shown, and open to change"),
        ("Uncertainty", "Two intervals, kept apart: of the expected course, and of single courses"),
        ("Refuses", f"When fewer than {SMALL_CELL} patients stand behind a figure, or too few resemble the patient"),
        (
            "Measured by",
            "`cdss validate`: calibration, projection error against the known truth, coverage of intervals",
        ),
        (
            "Known limits",
            "Registry patients were treated by indication; synthetic patients stand for originals; figures "
            "shipped with the project come from simulated sources and say nothing about real patients",
        ),
        (
            "Groups",
            "Phenotypes are never pooled without being asked for; sex, age and duration are features; the validation "
            "reports the error by phenotype, source, age and EDSS, and not by sex",
        ),
    ]
    return f"# Model card\n\n{_STATUS}" + _table(("", ""), rows) + _FIGURES


def data_set_card() -> str:
    """Return the card of the data behind the tool; each release carries its own, with its figures."""
    sizes: dict[str, int] = {}
    for arm in arms():
        sizes[arm.source] = sizes.get(arm.source, 0) + arm.n
    rows = [
        (
            source.label,
            source.kind.value,
            f"{sizes[source.name]:,}" if source.kind is SourceKind.TRIAL else "registry cohort",
            f"{source.days_per_month:g}",
        )
        for source in sources()
    ]
    targets = [
        (t.label, t.definition, f"over {t.over:g}{' ' + t.unit if t.unit else ''}")
        for t in (*TARGETS, *FURTHER_TARGETS)
    ]
    attacks = [(a.label, a.criterion, a.definition, f"{a.at_most:g}") for a in ATTACK_TARGETS.values()]
    return (
        f"# Data set card\n\n{_STATUS}The reference database is anonymous and synthetic: one record is made around "
        "each original by the Avatar method (Guillaudeux et al. 2023, doi 10.1038/s41746-023-00771-5). Each release "
        "carries a card of its own with its figures, and a manifest with the hash of every file.\n\n## Sources\n\n"
        + _table(("source", "kind", "patients at full size", "days in one month of the grid"), rows)
        + "\nThe originals shipped with the project are simulated, calibrated on published figures "
        f"([calibration](../calibration.md)). Schema version {SCHEMA_VERSION}.\n\n"
        f"## Privacy targets, version {TARGETS_VERSION}\n\nA release that misses one is in quarantine and cannot be "
        "served.\n\n"
        + _table(("metric", "definition", "target"), targets)
        + "\nEach attack is made on the whole table and in every stratum, against a control that the assessment "
        "in the manifest names.\n\n"
        + _table(("attack", "criterion", "succeeds when", "largest risk"), attacks)
        + f"\nWhatever is given out rests on at least {SMALL_CELL} patients; counts are moved by fixed deviations of "
        f"the patients counted, then rounded to multiples of "
        f"{ROUNDING}.\n{_FIGURES}"
    )
