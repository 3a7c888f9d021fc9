"""Repetition: how often avatars of the trials, made again and again, replicate every endpoint."""

from __future__ import annotations

import numpy as np

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
        shares = {
            data: float(np.mean([bool(row["replicated"]) for row in of_trial if row["data"] == data]))
            for data in ("avatars", "resample")
        }
        published = PUBLISHED_SHARE.get(trial)
        checks.append(
            check(
                f"repetitions_{trial}",
                f"{trial}: share of repeated data sets that replicate every endpoint",
                shares["avatars"],
                # A few repetitions are shown, not judged.
                lowest=None if quick else published,
                meaning=f"Aim {AIM:.0%}. Resamples of the originals: {shares['resample']:.0%}."
                + (f" Published avatars: {published:.1%}." if published else ""),
            )
        )
    return checks
