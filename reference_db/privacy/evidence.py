"""The evidence on one page: what was measured and tried before a synthetic table was let out.

HTML that prints on one sheet of A4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

_STYLE = """
@page { size: A4; margin: 9mm }
body { font: 7.2pt/1.2 system-ui, sans-serif; color: #1a1a1a; max-width: 192mm; margin: 0 auto }
h1 { font-size: 14pt; margin: 0 0 1mm } h2 { font-size: 9.5pt; margin: 2mm 0 .7mm } p { margin: 0 0 1mm }
table { border-collapse: collapse; width: 100% } caption { text-align: left; font-weight: 600 }
th, td { text-align: left; vertical-align: top; padding: .35mm 1.2mm; border-bottom: .2mm solid #ccc }
th { font-weight: 600 } td.n, th.n { text-align: right; white-space: nowrap } small { color: #555 }
.failed { font-weight: 700; color: #a00000 } .passed { color: #005a2b }
"""

_CRITERIA = (
    ("singling out", "Singling out", "Can one patient be isolated in the table?"),
    ("linkability", "Linkability", "Can two records of the same patient be joined through the table?"),
    ("inference", "Inference", "Can something unknown about a patient be deduced from the table?"),
    ("membership", "Membership", "Can it be told that a patient was among the originals?"),
    ("reconstruction", "Reconstruction", "Can originals be rebuilt by someone who knows the method?"),
)


def evidence_page(recorded: Mapping[str, Any], *, title: str) -> str:
    """Return the evidence page of a recorded assessment.

    Parameters
    ----------
    recorded : mapping
        As `PrivacyAssessment.to_json_dict` gives it.
    title : str
        What was assessed.

    Returns
    -------
    str
        A complete HTML document.
    """
    verdict = "Every target is met." if recorded["passed"] else "A target is missed: not for release."
    strata = recorded["strata"]
    held_out = f", {recorded['holdout']:,} held-out records" if recorded["holdout"] else ""
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p><strong class={'passed' if recorded['passed'] else 'failed'}>{verdict}</strong> "
        f"{recorded['originals']:,} originals, {recorded['avatars']:,} synthetic records{held_out}, "
        f"{len(strata)} stratum(s) judged one by one; targets version {escape(recorded['targets_version'])}.</p>",
        _failures(recorded["failures"]),
        "<h2>Attacks, by criterion of Opinion 05/2014 (WP216) of the European data protection authorities</h2>",
        f"<p>Control: {escape(recorded['control'])}. Risk is what the table adds to the control: "
        "(success - control) / (1 - control), with a 95 % interval; for membership, 2 x area under curve - 1. "
        "In each stratum the same attacks are run again, with intervals that hold for all strata together; one fails "
        "when its interval lies wholly above the target.</p>",
        _attacks(recorded["attacks"], strata),
        "<h2>Metrics</h2>",
        "<p>Lowest value over the strata, and the stratum it comes from.</p>",
        _metrics(recorded["metrics"], strata),
        "<p><small>Distances are taken in the factor space (FAMD) of the originals of each stratum. A verdict is "
        "&ldquo;uninformative&rdquo; where an attempt could prove nothing, &ldquo;not applicable&rdquo; where "
        "there is nothing to measure. These figures support a legal assessment of anonymity and do not replace "
        "it.</small></p>",
    ]
    body = "\n".join(parts)
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'


def _failures(failures: Iterable[str]) -> str:
    items = list(failures)
    shown = "".join(f"<li class=failed>{escape(failure)}</li>" for failure in items[:8])
    more = f"<li class=failed>and {len(items) - 8} more</li>" if len(items) > 8 else ""
    return f"<ul>{shown}{more}</ul>" if items else ""


def _attacks(attacks: Iterable[Mapping[str, Any]], strata: Iterable[Mapping[str, Any]]) -> str:
    of_strata: dict[str, list[Mapping[str, Any]]] = {}
    for stratum in strata:
        for attack in stratum.get("attacks", ()):
            of_strata.setdefault(attack["name"], []).append(attack)
    by_criterion: dict[str, list[Mapping[str, Any]]] = {}
    for attack in attacks:
        by_criterion.setdefault(attack["criterion"], []).append(attack)
    rows = []
    for criterion, label, question in _CRITERIA:
        if criterion in by_criterion:
            rows.append(f"<tr><th colspan=8>{label}: {question}</th></tr>")
            rows += [_attack(attack, of_strata.get(attack["name"], [])) for attack in by_criterion[criterion]]
    headings = (
        "<th>attack<th class=n>success<th class=n>control<th class=n>guessing<th class=n>risk<th class=n>at most"
    )
    return f"<table><tr>{headings}<th>verdict<th>in strata</tr>{''.join(rows)}</table>"


def _attack(attack: Mapping[str, Any], in_strata: list[Mapping[str, Any]]) -> str:
    rates = "".join(f"<td class=n>{attack[name]['value']:.3f}" for name in ("success", "control", "baseline"))
    risk = attack["risk"]
    what = f"{escape(attack['definition'])}; {attack['attempts']:,} attempts"
    return (
        f"<tr><td>{escape(attack['label'])} <small>{what}</small>"
        f"{rates}<td class=n>{risk['value']:.3f} ({risk['lower']:.3f}-{risk['upper']:.3f})"
        f"<td class=n>{attack['target']:g}{_verdict(attack['verdict'])}<td>{_in_strata(in_strata)}</tr>"
    )


def _in_strata(attacks: list[Mapping[str, Any]]) -> str:
    """Say how an attack went over all strata: how many it failed in, and the middle and the highest risk."""
    if not attacks:
        return ""
    risks = sorted(attack["risk"]["value"] for attack in attacks)
    failed = sum(attack["verdict"] == "failed" for attack in attacks)
    verdict = f"<span class=failed>failed in {failed}</span>" if failed else "none failed"
    return f"{verdict} <small>of {len(attacks)}; median {risks[len(risks) // 2]:.2f}, highest {risks[-1]:.2f}</small>"


def _metrics(metrics: Iterable[Mapping[str, Any]], strata: Iterable[Mapping[str, Any]]) -> str:
    listed = list(strata)
    rows = []
    for position, metric in enumerate(metrics):
        value = "" if metric["value"] is None else f"{metric['value']:.3g} {metric['unit']}"
        where = next((s["name"] for s in listed if s["metrics"][position]["value"] == metric["value"]), "")
        what = f"{escape(metric['definition'])}; {escape(metric['space'])}"
        rows.append(
            f"<tr><td>{escape(metric['label'])} <small>{what}</small>"
            f"<td class=n>{value}<td class=n>&gt; {metric['target']:g}<td>{escape(where if len(listed) > 1 else '')}"
            f"{_verdict(metric['verdict'])}</tr>"
        )
    return (
        "<table><tr><th>metric<th class=n>value<th class=n>target<th>stratum<th>verdict</tr>"
        + "".join(rows)
        + "</table>"
    )


def _verdict(verdict: str) -> str:
    return f'<td class="{escape(verdict)}">{escape(verdict)}'
