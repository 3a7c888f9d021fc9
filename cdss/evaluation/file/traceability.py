"""Requirements and hazards with the tests that verify them, and what is missing between them.

A requirement or a control points to test functions by file and name; that these exist is read from the source of the
tests, that they pass is the business of the test suite itself.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Item:
    """A part of the software with a safety class of its own (IEC 62304 4.3)."""

    name: str
    safety_class: str
    does: str


@dataclass(frozen=True, slots=True)
class Requirement:
    """A software requirement.

    Attributes
    ----------
    identifier, item, text : str
        The item is the part of the software that meets it.
    tests : tuple of str
        ``file::function`` below ``tests``.
    """

    identifier: str
    item: str
    text: str
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Control:
    """A measure that controls a risk, the requirements that it became, and the tests that verify it."""

    text: str
    requirements: tuple[str, ...]
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hazard:
    """A hazard with its risk before and after control.

    Attributes
    ----------
    identifier, hazard, situation, harm : str
    severity, before, residual : str
        Severity, and probability without and with the controls.
    controls : tuple of Control
    """

    identifier: str
    hazard: str
    situation: str
    harm: str
    severity: str
    before: str
    residual: str
    controls: tuple[Control, ...]


SEVERITIES = ("negligible", "minor", "serious", "critical")
PROBABILITIES = ("improbable", "remote", "occasional", "probable")


def _read(name: str) -> Any:  # noqa: ANN401  # whatever the file holds
    return yaml.safe_load(resources.files("cdss.evaluation.file").joinpath(name).read_text(encoding="utf-8"))


@cache
def items() -> tuple[Item, ...]:
    """Return the items of the software."""
    return tuple(Item(entry["name"], entry["class"], entry["does"]) for entry in _read("requirements.yaml")["items"])


@cache
def requirements() -> tuple[Requirement, ...]:
    """Return every requirement."""
    return tuple(
        Requirement(entry["id"], entry["item"], entry["text"], tuple(entry.get("tests", ())))
        for entry in _read("requirements.yaml")["requirements"]
    )


@cache
def hazards() -> tuple[Hazard, ...]:
    """Return every hazard."""
    return tuple(
        Hazard(
            identifier=entry["id"],
            hazard=entry["hazard"],
            situation=entry["situation"],
            harm=entry["harm"],
            severity=entry["severity"],
            before=entry["before"],
            residual=entry["residual"],
            controls=tuple(
                Control(control["text"], tuple(control.get("requirements", ())), tuple(control.get("tests", ())))
                for control in entry.get("controls", ())
            ),
        )
        for entry in _read("hazards.yaml")["hazards"]
    )


@cache
def acceptable() -> frozenset[tuple[str, str]]:
    """Return the pairs of severity and probability that are acceptable."""
    pairs = (entry.split() for entry in _read("hazards.yaml")["matrix"]["acceptable"])
    return frozenset((severity, probability) for severity, probability in pairs)


def test_names(tests: Path) -> frozenset[str]:
    """Return every test function below a folder as ``file::function``.

    Parameters
    ----------
    tests : Path
    """
    return frozenset(name for path in sorted(tests.rglob("test_*.py")) for name in _functions(tests, path))


# The name begins as those of tests do, but it is none.
test_names.__test__ = False  # type: ignore[attr-defined]  # an attribute that pytest reads


def _functions(tests: Path, path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield f"{path.relative_to(tests).as_posix()}::{node.name}"


def faults(
    of_requirements: Sequence[Requirement], of_hazards: Sequence[Hazard], known: Collection[str]
) -> tuple[str, ...]:
    """Return everything that is missing: tests and items of requirements, controls of hazards, what controls need.

    Parameters
    ----------
    of_requirements : sequence of Requirement
    of_hazards : sequence of Hazard
    known : collection of str
        Tests that exist.
    """
    found = []
    identifiers = Counter([r.identifier for r in of_requirements] + [h.identifier for h in of_hazards])
    found += [f"{name} is used {n} times" for name, n in identifiers.items() if n > 1]
    parts = {item.name for item in items()}
    for requirement in of_requirements:
        if requirement.item not in parts:
            found.append(f"{requirement.identifier} belongs to no item: {requirement.item}")
        if not requirement.tests:
            found.append(f"{requirement.identifier} has no test")
        found += [f"{requirement.identifier}: there is no test {t}" for t in requirement.tests if t not in known]
    for hazard in of_hazards:
        found += _faults_of_hazard(hazard, known, {r.identifier for r in of_requirements})
    return tuple(found)


def _faults_of_hazard(hazard: Hazard, known: Collection[str], of_software: Collection[str]) -> Iterator[str]:
    if hazard.severity not in SEVERITIES or not {hazard.before, hazard.residual} <= set(PROBABILITIES):
        yield f"{hazard.identifier} has an unknown severity or probability"
        return
    if not hazard.controls:
        yield f"{hazard.identifier} has no control"
    for control in hazard.controls:
        if not control.tests:
            yield f"{hazard.identifier}: a control has no test: {control.text}"
        if not control.requirements:
            yield f"{hazard.identifier}: a control has no requirement: {control.text}"
        for name in control.requirements:
            if name not in of_software:
                yield f"{hazard.identifier}: there is no requirement {name}"
        for test in control.tests:
            if test not in known:
                yield f"{hazard.identifier}: there is no test {test}"
    if (hazard.severity, hazard.residual) not in acceptable():
        yield f"{hazard.identifier}: its residual risk is not acceptable"
    if PROBABILITIES.index(hazard.residual) > PROBABILITIES.index(hazard.before):
        yield f"{hazard.identifier}: its controls raise the risk"
