"""What each package offers, on purpose. A name that comes or goes is a change for users: see CHANGELOG.md."""

from __future__ import annotations

import importlib

import pytest

SURFACE = {
    "projection": [
        "ClassProjection",
        "Contrast",
        "Contrasts",
        "Curve",
        "EdssCourse",
        "Estimate",
        "Projection",
        "Projector",
        "confirmed_improvement",
        "confirmed_worsening",
    ],
    "reference_db": ["Episodes", "PrivacyAssessment", "Release", "assess_privacy", "avatarize", "open_release"],
    "selection": [
        "ClassSelection",
        "Criteria",
        "Explanation",
        "InvalidPatient",
        "PatientOfInterest",
        "Selection",
        "Selector",
        "explain",
        "learn_weights",
        "parse_criteria",
        "parse_patient",
    ],
    "validation": [
        "Check",
        "Section",
        "ValidationReport",
        "Verdict",
        "added_failures",
        "html_report",
        "report_from_json",
        "validate",
    ],
    "viewer": ["AddedPage", "create_viewer"],
}


@pytest.mark.parametrize("package", sorted(SURFACE))
def test_a_package_exports_these_names_and_no_others(package: str) -> None:
    module = importlib.import_module(package)
    assert sorted(module.__all__) == SURFACE[package]
    for name in module.__all__:
        assert getattr(module, name).__doc__, f"{package}.{name} has no docstring"
