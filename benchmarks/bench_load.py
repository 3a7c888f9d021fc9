"""Thirty-two clients against the served process: answers a second, times, memory, one worker and several.

    PYTHONPATH=. .venv/bin/python benchmarks/bench_load.py [seconds] [home]

Without a home, a release of 25,000 made-up patients is frozen first. The peer is the same number of requests to
``/healthz``, which costs the server and the client alone.
"""

from __future__ import annotations

import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))

from reference_db.release import ReleaseContent, activate, freeze
from selection import learn_weights
from selection.weights import WEIGHTS_FILE
from tests.e2e.processes import POI, Server, start_server, stop_server
from tests.episodes import random_episodes
from tests.privacy_records import passing_record

CLIENTS = 32


def made_up_home(folder: Path) -> Path:
    """Freeze and activate a release of made-up patients."""
    import json

    episodes = random_episodes(25_000)
    content = ReleaseContent(
        seed=1, parameters={}, sources=tuple(episodes.sources.values()), privacy=passing_record(), reasons=()
    )
    weights = json.dumps(learn_weights(episodes)).encode()
    manifest = freeze(folder / "releases", episodes.table, content, attachments={WEIGHTS_FILE: weights})
    activate(folder / "releases", manifest.version)
    return folder


def load(server: Server, method: str, path: str, seconds: float) -> tuple[np.ndarray, int]:
    """Return the times of the answers, and how many were not 200."""
    until = time.monotonic() + seconds

    def client(number: int) -> tuple[list[float], int]:
        times, failed = [], 0
        with httpx.Client(base_url=server.address, timeout=60) as session:
            while time.monotonic() < until:
                begun = time.perf_counter()
                body = {"json": {**POI, "age": 20 + number}} if method == "POST" else {}
                failed += session.request(method, path, **body).status_code != 200
                times.append(time.perf_counter() - begun)
        return times, failed

    with ThreadPoolExecutor(CLIENTS) as pool:
        found = list(pool.map(client, range(CLIENTS)))
    return np.concatenate([times for times, _ in found]), sum(failed for _, failed in found)


def memory(server: Server) -> str:
    """Return the proportional memory of all processes, and what each worker keeps for itself."""
    parent = psutil.Process(server.process.pid)
    everyone = [parent, *parent.children()]
    together = sum(process.memory_full_info().pss for process in everyone) / 2**20
    own = [f"{process.memory_full_info().uss / 2**20:.0f}" for process in everyone]
    return f"{together:.0f} MiB together, {' + '.join(own)} MiB not shared"


def main() -> None:
    """Measure with one worker and with several."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    with tempfile.TemporaryDirectory() as folder:
        home = Path(sys.argv[2]) if len(sys.argv) > 2 else made_up_home(Path(folder))
        for workers in (1, 4):
            server = start_server(home, Path(folder) / "log", "--workers", str(workers))
            load(server, "POST", "/api/v1/projections", min(5.0, seconds))
            before = memory(server)
            times, failed = load(server, "POST", "/api/v1/projections", seconds)
            peer, _ = load(server, "GET", "/healthz", min(10.0, seconds))
            p50, p99 = np.quantile(times, (0.5, 0.99)) * 1e3
            ratio = np.median(times) / np.median(peer)
            print(
                f"{workers} worker(s): {len(times) / seconds:.0f} projections/s, {failed} failed, p50 {p50:.0f} ms, "
                f"p99 {p99:.0f} ms, {ratio:.1f} times /healthz\n  before {before}\n  after  {memory(server)}"
            )
            stop_server(server)


if __name__ == "__main__":
    main()
