"""The nearest other records of each record, exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TREE_DIMENSIONS = 10
"""Up to this many dimensions a k-d tree is the faster exact search; beyond, FAISS scans
(benchmarks/bench_avatars.py)."""


def nearest_records(
    points: Floats, queries: Floats, k: int, *, others_of: NDArray[np.intp] | None = None
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

    Returns
    -------
    indices : ndarray of int, shape (queries, k)
    distances : ndarray of float, shape (queries, k)
        Euclidean.
    """
    if others_of is None:
        return _search(points, queries, k)
    indices, distances = _search(points, queries, k + 1)
    # With duplicated records the query need not come first, nor at all: drop it where it is, else the last.
    own = indices == others_of[:, None]
    own[~own.any(axis=1), -1] = True
    return indices[~own].reshape(-1, k), distances[~own].reshape(-1, k)


def _search(points: Floats, queries: Floats, k: int) -> tuple[NDArray[np.intp], Floats]:
    if points.shape[1] == 0:
        indices = np.broadcast_to(np.arange(k), (len(queries), k)).copy()
        return indices, np.zeros((len(queries), k))
    if points.shape[1] <= TREE_DIMENSIONS:
        from scipy.spatial import cKDTree

        distances, found = cKDTree(points).query(queries, k=np.arange(1, k + 1))
        return np.asarray(found, dtype=np.intp), np.asarray(distances, dtype=np.float64)
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
