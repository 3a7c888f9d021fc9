"""Processor time of the Avatar method on 40 mixed columns, by stage, next to its authors' library in the same run.

python benchmarks/bench_avatars.py [rows ...]
"""

import resource
import sys
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import pandas as pd

from reference_db.avatar import REFERENCE, RELEASE, avatarize
from reference_db.avatar.columns import read_columns
from reference_db.avatar.neighbours import nearest_records
from reference_db.avatar.projection import fit_factor_space
from reference_db.privacy.cloaking import cloaking

K, NCP = 20, 5
Result = TypeVar("Result")


def mixed_table(rows: int) -> pd.DataFrame:
    """Thirty correlated numbers and ten labels."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(rows, 6))
    numbers = pd.DataFrame(latent @ rng.normal(size=(6, 30)) + rng.normal(size=(rows, 30)))
    numbers.columns = [f"number {column}" for column in numbers.columns]
    labels = {
        f"label {i}": np.array(list("abcd"))[np.digitize(latent[:, i % 6] + rng.normal(size=rows), [-1, 0, 1])]
        for i in range(10)
    }
    return numbers.assign(**labels)


def timed(label: str, call: Callable[[], Result]) -> tuple[Result, float]:
    begun = time.process_time()
    result = call()
    seconds = time.process_time() - begun
    print(f"  {label:58s} {seconds:8.2f} s")
    return result, seconds


def run(rows: int) -> None:
    table = mixed_table(rows)
    print(f"{rows:,} x {table.shape[1]}, k = {K}, ncp = {NCP}")
    columns = read_columns(table)
    encoded, _ = timed("reading the columns", lambda: columns.encode(table))
    space, famd = timed("FAMD, all axes", lambda: fit_factor_space(encoded, columns))
    coordinates, projected = timed("coordinates on the first axes", lambda: space.transform(encoded, axes=NCP))
    timed("neighbours", lambda: nearest_records(coordinates, coordinates, K, others_of=np.arange(rows)))
    seconds = {}
    for name, method in (("reference", REFERENCE), ("release", RELEASE)):
        made, seconds[name] = timed(
            f"avatarize, {name} method, everything",
            lambda method=method: avatarize(table, k=K, ncp=NCP, rng=np.random.default_rng(1), method=method),
        )
        print(f"  {'  on top of the FAMD':58s} {seconds[name] - famd - projected:8.2f} s")
    theirs = space.transform(columns.encode(made), axes=NCP)
    timed("hidden rate and local cloaking", lambda: cloaking(coordinates, theirs, np.arange(rows)))
    if rows <= 30_000:
        _, peer = timed("peer: saiph FAMD and inverse, FAISS flat", lambda: peer_avatars(table))
        print(f"  {'  peer / reference method':58s} {peer / seconds['reference']:8.1f} x")
    print(f"  peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")


def peer_avatars(table: pd.DataFrame) -> pd.DataFrame:
    """The method as its paper describes it, with the authors' projection and its inverse."""
    import faiss
    import saiph

    rng = np.random.default_rng(0)
    coordinates, model = saiph.fit_transform(table, nf=table.shape[1] + 30)
    points = np.ascontiguousarray(coordinates.to_numpy()[:, :NCP], dtype=np.float32)
    index = faiss.IndexFlatL2(NCP)
    index.add(points)
    distances, neighbours = index.search(points, K + 1)
    halving = rng.permuted(np.tile(0.5 ** np.arange(1, K + 1), (len(table), 1)), axis=1)
    weights = rng.exponential(size=halving.shape) * halving / np.sqrt(np.maximum(distances[:, 1:], 1e-12))
    weights /= weights.sum(axis=1, keepdims=True)
    whole = coordinates.to_numpy()
    means = np.zeros_like(whole)
    for neighbour in range(K):
        means += weights[:, [neighbour]] * whole[neighbours[:, neighbour + 1]]
    return saiph.inverse_transform(pd.DataFrame(means, columns=coordinates.columns), model)


if __name__ == "__main__":
    for rows in [int(argument) for argument in sys.argv[1:]] or [25_737]:
        run(rows)
