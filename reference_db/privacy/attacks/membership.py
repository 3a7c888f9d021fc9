"""Membership: was this patient in the table? Judged by how near the nearest avatars are.

The measure is the area under the ROC curve between patients of the table and the control: .5 is a coin.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.columns import EncodedTable
from reference_db.avatar.neighbours import nearest_records
from reference_db.avatar.projection import fit_factor_space
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


def by_distance(scenes: Sequence[Scene]) -> Attack:
    """Attack by the distance to the nearest avatar, in the space that serves the attacker best.

    Parameters
    ----------
    scenes : sequence of Scene
        Of one table, or of several rehearsals of it with other members: their areas are averaged.
    """
    areas = np.mean([areas_by_space(scene) for scene in scenes], axis=0)
    # The best of several spaces is looked at in as many places.
    return _membership(ATTACK_TARGETS["membership_distance"], float(areas.max()), scenes[0], spaces=len(areas))


def areas_by_space(scene: Scene) -> list[float]:
    """Return the area under the ROC curve of the distance attack in each space."""
    inside, outside = _attacked(scene)
    return [
        area_under_curve(-near[:, 0], -far[:, 0])
        for near, far in zip(
            _distances(scene, scene.avatars, inside, 1),
            _distances(scene, scene.control_source, outside, 1, scene.own),
            strict=True,
        )
    ]


def _attacked(scene: Scene) -> tuple[EncodedTable, EncodedTable]:
    """Everybody, where there are held-out records, for the narrowest interval: distances cost little."""
    return (scene.members, scene.others) if scene.held_out else (scene.targets, scene.control_targets)


def by_classifier(scenes: Sequence[Scene], rng: np.random.Generator) -> Attack:
    """Attack by a classifier that has learned, on other patients, what distances betray.

    Parameters
    ----------
    scenes : sequence of Scene
        As for `by_distance`.
    rng : Generator
    """
    areas = [_classified(scene, rng) for scene in scenes]
    if not scenes[0].held_out:
        # A classifier sees any difference between avatars and other people. Only being nearer gives a patient away.
        areas = [min(area, max(areas_by_space(scene))) for area, scene in zip(areas, scenes, strict=True)]
    area = max(0.5, float(np.mean(areas)))
    return _membership(ATTACK_TARGETS["membership_classifier"], area, scenes[0])


def _classified(scene: Scene, rng: np.random.Generator) -> float:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    members, others = _attacked(scene)
    inside = _signs(scene, scene.avatars, members)
    outside = _signs(scene, scene.control_source, others, scene.own)
    if min(len(inside), len(outside)) < FEWEST_ATTACKS:
        return 0.5
    labels = np.repeat([1, 0], [len(inside), len(outside)])
    seed = int(rng.integers(0, 2**31))
    model = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=8, learning_rate=0.1, random_state=seed)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    scores = cross_val_predict(model, np.vstack([inside, outside]), labels, cv=folds, method="predict_proba")[:, 1]
    return area_under_curve(scores[labels == 1], scores[labels == 0])


def area_under_curve(inside: Floats, outside: Floats) -> float:
    """Return the probability that a member scores higher than a control, ties counting half."""
    from scipy.stats import rankdata

    if not len(inside) or not len(outside):
        return 0.5
    ranks = rankdata(np.concatenate([inside, outside]))[: len(inside)]
    return float((ranks.sum() - len(inside) * (len(inside) + 1) / 2) / (len(inside) * len(outside)))


def _distances(scene: Scene, source: EncodedTable, targets: EncodedTable, k: int, own: Own = None) -> list[Floats]:
    """Return the distances to the nearest records in each of the spaces that are tried.

    These are the first factor axes of the avatars, all of them, and the space of what is missing alone: a pattern of
    missing cells can be as good as a name, and hardly counts among all columns.
    """
    k = min(k, len(source) - (own is not None))
    whole = fit_factor_space(scene.avatars, scene.columns)
    patterns = fit_factor_space(_missing(scene.avatars), scene.columns)
    found = []
    for axes in AXES:
        points, queries = whole.transform(source, axes=axes), whole.transform(targets, axes=axes)
        found.append(nearest_records(points, queries, k, others_of=own)[1])
    points, queries = patterns.transform(_missing(source)), patterns.transform(_missing(targets))
    return [*found, nearest_records(points, queries, k, others_of=own)[1]]


def _missing(table: EncodedTable) -> EncodedTable:
    """Return a table that tells only what is missing."""
    return EncodedTable(np.where(np.isnan(table.numbers), np.nan, 0.0), np.minimum(table.codes, 0))


def _signs(scene: Scene, source: EncodedTable, targets: EncodedTable, own: Own = None) -> Floats:
    """Distances to the nearest avatars in several spaces, and their ratio to the next."""
    found = _distances(scene, source, targets, _NEIGHBOURS, own)
    ratios = [near[:, :1] / np.maximum(near[:, 1:2], 1e-12) for near in found if near.shape[1] > 1]
    return np.hstack(found + ratios)


def _membership(target: AttackTarget, area: float, scene: Scene, *, spaces: int = 1) -> Attack:
    attempts, controls = (len(attacked) for attacked in _attacked(scene))
    # Hanley and McNeil, Radiology 1982;143:29-36, equation 1.
    one, two = area / (2 - area), 2 * area**2 / (1 + area)
    spread = (attempts - 1) * (one - area**2) + (controls - 1) * (two - area**2)
    variance = (area * (1 - area) + spread) / max(attempts * controls, 1)
    half = z_of(scene.looks * spaces) * sqrt(max(variance, 0.0))
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
