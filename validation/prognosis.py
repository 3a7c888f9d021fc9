"""Prognosis: what projections say of patients who were held out, against what became of them.

A fifth of the originals is held out; the rest is the reference database, as it is and as avatars made of it for this
purpose. Each held-out patient is projected under the treatment they took. Beside the projection stand the simplest
rivals, the last EDSS carried forward and the population's mean change and curve, and every other engine of the
projection, trained on the same avatars.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace

import numpy as np
from numpy.typing import NDArray

from projection.estimates import ESTIMATORS
from reference_db.avatar.episodes import anonymise_episodes
from reference_db.episodes import Episodes
from reference_db.small_cells import SMALL_CELL
from reference_db.vocabulary import SourceKind, Treatment
from validation.endpoints import survival_at_end
from validation.material import Material, thinned
from validation.outcomes import Outcomes, TimeToEvent, outcomes
from validation.projections import CLASSES, MONTHS, RISKS, Projected, Task, patients_of_interest, project_all
from validation.published import beside_published
from validation.result import Check, Miss, Record, Records, Section, check
from validation.rivals import (
    CARRIED_FORWARD,
    EDSS_AT,
    POPULATION,
    Prediction,
    carried_forward,
    of_models,
    of_projection,
    population,
    population_curve,
    times_to,
)
from validation.scores import HORIZON, calibration_groups, can_be_scored, net_benefit, quantile_crps, risk_scores

Floats = NDArray[np.float64]

HELD_OUT = 0.2

SMALLEST_ARM = 30
"""Patients whom an arm keeps in the reference database, so that their avatars can hide each other."""

LABELS = {"worsening_24w": "confirmed worsening", "relapse": "relapse"}

THRESHOLDS: Floats = np.arange(0.05, 0.55, 0.05)

PRODUCT = "synthetic, corrected"
"""The engine that a release serves."""

ORIGINALS = "originals, corrected"
"""The same engine on the originals: what no synthetic database can be expected to beat."""


def prognosis(material: Material, *, jobs: int = 1, progress: Callable[[float, str], None] | None = None) -> Section:
    """Score every engine on held-out patients."""
    rng = material.generator(8)
    table = material.original.table
    if material.quick:
        table = thinned(table, rng)
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
    served = Task("synthetic", synthetic, patients, avatars=1.0)
    # The engine that is served under all classes, for the calibration for benefit; the others under the one taken.
    projected = project_all({PRODUCT: served}, jobs=jobs) | _under_own(
        {
            f"synthetic, {name}": replace(served, estimator=name)
            for name in ESTIMATORS
            if f"synthetic, {name}" != PRODUCT
        }
        | {ORIGINALS: Task("originals", reference, patients)},
        test,
        jobs,
        progress,
    )
    models = of_models(Task("synthetic", synthetic, patients), jobs)
    engines = {
        CARRIED_FORWARD: carried_forward(test),
        POPULATION: population(reference, test),
        **{name: of_projection(found, test) for name, found in (projected | models).items()},
    }
    found = outcomes(test, horizon=60)
    edss = _edss_scores(engines, test)
    risks, calibration, decisions, not_scored = _risk_tables(engines, times_to(test))
    own = {str(row["endpoint"]): row for row in risks if row["engine"] == PRODUCT}
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
            "published": beside_published(own),
        },
        remarks=(
            f"{int(held_out.sum()):,} patients held out, {len(test):,} of them scored; engines are compared on the "
            "patients whom all of them answer for.",
            "CRPS from five quantiles; of an engine that gives a single value, its absolute error. Risks: weighted "
            "for censoring; skill over the population's curve.",
            "Mean absolute errors hardly separate engines whose treatment contrasts differ twofold: see Truth.",
            *not_scored,
        ),
        rests_on=("structure", "univariate", "multivariate", "efficacy"),
    )


def _under_own(
    tasks: Mapping[str, Task], test: Episodes, jobs: int, progress: Callable[[float, str], None] | None
) -> dict[str, Projected]:
    """Project each patient under the treatment they took only; NaN under the others."""
    position = {treatment.value: treatment for treatment in CLASSES}
    groups = [
        (position[str(name)], np.asarray(rows)) for name, rows in test.table.groupby("treatment").indices.items()
    ]
    asked = {
        f"{name} {treatment.value}": replace(
            task, patients=[task.patients[row] for row in rows], classes=(treatment,)
        )
        for name, task in tasks.items()
        for treatment, rows in groups
    }
    found = project_all(asked, jobs=jobs, progress=progress)
    back = np.argsort(np.concatenate([rows for _, rows in groups]), kind="stable")
    return {
        name: Projected.joined([found[f"{name} {treatment.value}"] for treatment, _ in groups]).rows(back)
        for name in tasks
    }


def _edss_scores(engines: Mapping[str, Prediction], test: Episodes) -> tuple[Record, ...]:
    records = Records()
    for month in EDSS_AT:
        # An engine that answers for nobody, as in a small database, must not take everybody from the others.
        with_edss = {
            name: engine for name, engine in engines.items() if engine.edss and not np.isnan(engine.edss[month]).all()
        }
        outcome = test.edss[:, MONTHS.index(month)]
        known = ~np.isnan(outcome)
        for engine in with_edss.values():
            known &= ~np.isnan(engine.edss[month])
            if engine.has_band(month):
                known &= ~np.isnan(engine.quantiles[month]).any(axis=0)
        if known.sum() < SMALL_CELL:
            continue
        for name, engine in with_edss.items():
            error = engine.edss[month][known] - outcome[known]
            banded = engine.has_band(month)
            quantiles = engine.quantiles[month][:, known] if banded else np.tile(engine.edss[month][known], (5, 1))
            inside = (quantiles[0] <= outcome[known]) & (outcome[known] <= quantiles[-1])
            records.add(
                engine=name,
                month=month,
                n=len(error),
                mae=float(np.abs(error).mean()),
                rmse=float(np.sqrt((error**2).mean())),
                bias=float(error.mean()),
                crps=float(quantile_crps(outcome[known], quantiles).mean()),
                coverage_80=float(inside.mean()) if banded else None,
            )
    return records.done()


def _risk_tables(
    engines: Mapping[str, Prediction], observed: Mapping[str, TimeToEvent]
) -> tuple[tuple[Record, ...], tuple[Record, ...], tuple[Record, ...], tuple[str, ...]]:
    """Return scores, calibration by tenths, decision curves of every engine that gives risks; and remarks."""
    scores, calibration, decisions, remarks = Records(), Records(), Records(), []
    for endpoint in RISKS:
        answered = {
            name: ~np.isnan(engine.risks[endpoint]).any(axis=1)
            for name, engine in engines.items()
            if endpoint in engine.risks
        }
        with_risks = {name: engines[name] for name, rows in answered.items() if rows.any()}
        silent = [name for name, rows in answered.items() if not rows.any()]
        if silent:
            remarks.append(f"{LABELS[endpoint].capitalize()}: no risk up to 24 months from {'; '.join(silent)}.")
        times = observed[endpoint]
        known = times.months > 0
        for name in with_risks:
            known &= answered[name]
        times = times.rows(known)
        if not can_be_scored(times):
            events = int((times.event & (times.months <= HORIZON)).sum())
            remarks.append(
                f"{LABELS[endpoint].capitalize()}: not scored; {len(times.months):,} held-out patients for whom "
                f"every engine answers, with {events:,} events by 24 months, are too few."
            )
            continue
        everyone_alike = population_curve(times)
        for name, engine in with_risks.items():
            risk = engine.risks[endpoint][known]
            scores.add(engine=name, endpoint=endpoint, **asdict(risk_scores(times, risk, everyone_alike)))
            for tenth, row in enumerate(calibration_groups(times, risk[:, -1]), start=1):
                calibration.add(engine=name, endpoint=endpoint, tenth=tenth, **row)
            for threshold, benefit in zip(THRESHOLDS, net_benefit(times, risk[:, -1], THRESHOLDS), strict=True):
                decisions.add(engine=name, endpoint=endpoint, threshold=threshold, net_benefit=benefit)
        everyone = np.ones(len(times.months))
        for threshold, benefit in zip(THRESHOLDS, net_benefit(times, everyone, THRESHOLDS), strict=True):
            decisions.add(engine="treat all", endpoint=endpoint, threshold=threshold, net_benefit=benefit)
    return scores.done(), calibration.done(), decisions.done(), tuple(remarks)


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
                    misses=(Miss("EDSS"),),
                )
            )
            rivals = {
                name: float(row["crps"] or 1.0) for name, row in rows.items() if name not in (PRODUCT, ORIGINALS)
            }
            best = min(rivals, key=rivals.__getitem__)
            checks.append(
                check(
                    f"crps_over_best_{month}",
                    f"CRPS of the EDSS at {month} months over that of the best other engine",
                    float(product["crps"] or 0.0) / rivals[best],
                    meaning=f"The best other engine is: {best}.",
                )
            )
            checks.append(
                check(
                    f"coverage_{month}",
                    f"Share of patients within the 10-90 % band at {month} months",
                    float(product["coverage_80"] or 0.0),
                    lowest=0.76,
                    meaning="Nominal 80 %, more on a scale of half steps whose values fall on the ends of the band.",
                    misses=(Miss("EDSS"),),
                )
            )
    for endpoint in RISKS:
        label = LABELS[endpoint]
        of = {str(row["engine"]): row for row in risks if row["endpoint"] == endpoint}
        row = of.get(PRODUCT, {})
        checks += [
            check(
                f"skill_{endpoint}",
                f"Brier skill over the population's curve, {label}",
                _number(row, "skill"),
                lowest=0.0,
                meaning="Below 0 the projection tells less than the population's curve.",
                misses=(Miss("relapse" if endpoint == "relapse" else "worsening"),),
            ),
            check(
                f"slope_{endpoint}",
                f"Calibration slope, {label}",
                _number(row, "slope"),
                meaning="1 is right; below 1 the risks are too extreme.",
            ),
            check(
                f"auc_{endpoint}",
                f"Area under the curve at 24 months, {label}",
                _number(row, "auc"),
                meaning="Published models: see the table; on other data.",
            ),
            check(
                f"concordance_{endpoint}",
                f"C-index over 24 months, {label}",
                _number(row, "concordance"),
                meaning="Published models: see the table; on other data.",
            ),
        ]
        rivals = {
            name: _number(other, "brier") or 1.0 for name, other in of.items() if name not in (PRODUCT, ORIGINALS)
        }
        own = _number(row, "brier")
        if own is not None and rivals:
            best = min(rivals, key=rivals.__getitem__)
            checks.append(
                check(
                    f"brier_over_best_{endpoint}",
                    f"Brier score over that of the best other engine, {label}",
                    own / rivals[best],
                    meaning=f"The best other engine is: {best}.",
                )
            )
    return checks


def _number(row: Record, name: str) -> float | None:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else None
