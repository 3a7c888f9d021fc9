"""Prognosis: what projections say of patients who were held out, against what became of them.

A fifth of the originals is held out; the rest is the reference database, as it is and as avatars made of it for this
purpose. Each held-out patient is projected under the treatment they took. Beside the projection stand the simplest
rivals: the last EDSS carried forward, and the population's mean change and curve.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from projection.estimates import ESTIMATORS
from reference_db.avatar.episodes import anonymise_episodes
from reference_db.episodes import Episodes
from reference_db.schema import EDSS_SCALE
from reference_db.vocabulary import SourceKind, Treatment
from validation.endpoints import survival_at_end
from validation.material import Material
from validation.outcomes import Outcomes, TimeToEvent, outcomes
from validation.projections import CLASSES, MONTHS, RISKS, Projected, Task, patients_of_interest, project_all
from validation.result import Check, Record, Records, Section, check
from validation.scores import (
    RISK_MONTHS,
    calibration_groups,
    net_benefit,
    quantile_crps,
    risk_scores,
)

Floats = NDArray[np.float64]

HELD_OUT = 0.2

SMALLEST_ARM = 30
"""Patients whom an arm keeps in the reference database, so that their avatars can hide each other."""

EDSS_AT = (12, 24)

THRESHOLDS: Floats = np.arange(0.05, 0.55, 0.05)

PRODUCT = "synthetic, corrected"
"""The engine that a release serves."""

CARRIED_FORWARD = "last EDSS carried forward"
POPULATION = "population"

PUBLISHED: tuple[Record, ...] = (
    {
        "figure": "C-index, relapse",
        "published": "0.608-0.639",
        "source": "published prognostic models of relapse",
        "caveat": "on other data: not comparable in level",
    },
    {
        "figure": "C-index, progression",
        "published": "0.554-0.777",
        "source": "published prognostic models of progression",
        "caveat": "on other data: not comparable in level",
    },
    {
        "figure": "AUC, progression",
        "published": "0.71",
        "source": "MSBase",
        "caveat": "on other data: not comparable in level",
    },
)


@dataclass(frozen=True)
class Prediction:
    """What an engine says of each held-out patient under their own treatment.

    Attributes
    ----------
    edss : mapping of int to ndarray
        Expected EDSS by month, (patients,).
    quantiles : mapping of int to ndarray
        Quantiles of the individual EDSS by month, (5, patients).
    risks : mapping of str to ndarray
        Risk by endpoint, (patients, len(RISK_MONTHS)); empty for engines that give none.
    """

    edss: Mapping[int, Floats]
    quantiles: Mapping[int, Floats]
    risks: Mapping[str, Floats]


def prognosis(material: Material, *, jobs: int = 1, progress: Callable[[float, str], None] | None = None) -> Section:
    """Score every engine on held-out patients."""
    rng = material.generator(8)
    table = material.original.table
    held_out = np.zeros(len(table), dtype=np.bool_)
    for rows in table.groupby(["source", "arm"]).indices.values():
        n = min(round(HELD_OUT * len(rows)), max(len(rows) - SMALLEST_ARM, 0))
        held_out[rng.permutation(rows)[:n]] = True
    reference = Episodes(table[~held_out].reset_index(drop=True), material.original.sources)
    asked = material.parameters
    made = anonymise_episodes(
        reference.table, rng=rng, k=asked.get("k"), ncp=asked.get("ncp"), weights=asked.get("weights")
    ).table
    chosen = rng.permutation(np.flatnonzero(held_out))[: 250 if material.quick else None]
    test = Episodes(table.iloc[np.sort(chosen)].reset_index(drop=True), material.original.sources)
    patients = patients_of_interest(test.table)
    synthetic = Episodes(made, material.original.sources)
    tasks = {f"synthetic, {name}": Task("synthetic", synthetic, patients, estimator=name) for name in ESTIMATORS} | {
        "originals, corrected": Task("originals", reference, patients)
    }
    projected = project_all(tasks, jobs=jobs, progress=progress)
    engines = {
        CARRIED_FORWARD: _carried_forward(test),
        POPULATION: _population(reference, test),
        **{name: _of_projection(found, test) for name, found in projected.items()},
    }
    found = outcomes(test, horizon=60)
    edss = _edss_scores(engines, test)
    risks, calibration, decisions = _risk_tables(engines, found)
    benefit = _benefit(projected[PRODUCT], test, found)
    return Section(
        name="prognosis",
        title="Prognosis",
        question="How well is the course of patients predicted who are not in the reference database?",
        checks=tuple(_checks(edss, risks)),
        tables={
            "edss": edss,
            "risks": risks,
            "calibration": calibration,
            "decision_curves": decisions,
            "benefit": benefit,
            "published": PUBLISHED,
        },
        remarks=(
            f"{int(held_out.sum()):,} patients held out, {len(test):,} of them scored; engines are compared on the "
            "patients whom all of them answer for.",
            "CRPS from five quantiles. Risks: weighted for censoring; skill over the population's curve.",
            "Mean absolute errors hardly separate engines whose treatment contrasts differ twofold: see Truth.",
        ),
        rests_on=("structure", "univariate", "multivariate", "efficacy"),
    )


def _carried_forward(test: Episodes) -> Prediction:
    own = test.edss[:, 0]
    return Prediction(dict.fromkeys(EDSS_AT, own), {month: np.tile(own, (5, 1)) for month in EDSS_AT}, {})


def _population(reference: Episodes, test: Episodes) -> Prediction:
    """Return own state plus the mean change of the class and phenotype, and their Kaplan-Meier curve."""
    found = outcomes(reference, horizon=60)
    change = reference.edss - reference.edss[:, :1]
    n = len(test)
    edss = {month: np.full(n, np.nan) for month in EDSS_AT}
    quantiles = {month: np.full((5, n), np.nan) for month in EDSS_AT}
    risks = {name: np.full((n, len(RISK_MONTHS)), np.nan) for name in RISKS}
    known = reference.table.groupby(["treatment", "phenotype"]).indices
    for key, rows in test.table.groupby(["treatment", "phenotype"]).indices.items():
        like = known.get(key)
        if like is None:
            continue
        own = test.edss[rows, 0]
        for month in EDSS_AT:
            values = change[like, MONTHS.index(month)]
            values = values[~np.isnan(values)]
            if len(values):
                edss[month][rows] = np.clip(own + values.mean(), EDSS_SCALE[0], EDSS_SCALE[-1])
                spread = np.quantile(values, (0.1, 0.25, 0.5, 0.75, 0.9))
                quantiles[month][:, rows] = np.clip(own + spread[:, None], EDSS_SCALE[0], EDSS_SCALE[-1])
        for name in RISKS:
            risks[name][rows] = _curve(_times(found, name).rows(np.asarray(like)))
    return Prediction(edss, quantiles, risks)


def _curve(times: TimeToEvent) -> Floats:
    """Return the Kaplan-Meier risk at each of `RISK_MONTHS`."""
    ends = (
        TimeToEvent(np.minimum(times.months, month), times.event & (times.months <= month)) for month in RISK_MONTHS
    )
    return np.array([1.0 - survival_at_end(until)[0] for until in ends])


def _times(found: Outcomes, endpoint: str) -> TimeToEvent:
    return found.relapse if endpoint == "relapse" else found.worsening_24w


def _of_projection(found: Projected, test: Episodes) -> Prediction:
    position = {treatment.value: i for i, treatment in enumerate(CLASSES)}
    own = test.table["treatment"].map(position).to_numpy()
    rows = np.arange(len(test))
    at = [MONTHS.index(int(month)) for month in RISK_MONTHS]
    return Prediction(
        {month: found.edss[0, rows, own, MONTHS.index(month)].astype(np.float64) for month in EDSS_AT},
        {month: found.band[:, rows, own, MONTHS.index(month)].astype(np.float64) for month in EDSS_AT},
        {name: found.risks[0, rows, own, i][:, at].astype(np.float64) for i, name in enumerate(RISKS)},
    )


def _edss_scores(engines: Mapping[str, Prediction], test: Episodes) -> tuple[Record, ...]:
    records = Records()
    for month in EDSS_AT:
        outcome = test.edss[:, MONTHS.index(month)]
        known = ~np.isnan(outcome)
        for engine in engines.values():
            known &= ~np.isnan(engine.edss[month]) & ~np.isnan(engine.quantiles[month]).any(axis=0)
        for name, engine in engines.items():
            error = engine.edss[month][known] - outcome[known]
            quantiles = engine.quantiles[month][:, known]
            inside = (quantiles[0] <= outcome[known]) & (outcome[known] <= quantiles[-1])
            records.add(
                engine=name,
                month=month,
                n=len(error),
                mae=float(np.abs(error).mean()),
                rmse=float(np.sqrt((error**2).mean())),
                bias=float(error.mean()),
                crps=float(quantile_crps(outcome[known], quantiles).mean()),
                coverage_80=float(inside.mean()),
            )
    return records.done()


def _risk_tables(
    engines: Mapping[str, Prediction], found: Outcomes
) -> tuple[tuple[Record, ...], tuple[Record, ...], tuple[Record, ...]]:
    """Return scores, calibration by tenths, and decision curves of every engine that gives risks."""
    scores, calibration, decisions = Records(), Records(), Records()
    with_risks = {name: engine for name, engine in engines.items() if engine.risks}
    for endpoint in RISKS:
        times = _times(found, endpoint)
        known = times.months > 0
        for engine in with_risks.values():
            known &= ~np.isnan(engine.risks[endpoint]).any(axis=1)
        times = times.rows(known)
        population = _curve(times)
        for name, engine in with_risks.items():
            risk = engine.risks[endpoint][known]
            scores.add(engine=name, endpoint=endpoint, **asdict(risk_scores(times, risk, population)))
            for tenth, row in enumerate(calibration_groups(times, risk[:, -1]), start=1):
                calibration.add(engine=name, endpoint=endpoint, tenth=tenth, **row)
            for threshold, benefit in zip(THRESHOLDS, net_benefit(times, risk[:, -1], THRESHOLDS), strict=True):
                decisions.add(engine=name, endpoint=endpoint, threshold=threshold, net_benefit=benefit)
        everyone = np.ones(len(times.months))
        for threshold, benefit in zip(THRESHOLDS, net_benefit(times, everyone, THRESHOLDS), strict=True):
            decisions.add(engine="treat all", endpoint=endpoint, threshold=threshold, net_benefit=benefit)
    return scores.done(), calibration.done(), decisions.done()


def _benefit(found: Projected, test: Episodes, observed: Outcomes) -> tuple[Record, ...]:
    """Compare projected and observed differences in relapse risk at a year, by thirds of the projected benefit.

    Observed: between the randomised arms of trials with an untreated arm, among held-out patients.
    """
    table = test.table
    trials = table[table["source_kind"] == SourceKind.TRIAL.value]
    untreated_sources = set(trials.loc[trials["treatment"] == Treatment.UNTREATED.value, "source"])
    at = MONTHS.index(12)
    reference = CLASSES.index(Treatment.UNTREATED)
    active = trials[trials["treatment"] != Treatment.UNTREATED.value]
    tested = active.groupby("source")["treatment"].first().map({t.value: i for i, t in enumerate(CLASSES)})
    rows = trials.index[trials["source"].isin(untreated_sources & set(tested.index))].to_numpy()
    if len(rows) < 60:
        return ()
    under = tested.loc[trials.loc[rows, "source"]].to_numpy(dtype=np.intp)
    relapse = RISKS.index("relapse")
    predicted = (found.risks[0, rows, reference, relapse, at] - found.risks[0, rows, under, relapse, at]).astype(
        np.float64
    )
    treated = (table.loc[rows, "treatment"] != Treatment.UNTREATED.value).to_numpy()
    same = treated & (table.loc[rows, "treatment"].to_numpy() != np.array([CLASSES[i].value for i in under]))
    usable = ~np.isnan(predicted) & ~same
    rows, predicted, treated = rows[usable], predicted[usable], treated[usable]
    year = TimeToEvent(
        np.minimum(observed.relapse.months, 12), observed.relapse.event & (observed.relapse.months <= 12)
    )
    records = Records()
    for third, part in enumerate(np.array_split(np.argsort(predicted, kind="stable"), 3), start=1):
        (untreated_free, untreated_error), (active_free, active_error) = (
            survival_at_end(year.rows(rows[part][treated[part] == arm])) for arm in (False, True)
        )
        records.add(
            third=third,
            n=len(part),
            predicted=float(predicted[part].mean()),
            observed=active_free - untreated_free,
            error=float(np.hypot(untreated_error, active_error)),
        )
    return records.done()


def _checks(edss: tuple[Record, ...], risks: tuple[Record, ...]) -> list[Check]:
    checks = []
    for month in EDSS_AT:
        rows = {str(row["engine"]): row for row in edss if row["month"] == month}
        product, last = rows.get(PRODUCT), rows.get(CARRIED_FORWARD)
        if product is not None and last is not None:
            checks.append(
                check(
                    f"crps_{month}",
                    f"CRPS of the EDSS at {month} months over that of the last EDSS carried forward",
                    float(product["crps"] or 0.0) / float(last["crps"] or 1.0),
                    highest=1.0,
                    meaning="A projection that does not beat no change at all is not worth showing.",
                )
            )
            checks.append(
                check(
                    f"coverage_{month}",
                    f"Share of patients within the 10-90 % band at {month} months",
                    float(product["coverage_80"] or 0.0),
                    lowest=0.76,
                    meaning="Nominal 80 %, more on a scale of half steps whose values fall on the ends of the band.",
                )
            )
    for row in risks:
        if row["engine"] == PRODUCT:
            label = "relapse" if row["endpoint"] == "relapse" else "confirmed worsening"
            skill, slope = row["skill"], row["slope"]
            checks.append(
                check(
                    f"skill_{row['endpoint']}",
                    f"Brier skill over the population's curve, {label}",
                    float(skill) if isinstance(skill, int | float) else None,
                    lowest=0.0,
                    meaning="Below 0 the projection tells less than the population's curve.",
                )
            )
            checks.append(
                check(
                    f"slope_{row['endpoint']}",
                    f"Calibration slope, {label}",
                    float(slope) if isinstance(slope, int | float) else None,
                    meaning="1 is right; below 1 the risks are too extreme.",
                )
            )
            checks.append(
                check(
                    f"auc_{row['endpoint']}",
                    f"Area under the curve at 24 months, {label}",
                    float(row["auc"] or 0.0),
                    meaning="Published models reach about 0.6 to 0.7, on other data.",
                )
            )
    return checks
