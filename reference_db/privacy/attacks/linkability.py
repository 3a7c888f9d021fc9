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
from reference_db.privacy.attacks.scene import Features, Scene, varied_columns
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

        def linked(source: EncodedTable, targets: EncodedTable, halves: Halves = halves) -> NDArray[np.bool_]:
            return _linked(features, source, targets, halves)

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
    )


def _linked(
    features: Features,
    source: EncodedTable,
    targets: EncodedTable,
    halves: Halves,
) -> NDArray[np.bool_]:
    import faiss

    theirs, mine = features.of_table(source), features.of_table(targets)
    found = []
    for half in halves:
        part = features.selected(theirs, half)
        index = faiss.IndexFlatL2(part.shape[1])
        index.add(part)
        found.append(index.search(features.selected(mine, half), min(NEIGHBOURS, len(source)))[1])
    shared = found[0][:, :, None] == found[1][:, None, :]
    return np.asarray(shared.any(axis=(1, 2)))
