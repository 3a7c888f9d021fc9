"""Attacks on a synthetic table: what someone who has it can find out about the patients behind it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reference_db.privacy.attacks import inference, linkability, reconstruction, singling_out
from reference_db.privacy.attacks import membership as membership_attack
from reference_db.privacy.attacks.result import FEWEST_ATTACKS, Attack, Rate
from reference_db.privacy.attacks.scene import Scene

__all__ = ["FEWEST_ATTACKS", "Attack", "Rate", "Scene", "run_attacks", "run_membership"]


def run_attacks(scene: Scene, rng: np.random.Generator, *, membership: bool = True) -> tuple[Attack, ...]:
    """Run every attack.

    Parameters
    ----------
    scene : Scene
    rng : Generator
    membership : bool
        Whether membership is attacked too.

    Returns
    -------
    tuple of Attack
    """
    attacks = (
        singling_out.univariate(scene, rng),
        singling_out.multivariate(scene, rng),
        linkability.linkability(scene, rng),
        inference.inference(scene, rng),
        reconstruction.reconstruction(scene, rng),
    )
    return (*attacks, *run_membership([scene], rng)) if membership else attacks


def run_membership(scenes: Sequence[Scene], rng: np.random.Generator) -> tuple[Attack, ...]:
    """Run the membership attacks only, on one scene or on several rehearsals of it."""
    measured = [membership_attack.Proximity.of(scene) for scene in scenes]
    return membership_attack.by_distance(measured), membership_attack.by_classifier(measured, rng)
