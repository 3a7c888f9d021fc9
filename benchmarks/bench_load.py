"""One client and thirty-two against the served process: answers a second, times, memory, one worker and several.

    PYTHONPATH=. .venv/bin/python benchmarks/bench_load.py [seconds] [home]

Without a home, a release of 25,000 made-up patients is frozen first. The peer is as many clients of ``/healthz``,
which costs the server and the client alone.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.load_clients import load
from reference_db.release import ReleaseContent, activate, freeze
from selection import learn_weights
from selection.weights import WEIGHTS_FILE
from tests.e2e.processes import Server, start_server, stop_server
from tests.episodes import random_episodes
from tests.privacy_records import passing_record

CLIENTS = 32
PROJECTIONS = "/api/v1/projections"


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


def memory(server: Server) -> str:
    """Return the proportional memory of all processes, and what each worker keeps for itself."""
    parent = psutil.Process(server.process.pid)
    everyone = [parent, *parent.children()]
    together = sum(process.memory_full_info().pss for process in everyone) / 2**20
    own = [f"{process.memory_full_info().uss / 2**20:.0f}" for process in everyone]
    return f"{together:.0f} MiB together, {' + '.join(own)} MiB not shared"


def processor_seconds(server: Server) -> float:
    """Return the processor time that all processes of a server have used."""
    parent = psutil.Process(server.process.pid)
    spent = [process.cpu_times() for process in (parent, *parent.children())]
    return float(sum(one.user + one.system for one in spent))


def measured(server: Server, method: str, path: str, clients: int, seconds: float) -> str:
    """Load a server and say how it did."""
    before = processor_seconds(server)
    seen = load(server.address, method, path, clients=clients, seconds=seconds)
    own = (processor_seconds(server) - before) / len(seen.seconds)
    p50, p99 = np.quantile(seen.seconds, (0.5, 0.99)) * 1e3
    asked = f"{clients:2d} client(s) {path:20} {seen.rate:6.0f}/s, {seen.failed} failed"
    spent = f"processor time of a request {own * 1e3:.2f} ms, of its client {seen.cost * 1e3:.2f} ms"
    return f"  {asked}, p50 {p50:.1f} ms, p99 {p99:.1f} ms; {spent}"


def main() -> None:
    """Measure with one worker and with several."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    with tempfile.TemporaryDirectory() as folder:
        home = Path(sys.argv[2]) if len(sys.argv) > 2 else made_up_home(Path(folder))
        for workers in (1, 4):
            server = start_server(home, Path(folder) / "log", "--workers", str(workers))
            load(server.address, "POST", PROJECTIONS, clients=CLIENTS, seconds=min(5.0, seconds))
            print(f"{workers} worker(s)\n  before {memory(server)}")
            for clients in (1, CLIENTS):
                print(measured(server, "POST", PROJECTIONS, clients, seconds))
                print(measured(server, "GET", "/healthz", clients, min(5.0, seconds)))
            print(f"  after  {memory(server)}\n  load of the machine {os.getloadavg()[0]:.1f}", flush=True)
            stop_server(server)


if __name__ == "__main__":
    main()
