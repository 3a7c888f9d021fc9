"""The same trial with other numbers of consultations and neurologists."""

from __future__ import annotations

from cdss.evaluation.protocol import Protocol, parse_protocol


def with_size(protocol: Protocol, *, consultations: int, clusters: int | None = None) -> Protocol:
    """Return a protocol with another number of consultations, and of clusters made after those it has.

    Raises
    ------
    InvalidInput
        If the protocol does not hold together with these numbers.
    """
    document = protocol.document()
    document["sample_size"] = consultations
    if clusters is not None:
        known = document["clusters"]
        document["clusters"] = [{**known[i % len(known)], "code": f"s{i + 1:03d}"} for i in range(clusters)]
    return parse_protocol(document)
