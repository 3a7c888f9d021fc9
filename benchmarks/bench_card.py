"""How long a card takes, from the body of a signed call to that of the answer, beside an empty call in the same run.

Usage: PYTHONPATH=. python benchmarks/bench_card.py [RELEASE_FOLDER]. Without a release, on 25,736 random patients.
Tokens are signed beforehand, as a client does it on its own machine; verifying them, with the mark against replay, is
in the time.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cdss.ehr.configuration import EhrConfiguration, Partners
from cdss.persistence import open_database
from cdss.settings import Settings
from projection import Projector
from projection.disclosure import DisclosedProjector
from reference_db.release import open_release
from tests.client import TestClient
from tests.ehr.conftest import PUBLIC_URL, make_application
from tests.ehr.hooks import SERVICE, bundle, call, prefetch
from tests.ehr.records import concept, observation
from tests.ehr.signing import SigningClient
from tests.episodes import MemoryRelease, random_episodes

REPEATS = 60


def observations(count: int) -> list[dict[str, object]]:
    code = concept("8480-6", "http://loinc.org", "Systolic blood pressure", "Systolic blood pressure")
    quantity = {"value": 120, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}
    return [observation(code, id=f"bp{n}", valueQuantity=quantity) for n in range(count)]


def measured(client: TestClient, signer: SigningClient, body: dict[str, object]) -> tuple[float, float, float]:
    """Return median and 95th percentile of the wall time, and the mean processor time, in ms."""
    tokens = [signer.token(PUBLIC_URL + SERVICE) for _ in range(REPEATS)]
    times, processor = [], time.process_time()
    for token in tokens:
        began = time.perf_counter()
        answer = client.post(SERVICE, json=body, headers={"Authorization": f"Bearer {token}"})
        times.append(1000 * (time.perf_counter() - began))
        assert answer.status_code in (200, 412), answer.text
    spent = 1000 * (time.process_time() - processor) / REPEATS
    times.sort()
    return statistics.median(times), times[int(0.95 * len(times))], spent


def main() -> None:
    release: Any
    release = open_release(Path(sys.argv[1])) if len(sys.argv) > 1 else MemoryRelease(random_episodes(25_736))
    projector = DisclosedProjector(release) if len(sys.argv) > 1 else Projector(release)
    database = open_database(Settings(home=Path(tempfile.mkdtemp())))
    signer = SigningClient("https://ehr.test")
    partners = Partners.model_validate({"cds_clients": [{"issuer": signer.issuer, "jwks": signer.key_set}]})
    app = make_application(projector, EhrConfiguration(public_url=PUBLIC_URL, partners=partners), database)
    with TestClient(app, base_url=PUBLIC_URL) as client:
        measured(client, signer, call())
        empty, late, spent = measured(client, signer, call(prefetch={}))
        print(f"{'signed call':<32}{'p50 ms':>10}{'p95 ms':>10}{'CPU ms':>10}{'x empty':>10}")
        print(f"{'without data (412)':<32}{empty:>10.1f}{late:>10.1f}{spent:>10.1f}")
        for count in (0, 100, 1000, 5000):
            sent = prefetch()
            sent["edss"] = bundle(*[entry["resource"] for entry in sent["edss"]["entry"]], *observations(count))
            p50, p95, spent = measured(client, signer, call(prefetch=sent))
            name = f"card, {count} further observations"
            print(f"{name:<32}{p50:>10.1f}{p95:>10.1f}{spent:>10.1f}{p50 / empty:>10.1f}")


if __name__ == "__main__":
    main()
