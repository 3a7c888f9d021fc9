"""Protocols to try, made from the example that the package ships."""

from __future__ import annotations

from cdss.evaluation.examples import example_protocol
from cdss.evaluation.protocol import Protocol, parse_protocol


def protocol_with(**changes: object) -> Protocol:
    """Return the example protocol with some fields changed; mappings are merged."""
    document = example_protocol().document()
    for name, value in changes.items():
        document[name] = {**document[name], **value} if isinstance(value, dict) else value
    return parse_protocol(document)
