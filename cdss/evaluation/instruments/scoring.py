"""Instruments and their scores, by the published rules that ``catalogue.yaml`` names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from cdss.evaluation.reasons import fault, invalid
from reference_db.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Score:
    """The score of one filled-in instrument.

    Attributes
    ----------
    total : float or None
        0 to 100; None when too many items were left out for the published rule.
    subscales : mapping of str to float or None
        0 to 100 each; empty when the instrument has none.
    answered : int
        Items answered.
    """

    total: float | None
    subscales: Mapping[str, float | None]
    answered: int


@dataclass(frozen=True, slots=True)
class Instrument:
    """An instrument: structure, languages and scoring rule.

    Attributes
    ----------
    code : str
        ``DCS``, ``SDM-Q-9`` or ``SUS``.
    names, items, anchors : mapping by language
        Title, paraphrased items and response anchors from the lowest value to the highest.
    lowest, highest : int
        Values of the responses.
    reversed_items : frozenset of int
        Items, from 1, that count the other way round.
    higher_is_better : bool
    unanswered : int or None
        Value that an item left out counts as, where the rule has one.
    subscales : mapping of str to tuple of int
        Items, from 1, of each subscale.
    wording : mapping by language
        Where the authorised wording is had, and under which terms.
    source, rule : str
        Publication, and the scoring rule in words.
    """

    code: str
    names: Mapping[str, str]
    items: Mapping[str, tuple[str, ...]]
    anchors: Mapping[str, tuple[str, ...]]
    lowest: int
    highest: int
    reversed_items: frozenset[int]
    higher_is_better: bool
    unanswered: int | None
    subscales: Mapping[str, tuple[int, ...]]
    wording: Mapping[str, str]
    source: str
    rule: str

    @property
    def length(self) -> int:
        """Number of items."""
        return len(self.items["en"])

    def score(self, responses: Sequence[int | None]) -> Score:
        """Score one filled-in instrument.

        Parameters
        ----------
        responses : sequence of int or None
            One per item, in the order of the instrument; None where an item was left out.

        Raises
        ------
        InvalidInput
            If there are too few or too many responses, or one is not on the scale.
        """
        self._check(responses)
        filled = [self.unanswered if response is None else response for response in responses]
        points = [None if value is None else self._points(i, value) for i, value in enumerate(filled, start=1)]
        return Score(
            total=self._mean(points),
            subscales={name: self._mean([points[i - 1] for i in items]) for name, items in self.subscales.items()},
            answered=sum(response is not None for response in responses),
        )

    def _points(self, item: int, value: int) -> float:
        """Return what an item contributes, from 0 to 1."""
        points = self.highest - value if item in self.reversed_items else value - self.lowest
        return points / (self.highest - self.lowest)

    def _mean(self, points: Sequence[float | None]) -> float | None:
        known = [point for point in points if point is not None]
        return 100.0 * sum(known) / len(points) if len(known) == len(points) else None

    def _check(self, responses: Sequence[int | None]) -> None:
        if len(responses) != self.length:
            raise invalid(
                "responses",
                "responses_number",
                f"{self.length} responses",
                given=len(responses),
                instrument=self.code,
            )
        allowed = f"whole numbers from {self.lowest} to {self.highest}, or null"
        problems = [
            fault(f"responses[{i}]", "not_a_response", allowed, response=response, instrument=self.code)
            for i, response in enumerate(responses)
            if response is not None and not self.lowest <= response <= self.highest
        ]
        if problems:
            raise InvalidInput(problems)


def _instrument(code: str, entry: Mapping[str, Any]) -> Instrument:
    languages = tuple(entry["name"])
    return Instrument(
        code=code,
        names=entry["name"],
        items={language: tuple(item[language] for item in entry["items"]) for language in languages},
        anchors={language: tuple(entry["anchors"][language]) for language in languages},
        lowest=entry["lowest"],
        highest=entry["highest"],
        reversed_items=frozenset(entry["reversed"]),
        higher_is_better=entry["better"] == "higher",
        unanswered=entry["unanswered"],
        subscales={name: tuple(items) for name, items in entry["subscales"].items()},
        source=entry["source"],
        wording=entry["wording"],
        rule=entry["rule"],
    )


@cache
def instruments() -> Mapping[str, Instrument]:
    """Return every instrument by its code."""
    text = resources.files("cdss.evaluation.instruments").joinpath("catalogue.yaml").read_text(encoding="utf-8")
    return {code: _instrument(code, entry) for code, entry in yaml.safe_load(text).items()}


def instrument(code: str) -> Instrument:
    """Return the instrument of a code.

    Raises
    ------
    InvalidInput
        If there is none of that code.
    """
    known = instruments()
    if code not in known:
        raise invalid("instrument", "no_instrument", ", ".join(known), instrument=code)
    return known[code]
