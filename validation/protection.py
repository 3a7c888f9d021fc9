"""Privacy beside utility: the release's assessment, and what more or less hiding would cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.avatar.columns import read_columns
from reference_db.avatar.episodes import anonymise_episodes
from reference_db.episodes import Episodes
from reference_db.privacy.metrics import distance_metrics
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


def protection(material: Material, *, jobs: int = 1) -> Section:
    """Report the privacy assessment of the release, and draw the trade-off."""
    metrics = _assessed(material.privacy)
    trade_off = () if material.quick else _trade_off(material, jobs)
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


def _trade_off(material: Material, jobs: int) -> tuple[Record, ...]:
    """Return privacy and utility of two trials made with each number of neighbours."""
    from joblib import delayed

    table = material.original.table
    trials = [
        Episodes(table[table["source"] == name].reset_index(drop=True), material.original.sources)
        for name in TRADE_OFF_TRIALS
        if (table["source"] == name).any()
    ]
    asked = [
        (trial, k)
        for trial in trials
        for k in TRADE_OFF_NEIGHBOURS
        if k < int(trial.table.groupby("arm").size().min())
    ]
    tasks = {
        f"{trial.table['source'].iloc[0]}-{k}": delayed(_made_with)(trial, k, material.parameters.get("ncp"), rng)
        for (trial, k), rng in zip(asked, material.generator(9).spawn(len(asked)), strict=True)
    }
    return tuple(row for rows in material.kept.rows("privacy", tasks, jobs=jobs).values() for row in rows)


def _made_with(trial: Episodes, k: int, ncp: int | None, rng: np.random.Generator) -> tuple[Record, ...]:
    """Return privacy and utility of a trial made with so many neighbours."""
    made = anonymise_episodes(trial.table, k=k, ncp=ncp, rng=rng)
    values = _lowest_metrics(trial.table, made.table, made.origin)
    synthetic = Episodes(made.table, trial.sources)
    (first, _, _), (second, _, _) = rank_correlations(trial), rank_correlations(synthetic)
    both = ~np.isnan(first) & ~np.isnan(second) & ~np.eye(len(first), dtype=np.bool_)
    replications = compare(trial_effects(trial), trial_effects(synthetic))
    records = Records()
    records.add(
        trial=str(trial.table["source"].iloc[0]),
        k=k,
        hidden_rate=values.get("hidden_rate"),
        local_cloaking=values.get("local_cloaking"),
        distance_to_closest=values.get("distance_to_closest"),
        hellinger=_median_hellinger(as_numbers(trial), as_numbers(synthetic)),
        association_kept=slope(first[both], second[both]),
        endpoints_replicated=float(np.mean([one.replicated for one in replications])),
    )
    return records.done()


def _lowest_metrics(original: pd.DataFrame, synthetic: pd.DataFrame, origin: NDArray[np.intp]) -> dict[str, float]:
    """Return each distance metric of the arm that it is lowest in; attacks are not run here."""
    columns = read_columns(original)
    before, after = columns.encode(original), columns.encode(synthetic)
    found: dict[str, list[float]] = {}
    for arm in original["arm"].unique():
        rows, made = (np.flatnonzero(table["arm"] == arm) for table in (original, synthetic))
        # Avatars come from originals of their own arm: their places in it.
        own = np.searchsorted(rows, origin[made])
        for metric in distance_metrics(columns, before.rows(rows), after.rows(made), own):
            if metric.value is not None:
                found.setdefault(metric.name, []).append(metric.value)
    return {name: min(values) for name, values in found.items()}


def _median_hellinger(original: pd.DataFrame, synthetic: pd.DataFrame) -> float:
    found = []
    for name in original.columns:
        first, second = (values[name].dropna().to_numpy(dtype=np.float64) for values in (original, synthetic))
        if len(first) and len(second):
            found.append(distance(first, second).hellinger)
    return float(np.median(found))
