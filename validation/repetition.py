"""Repetition: how often avatars of the trials, made again and again, replicate every endpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import binomtest, fisher_exact

from reference_db.errors import InvalidInput
from validation.endpoints import trial_effects
from validation.material import Material
from validation.replication import repeated
from validation.result import Check, Miss, Record, Records, Section, check

PUBLISHED_SHARE = {"CLARITY": 0.725, "ADVANCE": 0.808}
"""Share of 1,080 published synthetic data sets that replicate every endpoint (J Med Internet Res 2025;27:e71297)."""

AIM = 0.95

SEEDS = 20

DATA = ("avatars", "resample")


def repetition(material: Material, *, jobs: int = 1, progress: Callable[[float, str], None] | None = None) -> Section:
    """Make the avatars of the trials with many seeds, and put each data set to the published rule."""
    effects = trial_effects(material.original)
    remarks = [
        "It judges the method with the release's parameters; the release itself is one draw of it.",
        "Resamples of the originals are put to the same rule. Where they fail it too, the rule asks for more than "
        "chance gives: effects that are not significant, on few events. Where avatars fail it and resamples do not, "
        "avatars are biased.",
    ]
    rows: tuple[Record, ...] = ()
    try:
        rows = tuple(repeated(material, effects, seeds=2 if material.quick else SEEDS, jobs=jobs, progress=progress))
    except InvalidInput as error:
        remarks.append(f"The avatars could not be made again with the release's parameters: {error}")
    return Section(
        name="repetition",
        title="Replication over seeds",
        question="How often do avatars of a trial replicate every endpoint of it?",
        checks=tuple(_checks(rows, quick=material.quick)),
        tables={"shares": shares(rows), "repetitions": rows},
        remarks=tuple(remarks),
    )


def shares(rows: Sequence[Record]) -> tuple[Record, ...]:
    """Return, by trial, the share of data sets that replicate every endpoint: avatars beside resamples of originals.

    Returns
    -------
    tuple of records
        ``trial``, ``endpoints``, ``n`` (data sets of each kind), ``avatars`` and ``resamples`` with their 95 %
        intervals (Wilson), ``p_value`` of Fisher's exact test that both replicate as often, and ``published``.
    """
    records = Records()
    for trial in sorted({str(row["trial"]) for row in rows}):
        of_trial = [row for row in rows if row["trial"] == trial]
        kinds = [[bool(row["replicated"]) for row in of_trial if row["data"] == data] for data in DATA]
        (avatars, lower, upper), (resamples, resamples_lower, resamples_upper) = map(_share, kinds)
        counts = [[sum(kind), len(kind) - sum(kind)] for kind in kinds]
        records.add(
            trial=trial,
            endpoints=of_trial[0]["endpoints"],
            n=len(kinds[0]),
            avatars=avatars,
            avatars_lower=lower,
            avatars_upper=upper,
            resamples=resamples,
            resamples_lower=resamples_lower,
            resamples_upper=resamples_upper,
            p_value=float(fisher_exact(np.array(counts)).pvalue),
            published=PUBLISHED_SHARE.get(trial),
        )
    return records.done()


def _share(replicated: list[bool]) -> tuple[float, float, float]:
    interval = binomtest(sum(replicated), len(replicated)).proportion_ci(method="wilson")
    return float(np.mean(replicated)), float(interval.low), float(interval.high)


def _checks(rows: Sequence[Record], *, quick: bool) -> list[Check]:
    checks = []
    for row in shares(rows):
        trial, share, chance = str(row["trial"]), float(row["avatars"] or 0.0), float(row["resamples"] or 0.0)
        label = f"{trial}: share of repeated data sets that replicate every endpoint"
        context = (
            f"Of {row['n']}; 95 % interval {row['avatars_lower']:.0%} to {row['avatars_upper']:.0%}. "
            f"Resamples of the originals: {chance:.0%}; that both replicate as often: p = {row['p_value']:.2g}."
        )
        missing = (Miss(source=trial),)
        # A few repetitions are shown, not judged.
        if quick:
            checks.append(check(f"aim_{trial}", label, share, meaning=context))
        else:
            published = PUBLISHED_SHARE.get(trial)
            if published is not None:
                checks.append(
                    check(
                        f"repetitions_{trial}",
                        f"{label}, against the published share",
                        share,
                        lowest=published,
                        meaning=f"{context} Published avatars: {published:.1%}.",
                        misses=missing,
                    )
                )
            checks.append(
                check(
                    f"aim_{trial}",
                    f"{label}, against the aim",
                    share,
                    lowest=AIM,
                    meaning=context,
                    misses=missing,
                )
            )
        checks.append(
            check(
                f"chance_{trial}",
                f"{trial}: the same share of resamples of the originals",
                chance,
                meaning="What chance alone leaves of the rule in another sample of the same patients.",
            )
        )
    return checks
