"""Membership: was this patient in the table? Judged by how near the nearest avatars are.

The measure is the area under the ROC curve between patients of the table and the control: .5 is a coin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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

_WITHOUT_HOLDOUT = 0.5
"""Risk that fails without held-out records. Avatars are then compared with other people, and a smooth table is nearer
to everybody than other people are; only much nearer shows who was in it."""

_MOST_ATTACKED = 5000
_NEIGHBOURS = 5
_FOLDS = 3


@dataclass(frozen=True, slots=True)
class Proximity:
    """How near the avatars of a scene are to those it attacks: what both attacks on membership look at.

    Attributes
    ----------
    scene : Scene
    inside, outside : tuple of ndarray, shape (attacked, neighbours)
        Distances of members and of controls to their nearest records, in each of the spaces that are tried.
    """

    scene: Scene
    inside: tuple[Floats, ...]
    outside: tuple[Floats, ...]

    @classmethod
    def of(cls, scene: Scene) -> Proximity:
        """Measure the distances."""
        inside, outside = _attacked(scene)
        # As many neighbours on both sides, also where one of them has few records: they are compared.
        k = min(_NEIGHBOURS, len(scene.avatars), len(scene.control_source) - (scene.own is not None))
        return cls(
            scene,
            tuple(_distances(scene, scene.avatars, inside, k)),
            tuple(_distances(scene, scene.control_source, outside, k, scene.own)),
        )

    @property
    def areas(self) -> list[float]:
        """The area under the ROC curve of the distance attack in each space."""
        return [
            area_under_curve(-near[:, 0], -far[:, 0]) for near, far in zip(self.inside, self.outside, strict=True)
        ]


def by_distance(measured: Sequence[Proximity]) -> Attack:
    """Attack by the distance to the nearest avatar, in the space that serves the attacker best.

    Parameters
    ----------
    measured : sequence of Proximity
        Of one scene, or of several rehearsals of it with other members: their areas are averaged.
    """
    areas = np.mean([proximity.areas for proximity in measured], axis=0)
    # The best of several spaces is looked at in as many places.
    target = ATTACK_TARGETS["membership_distance"]
    return _membership(target, float(areas.max()), measured[0].scene, spaces=len(areas))


def _attacked(scene: Scene) -> tuple[EncodedTable, EncodedTable]:
    """Everybody, where there are held-out records, for the narrowest interval, but no more than narrow it."""
    if not scene.held_out:
        return scene.targets, scene.control_targets
    most = len(scene.members) if len(scene.members) <= _MOST_ATTACKED else len(scene.others)
    return scene.members.rows(np.arange(min(most, len(scene.members)))), scene.others


def by_classifier(measured: Sequence[Proximity], rng: np.random.Generator) -> Attack:
    """Attack by a classifier that has learned, on other patients, what distances betray.

    Parameters
    ----------
    measured : sequence of Proximity
        As for `by_distance`.
    rng : Generator
    """
    areas = [_classified(proximity, rng) for proximity in measured]
    if not measured[0].scene.held_out:
        # A classifier sees any difference between avatars and other people. Only being nearer gives a patient away.
        areas = [min(area, max(proximity.areas)) for area, proximity in zip(areas, measured, strict=True)]
    area = max(0.5, float(np.mean(areas)))
    return _membership(ATTACK_TARGETS["membership_classifier"], area, measured[0].scene)


def _classified(proximity: Proximity, rng: np.random.Generator) -> float:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    inside, outside = _signs(proximity.inside), _signs(proximity.outside)
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
    """Return the distances to the `k` nearest records in each of the spaces that are tried.

    These are the first factor axes of the avatars, all of them, and the space of what is missing alone: a pattern of
    missing cells can be as good as a name, and hardly counts among all columns.
    """
    whole = fit_factor_space(scene.avatars, scene.columns)
    patterns = fit_factor_space(_missing(scene.avatars), scene.columns)
    placed, asked = whole.transform(source), whole.transform(targets)
    found = []
    for axes in AXES:
        points, queries = np.ascontiguousarray(placed[:, :axes]), np.ascontiguousarray(asked[:, :axes])
        found.append(nearest_records(points, queries, k, others_of=own)[1])
    points, queries = patterns.transform(_missing(source)), patterns.transform(_missing(targets))
    return [*found, nearest_records(points, queries, k, others_of=own)[1]]


def _missing(table: EncodedTable) -> EncodedTable:
    """Return a table that tells only what is missing."""
    return EncodedTable(np.where(np.isnan(table.numbers), np.nan, 0.0), np.minimum(table.codes, 0))


def _signs(distances: Sequence[Floats]) -> Floats:
    """Distances to the nearest avatars in several spaces, and their ratio to the next."""
    ratios = [near[:, :1] / np.maximum(near[:, 1:2], 1e-12) for near in distances if near.shape[1] > 1]
    return np.hstack([*distances, *ratios])


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
    at_most = target.at_most if scene.held_out else _WITHOUT_HOLDOUT
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
