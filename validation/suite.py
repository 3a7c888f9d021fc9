"""The whole validation: every section, resumable, with progress."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from reference_db.episodes import Episodes
from reference_db.release import Release
from reference_db.warehouse import Warehouse
from validation.attribution import attribute_failures
from validation.checkpoints import Checkpoints
from validation.discrimination import discrimination
from validation.distributed import distributed
from validation.efficacy import efficacy
from validation.material import Material, gather
from validation.multivariate import multivariate
from validation.prognosis import prognosis
from validation.projection_error import projection_error
from validation.projections import fingerprint
from validation.protection import protection
from validation.repetition import repetition
from validation.result import Section, ValidationReport, Verdict
from validation.structure import structure
from validation.truth import truth
from validation.univariate import univariate

Progress = Callable[[float, str], None]
"""Told the share done, 0 to 1, and what is under way."""

DEFAULT_SEED = 20261123


@dataclass(frozen=True, slots=True)
class Step:
    """One section of the suite.

    Attributes
    ----------
    name : str
        Of the section.
    share : float
        Of the whole time, roughly.
    run : callable
        Given the material, the number of processes and a function to tell the share done; None where the question
        cannot be asked of these data.
    """

    name: str
    share: float
    run: Callable[[Material, int, Progress], Section | None]


STEPS: tuple[Step, ...] = (
    Step("structure", 0.01, lambda material, _jobs, _told: structure(material)),
    Step("univariate", 0.01, lambda material, _jobs, _told: univariate(material)),
    Step("multivariate", 0.01, lambda material, _jobs, _told: multivariate(material)),
    Step("discrimination", 0.06, lambda material, jobs, _told: discrimination(material, jobs=jobs)),
    Step("efficacy", 0.01, lambda material, _jobs, _told: efficacy(material)),
    Step("repetition", 0.05, lambda material, jobs, told: repetition(material, jobs=jobs, progress=told)),
    Step("projection_error", 0.5, lambda material, jobs, told: projection_error(material, jobs=jobs, progress=told)),
    Step("distributed", 0.05, lambda material, _jobs, told: distributed(material, progress=told)),
    Step("truth", 0.15, lambda material, jobs, told: truth(material, jobs=jobs, progress=told)),
    Step("prognosis", 0.14, lambda material, jobs, told: prognosis(material, jobs=jobs, progress=told)),
    Step("privacy", 0.02, lambda material, jobs, _told: protection(material, jobs=jobs)),
)
"""Every section, in reading order."""


def validate(
    release: Release,
    originals: Warehouse,
    *,
    quick: bool = False,
    seed: int = DEFAULT_SEED,
    jobs: int | None = None,
    checkpoints: Path | None = None,
    experts: Sequence[Mapping[str, Any]] = (),
    progress: Progress | None = None,
) -> ValidationReport:
    """Score a release against its originals and, where they are simulated, against the truth.

    Parameters
    ----------
    release : Release
        Opened; also one in quarantine may be given.
    originals : Warehouse
        The originals that it was made from.
    quick : bool
        Smaller samples and no repetitions: under a minute, for continuous integration.
    seed : int
        The same seed gives the same figures.
    jobs : int, optional
        Processes; as many as there are cores when not given. Work goes through joblib, so that
        ``joblib.parallel_config`` sends it elsewhere.
    checkpoints : Path, optional
        Folder in which finished sections, and finished parts of the section under way, are kept, so that an
        interrupted validation goes on where it stopped. They count for the same release, originals, seed and mode
        only, and are removed at the end.
    experts : sequence of mappings, optional
        Scores of experts before the blinded questionnaire, ``called`` and ``right`` among their values.
    progress : callable, optional
        Told the share done and the section under way.

    Returns
    -------
    ValidationReport
    """
    # Processes share the cores; threads of linear algebra beside them would only wait for each other.
    with threadpool_limits(limits=1):
        material = gather(release, originals, quick=quick, seed=seed, experts=experts)
        return _validate(release.version, material, jobs, checkpoints, progress or _silent)


def _validate(
    version: str, material: Material, jobs: int | None, checkpoints: Path | None, told: Progress
) -> ValidationReport:
    processes = jobs or os.cpu_count() or 1
    kept = Checkpoints(checkpoints, _fingerprint(version, material))
    material = replace(material, kept=kept)
    sections: list[Section] = []
    done = 0.0
    for step in STEPS:
        told(done, step.name)
        section = kept.section(step.name)
        if section is None:
            section = _run(step, material, processes, told, done)
            if section is not None:
                kept.keep_section(section)
        if section is not None:
            sections.append(section)
        done += step.share
        if section is not None and not _comparable(section):
            break
    kept.clear([step.name for step in STEPS])
    told(1.0, "done")
    return ValidationReport(
        release=version,
        quick=material.quick,
        seed=material.seed,
        originals=len(material.original),
        synthetic=len(material.synthetic),
        sections=attribute_failures(sections),
    )


UTILITY_STEPS = ("structure", "univariate", "multivariate", "efficacy")
"""Sections that need the two tables only, and seconds."""


def utility(synthetic: Episodes, original: Episodes, *, seed: int = DEFAULT_SEED) -> dict[str, Any]:
    """Return the verdicts on synthetic episodes that are not released yet, as a manifest holds them.

    Parameters
    ----------
    synthetic, original : Episodes
        The second are those that the first were made from.
    seed : int

    Returns
    -------
    dict
        As `ValidationReport.summary`, of the sections on structure, margins, associations and endpoints. Figures have
        four significant digits: the last ones of a sum depend on the machine, and a release is named after what its
        manifest says.
    """
    material = Material(original, synthetic, None, seed=seed, quick=True, privacy={}, parameters={})
    sections: list[Section] = []
    for step in STEPS:
        if step.name in UTILITY_STEPS and all(_comparable(section) for section in sections):
            section = step.run(material, 1, _silent)
            sections += [] if section is None else [section]
    rounded = [
        replace(section, checks=tuple(replace(one, value=_rounded(one.value)) for one in section.checks))
        for section in attribute_failures(sections)
    ]
    return ValidationReport("", True, seed, len(original), len(synthetic), tuple(rounded)).summary()


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _run(step: Step, material: Material, jobs: int, told: Progress, done: float) -> Section | None:
    begun = time.perf_counter()
    section = step.run(material, jobs, lambda share, doing: told(done + share * step.share, f"{step.name}: {doing}"))
    return None if section is None else replace(section, seconds=round(time.perf_counter() - begun, 2))


def _silent(share: float, doing: str) -> None:
    """Tell nobody."""


def _comparable(section: Section) -> bool:
    """Whether a section leaves the tables comparable: same columns of the same types."""
    if section.name != "structure":
        return True
    fatal = {one.name for one in section.checks if one.verdict is Verdict.FAILED}
    return not fatal & {"columns", "types"}


def _fingerprint(version: str, material: Material) -> str:
    given = (version, material.quick, material.seed, list(material.experts))
    tables = (fingerprint(episodes) for episodes in (material.original, material.synthetic))
    return hashlib.sha256(" ".join(map(str, (*given, *tables))).encode()).hexdigest()
