"""What a synthetic table must reach before it may be used: one versioned set of targets.

A release carries the version of the set it was judged by; an older one makes the gate run again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

TARGETS_VERSION = "5"

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
        "least over columns of 1 - (share of avatars with their original's value) x (distinct values / records), of "
        "1 - (that share - share of originals whose nearest other has their value), and of (1 - the first of these "
        "shares) / (1 - the share of their five nearest others that have it), at its upper confidence limit",
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

FURTHER_TARGETS: tuple[Target, ...] = (
    Target(
        "closest_rate",
        "Closest rate",
        "share of avatars that are not both nearer than 0.2 to an original and at less than 0.3 of the distance to "
        "the next",
        90.0,
        "%",
    ),
    Target(
        "outlier_protection",
        "Outlier protection",
        "share of 99 outliers (originals alone with the lowest or highest value of a column, then those more than "
        "twice as far as usual from their nearest other) without an avatar within a twentieth of that distance",
        99.0,
        "%",
    ),
    Target(
        "likeness_by_chance",
        "Record kept, probability by chance",
        "probability with which chance makes some avatar as like an original in all columns as one is, told from how "
        "many other avatars and originals are how like it (1 where no avatar has 95 % of what an original tells)",
        1e-4,
    ),
    Target(
        "correlation_protection",
        "Correlation protection",
        "100 x (1 - n2 x (1 - hidden rate) / n); n2 = originals alone with their values of half of the columns that "
        "have exactly one avatar within 5 % of them",
        95.0,
        "%",
        needs_origin=True,
    ),
    Target(
        "inference_continuous",
        "Inference, numbers",
        "error (symmetric mean absolute percentage error) of the value in the avatar nearest on all other columns; "
        "mean over the columns that neither guessing the median nor the nearest other original gives away",
        10.0,
        "%",
    ),
    Target(
        "inference_categorical",
        "Inference, categories",
        "share of wrong levels in the avatar nearest on all other columns; mean over the columns that neither "
        "guessing the most frequent level nor the nearest other original gives away",
        10.0,
        "%",
    ),
)
"""Further metrics of the commercial engine with its targets, and two of our own for single patients, whom medians
and shares forget."""


@dataclass(frozen=True, slots=True)
class AttackTarget:
    """An attack and the risk it may leave.

    Attributes
    ----------
    name, label, definition : str
    criterion : str
        Of the opinion of the European data protection authorities on anonymisation (WP29, 05/2014), or ``membership``
        or ``reconstruction``.
    at_most : float
        Largest risk, 0 to 1.
    """

    name: str
    label: str
    criterion: str
    definition: str
    at_most: float


MOST_RISK = 0.1
"""Largest risk of any attack, on the whole table and in each stratum: at most one attempt in ten succeeds that would
not have succeeded without the table. For membership, ``2 * area - 1 <= .1`` says the same as an area of at most .55.
One figure for all attacks, because none of the three criteria of WP29 Opinion 05/2014 ranks before another."""

ATTACK_TARGETS: dict[str, AttackTarget] = {
    target.name: target
    for target in (
        AttackTarget(
            "singling_out_univariate",
            "Singling out, one column",
            "singling out",
            "a unique or extreme value of a synthetic column is met by exactly one patient",
            MOST_RISK,
        ),
        AttackTarget(
            "singling_out_multivariate",
            "Singling out, several columns",
            "singling out",
            "a combination of 4 to 12 columns of a synthetic record is met by exactly one patient",
            MOST_RISK,
        ),
        AttackTarget(
            "linkability",
            "Linkability",
            "linkability",
            "two halves of a patient's columns have the same nearest synthetic record",
            MOST_RISK,
        ),
        AttackTarget(
            "inference",
            "Inference",
            "inference",
            "a column is guessed from the synthetic record nearest on all others; every column in turn",
            MOST_RISK,
        ),
        AttackTarget(
            "reconstruction",
            "Reconstruction",
            "reconstruction",
            "an avatar, or the mean of two that are near each other, is nearly a patient",
            MOST_RISK,
        ),
        AttackTarget(
            "membership_distance",
            "Membership by distance",
            "membership",
            "area under the ROC curve of the distance to the nearest avatar; best of 2, 5, 10 and all axes, and of "
            "what is missing alone",
            MOST_RISK,
        ),
        AttackTarget(
            "membership_classifier",
            "Membership by classifier",
            "membership",
            "area under the ROC curve of a classifier on distances to the five nearest avatars, cross-validated",
            MOST_RISK,
        ),
    )
}
"""A copy scores nearly 1 in each."""


def copied(column: str) -> str:
    """Return what a reason to refuse says of a column in which a metric is lowest; empty without one."""
    return f"column {column} is copied from the originals: " if column else ""
