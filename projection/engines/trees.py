"""Ensembles of trees as arrays: what boosting and forests are once they are trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Trees:
    """Binary trees laid end to end.

    Attributes
    ----------
    root : ndarray of int, shape (trees,)
        First node of each tree.
    feature : ndarray of int, shape (nodes,)
        Feature that the node asks; -1 in a leaf.
    threshold : ndarray, shape (nodes,)
        Go left when the feature is at most this.
    left, right : ndarray of int, shape (nodes,)
        Next node, counted over all trees.
    value : ndarray, shape (nodes, outputs)
        What a leaf answers.
    """

    root: Integers
    feature: Integers
    threshold: Floats
    left: Integers
    right: Integers
    value: Floats

    @classmethod
    def joined(cls, trees: Sequence[tuple[NDArray[Any], ...]]) -> Self:
        """Lay trees end to end; each is (feature, threshold, left, right, value) with nodes counted from 0."""
        sizes = [len(tree[0]) for tree in trees]
        root = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
        feature = np.concatenate([tree[0] for tree in trees]).astype(np.int32)
        offset = np.repeat(root, sizes)
        inner = feature >= 0
        left, right = (
            np.where(inner, np.concatenate([tree[side] for tree in trees]) + offset, 0).astype(np.int32)
            for side in (2, 3)
        )
        threshold = np.concatenate([tree[1] for tree in trees]).astype(np.float64)
        value = np.concatenate([np.asarray(tree[4], dtype=np.float64).reshape(len(tree[0]), -1) for tree in trees])
        return cls(root, feature, threshold, left, right, value)

    def total(self, features: Floats) -> Floats:
        """Sum the answers of all trees: shape (patients, outputs)."""
        node = np.broadcast_to(self.root, (len(features), len(self.root))).copy()
        patient = np.arange(len(features))[:, None]
        while True:
            asked = self.feature[node]
            inner = asked >= 0
            if not inner.any():
                break
            goes_left = features[patient, np.maximum(asked, 0)] <= self.threshold[node]
            node = np.where(inner, np.where(goes_left, self.left[node], self.right[node]), node)
        total: Floats = self.value[node].sum(axis=1)
        return total

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Return the arrays under names with a prefix."""
        return {f"{prefix}{name}": getattr(self, name) for name in self.__slots__}

    @classmethod
    def of_arrays(cls, arrays: Any, prefix: str) -> Self:  # noqa: ANN401 - any mapping of arrays, an open npz too
        """Take up what `arrays` returned."""
        return cls(*(arrays[f"{prefix}{name}"] for name in cls.__slots__))
