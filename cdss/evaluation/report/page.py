"""The report as one page of HTML, without any outside resource."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from html import escape

import numpy as np
import pandas as pd

from cdss.evaluation.analysis import Analysis, analyse
from cdss.evaluation.analysis.effect import Effect
from cdss.evaluation.collection import collect
from cdss.evaluation.conduct import CLOSED, Conduct
from cdss.evaluation.dataset import BASELINE_COLUMNS, TrialData
from cdss.evaluation.monitoring import Monitoring, monitor
from cdss.evaluation.protocol import Protocol
from cdss.evaluation.reasons import Refusal
from cdss.evaluation.records import ParticipantRecord
from cdss.evaluation.report import pictures
from cdss.evaluation.report.checklists import checklist_names, checklist_source, filled_checklist
from cdss.evaluation.report.figures import figures_of
from cdss.evaluation.report.flow import flow_diagram, patient_flow
from cdss.evaluation.report.writing import Language, ReportWords, paragraph, table

_STYLE = """body{font:16px/1.55 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}
body{color:#111;background:#fff}
table{border-collapse:collapse;width:100%;margin:1rem 0;font-size:.92rem}caption{text-align:left;font-weight:600}
th,td{border-bottom:1px solid #ccc;padding:.3rem .5rem;text-align:left;vertical-align:top}th{background:#f3f3f3}
.note{border-left:4px solid #d55e00;padding:.5rem 1rem;background:#fdf3ec}code{word-break:break-all}"""

_CONDUCT = ("exposure", "choices", "minutes", "usability", "deviations", "adverse", "deficiencies")
_CATEGORIES = ["sex", "phenotype", "prior_treatment"]


def trial_report(conduct: Conduct, code: str, *, seed: int, language: Language = "en") -> str:
    """Return the report of a trial as HTML.

    Parameters
    ----------
    conduct : Conduct
    code : str
        Of the trial.
    seed : int
        Of the imputations; the same seed gives the same page.
    language : {"en", "fr"}

    Raises
    ------
    NotFound
        If there is no trial of that code.
    NotAllowed
        If the trial is open: effects are looked at once, at the end, because looking often finds something.
    """
    state, protocol = conduct.trial(code)
    if state.status != CLOSED:
        raise Refusal("report_secret", code=code)
    data = collect(conduct.database, protocol)
    return render_report(
        protocol,
        data,
        analyse(protocol, data, rng=np.random.default_rng(seed)),
        monitoring=monitor(conduct, code),
        releases=_releases(conduct, code),
        language=language,
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
    language: Language = "en",
) -> str:
    """Return a report as HTML."""
    say = ReportWords(language)
    figures = figures_of(protocol, data, analysis, monitoring, releases, say)
    alpha = protocol.analysis.alpha

    def heading(key: str) -> str:
        return f"<h2>{escape(say(key))}</h2>"

    curves = analysis.curves
    parts = [
        f"<h1>{escape(protocol.title)}</h1>",
        f'<p class="note">{escape(say("notice"))} {escape(say("protocol_language"))}</p>',
        _identity(protocol, monitoring, say),
        heading("flow"),
        flow_diagram(patient_flow(protocol, data), say),
        heading("baseline_heading"),
        baseline_table(data, say),
        heading("effect_heading"),
        _primary(analysis, alpha, say),
        *([_periods(analysis, alpha, say)] if analysis.periods else []),
        _secondary(analysis, protocol, say),
        pictures.forest((analysis.primary, *analysis.secondary), say),
        *([heading("worsening_heading"), pictures.worsening(curves, say)] if curves else []),
        heading("missing_heading"),
        _missing(analysis, alpha, say),
        heading("conduct_heading"),
        *(paragraph(figures[name]) for name in _CONDUCT),
        *(_checklist(name, protocol, figures, say) for name in checklist_names()),
    ]
    title = escape(say("title", code=protocol.code))
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>"
    )


def _identity(protocol: Protocol, monitoring: Monitoring, say: ReportWords) -> str:
    trial = monitoring.trial
    known = {"code": protocol.code, "version": protocol.version, "digest": protocol.digest}
    opened = f"{trial.opened_at:%Y-%m-%d}"
    revealed = say("hidden") if trial.seed is None else say("revealed", seed=trial.seed, salt=trial.salt)
    randomisation = say(protocol.allocation.randomisation.value)
    planned = say("planned_is", planned=protocol.sample_size, randomised=monitoring.allocated)
    rows = [
        (say("protocol"), say("protocol_is", **known)),
        (say("status"), say("status_is", status=say(trial.status), date=opened)),
        (say("design"), say("design_is", randomisation=randomisation, clusters=len(protocol.clusters))),
        (say("planned"), planned),
        (say("allocation"), say("allocation_is", commitment=trial.commitment, revealed=revealed)),
        (say("registration"), protocol.governance.registration),
        (say("ethics"), protocol.governance.ethics),
    ]
    return table(("", ""), rows, caption=say("the_trial"))


def baseline_table(data: TrialData, say: ReportWords) -> str:
    """Return the patients at baseline per arm, with standardised mean differences (no p-values), as HTML."""
    from tableone import TableOne

    names = [name for name in BASELINE_COLUMNS if data.table[name].notna().any()]
    if data.table["arm"].nunique() < 2 or len(data) < 4:
        return paragraph(say("few_patients"))
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
            rename={name: say(f"label_{name}") for name in names},
            smd=True,
            pval=False,
            overall=True,
        )
        frame = made.tableone.reset_index()
    columns = [str(column[-1] or column[0]) for column in frame.columns]
    frame.columns = pd.Index(columns)
    first = columns[0]
    frame[first] = frame[first].where(~frame[first].duplicated(), "")
    for name in set(_CATEGORIES) & set(names):
        # The library counts what is missing of numbers only.
        frame.loc[frame[first].str.startswith(say(f"label_{name}")), "Missing"] = str(data.table[name].isna().sum())
    heads = {"Overall": "head_all", "Missing": "head_unknown", "use": "arm_use", "usual": "arm_usual"}
    # As trials print it: who there is in all and in each arm, then what differs and what is unknown.
    order = ["Overall", "use", "usual", *(c for c in columns[2:] if c not in heads), "Missing"]
    frame = frame[[*columns[:2], *order]]
    by_arm = {arm: members["cluster"].nunique() for arm, members in data.table.groupby("arm")}
    counted = {"Overall": data.table["cluster"].nunique(), **by_arm}
    neurologists = [say("label_neurologists"), "", *(str(counted.get(column, "")) for column in order)]
    patients, *others = [[say.phrase(cell) for cell in row] for row in frame.astype(str).to_numpy().tolist()]
    patients[0] = say("label_patients")
    return table(
        ["", "", *(say(heads.get(column, "head_smd")) for column in order)],
        [neurologists, patients, *others],
        caption=say("baseline_caption"),
    )


def _primary(analysis: Analysis, alpha: float, say: ReportWords) -> str:
    primary = analysis.primary
    rows = [
        (
            say.phrase(effect.model),
            say.effect(effect, alpha=alpha),
            say.p_value(effect.p),
            _correlation(effect, alpha, say),
            say("patients_in", use=effect.n_use, usual=effect.n_usual, clusters=effect.clusters),
            "; ".join(map(say.phrase, effect.notes)),
        )
        for effect in (primary.effect, *primary.other_models)
    ]
    sentence = say(
        "primary_sentence",
        name=primary.endpoint.name,
        unit=say(f"unit_{primary.endpoint.measure.value}"),
        hypothesis=primary.endpoint.hypothesis,
        use=say.number(primary.means["use"]),
        usual=say.number(primary.means["usual"]),
        effect=say.effect(primary.effect, alpha=alpha),
        p=say.p_relation(primary.effect.p),
    )
    head = [say(f"head_{name}") for name in ("model", "effect", "p", "correlation", "patients", "notes")]
    return paragraph(sentence) + table(head, rows, caption=say("primary_caption"))


def _correlation(effect: Effect, alpha: float, say: ReportWords) -> str:
    """Return the intra-cluster correlation with its interval, which the next trial is planned with."""
    value, (lower, upper) = say.number(effect.correlation, 3), (say.number(x, 3) for x in effect.correlation_interval)
    if not np.isfinite(effect.correlation_interval).all():
        return value
    level = say.decimals(f"{100 * (1 - alpha):g}")
    return say("value_interval", value=value, level=level, lower=lower, upper=upper)


def _periods(analysis: Analysis, alpha: float, say: ReportWords) -> str:
    """Return the primary endpoint period by period: in a wedge time and the use of the tool go together."""

    def both(values: Mapping[str, float], decimals: int) -> str:
        return f"{say.number(values['use'], decimals)} / {say.number(values['usual'], decimals)}"

    rows = []
    for period in analysis.periods:
        interval = {"lower": say.number(period.lower), "upper": say.number(period.upper)}
        level = say.decimals(f"{100 * (1 - alpha):g}")
        effect = say("value_interval", value=say.number(period.effect), level=level, **interval)
        reference = say("period_reference") if period is analysis.periods[0] else effect
        counts = (both(period.clusters, 0), both(period.patients, 0), both(period.means, 2))
        rows.append((period.number + 1, *counts, reference))
    head = [
        say(f"head_{name}") for name in ("period", "period_clusters", "period_patients", "means", "period_effect")
    ]
    caption = say("period_caption", unit=say(f"unit_{analysis.primary.endpoint.measure.value}"))
    return table(head, rows, caption=caption)


def _secondary(analysis: Analysis, protocol: Protocol, say: ReportWords) -> str:
    alpha = protocol.analysis.alpha
    rows = [
        (
            say("endpoint_unit", name=a.endpoint.name, unit=say(f"unit_{a.endpoint.measure.value}")),
            f"{say.number(a.means['use'])} / {say.number(a.means['usual'])}",
            say.effect(a.effect, alpha=alpha),
            say.p_value(a.effect.p),
            say.p_value(a.adjusted_p),
            f"{a.missing['use']} / {a.missing['usual']}",
            "; ".join(map(say.phrase, (a.effect.model, *a.effect.notes))),
        )
        for a in analysis.secondary
    ]
    head = [say(f"head_{name}") for name in ("endpoint", "means", "effect", "p", "adjusted", "missing", "model")]
    method = say(protocol.analysis.multiplicity)
    level = say.decimals(f"{alpha:g}")
    sentence = say("multiplicity_sentence", level=level, method=method, n=len(rows))
    return paragraph(sentence) + table(head, rows, caption=say("secondary_caption", method=method))


def _missing(analysis: Analysis, alpha: float, say: ReportWords) -> str:
    if not analysis.sensitivity:
        return paragraph(say("no_sensitivity"))
    rows = [
        (say.number(s.shift, 1), say.effect(s.effect, alpha=alpha), say.p_value(s.effect.p))
        for s in analysis.sensitivity
    ]
    head = [say(f"head_{name}") for name in ("shift", "effect", "p")]
    sentence = say("missing_sentence", **analysis.primary.missing)
    caption = say("missing_caption", unit=say(f"unit_{analysis.primary.endpoint.measure.value}"))
    return paragraph(sentence) + table(head, rows, caption=caption)


def _checklist(name: str, protocol: Protocol, figures: Mapping[str, str], say: ReportWords) -> str:
    rows = [(i.item, i.topic, i.answer, i.authors) for i in filled_checklist(name, protocol, figures, say)]
    head = [say(f"head_{column}") for column in ("item", "topic", "answer", "authors")]
    caption = say("checklist_caption", source=checklist_source(name))
    return f"<h2>{escape(name)}</h2>" + table(head, rows, caption=caption)
