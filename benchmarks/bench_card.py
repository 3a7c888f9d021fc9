"""How long a card takes, from the body of the call to the body of the answer, beside an empty call in the same run.

Usage: PYTHONPATH=. python benchmarks/bench_card.py [RELEASE_FOLDER]. Without a release, on 25,736 random patients.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from cdss.ehr.configuration import EhrConfiguration
from cdss.persistence import open_database
from cdss.settings import Settings
from projection import Projector
from reference_db.release import open_release
from tests.client import TestClient
from tests.ehr.conftest import make_application
from tests.ehr.hooks import SERVICE, bundle, call, prefetch
from tests.ehr.records import concept, observation
from tests.episodes import MemoryRelease, random_episodes

BASE = "http://127.0.0.1:8000"
REPEATS = 60


def observations(count: int) -> list[dict[str, object]]:
    code = concept("8480-6", "http://loinc.org", "Systolic blood pressure", "Systolic blood pressure")
    quantity = {"value": 120, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}
    return [observation(code, id=f"bp{n}", valueQuantity=quantity) for n in range(count)]


def measured(client: TestClient, body: dict[str, object]) -> tuple[float, float]:
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        answer = client.post(SERVICE, json=body)
        times.append(1000 * (time.perf_counter() - began))
        assert answer.status_code in (200, 412)
    times.sort()
    return statistics.median(times), times[int(0.95 * len(times))]


def main() -> None:
    release = open_release(Path(sys.argv[1])) if len(sys.argv) > 1 else MemoryRelease(random_episodes(25_736))
    database = open_database(Settings(home=Path(tempfile.mkdtemp())))
    app = make_application(Projector(release), EhrConfiguration(public_url=BASE, dev=True), database)
    with TestClient(app, base_url=BASE, client=("127.0.0.1", 50000)) as client:
        measured(client, call())
        empty, _ = measured(client, call(prefetch={}))
        print(f"{'call':<32}{'p50 ms':>10}{'p95 ms':>10}{'x empty':>10}")
        print(f"{'without data (412)':<32}{empty:>10.1f}")
        for count in (0, 100, 1000, 5000):
            sent = prefetch()
            sent["edss"] = bundle(*[entry["resource"] for entry in sent["edss"]["entry"]], *observations(count))
            p50, p95 = measured(client, call(prefetch=sent))
            print(f"{f'card, {count} further observations':<32}{p50:>10.1f}{p95:>10.1f}{p50 / empty:>10.1f}")


if __name__ == "__main__":
    main()
