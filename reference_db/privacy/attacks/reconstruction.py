"""Reconstruction: the attacker knows the method, and looks for the originals that avatars give away.

Avatars that took nearly everything from the same donor lie together, around that donor. So the attacker's candidates
are the avatars and the means of pairs of avatars near each other. A patient is found when a candidate lies within a
quarter of the distance at which patients usually find their nearest other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.columns import EncodedTable
from reference_db.avatar.neighbours import nearest_records
from reference_db.avatar.projection import fit_factor_space
from reference_db.privacy.attacks.result import Attack, judged
from reference_db.privacy.attacks.scene import Scene
from reference_db.privacy.targets import ATTACK_TARGETS

Floats = NDArray[np.float64]

AROUND = 6

HIT = 0.25
"""Share of the usual distance between neighbours within which an original counts as found."""


def reconstruction(scene: Scene, rng: np.random.Generator) -> Attack:
    """Attack every target with every candidate."""
    space = fit_factor_space(scene.avatars, scene.columns)
    targets, controls = space.transform(scene.targets), space.transform(scene.control_targets)
    if min(len(targets), len(controls)) < 2:
        none = np.zeros(0, dtype=bool)
        return judged(ATTACK_TARGETS["reconstruction"], success=none, control=none, baseline=none)
    source, own = (
        (scene.control_source, scene.own) if scene.own is not None else (scene.targets, np.arange(len(targets)))
    )
    usual = nearest_records(space.transform(source), targets, 1, others_of=own)[1]
    tolerance = HIT * float(np.median(usual))
    return judged(
        ATTACK_TARGETS["reconstruction"],
        success=nearest_candidate(space.transform(scene.avatars), targets) <= tolerance,
        control=nearest_candidate(space.transform(scene.control_source), controls, own=scene.own) <= tolerance,
        baseline=nearest_candidate(space.transform(_shuffled(scene.avatars, rng)), targets) <= tolerance,
        looks=scene.looks,
    )


def nearest_candidate(avatars: Floats, targets: Floats, *, own: NDArray[np.intp] | None = None) -> Floats:
    """Return the distance from each target to the nearest avatar or mean of two of the avatars around it.

    Pairs are sought among the `AROUND` avatars nearest to the target: means of pairs further off cannot come nearer
    than chance brings them.

    Parameters
    ----------
    avatars : ndarray, shape (avatars, axes)
    targets : ndarray, shape (targets, axes)
    own : ndarray of int, shape (targets,), optional
        Row of `avatars` that each target itself is, which is not used.

    Returns
    -------
    ndarray, shape (targets,)
    """
    around = min(AROUND, len(avatars) - (own is not None))
    found, distances = nearest_records(avatars, targets, around, others_of=own)
    nearest = distances[:, 0]
    for first in range(around):
        for second in range(first + 1, around):
            middle = (avatars[found[:, first]] + avatars[found[:, second]]) / 2
            nearest = np.minimum(nearest, np.linalg.norm(targets - middle, axis=1))
    return nearest


def _shuffled(avatars: EncodedTable, rng: np.random.Generator) -> EncodedTable:
    """Return records whose columns come from different avatars: guesses that know the margins only."""
    return EncodedTable(rng.permuted(avatars.numbers, axis=0), rng.permuted(avatars.codes, axis=0))
