"""The published figures of the Avatar method made again in 25 seeds, and those of the default beside them.

Guillaudeux et al., npj Digital Medicine 2023 (doi 10.1038/s41746-023-00771-5), on the Wisconsin breast cancer table:
hidden rate 93.0 %, local cloaking 24, area under the ROC curve of a classifier on its training rows 99.84 %
(originals 99.46 %). The avatars published with the paper are drawn with every column as a label, and its figures are
those of the same table read as numbers (docs/decisions/0006-avatar-defaults.md).

    python benchmarks/reproduce_publication.py breast_cancer_wisconsin.csv [another table ...]
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from cdss.cli.tables import read_table
from reference_db.avatar import REFERENCE, RELEASE, Method, make_avatars
from reference_db.avatar.columns import read_columns
from reference_db.avatar.projection import factor_space
from reference_db.avatar.stratum import rehearsed_membership
from reference_db.avatar.utility import utility
from reference_db.privacy.cloaking import cloaking

SEEDS = 25
K = 20
PUBLISHED = {"hidden rate, %": 93.0, "local cloaking": 24.0, "classifier, training rows, %": 99.84}
BEST_FEATURES = (
    "Bare_Nuclei",
    "Uniformity_of_Cell_Shape",
    "Uniformity_of_Cell_Size",
    "Bland_Chromatin",
    "Clump_Thickness",
)
"""The five that the paper classifies by (its supplementary table 2)."""


def classified(table: pd.DataFrame) -> tuple[float, float]:
    """Areas under the ROC curve on training and test rows, mean of five splits (paper: 100, finer grid)."""
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GridSearchCV, train_test_split
    from sklearn.svm import SVC

    grid = {"C": [2.0**power for power in (-1, 5, 11)], "gamma": [2.0**power for power in (-13, -9, -5, -1)]}
    areas = []
    for split in range(5):
        malignant = table["Class"] == 4
        parts = train_test_split(
            table[list(BEST_FEATURES)], malignant, train_size=0.7, stratify=malignant, random_state=split
        )
        model = GridSearchCV(SVC(), grid, cv=5).fit(parts[0], parts[2])
        areas.append([roc_auc_score(y, model.decision_function(x)) for x, y in (parts[0::2], parts[1::2])])
    train, test = 100 * np.mean(areas, axis=0)
    return float(train), float(test)


def measured(
    table: pd.DataFrame, seed: int, *, ncp: int, k: int | None, method: Method, labels: tuple[str, ...]
) -> dict[str, float]:
    """Figures of the avatars of one seed."""
    made = make_avatars(table, k=k, ncp=ncp, rng=np.random.default_rng(seed), method=method, categorical=labels)
    columns = read_columns(table)
    own, theirs = columns.encode(table), columns.encode(made.table)
    space = factor_space(table, columns)
    around = cloaking(space.transform(own, axes=ncp), space.transform(theirs, axes=ncp), made.origin)
    kept = utility(table, made.table)
    drawn_as = read_columns(table, categorical=labels)
    found = {
        "neighbours": float(made.neighbours["all"]),
        "hidden rate, %": around.hidden_rate,
        "local cloaking": around.local_cloaking,
        "membership, area": rehearsed_membership(
            drawn_as.encode(table),
            drawn_as,
            k=made.neighbours["all"],
            ncp=ncp,
            weights=None,
            method=method,
            rng=np.random.default_rng(seed),
        ),
        "ratio of standard deviations": kept.spread_ratio,
        "correlation difference": kept.correlation_difference,
        "Hellinger distance": kept.hellinger,
    }
    if "Class" in table:
        train, test = classified(made.table)
        found |= {"classifier, training rows, %": train, "classifier, test rows, %": test}
    return found


def in_seeds(title: str, one: Callable[[int], dict[str, float]], published: dict[str, float]) -> None:
    results = pd.DataFrame(Parallel(n_jobs=2)(delayed(one)(seed) for seed in range(SEEDS)))
    print(f"\n{title}, {SEEDS} seeds")
    print(f"  {'':32s} {'mean':>9s} {'SD':>8s} {'published':>10s} {'SDs off':>8s}")
    for name, values in results.items():
        line = f"  {name:32s} {values.mean():9.4g} {values.std():8.2g}"
        if name in published:
            line += f" {published[name]:10.4g} {(published[name] - values.mean()) / values.std():8.1f}"
        print(line, flush=True)


def main() -> None:
    for path in map(Path, sys.argv[1:]):
        table = read_table(path)[0].drop(columns="Sample_code_number", errors="ignore")
        wisconsin = "Class" in table
        ncp = 2 if wisconsin else 5
        print(f"\n{path.name}: {len(table):,} x {table.shape[1]}, {ncp} axes")
        if wisconsin:
            train, test = classified(table)
            print(f"originals, classifier: training rows {train:.2f} % (published 99.46), test rows {test:.2f} %")
        drawn = tuple(map(str, table.columns)) if wisconsin else ()
        settings: list[tuple[str, int | None, Method, tuple[str, ...], dict[str, float]]] = [
            ("reference method, 20 neighbours", K, REFERENCE, drawn, PUBLISHED if wisconsin else {}),
            ("default, 20 neighbours", K, RELEASE, (), {}),
            ("default, its own number of neighbours", None, RELEASE, (), {}),
        ]
        for title, k, method, labels, published in settings:
            in_seeds(title, partial(measured, table, ncp=ncp, k=k, method=method, labels=labels), published)


if __name__ == "__main__":
    main()
