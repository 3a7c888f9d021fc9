"""What a synthetic table must reach before it may be used: one versioned set of targets.

A release carries the version of the set it was judged by; an older one makes the gate run again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

TARGETS_VERSION = "1"

ASSESSED_AXES = 5
"""Factor axes of the space in which hidden rate and local cloaking are measured, as in the published evaluations."""


class Verdict(StrEnum):
    """What a metric or an attack says about a table."""

    PASSED = "passed"
    FAILED = "failed"
    UNINFORMATIVE = "uninformative"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class Target:
    """A metric and the value it has to exceed.

    Attributes
    ----------
    name : str
        Identifier, as in JSON.
    label : str
        As read by a person, with the unit.
    definition : str
        What is computed.
    over : float
        The value must be greater.
    unit : str
        ``%``, ``records`` or empty.
    needs_origin : bool
        It compares each original with its own avatar, so it needs to know which that is.
    """

    name: str
    label: str
    definition: str
    over: float
    unit: str = ""
    needs_origin: bool = False


TARGETS: tuple[Target, ...] = (
    Target(
        "distance_to_closest",
        "Distance to closest record",
        "median over avatars of the distance to the nearest original",
        0.2,
    ),
    Target(
        "closest_distance_ratio",
        "Closest distances ratio",
        "median over avatars of the distance to the nearest original divided by that to the second nearest "
        "(1 when both are 0)",
        0.3,
    ),
    Target(
        "column_direct_match_protection",
        "Column direct match protection",
        "least over columns of 1 - (share of avatars with their original's value) x (distinct values / records)",
        50.0,
        "%",
        needs_origin=True,
    ),
    Target(
        "row_direct_match_protection",
        "Row direct match protection",
        "share of originals whose complete row appears nowhere among the avatars",
        90.0,
        "%",
    ),
    Target(
        "local_cloaking",
        "Median local cloaking",
        "median over originals of the number of other avatars at most as far as their own avatar",
        5.0,
        "records",
        needs_origin=True,
    ),
    Target(
        "hidden_rate",
        "Hidden rate",
        "share of originals whose nearest avatar is not their own (avatars equally near share the place)",
        90.0,
        "%",
        needs_origin=True,
    ),
    Target(
        "categorical_hidden_rate",
        "Categorical hidden rate",
        "hidden rate over the categorical columns",
        90.0,
        "%",
        needs_origin=True,
    ),
)
"""The seven targets of the published evaluations."""
