"""The example protocol that the package ships."""

from __future__ import annotations

from functools import cache
from importlib import resources

import yaml

from cdss.evaluation.protocol import Protocol, parse_protocol


def example_text() -> str:
    """Return the example protocol as commented YAML."""
    return resources.files("cdss.evaluation").joinpath("protocols/example.yaml").read_text(encoding="utf-8")


@cache
def example_protocol() -> Protocol:
    """Return the example protocol."""
    return parse_protocol(yaml.safe_load(example_text()))
