"""Recompute figures of a ``validation.json`` from the two tables with plain pandas, scipy, lifelines and statsmodels.

    .venv/bin/python benchmarks/recompute_validation.py CDSS_HOME/validation/VERSION/validation.json --home CDSS_HOME

Nothing of the package `validation` is imported. Of the project only what reads the originals is used: how they become
episodes is not what is checked here. Every compared figure is counted; those that differ by more than their tolerance
are printed, and the script exits with 1.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import warnings
from collections import Counter
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
from lifelines import KaplanMeierFitter
from scipy.optimize import minimize
from scipy.special import gammaln
from scipy.stats import hypergeom, ks_2samp
from statsmodels.duration.hazard_regression import PHReg

from reference_db.harmonise import episodes as harmonised
from reference_db.warehouse import read_bkp

warnings.simplefilter("ignore")
STRATUM = ["source", "source_kind", "arm", "treatment"]
LEVELS = {
    "phenotype": ["CIS", "RRMS", "SPMS", "PPMS"],
    "sex": ["female", "male"],
    "prior_treatment": ["none", "moderate efficacy", "high efficacy"],
    "t2_lesions": ["0-2", "3-9", "10-20", ">20"],
}
EDSS_MONTHS = [0, 3, 6, 9, 12, 15, 18, 21, 24, 30, 36, 48, 60]


class Comparison:
    """Counts what agrees, keeps what does not."""

    def __init__(self) -> None:
        self.agreed: Counter[str] = Counter()
        self.differing: list[str] = []

    def near(self, what: str, name: str, here: float | None, there: float | None, tolerance: float = 1e-4) -> None:
        """Compare two figures by relative (or, below 1, absolute) difference."""
        one, other = (None if value is None or not math.isfinite(value) else float(value) for value in (here, there))
        if one == other or (
            one is not None and other is not None and abs(one - other) <= tolerance * max(1.0, abs(other))
        ):
            self.agreed[what] += 1
        else:
            self.differing.append(f"{what}: {name}: recomputed {one}, report {other}")


def worsening(table: pd.DataFrame, days_per_month: pd.Series, weeks: int) -> tuple[np.ndarray, np.ndarray]:
    """Return months to the first confirmed worsening by 24 months or the end of observation, and which of them."""
    months, events = [], []
    columns = table[[f"edss_{month}" for month in EDSS_MONTHS]].to_numpy(dtype=float)
    for row, month_days in zip(columns, days_per_month, strict=True):
        seen = [(m, value) for m, value in zip(EDSS_MONTHS, row, strict=True) if not math.isnan(value)]
        start = seen[0][1]
        needed = start + (1.5 if start == 0 else 1.0 if start <= 5.5 else 0.5)
        onset = None
        for i, (month, value) in enumerate(seen[1:], start=1):
            if value < needed:
                continue
            later = [(m, v) for m, v in seen[i:] if (m - month) * month_days >= weeks * 7]
            if later and all(v >= needed for m, v in seen[i:] if m <= later[0][0]):
                onset = month
                break
        event = onset is not None and onset <= 24
        events.append(event)
        months.append(onset if event else min(seen[-1][0], 24))
    return np.array(months, dtype=float), np.array(events)


def outcomes(table: pd.DataFrame, days_per_month: pd.Series) -> pd.DataFrame:
    """Return what endpoints are made of, per patient."""
    relapse_months = [m for m in EDSS_MONTHS[1:] if m <= 24]
    relapses = table[[f"relapses_{m}" for m in relapse_months]].astype(float).fillna(0.0)
    follow_up = table["follow_up_months"].astype(float).clip(upper=24)
    first = relapses.gt(0).to_numpy()
    new_t2 = table[["new_t2_6", "new_t2_12", "new_t2_24"]].astype(float)
    w12, e12 = worsening(table, days_per_month, 12)
    w24, e24 = worsening(table, days_per_month, 24)
    relapsed = first.any(axis=1)
    return pd.DataFrame(
        {
            "relapses": relapses.sum(axis=1),
            "years": follow_up * days_per_month.to_numpy() / 365.25,
            "relapse_months": np.where(relapsed, np.array(relapse_months)[first.argmax(axis=1)], follow_up),
            "relapsed": relapsed,
            "w12": w12,
            "e12": e12,
            "w24": w24,
            "e24": e24,
            "new_t2": new_t2.sum(axis=1, min_count=1),
        },
        index=table.index,
    )


def as_numbers(table: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """Return every variable as numbers."""
    columns = {}
    for name in table.columns.difference(STRATUM, sort=False):
        if name in LEVELS:
            columns[name] = table[name].map({level: i for i, level in enumerate(LEVELS[name])}).astype(float)
        else:
            columns[name] = table[name].astype(float)
    columns["worsening_12w"], columns["worsening_24w"] = found["e12"].astype(float), found["e24"].astype(float)
    return pd.DataFrame(columns)


def rate_ratio(counts: np.ndarray, treated: np.ndarray, exposure: np.ndarray) -> tuple[float, float, float]:
    """Maximise the negative binomial likelihood; the interval from its curvature."""
    seen = exposure > 0
    y, x, offset = counts[seen], treated[seen], np.log(exposure[seen])

    def loss(parameters: np.ndarray) -> float:
        mean = np.exp(offset + parameters[0] + parameters[1] * x)
        size = np.exp(-parameters[2])
        return -float(
            (
                gammaln(y + size)
                - gammaln(size)
                - gammaln(y + 1)
                + size * np.log(size / (size + mean))
                + y * np.log(mean / (size + mean))
            ).sum()
        )

    rate = math.log(y[x == 0].sum() / np.exp(offset[x == 0]).sum())
    options = {"xatol": 1e-9, "fatol": 1e-10, "maxiter": 20_000}
    ends = [
        minimize(loss, np.array([rate, 0.0, spread]), method="Nelder-Mead", options=options)
        for spread in (-3.0, -1.0, 0.5)
    ]
    best = min(ends, key=lambda end: end.fun).x
    if best[2] < -9:
        # No more spread than Poisson: then ratio and variance are those of two rates.
        events = [y[x == arm].sum() for arm in (0, 1)]
        years = [np.exp(offset[x == arm]).sum() for arm in (0, 1)]
        effect, error = math.log(events[1] / years[1] / (events[0] / years[0])), math.sqrt(sum(1 / n for n in events))
        return tuple(math.exp(effect + z * error) for z in (0.0, -1.959964, 1.959964))  # type: ignore[return-value]
    step = 1e-3
    curvature = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            signs = [(a, b) for a in (1, -1) for b in (1, -1)]
            curvature[i, j] = sum(
                a * b * loss(best + step * (a * np.eye(3)[i] + b * np.eye(3)[j])) for a, b in signs
            ) / (4 * step**2)
    error = math.sqrt(np.linalg.inv(curvature)[1, 1])
    return tuple(math.exp(best[1] + z * error) for z in (0.0, -1.959964, 1.959964))  # type: ignore[return-value]


def hazard_ratio(months: np.ndarray, event: np.ndarray, treated: np.ndarray) -> tuple[float, float, float]:
    """Cox regression by statsmodels, Efron's ties."""
    seen = months > 0
    fitted = PHReg(months[seen], treated[seen, None], status=event[seen].astype(int), ties="efron").fit(disp=0)
    effect, error = float(fitted.params[0]), float(fitted.bse[0])
    return tuple(math.exp(effect + z * error) for z in (0.0, -1.959964, 1.959964))  # type: ignore[return-value]


def km_at_end(months: pd.Series, event: pd.Series) -> float:
    """Share without the event at the end."""
    return float(KaplanMeierFitter().fit(months, event).survival_function_.iloc[-1, 0])


def compare_structure(tables: dict, original: pd.DataFrame, synthetic: pd.DataFrame, compared: Comparison) -> None:
    """Rows, missing shares, values out of range."""
    sizes = {name: table.groupby(["source", "arm"]).size() for name, table in (("o", original), ("s", synthetic))}
    for row in tables["arms"]:
        key = (row["source"], row["arm"])
        compared.near("rows per arm", str(key), sizes["o"].get(key, 0), row["original"])
        compared.near("rows per arm", str(key), sizes["s"].get(key, 0), row["synthetic"])
    groups = {
        name: table.groupby(["source", "arm"]) for name, table in (("original", original), ("synthetic", synthetic))
    }
    missing = {name: grouped.apply(lambda rows: rows.isna().mean()) for name, grouped in groups.items()}
    for row in tables["missingness"]:
        for name, shares in missing.items():
            here = shares.loc[(row["source"], row["arm"]), row["column"]]
            compared.near("missing shares", f"{row['source']} {row['arm']} {row['column']}", here, row[name])
    for row in tables["columns"]:
        if row["lowest"] is not None:
            low, high = original[row["column"]].min(), original[row["column"]].max()
            outside = ((synthetic[row["column"]] < low) | (synthetic[row["column"]] > high)).sum()
            compared.near("values out of range", row["column"], float(outside), row["out_of_range"])


def compare_margins(tables: dict, numbers: dict[str, pd.DataFrame], rows_of: dict, compared: Comparison) -> None:
    """Distances of every variable, per source and per arm."""
    for level in ("by_source", "by_arm"):
        for row in tables[level]:
            key = (row["source"], row["arm"])
            first, second = (
                numbers[name].loc[rows_of[name][key], row["variable"]].dropna() for name in ("original", "synthetic")
            )
            label = f"{key} {row['variable']}"
            spread = first.std(ddof=0)
            compared.near("means", label, first.mean(), row["mean_original"])
            compared.near("means", label, second.mean(), row["mean_synthetic"])
            shift = (second.mean() - first.mean()) / spread if spread else None
            compared.near("shifts of means", label, shift, row["mean_shift"])
            compared.near(
                "ratios of spreads", label, second.std(ddof=0) / spread if spread else None, row["spread_ratio"]
            )
            if first.nunique() > 30:
                edges = np.unique(np.quantile(first, np.linspace(0, 1, 21)[1:-1]))
                cut = [pd.Series(np.digitize(sample, edges)) for sample in (first, second)]
                compared.near("Kolmogorov-Smirnov", label, ks_2samp(first, second).statistic, row["separation"])
            else:
                cut = [first, second]
            shares = pd.concat([one.value_counts(normalize=True) for one in cut], axis=1).fillna(0.0)
            distance = math.sqrt(((np.sqrt(shares.iloc[:, 0]) - np.sqrt(shares.iloc[:, 1])) ** 2).sum() / 2)
            compared.near("Hellinger distances", label, distance, row["hellinger"], 2e-4)


def compare_associations(
    tables: dict, numbers: dict[str, pd.DataFrame], source: dict[str, pd.Series], compared: Comparison
) -> None:
    """All pairs of within-source rank correlations."""
    matrices = {}
    for name, table in numbers.items():
        ranks = table.groupby(source[name]).rank(pct=True)
        matrices[name] = (ranks - ranks.groupby(source[name]).transform("mean")).corr(min_periods=300)
    for row in tables["pairs"]:
        for name, matrix in matrices.items():
            here = matrix.loc[row["first"], row["second"]]
            compared.near("rank correlations", f"{row['first']} {row['second']} {name}", here, row[name])


def compare_endpoints(tables: dict, tables_of: dict, found: dict, compared: Comparison) -> None:
    """Every endpoint of every trial, both tables, and the published rule."""
    for row in tables["endpoints"]:
        for prefix, name in (("", "original"), ("synthetic_", "synthetic")):
            there = {part: row[f"{prefix}{part}"] for part in ("value", "lower", "upper")}
            if there["value"] is None:
                continue
            table = tables_of[name]
            of_trial = table["source"] == row["trial"]
            control = of_trial & (table["treatment"] == "placebo or untreated")
            active = of_trial & (table["arm"] == row["arm"])
            chosen = pd.concat([found[name][control], found[name][active]])
            treated = np.repeat([0.0, 1.0], [control.sum(), active.sum()])
            label = f"{row['trial']} {row['arm']} {row['endpoint']} ({name})"
            if row["endpoint"] == "relapse rate":
                here = rate_ratio(chosen["relapses"].to_numpy(), treated, chosen["years"].to_numpy())
            elif row["endpoint"] == "new T2 lesions":
                scanned = chosen["new_t2"].notna().to_numpy().astype(float)
                here = rate_ratio(chosen["new_t2"].fillna(0).to_numpy(), treated, scanned)
            elif row["endpoint"].startswith("worsening"):
                weeks = row["endpoint"].split()[2]
                here = hazard_ratio(chosen[f"w{weeks}"].to_numpy(), chosen[f"e{weeks}"].to_numpy(), treated)
            else:
                ends, errors = [], []
                for rows in (found[name][control], found[name][active]):
                    fitted = KaplanMeierFitter().fit(rows["relapse_months"], rows["relapsed"])
                    events = fitted.event_table
                    left = events["at_risk"] - events["observed"]
                    variance = (events["observed"] / (events["at_risk"] * left)).replace(np.inf, 0.0).sum()
                    ends.append(float(fitted.survival_function_.iloc[-1, 0]))
                    errors.append(ends[-1] * math.sqrt(variance))
                difference, half = ends[1] - ends[0], 1.959964 * math.hypot(*errors)
                here = (difference, difference - half, difference + half)
            for part, value in zip(there, here, strict=True):
                compared.near("endpoints", f"{label} {part}", value, there[part], 2e-3)
        made = row["synthetic_value"]
        neutral = 0.0 if row["measure"].startswith("difference") else 1.0
        rule = made is not None and (
            (row["value"] - neutral) * (made - neutral) > 0
            and row["lower"] <= made <= row["upper"]
            and (row["lower"] <= neutral <= row["upper"])
            == (row["synthetic_lower"] <= neutral <= row["synthetic_upper"])
        )
        compared.near("published rule", f"{row['trial']} {row['endpoint']}", float(rule), float(row["replicated"]))
    for row in tables["arms"]:
        for prefix, name in (("", "original"), ("synthetic_", "synthetic")):
            table = tables_of[name]
            rows = found[name][(table["source"] == row["trial"]) & (table["arm"] == row["arm"])]
            label = f"{row['trial']} {row['arm']} ({name})"
            compared.near(
                "arm figures", label, rows["relapses"].sum() / rows["years"].sum(), row[f"{prefix}relapse_rate"]
            )
            compared.near(
                "arm figures",
                label,
                km_at_end(rows["relapse_months"], rows["relapsed"]),
                row[f"{prefix}relapse_free"],
            )
            for weeks in ("12", "24"):
                here = 1 - km_at_end(rows[f"w{weeks}"], rows[f"e{weeks}"])
                compared.near("arm figures", label, here, row[f"{prefix}worsening_{weeks}w"])
            compared.near("arm figures", label, rows["new_t2"].mean(), row[f"{prefix}new_t2"])


def compare_truth(
    tables: dict, original: pd.DataFrame, found: pd.DataFrame, truth: pd.DataFrame, compared: Comparison
) -> None:
    """The true and the naive effect of treatment in the registries."""
    relapse = truth.pivot_table(index="row", columns="treatment", values="relapse_risk_24")
    for row in tables["indication"]:
        if row["outcome"] != "relapse":
            continue
        registry = original["source_kind"] == "registry"
        treated = registry & (original["treatment"] == row["treatment"])
        untreated = registry & (original["treatment"] == "placebo or untreated")
        rows = np.flatnonzero(treated)
        effect = (relapse.loc[rows, row["treatment"]] - relapse.loc[rows, "placebo or untreated"]).mean()
        compared.near("true effects", row["treatment"], effect, row["true"])
        whole = found["years"] * 12 >= 23
        naive = found.loc[treated & whole, "relapsed"].mean() - found.loc[untreated & whole, "relapsed"].mean()
        compared.near("naive effects", row["treatment"], naive, row["naive"])


def compare_figures(sections: dict, compared: Comparison) -> None:
    """Judged figures from the tables behind them, which are compared with the data elsewhere."""
    tables = {name: section["tables"] for name, section in sections.items()}
    expected: dict[str, dict[str, float | None]] = {name: {} for name in sections}
    columns, arms = (pd.DataFrame(tables["structure"][name]) for name in ("columns", "arms"))
    expected["structure"] = {
        "out_of_range": float(columns["out_of_range"].sum()),
        "new_levels": float((columns["new_levels"] > 0).sum()),
        "types": float((columns["type_original"] != columns["type_synthetic"]).sum()),
        "rows": float((arms["original"] - arms["synthetic"]).abs().max()),
        "missingness": float(pd.DataFrame(tables["structure"]["missingness"])["z"].abs().max()),
    }
    margins = pd.DataFrame(tables["univariate"]["by_source"])
    margins = margins[(margins["n_original"] >= 150) & (margins["unusual"] >= 30)]
    beyond = np.sqrt((margins["hellinger"] ** 2 - margins["floor_one"] ** 2).clip(lower=0))
    expected["univariate"] = {
        "hellinger_median": margins["hellinger"].median(),
        "hellinger_worst": beyond.max(),
        "balanced": float((margins["mean_shift"].abs() < 0.1).mean()),
        "mean_shift_worst": margins["mean_shift"].abs().max(),
        "spread_ratio_median": margins["spread_ratio"].median(),
        "spread_ratio_lowest": margins["spread_ratio"].min(),
        "floor_median": margins["floor"].median(),
    }
    pairs = pd.DataFrame(tables["multivariate"]["pairs"])
    kept = pd.DataFrame(tables["multivariate"]["variables"])
    kept = kept[kept["associated"]]
    expected["multivariate"] = {
        "correlation_difference": float((pairs["original"] - pairs["synthetic"]).abs().mean()),
        "kept": float((pairs["original"] * pairs["synthetic"]).sum() / (pairs["original"] ** 2).sum()),
        "kept_lowest": float((kept["kept"] + 2 * kept["standard_error"]).min()),
    }
    areas = pd.DataFrame(tables["discrimination"]["areas"])
    for row in areas[areas["against"] == "synthetic"].to_dict("records"):
        expected["discrimination"][f"auc_{row['model'].replace(' ', '_')}"] = row["auc"]
    for row in tables["projection_error"]["errors"]:
        if row["by"] == "all":
            expected["projection_error"] |= {
                f"ratio_{row['outcome']}": row["sampled_mae"] / row["floor_mae"],
                f"ratio_one_{row['outcome']}": row["sampled_mae"] / row["one_resample_mae"],
                f"mae_{row['outcome']}": row["mae"],
            }
    if "truth" in tables:
        expected["truth"] = _truth_figures(tables["truth"])
    expected["prognosis"] = _prognosis_figures(tables["prognosis"])
    expected["privacy"] = {row["name"]: row["value"] for row in tables["privacy"]["metrics"]}
    for name, values in expected.items():
        found = {check["name"]: check["value"] for check in sections[name]["checks"]}
        for check, value in values.items():
            compared.near("judged figures", f"{name} {check}", value, found.get(check))


def _truth_figures(tables: dict) -> dict[str, float | None]:
    expected = {}
    contrasts = pd.DataFrame(tables["contrasts"])
    for row in tables["outcomes"]:
        if row["treatment"] == "all":
            if row["database"] == "synthetic":
                expected[f"coverage_{row['outcome']}"] = row["coverage"]
            expected[f"rmse_{row['outcome']}_{row['database'].replace(', ', '_')}"] = row["rmse"]
    for outcome, rows in contrasts[contrasts["database"] == "synthetic"].groupby("outcome"):
        expected[f"coverage_contrast_{outcome}"] = float(np.average(rows["coverage"], weights=rows["n"]))
        expected[f"rmse_contrast_{outcome}"] = math.sqrt(np.average(rows["rmse"] ** 2, weights=rows["n"]))
    return expected


def _prognosis_figures(tables: dict) -> dict[str, float | None]:
    expected: dict[str, float | None] = {}
    product = ("synthetic, corrected", "originals, corrected")
    # Of a small release there may be nothing to score.
    edss, risks = (
        pd.DataFrame(tables[name], columns=None if tables[name] else ["month", "endpoint"])
        for name in ("edss", "risks")
    )
    for month, rows in edss.groupby("month"):
        crps = rows.set_index("engine")["crps"]
        expected |= {
            f"crps_{month}": crps[product[0]] / crps["last EDSS carried forward"],
            f"crps_over_best_{month}": crps[product[0]] / crps.drop(list(product)).min(),
            f"coverage_{month}": rows.set_index("engine")["coverage_80"][product[0]],
        }
    for endpoint, rows in risks.groupby("endpoint"):
        engines = rows.set_index("engine")
        for name, column in (("skill", "skill"), ("slope", "slope"), ("auc", "auc"), ("concordance", "concordance")):
            expected[f"{name}_{endpoint}"] = engines[column][product[0]]
        brier = engines["brier"]
        expected[f"brier_over_best_{endpoint}"] = brier[product[0]] / brier.drop(list(product)).min()
    return expected


def compare_arithmetic(sections: dict, compared: Comparison) -> None:
    """Ratios, shares and verdicts that follow from other figures of the report."""
    for row in sections["projection_error"]["tables"]["errors"]:
        label = f"{row['by']} {row['group']} {row['outcome']}"
        compared.near("error ratios", label, row["sampled_mae"] / row["floor_mae"], row["ratio"])
        compared.near("error ratios", label, row["sampled_mae"] / row["one_resample_mae"], row["ratio_one_resample"])
        within = row["floor_lowest"] <= row["floor_mae"] <= row["floor_highest"]
        compared.near("error ratios", f"{label} floor within its pairs", 1.0, float(within))
    for row in sections["projection_error"]["tables"]["augmentation"]:
        compared.near(
            "error ratios", f"1-{row['augmentation']} {row['outcome']}", row["mae"] / row["floor_mae"], row["ratio"]
        )
    repeated = pd.DataFrame(sections["repetition"]["tables"]["repetitions"])
    if len(repeated):
        shares = repeated.groupby(["data", "trial"])["replicated"].mean()
        counts = repeated.groupby(["data", "trial"])["replicated"].agg(["sum", "size"])
        for check in sections["repetition"]["checks"]:
            kind, _, trial = check["name"].partition("_")
            data = "resample" if kind == "chance" else "avatars"
            compared.near("replicated shares", trial, float(shares[data, trial]), check["value"])
        for row in sections["repetition"]["tables"]["shares"]:
            both = [counts.loc[data, row["trial"]] for data in ("avatars", "resample")]
            # Fisher's exact test from the hypergeometric distribution: every table no likelier than this one.
            size, events = int(both[0]["size"]), int(both[0]["sum"] + both[1]["sum"])
            likely = hypergeom.pmf(np.arange(events + 1), 2 * size, events, size)
            p_value = likely[likely <= likely[int(both[0]["sum"])] * (1 + 1e-7)].sum()
            compared.near("replicated shares", f"{row['trial']} p", p_value, row["p_value"])
            for (_, of), name in zip(enumerate(both), ("avatars", "resamples"), strict=True):
                share, z = of["sum"] / of["size"], 1.959964
                centre = (share + z**2 / (2 * of["size"])) / (1 + z**2 / of["size"])
                half = (
                    z
                    / (1 + z**2 / of["size"])
                    * math.sqrt(share * (1 - share) / of["size"] + z**2 / (4 * of["size"] ** 2))
                )
                for end, value in (("lower", centre - half), ("upper", centre + half)):
                    compared.near("replicated shares", f"{row['trial']} {name}", value, row[f"{name}_{end}"])
    endpoints = pd.DataFrame(sections["efficacy"]["tables"]["endpoints"])
    for check in sections["efficacy"]["checks"]:
        if check["name"] == "endpoints_replicated":
            compared.near("replicated shares", "release", float(endpoints["replicated"].mean()), check["value"])
    for section in sections.values():
        for check in section["checks"]:
            value, low, high = check["value"], check["lowest"], check["highest"]
            if value is None:
                expected = {"not applicable"}
            elif low is None and high is None:
                expected = {"reported"}
            else:
                inside = (low is None or value >= low) and (high is None or value <= high)
                expected = {"passed"} if inside else {"failed", "consequence"}
            agrees = check["verdict"] in expected
            compared.near("verdicts", f"{section['name']} {check['name']}", 1.0, float(agrees))


def compare_page(path: Path, sections: dict, compared: Comparison) -> None:
    """Every judged figure of the page is that of the data."""
    text = path.read_text(encoding="utf-8")
    for section in sections.values():
        part = text[text.index(f'<section id="{section["name"]}">') :]
        cells = [
            (unescape(label), value)
            for label, value in re.findall(r"<tr><td>([^<]*)</td><td class='number'>([^<]*)</td>", part)
        ]
        for check, (label, shown) in zip(section["checks"], cells, strict=False):
            if check["value"] is None:
                agrees = shown == "–"
            else:
                printed = f"{check['value']:.3g}" if abs(check["value"]) < 1000 else f"{check['value']:,.0f}"
                agrees = shown == printed
            compared.near("figures on the page", f"{section['name']} {label}", 1.0, float(agrees))
            compared.near("labels on the page", f"{section['name']} {label}", 1.0, float(label == check["label"]))


def main() -> None:
    """Compare everything, and say how much agreed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("validation", type=Path)
    parser.add_argument("--home", type=Path, required=True, help="CDSS_HOME, with bkp/ and releases/")
    given = parser.parse_args()
    report = json.loads(given.validation.read_text(encoding="utf-8"))
    release = given.home / "releases" / report["release"]
    manifest = json.loads((release / "manifest.json").read_text(encoding="utf-8"))
    parameters = manifest["parameters"]
    simulated = given.home / "bkp" / f"simulated-{manifest['seed']}-{parameters.get('scale', 1.0):g}"
    originals = read_bkp(simulated if parameters["bkp"] == "simulated" else Path(parameters["bkp"]))
    tables_of = {
        "original": harmonised(originals.tables, originals.sources).reset_index(drop=True),
        "synthetic": pd.read_parquet(release / "episodes.parquet").reset_index(drop=True),
    }
    per_month = {source.name: source.days_per_month for source in originals.sources}
    found = {name: outcomes(table, table["source"].map(per_month)) for name, table in tables_of.items()}
    numbers = {name: as_numbers(table, found[name]) for name, table in tables_of.items()}
    rows_of = {
        name: {
            **{key: rows.index for key, rows in table.groupby(["source", "arm"])},
            **{(source, "all"): rows.index for source, rows in table.groupby("source")},
        }
        for name, table in tables_of.items()
    }
    sections = {section["name"]: section for section in report["sections"]}
    tables = {name: section["tables"] for name, section in sections.items()}
    compared = Comparison()
    compare_structure(tables["structure"], *tables_of.values(), compared)
    compare_margins(tables["univariate"], numbers, rows_of, compared)
    compare_associations(
        tables["multivariate"], numbers, {name: table["source"] for name, table in tables_of.items()}, compared
    )
    compare_endpoints(tables["efficacy"], tables_of, found, compared)
    if "truth" in tables and originals.potential_outcomes is not None:
        patients = originals.tables.patients["patient_id"]
        position = pd.Series(np.arange(len(patients)), index=patients.to_numpy())
        truth = originals.potential_outcomes
        truth = truth.assign(row=position.reindex(truth["patient_id"]).to_numpy())
        compare_truth(tables["truth"], tables_of["original"], found["original"], truth, compared)
    compare_figures(sections, compared)
    compare_arithmetic(sections, compared)
    compare_page(given.validation.with_name("report.html"), sections, compared)
    for what, n in compared.agreed.items():
        differing = sum(line.startswith(f"{what}:") for line in compared.differing)
        print(f"{what:24} {n:6,} agree, {differing:4,} differ")
    for line in compared.differing[:60]:
        print("  ", line)
    sys.exit(1 if compared.differing else 0)


if __name__ == "__main__":
    main()
