"""The nearest other records of each record, exactly."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_CHUNK = 20_000
"""Queries between two reports of progress."""

TREE_DIMENSIONS = 10
"""Up to this many dimensions a k-d tree is the faster exact search; beyond, FAISS scans
(benchmarks/bench_avatars.py)."""


def nearest_records(
    points: Floats,
    queries: Floats,
    k: int,
    *,
    others_of: NDArray[np.intp] | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> tuple[NDArray[np.intp], Floats]:
    """Return the `k` nearest points of each query, nearest first.

    Parameters
    ----------
    points : ndarray, shape (points, dimensions)
    queries : ndarray, shape (queries, dimensions)
    k : int
        At most the number of points (less one with `others_of`).
    others_of : ndarray of int, shape (queries,), optional
        The point that each query itself is, which then is not its own neighbour.
    progress : callable, optional
        Called with the share of the queries that are answered.

    Returns
    -------
    indices : ndarray of int, shape (queries, k)
    distances : ndarray of float, shape (queries, k)
        Euclidean.
    """
    if others_of is None:
        return _search(points, queries, k, None, progress)
    indices, distances = _search(points, queries, k + 1, others_of, progress)
    # With duplicated records the query need not come first, nor at all: drop it where it is, else the last.
    own = indices == others_of[:, None]
    own[~own.any(axis=1), -1] = True
    return indices[~own].reshape(-1, k), distances[~own].reshape(-1, k)


def _search(
    points: Floats,
    queries: Floats,
    k: int,
    beside: NDArray[np.intp] | None,
    progress: Callable[[float, str], None] | None,
) -> tuple[NDArray[np.intp], Floats]:
    """Find the nearest points; `beside` names a point near each query, where that is known."""
    if points.shape[1] == 0:
        indices = np.broadcast_to(np.arange(k), (len(queries), k)).copy()
        return indices, np.zeros((len(queries), k))
    if points.shape[1] <= TREE_DIMENSIONS:
        from scipy.spatial import cKDTree

        tree, ranks = cKDTree(points), np.arange(1, k + 1)
        found, distances = np.empty((len(queries), k), dtype=np.intp), np.empty((len(queries), k))
        order = np.arange(len(queries))
        if beside is not None:
            # One query after another in the same leaves finds them in the processor's cache: a fifth less time.
            order = np.argsort(np.argsort(tree.indices)[beside], kind="stable")
        for start in range(0, len(queries), _CHUNK):
            asked = order[start : start + _CHUNK]
            distances[asked], found[asked] = tree.query(queries[asked], k=ranks)
            if progress is not None:
                progress(min(1.0, (start + _CHUNK) / len(queries)), "seeking neighbours")
        return found, distances
    import faiss

    index = faiss.IndexFlatL2(points.shape[1])
    index.add(np.ascontiguousarray(points, dtype=np.float32))
    _, found = index.search(np.ascontiguousarray(queries, dtype=np.float32), k)
    # FAISS works in single precision; distances are taken again in double, so that a copy is at distance 0.
    distances = np.empty(found.shape)
    for start in range(0, len(queries), 4096):
        rows = slice(start, start + 4096)
        distances[rows] = np.linalg.norm(points[found[rows]] - queries[rows, None, :], axis=2)
    order = np.argsort(distances, axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(distances, order, axis=1)
