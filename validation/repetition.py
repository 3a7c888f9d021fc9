"""Repetition: how often avatars of the trials, made again and again, replicate every endpoint."""

from __future__ import annotations

import numpy as np
from scipy.stats import binomtest

from reference_db.errors import InvalidInput
from validation.endpoints import trial_effects
from validation.material import Material
from validation.replication import repeated
from validation.result import Check, Record, Records, Section, check

PUBLISHED_SHARE = {"CLARITY": 0.725, "ADVANCE": 0.808}
"""Share of 1,080 published synthetic data sets that replicate every endpoint (J Med Internet Res 2025;27:e71297)."""

AIM = 0.95

SEEDS = 20


def repetition(material: Material, *, jobs: int = 1) -> Section:
    """Make the avatars of the trials with many seeds, and put each data set to the published rule."""
    effects = trial_effects(material.original)
    remarks = ["It judges the method with the release's parameters; the release itself is one draw of it."]
    rows: list[dict[str, object]] = []
    try:
        rows = repeated(material, effects, seeds=2 if material.quick else SEEDS, jobs=jobs)
    except InvalidInput as error:
        remarks.append(f"The avatars could not be made again with the release's parameters: {error}")
    records = Records()
    for row in rows:
        records.add(**row)
    table = records.done()
    return Section(
        name="repetition",
        title="Replication over seeds",
        question="How often do avatars of a trial replicate every endpoint of it?",
        checks=tuple(_checks(table, quick=material.quick)),
        tables={"repetitions": table},
        remarks=tuple(remarks),
    )


def _checks(rows: tuple[Record, ...], *, quick: bool) -> list[Check]:
    checks = []
    for trial in sorted({str(row["trial"]) for row in rows}):
        of_trial = [row for row in rows if row["trial"] == trial]
        replicated = [bool(row["replicated"]) for row in of_trial if row["data"] == "avatars"]
        resampled = [bool(row["replicated"]) for row in of_trial if row["data"] == "resample"]
        interval = binomtest(sum(replicated), len(replicated)).proportion_ci(method="wilson")
        published = PUBLISHED_SHARE.get(trial)
        context = (
            f"{sum(replicated)} of {len(replicated)}, 95 % interval {interval.low:.0%} to {interval.high:.0%}. "
            f"Resamples of the originals: {np.mean(resampled):.0%}."
        )
        share = float(np.mean(replicated))
        label = f"{trial}: share of repeated data sets that replicate every endpoint"
        # A few repetitions are shown, not judged; without a published share there is nothing to beat.
        if quick or published is None:
            checks.append(check(f"repetitions_{trial}", label, share, meaning=context))
            continue
        checks.append(
            check(
                f"repetitions_{trial}",
                f"{label}, against the published share",
                share,
                lowest=published,
                meaning=f"{context} Published avatars: {published:.1%}.",
            )
        )
        checks.append(check(f"aim_{trial}", f"{label}, against the aim", share, lowest=AIM, meaning=context))
    return checks
