"""What the validation says, as values: figures with their targets, sections with their verdicts, one report.

A report is data. Tables are tuples of records with plain values, so that the whole serialises as it stands and every
figure of the HTML report can be drawn, and checked, from ``validation.json`` alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from validation.words import in_words

Value = float | int | str | bool | None
Record = Mapping[str, Value]


class Verdict(StrEnum):
    """What a check or a section says."""

    PASSED = "passed"
    FAILED = "failed"
    CONSEQUENCE = "consequence"
    """It misses a target, and rests on a section that failed: the cause stands there."""
    REPORTED = "reported"
    """Shown for the reader's judgement; there is no target."""
    NOT_APPLICABLE = "not applicable"


MOST_NAMED = 6
"""Things that miss a target which a sentence names; the others are counted."""


@dataclass(frozen=True, slots=True)
class Miss:
    """One thing of the two tables that misses a target: a variable, a source, an arm, or what they share.

    Attributes
    ----------
    variable : str or None
        Name of the column, or of the endpoint made of columns.
    source, arm : str or None
        None where it is about all of them.
    """

    variable: str | None = None
    source: str | None = None
    arm: str | None = None

    @property
    def words(self) -> str:
        """It in words."""
        place = " ".join(name for name in (self.source, self.arm) if name is not None)
        if self.variable is None:
            return place
        named = in_words(self.variable)
        return f"{named} in {place}" if place else named


@dataclass(frozen=True, slots=True)
class Check:
    """One figure with what it has to be.

    Attributes
    ----------
    name : str
        Identifier, unique within its section.
    label : str
        As read by a person, with the unit.
    value : float or None
        None when it could not be computed.
    lowest, highest : float or None
        The value must lie between them, bounds included; None is no bound. Without bounds the figure is reported.
    verdict : Verdict
    meaning : str
        What the figure tells, and what the target rests on.
    misses : tuple of Miss
        Of a figure that fails, what misses the target by itself, where the figure is the worst or the share of many:
        a second variable that is lost is told from the first.
    """

    name: str
    label: str
    value: float | None
    lowest: float | None
    highest: float | None
    verdict: Verdict
    meaning: str
    misses: tuple[Miss, ...] = ()

    @property
    def target(self) -> str:
        """The target in words; empty when there is none."""
        if self.lowest is not None and self.highest is not None:
            if self.lowest == self.highest:
                return f"{self.lowest:g}"
            return f"{self.lowest:g} to {self.highest:g}"
        if self.lowest is not None:
            return f"≥ {self.lowest:g}"
        return "" if self.highest is None else f"≤ {self.highest:g}"

    @property
    def named_misses(self) -> str:
        """What misses the target, in words; empty when nothing is named."""
        named = ", ".join(miss.words for miss in self.misses[:MOST_NAMED])
        more = len(self.misses) - MOST_NAMED
        return f"{named} and {more:,} more" if more > 0 else named


def check(
    name: str,
    label: str,
    value: float | None,
    *,
    lowest: float | None = None,
    highest: float | None = None,
    meaning: str,
    misses: Iterable[Miss] = (),
) -> Check:
    """Judge a figure against its bounds; what misses the target is kept of a figure that fails.

    >>> check("auc", "AUC", 0.7, highest=0.6, meaning="").verdict
    <Verdict.FAILED: 'failed'>
    """
    if value is None or not math.isfinite(value):
        return Check(name, label, None, lowest, highest, Verdict.NOT_APPLICABLE, meaning)
    if lowest is None and highest is None:
        verdict = Verdict.REPORTED
    else:
        inside = (lowest is None or value >= lowest) and (highest is None or value <= highest)
        verdict = Verdict.PASSED if inside else Verdict.FAILED
    kept = tuple(misses) if verdict is Verdict.FAILED else ()
    return Check(name, label, float(value), lowest, highest, verdict, meaning, kept)


def missed(
    rows: Iterable[tuple[Miss, float]], *, lowest: float | None = None, highest: float | None = None
) -> list[Miss]:
    """Return those whose figure lies outside the bounds, the farthest first."""
    outside = [
        (
            max((lowest - value) if lowest is not None else 0.0, (value - highest) if highest is not None else 0.0),
            miss,
        )
        for miss, value in rows
    ]
    return [miss for far, miss in sorted(outside, key=lambda pair: -pair[0]) if far > 0]


@dataclass(frozen=True, slots=True)
class Section:
    """One question of the validation, answered.

    Attributes
    ----------
    name : str
        Identifier.
    title : str
        As a heading.
    question : str
        What it asks, in one sentence.
    checks : tuple of Check
        The figures that are judged or reported.
    tables : mapping of str to tuple of records
        Everything behind the checks and the figures.
    remarks : tuple of str
        How it was computed where that is not obvious, and what falls short.
    rests_on : tuple of str
        Sections whose failure makes this one fail.
    seconds : float
        Time it took.
    """

    name: str
    title: str
    question: str
    checks: tuple[Check, ...]
    tables: Mapping[str, tuple[Record, ...]]
    remarks: tuple[str, ...] = ()
    rests_on: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def verdict(self) -> Verdict:
        """Failed if a check failed; consequence if those that did are consequences; passed if one passed."""
        found = {one.verdict for one in self.checks}
        for verdict in (Verdict.FAILED, Verdict.CONSEQUENCE, Verdict.PASSED, Verdict.REPORTED):
            if verdict in found:
                return verdict
        return Verdict.NOT_APPLICABLE

    def missed(self, *verdicts: Verdict) -> list[str]:
        """Return the targets that are missed, in words, with what misses them.

        Parameters
        ----------
        *verdicts : Verdict
            Of the checks wanted; both kinds of a missed target when left out.
        """
        wanted = verdicts or (Verdict.FAILED, Verdict.CONSEQUENCE)
        return [
            f"{self.title}: {one.label} is {one.value:.3g}, target {one.target}"
            + (f" ({one.named_misses})" if one.misses else "")
            + (" - as a consequence" if not verdicts and one.verdict is Verdict.CONSEQUENCE else "")
            for one in self.checks
            if one.verdict in wanted
        ]


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """How true and how safe a release is.

    Attributes
    ----------
    release : str
        Version of the release.
    quick : bool
        Whether it is the short suite.
    seed : int
        Of everything random in the validation.
    originals, synthetic : int
        Numbers of episodes.
    sections : tuple of Section
        In reading order.
    """

    release: str
    quick: bool
    seed: int
    originals: int
    synthetic: int
    sections: tuple[Section, ...]

    @property
    def passed(self) -> bool:
        """Whether no section fails, by itself or through another."""
        return not {Verdict.FAILED, Verdict.CONSEQUENCE} & {section.verdict for section in self.sections}

    @property
    def failures(self) -> list[str]:
        """Every missed target that is not the consequence of another, in words."""
        return [line for section in self.sections for line in section.missed(Verdict.FAILED)]

    @property
    def consequences(self) -> list[str]:
        """Every missed target that rests on another, in words."""
        return [line for section in self.sections for line in section.missed(Verdict.CONSEQUENCE)]

    def section(self, name: str) -> Section:
        """Return the section of that name.

        Raises
        ------
        KeyError
            If there is none.
        """
        for section in self.sections:
            if section.name == name:
                return section
        raise KeyError(name)

    def summary(self) -> dict[str, Any]:
        """Return the verdicts and judged figures only, as a release's manifest and the viewer show them."""
        return {
            "quick": self.quick,
            "passed": self.passed,
            "failures": self.failures,
            "consequences": self.consequences,
            "sections": {
                section.name: {
                    "title": section.title,
                    "verdict": section.verdict.value,
                    "figures": {
                        one.name: {
                            "label": one.label,
                            "value": one.value,
                            "target": one.target,
                            "verdict": one.verdict.value,
                        }
                        for one in section.checks
                    },
                }
                for section in self.sections
            },
        }

    def to_json_dict(self) -> dict[str, Any]:
        """Return plain dictionaries, lists, strings and numbers: what ``validation.json`` holds."""
        return {
            "release": self.release,
            "quick": self.quick,
            "seed": self.seed,
            "originals": self.originals,
            "synthetic": self.synthetic,
            "passed": self.passed,
            "failures": self.failures,
            "consequences": self.consequences,
            "sections": [section_to_json(section) for section in self.sections],
        }


def section_to_json(section: Section) -> dict[str, Any]:
    """Return a section as plain values, its verdict included."""
    return asdict(section) | {"verdict": section.verdict.value}


def section_from_json(data: Mapping[str, Any]) -> Section:
    """Return the section that `section_to_json` wrote."""
    checks = tuple(
        Check(
            **{
                **one,
                "verdict": Verdict(one["verdict"]),
                "misses": tuple(Miss(**miss) for miss in one.get("misses", ())),
            }
        )
        for one in data["checks"]
    )
    plain = {key: value for key, value in data.items() if key not in ("verdict", "checks", "tables")}
    return Section(
        **{**plain, "remarks": tuple(plain["remarks"]), "rests_on": tuple(plain["rests_on"])},
        checks=checks,
        tables={name: tuple(rows) for name, rows in data["tables"].items()},
    )


def report_from_json(data: Mapping[str, Any]) -> ValidationReport:
    """Return the report that `ValidationReport.to_json_dict` wrote."""
    return ValidationReport(
        release=data["release"],
        quick=data["quick"],
        seed=data["seed"],
        originals=data["originals"],
        synthetic=data["synthetic"],
        sections=tuple(section_from_json(section) for section in data["sections"]),
    )


@dataclass
class Records:
    """Collects the records of a table; floats that are not finite become None, as JSON knows no NaN."""

    rows: list[Record] = field(default_factory=list)

    def add(self, **values: object) -> None:
        """Add one record; numpy scalars become plain numbers."""
        self.rows.append({name: plain(value) for name, value in values.items()})

    def done(self) -> tuple[Record, ...]:
        """Return the records."""
        return tuple(self.rows)


def plain(value: object) -> Value:
    """Return a value as JSON knows it: numpy scalars unpacked, floats to 6 significant digits, NaN as None."""
    item = getattr(value, "item", None)
    unpacked = item() if callable(item) else value
    if unpacked is None or isinstance(unpacked, bool | int | str):
        return unpacked if not isinstance(unpacked, str) else str(unpacked)
    if isinstance(unpacked, float):
        return float(f"{unpacked:.6g}") if math.isfinite(unpacked) else None
    raise TypeError(f"{type(value).__name__} is not a plain value")
