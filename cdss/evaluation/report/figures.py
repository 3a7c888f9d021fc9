"""What the report says of conduct and results in sentences; the checklists use the same."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cdss.evaluation.analysis import Analysis
from cdss.evaluation.analysis.models import clustered_mean
from cdss.evaluation.dataset import BASELINE_COLUMNS, TrialData
from cdss.evaluation.monitoring import Monitoring
from cdss.evaluation.protocol import Arm, Protocol
from cdss.evaluation.report.writing import ReportWords


def figures_of(
    protocol: Protocol,
    data: TrialData,
    analysis: Analysis,
    monitoring: Monitoring,
    releases: tuple[str, ...],
    say: ReportWords,
) -> dict[str, str]:
    """Return the sentences by the names that the checklists use after ``figures.``, and ``releases``."""
    alpha = protocol.analysis.alpha
    minutes = data.table.groupby("arm")["consultation_minutes"].mean()
    decided = data.table["choice_after"].notna() & data.table["choice_before"].notna()
    changed = (data.table["choice_before"] != data.table["choice_after"])[decided]
    share = 100.0 * changed.groupby(data.table["arm"][decided]).mean()

    def by_arm(values: pd.Series) -> dict[str, str]:
        return {arm.value: say.number(float(values.get(arm.value, float("nan"))), 1) for arm in Arm}

    def result(name: str, effect: str) -> str:
        return say("figure_primary", name=name, effect=effect).removesuffix(".")

    used = int((data.table["arm"] == Arm.USE.value).sum())
    incidents = monitoring.incidents
    secondary = (result(a.endpoint.name, say.effect(a.effect, alpha=alpha)) for a in analysis.secondary)
    primary = analysis.primary
    return {
        "baseline": say("figure_baseline"),
        "missing_inputs": _missing_inputs(data, say),
        "users": say("figure_users", n=data.table["cluster"].nunique()),
        "exposure": say("figure_exposure", used=used, usual=len(data) - used, opened=monitoring.opened),
        "choices": say("figure_choices", **by_arm(share)),
        "minutes": say("figure_minutes", **by_arm(minutes)),
        "usability": _usability(data, alpha, say),
        "deviations": say(
            "figure_deviations", deviations=monitoring.deviations, undecided=monitoring.incomplete_consultations
        ),
        "adverse": say("figure_adverse", n=incidents["adverse event"]),
        "deficiencies": say("figure_deficiencies", n=incidents["device deficiency"], serious=incidents["serious"]),
        "primary": result(primary.endpoint.name, say.effect(primary.effect, alpha=alpha)) + ".",
        "secondary": "; ".join(secondary) + "." if analysis.secondary else "",
        "subgroups": say("figure_subgroups"),
        "data": say("figure_data"),
        "releases": say("figure_releases", releases=", ".join(releases)) if releases else say("figure_no_releases"),
    }


def _missing_inputs(data: TrialData, say: ReportWords) -> str:
    """Return how many patients lack each feature that the tool can take."""
    unknown = {name: int(data.table[name].isna().sum()) for name in BASELINE_COLUMNS if name != "dcs_before"}
    features = ", ".join(f"{say(f'label_{name}')} {n}" for name, n in unknown.items() if n)
    return say("figure_missing_inputs", n=len(data), features=features) if features else say("figure_none_missing")


def _usability(data: TrialData, alpha: float, say: ReportWords) -> str:
    filled = data.table.dropna(subset="sus_after")
    if filled.empty:
        return say("figure_no_usability")
    scores = filled["sus_after"].to_numpy(dtype=np.float64)
    mean, lower, upper = clustered_mean(scores, filled["cluster"].to_numpy(dtype=object), alpha=alpha)
    return say(
        "figure_usability",
        mean=say.number(mean, 1),
        level=say.decimals(f"{100 * (1 - alpha):g}"),
        lower=say.number(lower, 1),
        upper=say.number(upper, 1),
        n=len(scores),
    )
