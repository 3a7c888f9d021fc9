"""Membership: was this patient in the table? Judged by how near the nearest avatars are.

The measure is the area under the ROC curve between patients of the table and the control: .5 is a coin.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.columns import EncodedTable
from reference_db.avatar.neighbours import nearest_records
from reference_db.avatar.projection import FactorSpace, fit_factor_space
from reference_db.privacy.attacks.result import FEWEST_ATTACKS, Attack, Rate, is_too_risky, z_of
from reference_db.privacy.attacks.scene import Own, Scene
from reference_db.privacy.targets import ATTACK_TARGETS, AttackTarget, Verdict

Floats = NDArray[np.float64]

AXES: tuple[int | None, ...] = (2, 5, 10, None)
"""Numbers of factor axes in which the distance attack is tried; None is all of them. The best counts."""

_WITHOUT_HOLDOUT = {"membership_distance": 0.5, "membership_classifier": 0.8}
"""Risks that fail without held-out records. Avatars are then compared with other people, and a smooth table is nearer
to everybody than other people are, in a way that a classifier learns; only much nearer shows who was in it."""

_NEIGHBOURS = 5
_FOLDS = 3


def by_distance(scene: Scene) -> Attack:
    """Attack by the distance to the nearest avatar, in the space that serves the attacker best."""
    space = _space(scene)
    inside, outside = scene.targets, scene.control_targets
    if scene.held_out:
        # Distances cost little: everybody is attacked, for the narrowest interval.
        inside, outside = scene.crowd, scene.control_crowd
    areas = [
        area_under_curve(
            -_nearest(space, scene.avatars, inside, axes, 1)[:, 0],
            -_nearest(space, scene.control_source, outside, axes, 1, scene.own)[:, 0],
        )
        for axes in AXES
    ]
    return _membership(ATTACK_TARGETS["membership_distance"], max(areas), scene, len(inside), len(outside))


def by_classifier(scene: Scene, rng: np.random.Generator) -> Attack:
    """Attack by a classifier that has learned, on other patients, what distances betray."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    target = ATTACK_TARGETS["membership_classifier"]
    space = _space(scene)
    inside = _signs(space, scene.avatars, scene.targets)
    outside = _signs(space, scene.control_source, scene.control_targets, scene.own)
    if min(len(inside), len(outside)) < FEWEST_ATTACKS:
        return _membership(target, 0.5, scene, len(inside), len(outside))
    labels = np.repeat([1, 0], [len(inside), len(outside)])
    seed = int(rng.integers(0, 2**31))
    model = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=8, learning_rate=0.1, random_state=seed)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    scores = cross_val_predict(model, np.vstack([inside, outside]), labels, cv=folds, method="predict_proba")[:, 1]
    area = area_under_curve(scores[labels == 1], scores[labels == 0])
    return _membership(target, area, scene, len(inside), len(outside))


def area_under_curve(inside: Floats, outside: Floats) -> float:
    """Return the probability that a member scores higher than a control, ties counting half."""
    from scipy.stats import rankdata

    if not len(inside) or not len(outside):
        return 0.5
    ranks = rankdata(np.concatenate([inside, outside]))[: len(inside)]
    return float((ranks.sum() - len(inside) * (len(inside) + 1) / 2) / (len(inside) * len(outside)))


def _space(scene: Scene) -> FactorSpace:
    return fit_factor_space(scene.avatars, scene.columns)


def _nearest(
    space: FactorSpace, source: EncodedTable, targets: EncodedTable, axes: int | None, k: int, own: Own = None
) -> Floats:
    points, queries = space.transform(source, axes=axes), space.transform(targets, axes=axes)
    return nearest_records(points, queries, min(k, len(points) - (own is not None)), others_of=own)[1]


def _signs(space: FactorSpace, source: EncodedTable, targets: EncodedTable, own: Own = None) -> Floats:
    """Distances to the nearest avatars in several spaces, and their ratio to the next."""
    found = [_nearest(space, source, targets, axes, _NEIGHBOURS, own) for axes in AXES]
    ratios = [near[:, :1] / np.maximum(near[:, 1:2], 1e-12) for near in found if near.shape[1] > 1]
    return np.hstack(found + ratios)


def _membership(target: AttackTarget, area: float, scene: Scene, attempts: int, controls: int) -> Attack:
    # Hanley and McNeil, Radiology 1982;143:29-36, equation 1.
    one, two = area / (2 - area), 2 * area**2 / (1 + area)
    spread = (attempts - 1) * (one - area**2) + (controls - 1) * (two - area**2)
    variance = (area * (1 - area) + spread) / max(attempts * controls, 1)
    half = z_of(scene.looks) * sqrt(max(variance, 0.0))
    success = Rate(area, max(0.0, area - half), min(1.0, area + half))
    coin = Rate(0.5, 0.5, 0.5)
    risk = Rate(*(max(0.0, 2 * bound - 1) for bound in (success.value, success.lower, success.upper)))
    at_most = target.at_most if scene.held_out else _WITHOUT_HOLDOUT[target.name]
    if min(attempts, controls) < FEWEST_ATTACKS:
        verdict = Verdict.UNINFORMATIVE
    elif is_too_risky(risk, at_most, looks=scene.looks):
        verdict = Verdict.FAILED
    else:
        verdict = Verdict.PASSED if scene.held_out else Verdict.UNINFORMATIVE
    return Attack(
        target.name,
        target.label,
        target.criterion,
        target.definition,
        attempts,
        success,
        coin,
        coin,
        risk,
        at_most,
        verdict,
        looks=scene.looks,
    )
