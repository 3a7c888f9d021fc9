"""Attacks on a synthetic table: what someone who has it can find out about the patients behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from reference_db.privacy.attacks import inference, linkability, reconstruction, singling_out
from reference_db.privacy.attacks import membership as membership_attack
from reference_db.privacy.attacks.result import FEWEST_ATTACKS, Attack, Rate
from reference_db.privacy.attacks.scene import Scene

__all__ = ["FEWEST_ATTACKS", "Attack", "Rate", "Scene", "run_attacks", "run_membership"]


def run_attacks(
    scene: Scene,
    rng: np.random.Generator,
    *,
    membership: bool = True,
    progress: Callable[[float, str], None] | None = None,
) -> tuple[Attack, ...]:
    """Run every attack.

    Parameters
    ----------
    scene : Scene
    rng : Generator
    membership : bool
        Whether membership is attacked too.
    progress : callable, optional
        Called with the share done and the attack.

    Returns
    -------
    tuple of Attack
    """
    attacks: tuple[Callable[[], Attack], ...] = (
        lambda: singling_out.univariate(scene, rng),
        lambda: singling_out.multivariate(scene, rng),
        lambda: linkability.linkability(scene, rng),
        lambda: inference.inference(scene, rng),
        lambda: reconstruction.reconstruction(scene, rng),
        *(_membership([scene], rng) if membership else ()),
    )
    results = []
    for done, attack in enumerate(attacks, start=1):
        results.append(attack())
        if progress is not None:
            progress(done / len(attacks), results[-1].label.lower())
    return tuple(results)


def run_membership(scenes: Sequence[Scene], rng: np.random.Generator) -> tuple[Attack, ...]:
    """Run the membership attacks only, on one scene or on several rehearsals of it."""
    return tuple(attack() for attack in _membership(scenes, rng))


def _membership(scenes: Sequence[Scene], rng: np.random.Generator) -> tuple[Callable[[], Attack], ...]:
    return (lambda: membership_attack.by_distance(scenes), lambda: membership_attack.by_classifier(scenes, rng))
