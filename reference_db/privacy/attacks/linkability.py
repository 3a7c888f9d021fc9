"""Linkability: two parts of a patient's record, held by two people, joined through the synthetic table.

Giomi et al., PoPETs 2023, section 4.2: each part finds its nearest synthetic records; the two are linked when the
sets share a record.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from reference_db.avatar.columns import EncodedTable
from reference_db.privacy.attacks.result import Attack, judged
from reference_db.privacy.attacks.scene import Features, Own, Scene, varied_columns
from reference_db.privacy.targets import ATTACK_TARGETS

Halves: TypeAlias = tuple[NDArray[np.intp], NDArray[np.intp]]

NEIGHBOURS = 1
SPLITS = 2
"""Random divisions of the columns that are tried."""


def linkability(scene: Scene, rng: np.random.Generator) -> Attack:
    """Attack with several random divisions of the columns, each of all targets."""
    features = Features.of(scene.columns, scene.avatars)
    varied = varied_columns(scene.targets)
    success, control, baseline = [], [], []
    for _ in range(SPLITS if len(varied) > 1 else 0):
        shuffled = rng.permutation(varied)
        halves = (shuffled[: len(varied) // 2], shuffled[len(varied) // 2 :])

        def linked(
            source: EncodedTable, targets: EncodedTable, own: Own, halves: Halves = halves
        ) -> NDArray[np.bool_]:
            return _linked(features, source, targets, own, halves)

        main, beside = scene.attack(linked)
        success.append(main)
        control.append(beside)
        drawn = rng.integers(0, len(scene.avatars), size=(2, len(scene.targets)))
        baseline.append(drawn[0] == drawn[1])
    none = np.zeros(0, dtype=bool)
    return judged(
        ATTACK_TARGETS["linkability"],
        success=np.concatenate([none, *success]),
        control=np.concatenate([none, *control]),
        baseline=np.concatenate([none, *baseline]),
        looks=scene.looks,
    )


def _linked(
    features: Features, source: EncodedTable, targets: EncodedTable, own: Own, halves: Halves
) -> NDArray[np.bool_]:
    import faiss

    theirs, mine = features.of_table(source), features.of_table(targets)
    wanted = min(NEIGHBOURS + (own is not None), len(source))
    found = []
    for half in halves:
        part = features.selected(theirs, half)
        index = faiss.IndexFlatL2(part.shape[1])
        index.add(part)
        rows = index.search(features.selected(mine, half), wanted)[1]
        if own is not None:
            # The target itself is dropped where it is, else the last.
            itself = rows == own[:, None]
            itself[~itself.any(axis=1), -1] = True
            rows = rows[~itself].reshape(len(rows), -1)
        found.append(rows)
    shared = found[0][:, :, None] == found[1][:, None, :]
    return np.asarray(shared.any(axis=(1, 2)))
