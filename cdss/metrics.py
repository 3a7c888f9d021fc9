"""Measures for Prometheus: how much is asked, how fast it is answered, and what the answers rest on."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from cdss.settings import Settings
from projection.result import Projection
from reference_db.errors import CdssError
from reference_db.release import Status, list_releases, verify_release

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_PATIENTS = (0, 30, 50, 100, 150, 200, 300, 500, 1000, 5000)
_MANY_PROCESSES = "PROMETHEUS_MULTIPROC_DIR"


class Metrics:
    """What one service counts.

    Parameters
    ----------
    settings : Settings
        Where the releases are.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "cdss_requests", "Requests by kind and status.", ["kind", "status"], registry=self._registry
        )
        self.latency = Histogram(
            "cdss_request_seconds", "Time to answer.", ["kind"], buckets=_SECONDS, registry=self._registry
        )
        self.patients = Histogram(
            "cdss_patients_of_reference",
            "Patients of reference behind each class of a projection.",
            ["treatment"],
            buckets=_PATIENTS,
            registry=self._registry,
        )
        self.refusals = Counter(
            "cdss_refusals", "Classes for which nothing could be projected.", ["treatment"], registry=self._registry
        )
        self.export_checks = Counter(
            "cdss_export_checks", "Export requests by verdict of their checks.", ["verdict"], registry=self._registry
        )
        self._releases = Gauge(
            "cdss_releases",
            "Releases by verdict of the privacy gate.",
            ["status"],
            registry=self._registry,
            multiprocess_mode="mostrecent",
        )

    def observe_request(self, kind: str, status: int, seconds: float) -> None:
        """Count a request."""
        self.requests.labels(kind, str(status)).inc()
        self.latency.labels(kind).observe(seconds)

    def observe_projection(self, projection: Projection) -> None:
        """Count what a projection rests on, as it was given out."""
        for part in projection.classes:
            if part.refusal is None:
                self.patients.labels(part.treatment).observe(part.n)
            else:
                self.refusals.labels(part.treatment).inc()

    def exposition(self) -> bytes:
        """Return every measure in the format of Prometheus, summed over the processes of the service."""
        self._count_releases(self._releases)
        if _MANY_PROCESSES not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # it publishes no type here
        return generate_latest(registry)

    def _count_releases(self, gauge: Gauge) -> None:
        counts = dict.fromkeys([*(status.value for status in Status), "corrupted"], 0)
        for path in list_releases(self._settings.releases):
            try:
                counts[verify_release(path).status.value] += 1
            except CdssError:
                counts["corrupted"] += 1
        for status, count in counts.items():
            gauge.labels(status).set(count)
