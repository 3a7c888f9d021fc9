"""Public survival tables: what the default and the published method keep of hazard ratios, and what they tell.

    python benchmarks/survival_tables.py

The tables come with scikit-survival. Errors of logarithms of hazard ratios (one variable at a time) are
in standard errors of the originals, medians over variables, means over seeds; membership is the area under the ROC
curve in rehearsals with 30 % held out.
"""

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from lifelines import CoxPHFitter
from sksurv import datasets

from reference_db import assess_privacy
from reference_db.avatar import REFERENCE, RELEASE, make_avatars
from reference_db.avatar.columns import read_columns
from reference_db.avatar.stratum import rehearsed_membership
from reference_db.avatar.utility import utility

SEEDS = 10
TABLES: dict[str, Callable[[], tuple[pd.DataFrame, np.ndarray]]] = {
    "ACTG 320, HIV (1,151)": datasets.load_aids,
    "GBSG-2, breast cancer (686)": datasets.load_gbsg2,
    "WHAS500, infarction (500)": datasets.load_whas500,
    "veterans, lung cancer (137)": datasets.load_veterans_lung_cancer,
    "FLCHAIN, light chains (7,874)": datasets.load_flchain,
}
FEWEST_EVENTS = 20
"""Of a level with fewer events the hazard ratio is chance."""


def loaded(name: str) -> pd.DataFrame:
    table, outcome = TABLES[name]()
    event, time = outcome.dtype.names
    # The cause of death (FLCHAIN) is an outcome.
    known = table.drop(columns="chapter", errors="ignore").reset_index(drop=True)
    return known.assign(event=outcome[event], time=outcome[time])


def hazard_ratios(table: pd.DataFrame, like: pd.DataFrame | None = None) -> pd.DataFrame:
    """Logarithm and standard error of the hazard ratio of each variable, of the columns of `like`."""
    coded = pd.get_dummies(table.drop(columns=["event", "time"]), drop_first=True, dtype=float)
    if like is not None:
        coded = coded.reindex(columns=like.index, fill_value=0.0)
    outcome = table[["event"]].assign(time=table["time"].clip(lower=0.01))
    found = {}
    for name, values in coded.items():
        data = outcome.assign(value=values).dropna()
        events = data[data["event"]].groupby("value").size()
        if like is None and (len(events) < 2 or (len(events) == 2 and events.min() < FEWEST_EVENTS)):
            continue
        model = CoxPHFitter().fit(data.astype(float), "time", "event")
        found[name] = (model.params_["value"], model.standard_errors_["value"])
    return pd.DataFrame.from_dict(found, orient="index", columns=["log", "error"])


def measured(name: str, is_default: bool, seed: int) -> dict[str, object]:
    warnings.simplefilter("ignore")
    table = loaded(name)
    method = RELEASE if is_default else REFERENCE
    made = make_avatars(table, k=None if is_default else 20, ncp=5, rng=np.random.default_rng(seed), method=method)
    own = hazard_ratios(table)
    errors = (hazard_ratios(made.table, own)["log"] - own["log"]) / own["error"]
    columns, kept = read_columns(table), utility(table, made.table)
    area = np.nan
    if seed < 3:
        area = rehearsed_membership(
            columns.encode(table),
            columns,
            k=made.neighbours["all"],
            ncp=5,
            weights=None,
            method=method,
            rng=np.random.default_rng(seed),
        )
    return {
        "table": name,
        "method": "default" if is_default else "reference",
        "hazard ratios": float(errors.abs().median()),
        "membership": area,
        "correlation": kept.correlation_difference,
        "Hellinger": kept.hellinger,
        "spread": kept.spread_ratio,
        "passes": assess_privacy(table, made.table, rng=np.random.default_rng(seed)).passed if seed < 3 else np.nan,
    }


def main() -> None:
    jobs = [(name, is_default, seed) for name in TABLES for is_default in (False, True) for seed in range(SEEDS)]
    found = pd.DataFrame(Parallel(n_jobs=2)(delayed(measured)(*job) for job in jobs))
    found["passes"] = found["passes"].astype(float)
    table = found.groupby(["table", "method"], sort=False).mean()
    print(table.round(3).to_string())


if __name__ == "__main__":
    main()
