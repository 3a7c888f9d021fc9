"""The certification file: every requirement has its test, every hazard its control, every page is true."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from cdss.evaluation.file import GENERATED, faults, generated_pages, hazards, requirements
from cdss.evaluation.file.soup import soup
from cdss.evaluation.file.traceability import Control, Hazard, Requirement
from cdss.evaluation.file.traceability import test_names as names_of_tests

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "file"


def known() -> frozenset[str]:
    return names_of_tests(ROOT / "tests")


def test_every_requirement_has_a_test_and_every_hazard_a_control() -> None:
    assert faults(requirements(), hazards(), known()) == ()


@pytest.mark.parametrize(
    ("requirement", "hazard", "complaint"),
    [
        (replace(requirements()[0], tests=()), None, "R01 has no test"),
        (replace(requirements()[0], tests=("gone.py::test_gone",)), None, "there is no test gone.py::test_gone"),
        (replace(requirements()[0], identifier="R02"), None, "R02 is used 2 times"),
        (replace(requirements()[0], item="attic"), None, "R01 belongs to no item: attic"),
        (None, replace(hazards()[0], controls=()), "H01 has no control"),
        (None, replace(hazards()[0], controls=(Control("a hope", ("R01",), ()),)), "a control has no test"),
        (None, replace(hazards()[0], controls=(Control("a hope", (), ("x",)),)), "a control has no requirement"),
        (None, replace(hazards()[0], controls=(Control("a hope", ("R99",), ("x",)),)), "no requirement R99"),
        (None, replace(hazards()[0], residual="probable"), "residual risk is not acceptable"),
        (None, replace(hazards()[0], before="improbable"), "raise the risk"),
        (None, replace(hazards()[0], severity="awful"), "unknown severity"),
    ],
)
def test_what_is_missing_is_found(requirement: Requirement | None, hazard: Hazard | None, complaint: str) -> None:
    of_requirements = [requirement or requirements()[0], *requirements()[1:]]
    of_hazards = [hazard or hazards()[0], *hazards()[1:]]
    assert any(complaint in fault for fault in faults(of_requirements, of_hazards, known()))


@pytest.mark.parametrize("name", GENERATED)
def test_generated_pages_are_up_to_date(name: str) -> None:
    assert (FILE / name).read_text(encoding="utf-8") == generated_pages(ROOT)[name], (
        "run `cdss evaluation file` and look at what changed"
    )


def test_soup_lists_every_pinned_package_with_a_licence() -> None:
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    listed = {entry.name: entry for entry in soup(lock)}
    assert len(soup(lock)) == len(re.findall(r"^\S+==", lock, flags=re.MULTILINE))
    assert listed["numpy"].direct
    assert not listed["starlette"].direct
    assert [entry.name for entry in listed.values() if not entry.licence] == []


def test_every_page_is_listed_linked_and_says_what_it_is_not() -> None:
    index = (FILE / "index.md").read_text(encoding="utf-8")
    for path in FILE.glob("*.md"):
        if path.name == "index.md":
            continue
        text = path.read_text(encoding="utf-8")
        assert f"({path.name})" in index, path.name
        for link in re.findall(r"\]\(([^)#]+\.md)\)", text):
            assert (FILE / link).is_file(), f"{path.name} links to {link}"
    for page in ("intended-purpose.md", "software.md", "risks.md", "model-card.md", "data-set-card.md"):
        assert "not a medical device" in (FILE / page).read_text(encoding="utf-8")


def test_tests_named_by_hand_exist() -> None:
    named = re.findall(r"`([\w/]+\.py::test_\w+)`", (FILE / "usability.md").read_text(encoding="utf-8"))
    assert len(named) >= 8
    assert set(named) <= known()


@pytest.mark.parametrize("name", ["usability.md", "data-protection.md"])
def test_hazards_named_by_hand_exist(name: str) -> None:
    named = set(re.findall(r"\bH\d\d\b", (FILE / name).read_text(encoding="utf-8")))
    assert len(named) >= 4
    assert named <= {hazard.identifier for hazard in hazards()}
