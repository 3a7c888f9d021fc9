"""Patients and assumptions of a simulated trial, as the commands of the evaluation are given them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cdss.settings import settings
from reference_db.errors import InvalidInput

if TYPE_CHECKING:
    from cdss.evaluation.simulation import Assumptions, PatientPool
    from reference_db.class_effects import ClassEffects
    from reference_db.release import Release


def recruited(release: str | None, seed: int) -> PatientPool:
    """Return patients of a release; their outcomes from its originals, where those are simulated and here."""
    import numpy as np

    from cdss.evaluation.simulation import patient_pool
    from reference_db.errors import ReleaseNotFound
    from reference_db.release import active_release, open_release

    releases = settings().releases
    path = releases / release if release else active_release(releases)
    if path is None:
        raise ReleaseNotFound(f"no release is active in {releases}: run `cdss build`")
    opened = open_release(path)
    effects = _known_effects(opened)
    source = (
        "potential outcomes of the simulated originals" if effects else f"regressions in release {opened.version}"
    )
    typer.echo(f"outcomes under each class: {source}", err=True)
    return patient_pool(opened.episodes, effects=effects, rng=np.random.default_rng(seed))


def _known_effects(opened: Release) -> ClassEffects | None:
    """Return what the classes do by the originals of a release; None where they are real, elsewhere or unreadable."""
    from reference_db.class_effects import class_effects

    manifest = opened.manifest
    named = str(manifest.parameters.get("bkp", ""))
    made = settings().bkp / f"simulated-{manifest.seed}-{manifest.parameters.get('scale', 1.0):g}"
    try:
        return class_effects(made if named == "simulated" else Path(named))
    except InvalidInput:
        return None


def chosen_assumptions(given: list[str] | None) -> Assumptions:
    """Return assumptions given as ``name=value``, the defaults where nothing is given."""
    from cdss.evaluation.simulation.assumptions import assumptions

    values: dict[str, float] = {}
    for item in given or []:
        name, _, number = item.partition("=")
        try:
            values[name] = float(number)
        except ValueError as error:
            raise InvalidInput.of("assume", f"{item!r} is not an assumption", "name=number") from error
    return assumptions(**values)


def whole_numbers(text: str, option: str) -> list[int]:
    """Return the whole numbers of a comma-separated option."""
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise InvalidInput.of(option, f"{text!r} is not a list of whole numbers", "such as 200,400,600") from error
