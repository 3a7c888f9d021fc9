"""Indistinguishability: whether a trained model can tell synthetic episodes from originals.

Each model is asked about records it was not trained on (cross-validation). An area under the curve of 0.5 is a
coin; 1 is certainty. The same models are given two halves of the originals to show what a coin looks like here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reference_db.episodes import Episodes
from validation.material import Material
from validation.questionnaire import scored
from validation.result import Check, Records, Section, check
from validation.variables import ORDERED_LEVELS, as_numbers

Floats = NDArray[np.float64]

HIGHEST_AUC = 0.65
"""Acceptable: under 0.7 a discriminator is called poor in medicine (Hosmer and Lemeshow); this asks for more."""


def discrimination(material: Material, *, jobs: int = 1) -> Section:
    """Train discriminators, and report their cross-validated areas under the curve."""
    from joblib import Parallel, delayed

    size, folds = (800, 3) if material.quick else (5000, 5)
    rng = material.generator(4)
    original, synthetic = (_features(episodes) for episodes in (material.original, material.synthetic))
    # A level that one table lacks is a column of zeros there.
    original, synthetic = original.align(synthetic, axis=1, fill_value=0.0)
    first = original.iloc[rng.permutation(len(original))]
    second = synthetic.iloc[rng.permutation(len(synthetic))[:size]]
    half = min(size, len(first) // 2)
    seed, trees = int(rng.integers(2**31)), 80 if material.quick else 200
    against = {"synthetic": (first[:size], second), "originals": (first[:half], first[half : 2 * half])}
    asked = [(name, other) for name in discriminators(seed, trees=trees) for other in against]
    found = Parallel(n_jobs=jobs)(
        delayed(_areas)(name, *against[other], seed=seed, trees=trees, folds=folds, rng=own)
        for (name, other), own in zip(asked, rng.spawn(len(asked)), strict=True)
    )
    records = Records()
    for (name, other), areas in zip(asked, found, strict=True):
        error = float(areas.std(ddof=1) / np.sqrt(len(areas)))
        records.add(
            model=name,
            against=other,
            auc=float(areas.mean()),
            standard_error=error,
            folds=folds,
            n=sum(map(len, against[other])),
        )
    table = records.done()
    checks = [
        check(
            f"auc_{str(row['model']).replace(' ', '_')}",
            f"Area under the curve, {row['model']}",
            float(row["auc"] or 0.0),
            highest=HIGHEST_AUC,
            meaning="0.5 is a coin, 1 tells every record.",
        )
        for row in table
        if row["against"] == "synthetic"
    ]
    experts = Records()
    for one in material.experts:
        experts.add(**one)
    if material.experts:
        checks.append(expert_check(material.experts))
    return Section(
        name="discrimination",
        title="Indistinguishability",
        question="Can a trained model tell synthetic episodes from originals?",
        checks=tuple(checks),
        tables={"areas": table, "experts": experts.done()},
        remarks=(
            "Missing values are features too: a pattern of missing cells that no original has gives a record away.",
            *(
                ()
                if material.experts
                else ("No expert was asked yet: `cdss validate --questionnaire` shows the blinded questionnaire.",)
            ),
        ),
        rests_on=("structure", "univariate", "multivariate"),
    )


def expert_check(experts: Sequence[Mapping[str, Any]]) -> Check:
    """Judge the calls of all experts together: a coin's share must lie within their interval."""
    pooled = scored(sum(int(one["called"]) for one in experts), sum(int(one["right"]) for one in experts))
    return check(
        "experts_lower",
        "Lower end of the 95 % interval of the share of records that experts call right",
        pooled.lower,
        highest=0.5,
        meaning=f"{len(experts)} sittings together: {pooled.sentence} Above a coin's half, experts tell the records.",
    )


def discriminators(seed: int, *, trees: int = 200) -> dict[str, Callable[[], Any]]:
    """Return the makers of the three models, by name."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return {
        "logistic regression": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=500, C=0.1)),
        "random forest": lambda: RandomForestClassifier(
            n_estimators=trees, min_samples_leaf=5, random_state=seed, n_jobs=1
        ),
        "gradient boosting": lambda: HistGradientBoostingClassifier(max_iter=trees, random_state=seed),
    }


def _areas(
    name: str,
    first: pd.DataFrame,
    second: pd.DataFrame,
    *,
    seed: int,
    trees: int,
    folds: int,
    rng: np.random.Generator,
) -> Floats:
    return fold_areas(discriminators(seed, trees=trees)[name], first, second, folds=folds, rng=rng)


def fold_areas(
    make: Callable[[], Any], first: pd.DataFrame, second: pd.DataFrame, *, folds: int, rng: np.random.Generator
) -> Floats:
    """Return the area under the curve of each fold, for a model that tells `second` from `first`."""
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold

    x = np.vstack([first.to_numpy(), second.to_numpy()])
    y = np.concatenate([np.zeros(len(first)), np.ones(len(second))])
    splits = StratifiedKFold(folds, shuffle=True, random_state=int(rng.integers(2**31))).split(x, y)
    areas = []
    for train, test in splits:
        model = make().fit(x[train], y[train])
        areas.append(roc_auc_score(y[test], model.predict_proba(x[test])[:, 1]))
    return np.asarray(areas, dtype=np.float64)


def _features(episodes: Episodes) -> pd.DataFrame:
    """Return numbers without gaps: categories and arms as 0/1, missing numbers at 0 beside a 0/1 of their own."""
    numbers = as_numbers(episodes)
    categories = pd.get_dummies(
        episodes.table[["source", *ORDERED_LEVELS]], columns=["source", *ORDERED_LEVELS], dtype=np.float64
    )
    values = numbers.drop(columns=list(ORDERED_LEVELS))
    missing = values.isna().astype(np.float64).add_suffix("_missing")
    return pd.concat([values.fillna(0.0), missing, categories], axis=1)
