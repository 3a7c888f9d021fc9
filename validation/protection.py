"""Privacy beside utility: the release's assessment, and what more or less hiding would cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from reference_db.avatar.episodes import anonymise_episodes
from reference_db.episodes import Episodes
from reference_db.privacy import assess_privacy
from validation.endpoints import trial_effects
from validation.material import Material
from validation.multivariate import rank_correlations, slope
from validation.replication import compare
from validation.result import Record, Records, Section, check
from validation.univariate import distance
from validation.variables import as_numbers

TRADE_OFF_NEIGHBOURS = (2, 5, 10, 20, 40, 80, 160)
"""Numbers of neighbours over which the trade-off is drawn."""

TRADE_OFF_TRIALS = ("CLARITY", "ADVANCE")
"""Trials on which it is drawn, where the release has them: those of the published evaluation."""


def protection(material: Material) -> Section:
    """Report the privacy assessment of the release, and draw the trade-off."""
    metrics = _assessed(material.privacy)
    trade_off = () if material.quick else _trade_off(material)
    checks = tuple(
        check(
            str(row["name"]),
            str(row["label"]),
            float(row["value"]) if isinstance(row["value"], int | float) else None,
            lowest=float(row["target"]) if isinstance(row["target"], int | float) else None,
            meaning=str(row["definition"]),
        )
        for row in metrics
    )
    return Section(
        name="privacy",
        title="Privacy",
        question="Does the release protect the patients behind it, and what does that cost?",
        checks=checks,
        tables={"metrics": metrics, "attacks": _attacks(material.privacy), "trade_off": trade_off},
        remarks=(
            "From the assessment in the manifest, made with the release; each value is the lowest over the arms.",
            "Trade-off: the same trials made with few to many neighbours. More of them hide better and smooth more.",
        )
        if metrics
        else ("The manifest holds no privacy assessment.",),
    )


def _assessed(privacy: Mapping[str, Any]) -> tuple[Record, ...]:
    records = Records()
    for metric in privacy.get("metrics", ()):
        records.add(**{name: metric.get(name) for name in _METRIC_FIELDS})
    return records.done()


_METRIC_FIELDS = ("name", "label", "definition", "unit", "space", "value", "target", "verdict")


def _attacks(privacy: Mapping[str, Any]) -> tuple[Record, ...]:
    """Return the attacks of the assessment with whatever plain values they carry."""
    records = Records()
    for attack in privacy.get("attacks", ()):
        flat = {name: value for name, value in attack.items() if isinstance(value, str | int | float | bool | None)}
        records.add(**flat)
    return records.done()


def _trade_off(material: Material) -> tuple[Record, ...]:
    """Return privacy and utility of two trials made with each number of neighbours."""
    table = material.original.table
    present = [name for name in TRADE_OFF_TRIALS if (table["source"] == name).any()]
    rng = material.generator(9)
    records = Records()
    for trial in present:
        original = table[table["source"] == trial].reset_index(drop=True)
        smallest = int(original.groupby("arm").size().min())
        episodes = Episodes(original, material.original.sources)
        effects = trial_effects(episodes)
        numbers = as_numbers(episodes)
        first, _, _ = rank_correlations(episodes)
        for k in TRADE_OFF_NEIGHBOURS:
            if k >= smallest:
                continue
            made = anonymise_episodes(original, k=k, ncp=material.parameters.get("ncp"), rng=rng)
            assessment = assess_privacy(original, made.table, origin=made.origin, strata=("source", "arm"), rng=rng)
            values = {metric.name: metric.value for metric in assessment.metrics}
            synthetic = Episodes(made.table, material.original.sources)
            second, _, _ = rank_correlations(synthetic)
            both = ~np.isnan(first) & ~np.isnan(second) & ~np.eye(len(first), dtype=np.bool_)
            replications = compare(effects, trial_effects(synthetic))
            records.add(
                trial=trial,
                k=k,
                hidden_rate=values.get("hidden_rate"),
                local_cloaking=values.get("local_cloaking"),
                distance_to_closest=values.get("distance_to_closest"),
                hellinger=_median_hellinger(numbers, as_numbers(synthetic)),
                association_kept=slope(first[both], second[both]),
                endpoints_replicated=float(np.mean([one.replicated for one in replications])),
            )
    return records.done()


def _median_hellinger(original: pd.DataFrame, synthetic: pd.DataFrame) -> float:
    found = []
    for name in original.columns:
        first, second = (values[name].dropna().to_numpy(dtype=np.float64) for values in (original, synthetic))
        if len(first) and len(second):
            found.append(distance(first, second).hellinger)
    return float(np.median(found))
