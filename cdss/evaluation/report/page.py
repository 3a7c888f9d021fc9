"""The report as one page of HTML, without any outside resource."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from html import escape

import numpy as np
import pandas as pd

from cdss.errors import NotAllowed
from cdss.evaluation.analysis import Analysis, EndpointAnalysis, analyse
from cdss.evaluation.analysis.models import clustered_mean
from cdss.evaluation.collection import collect
from cdss.evaluation.conduct import CLOSED, Conduct
from cdss.evaluation.dataset import BASELINE_COLUMNS, TrialData
from cdss.evaluation.monitoring import Monitoring, monitor
from cdss.evaluation.protocol import Arm, Measure, Protocol
from cdss.evaluation.records import ParticipantRecord
from cdss.evaluation.report import pictures
from cdss.evaluation.report.checklists import checklist_names, checklist_source, filled_checklist
from cdss.evaluation.report.flow import flow_diagram, patient_flow
from cdss.evaluation.report.writing import effect_text, number, p_value, paragraph, table

_STYLE = """body{font:16px/1.55 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}
body{color:#111;background:#fff}
table{border-collapse:collapse;width:100%;margin:1rem 0;font-size:.92rem}caption{text-align:left;font-weight:600}
th,td{border-bottom:1px solid #ccc;padding:.3rem .5rem;text-align:left;vertical-align:top}th{background:#f3f3f3}
.note{border-left:4px solid #d55e00;padding:.5rem 1rem;background:#fdf3ec}code{word-break:break-all}"""

_LABELS = {
    "age": "Age, years",
    "sex": "Sex",
    "phenotype": "Phenotype",
    "years_since_onset": "Years since onset",
    "edss": "EDSS",
    "relapses_12m": "Relapses, 12 months",
    "prior_treatment": "Strongest treatment before",
    "dcs_before": "Decisional Conflict Scale before",
}
_CONDUCT = ("exposure", "choices", "minutes", "usability", "deviations", "adverse", "deficiencies")
_CATEGORIES = ["sex", "phenotype", "prior_treatment"]


def trial_report(conduct: Conduct, code: str, *, seed: int) -> str:
    """Return the report of a trial as HTML.

    Parameters
    ----------
    conduct : Conduct
    code : str
        Of the trial.
    seed : int
        Of the imputations; the same seed gives the same page.

    Raises
    ------
    NotFound
        If there is no trial of that code.
    NotAllowed
        If the trial is open: effects are looked at once, at the end, because looking often finds something.
    """
    state, protocol = conduct.trial(code)
    if state.status != CLOSED:
        raise NotAllowed(f"trial {code} is open: its effects are analysed once it is closed")
    data = collect(conduct.database, protocol)
    return render_report(
        protocol,
        data,
        analyse(protocol, data, rng=np.random.default_rng(seed)),
        monitoring=monitor(conduct, code),
        releases=_releases(conduct, code),
    )


def _releases(conduct: Conduct, code: str) -> tuple[str, ...]:
    from sqlalchemy import select

    asked = select(ParticipantRecord.release).where(ParticipantRecord.trial == code).distinct()
    with conduct.database.reading() as session:
        return tuple(sorted(filter(None, session.scalars(asked))))


def render_report(
    protocol: Protocol,
    data: TrialData,
    analysis: Analysis,
    *,
    monitoring: Monitoring,
    releases: tuple[str, ...] = (),
) -> str:
    """Return a report as HTML."""
    figures = _figures(protocol, data, analysis, monitoring, releases)
    alpha = protocol.analysis.alpha
    parts = [
        f"<h1>{escape(protocol.title)}</h1>",
        '<p class="note">Research prototype: descriptive, not causal; not a medical device. This report is made by '
        "the software that it evaluates; nothing in it was written by hand.</p>",
        _identity(protocol, monitoring),
        "<h2>Flow of patients</h2>",
        flow_diagram(patient_flow(protocol, data)),
        "<h2>Patients at baseline</h2>",
        baseline_table(data),
        "<h2>Effect of using the tool</h2>",
        _primary(analysis, alpha),
        _secondary(analysis, protocol),
        pictures.forest((analysis.primary, *analysis.secondary)),
        *(["<h2>Time to confirmed worsening</h2>", pictures.worsening(analysis.curves)] if analysis.curves else []),
        "<h2>Missing outcomes</h2>",
        _missing(analysis, alpha),
        "<h2>Conduct</h2>",
        *(paragraph(figures[name]) for name in _CONDUCT),
        *(_checklist(name, protocol, figures) for name in checklist_names()),
    ]
    title = escape(f"Report of trial {protocol.code}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"</head><body><main>{''.join(parts)}</main></body></html>"
    )


def _identity(protocol: Protocol, monitoring: Monitoring) -> str:
    design = protocol.allocation
    trial = monitoring.trial
    revealed = (
        f"Seed {trial.seed} and salt {trial.salt} were made known when the trial was closed."
        if trial.seed is not None
        else "Seed and salt are secret until the trial is closed."
    )
    return table(
        ("", ""),
        [
            ("Protocol", f"{protocol.code}, version {protocol.version}, SHA-256 {protocol.digest}"),
            ("Status", f"{trial.status}, opened {trial.opened_at:%Y-%m-%d}"),
            (
                "Design",
                f"{design.randomisation.value.replace('_', ' ')} randomisation, {len(protocol.clusters)} clusters",
            ),
            ("Planned and randomised", f"{protocol.sample_size} planned, {monitoring.allocated} randomised"),
            ("Allocation", f"Commitment published at opening: {trial.commitment}. {revealed}"),
            ("Registration", protocol.governance.registration),
            ("Ethics", protocol.governance.ethics),
        ],
        caption="The trial",
    )


def baseline_table(data: TrialData) -> str:
    """Return the patients at baseline per arm, with standardised mean differences (no p-values), as HTML."""
    from tableone import TableOne

    names = [name for name in BASELINE_COLUMNS if data.table[name].notna().any()]
    if data.table["arm"].nunique() < 2 or len(data) < 4:
        return paragraph("There are too few patients for a table.")
    shown = data.table[[*names, "arm"]].copy()
    for name in names:
        shown[name] = shown[name].astype(object if name in _CATEGORIES else float)
    with warnings.catch_warnings():
        # The library warns of what makes no difference here: small groups, and the fate of its own options.
        warnings.simplefilter("ignore")
        made = TableOne(
            shown,
            columns=names,
            categorical=[name for name in _CATEGORIES if name in names],
            groupby="arm",
            rename=_LABELS,
            smd=True,
            pval=False,
            overall=True,
        )
        frame = made.tableone.reset_index()
    frame.columns = pd.Index([str(column[-1] or column[0]) for column in frame.columns])
    first = frame.columns[0]
    frame[first] = frame[first].where(~frame[first].duplicated(), "")
    return table(
        ["", "", *frame.columns[2:]],
        frame.astype(str).to_numpy().tolist(),
        caption="Baseline characteristics per arm",
    )


def _primary(analysis: Analysis, alpha: float) -> str:
    primary = analysis.primary
    rows = [
        (
            effect.model,
            effect_text(effect, alpha=alpha),
            p_value(effect.p),
            number(effect.correlation, 3),
            f"{effect.n_use} / {effect.n_usual} in {effect.clusters} clusters",
            "; ".join(effect.notes),
        )
        for effect in (primary.effect, *primary.other_models)
    ]
    sentence = (
        f"Primary endpoint: {primary.endpoint.name}. {primary.endpoint.hypothesis} "
        f"Mean with the tool {number(primary.means['use'])}, as usual {number(primary.means['usual'])}; "
        f"{effect_text(primary.effect, alpha=alpha)}, p = {p_value(primary.effect.p)}."
    )
    head = ("model", "effect, use against usual", "p", "intra-cluster correlation", "patients", "notes")
    return paragraph(sentence) + table(
        head, rows, caption="Primary endpoint, by the planned model and by another one"
    )


def _secondary(analysis: Analysis, protocol: Protocol) -> str:
    alpha = protocol.analysis.alpha
    rows = [
        (
            a.endpoint.name,
            f"{number(a.means['use'])} / {number(a.means['usual'])}",
            effect_text(a.effect, alpha=alpha),
            p_value(a.effect.p),
            p_value(a.adjusted_p),
            f"{a.missing['use']} / {a.missing['usual']}",
            "; ".join((a.effect.model, *a.effect.notes)),
        )
        for a in analysis.secondary
    ]
    head = ("endpoint", "use / usual", "effect", "p", "adjusted p", "missing", "model")
    return table(head, rows, caption=f"Secondary endpoints; p adjusted by {protocol.analysis.multiplicity}")


def _missing(analysis: Analysis, alpha: float) -> str:
    if not analysis.sensitivity:
        return paragraph("No sensitivity analysis: no primary outcome is missing, or it is not continuous.")
    rows = [
        (number(s.shift, 1), effect_text(s.effect, alpha=alpha), p_value(s.effect.p)) for s in analysis.sensitivity
    ]
    missing = analysis.primary.missing
    sentence = (
        f"The primary outcome is missing for {missing['use']} patients with the tool and {missing['usual']} as "
        "usual. Imputed outcomes of the arm with the tool are made worse by the shift; 0 is missing at random."
    )
    return paragraph(sentence) + table(
        ("shift", "effect", "p"), rows, caption="Multiple imputation and tipping point"
    )


def _checklist(name: str, protocol: Protocol, figures: Mapping[str, str]) -> str:
    rows = [(i.item, i.topic, i.answer, i.authors) for i in filled_checklist(name, protocol, figures)]
    head = ("item", "topic", "answer", "left to the authors")
    return f"<h2>{escape(name)}</h2>" + table(
        head, rows, caption=f"{checklist_source(name)}. Topics in words of our own."
    )


def _figures(
    protocol: Protocol, data: TrialData, analysis: Analysis, monitoring: Monitoring, releases: tuple[str, ...]
) -> dict[str, str]:
    alpha = protocol.analysis.alpha
    filled = data.table.dropna(subset="sus_after")
    sus = filled["sus_after"].to_numpy(dtype=np.float64)
    mean, lower, upper = clustered_mean(sus, filled["cluster"].to_numpy(dtype=object), alpha=alpha)
    minutes = data.table.groupby("arm")["consultation_minutes"].mean()
    decided = data.table["choice_after"].notna() & data.table["choice_before"].notna()
    changed = (data.table["choice_before"] != data.table["choice_after"])[decided]
    share = changed.groupby(data.table["arm"][decided]).mean()

    def of(values: pd.Series, arm: Arm, scale: float = 1.0) -> str:
        return number(float(values.get(arm.value, float("nan"))) * scale, 1)

    def secondary(a: EndpointAnalysis) -> str:
        return f"{a.endpoint.name}: {effect_text(a.effect, alpha=alpha)}"

    used = int((data.table["arm"] == Arm.USE.value).sum())
    told = f"mean {number(mean, 1)}, {100 * (1 - alpha):g} % interval {number(lower, 1)} to {number(upper, 1)}"
    usability = f"{told} ({len(sus)} questionnaires)" if len(sus) else "not filled in"
    return {
        "baseline": "See the table of patients at baseline.",
        "users": f"{data.table['cluster'].nunique()} neurologists, see the flow of patients.",
        "exposure": f"{used} consultations were allocated to the tool, {len(data) - used} to usual; "
        f"the tool was opened in {monitoring.opened} of the former.",
        "choices": f"The treatment decided on differed from the one considered before in {of(share, Arm.USE, 100)} % "
        f"of consultations with the tool and {of(share, Arm.USUAL, 100)} % as usual.",
        "minutes": f"Consultations took {of(minutes, Arm.USE)} minutes on average with the tool and "
        f"{of(minutes, Arm.USUAL)} as usual.",
        "usability": f"System Usability Scale of the neurologists: {usability}.",
        "deviations": f"The tool was used in {monitoring.deviations} consultations allocated to usual; "
        f"{monitoring.incomplete_consultations} consultations have no decision recorded.",
        "adverse": f"{monitoring.incidents['adverse event']} adverse events were reported.",
        "deficiencies": f"{monitoring.incidents['device deficiency']} deficiencies of the tool were reported; "
        f"{monitoring.incidents['serious']} reports in all were serious.",
        "primary": f"{analysis.primary.endpoint.name}: {effect_text(analysis.primary.effect, alpha=alpha)}.",
        "secondary": "; ".join(secondary(a) for a in analysis.secondary if a.endpoint.measure in set(Measure)) + ".",
        "releases": f"Releases served at allocation: {', '.join(releases)}."
        if releases
        else "No release was served at allocation.",
    }
