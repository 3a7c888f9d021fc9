"""The last whole validation of a release is found beside it; the short one never stands in its place."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cdss.evidence import (
    SUMMARY_FILE,
    evidence_folder,
    expert_scores,
    keep_score,
    keep_validation,
    known_evidence,
    last_validation,
)
from validation import Section, ValidationReport, report_from_json
from validation.questionnaire import scored
from validation.result import check

VERSION = "r1-000000000000"


@pytest.fixture
def report() -> ValidationReport:
    judged = check("hellinger_median", "Hellinger", 0.02, highest=0.058, meaning="")
    section = Section("univariate", "Margins", "Alike?", (judged,), {"by_source": (), "quantiles": (), "by_arm": ()})
    return ValidationReport(VERSION, False, 1, 10, 10, (replace(section, name="structure"),))


def test_a_validation_is_kept_as_data_page_and_summary(tmp_path: Path, report: ValidationReport) -> None:
    folder = evidence_folder(tmp_path, VERSION)
    page = keep_validation(folder, report)
    assert page.read_text().startswith("<!doctype html>")
    assert report_from_json(json.loads((folder / "validation.json").read_text())) == report
    found = last_validation(tmp_path, VERSION)
    assert found is not None
    assert found["passed"] is True
    assert found["sections"]["structure"]["figures"]["hellinger_median"]["value"] == 0.02
    assert known_evidence(tmp_path, VERSION) == {"validation": found}


def test_the_short_suite_does_not_stand_in_the_place_of_the_whole_one(
    tmp_path: Path, report: ValidationReport
) -> None:
    folder = evidence_folder(tmp_path, VERSION)
    keep_validation(folder, replace(report, quick=True))
    assert last_validation(tmp_path, VERSION) is None
    assert known_evidence(tmp_path, VERSION) == {}


@pytest.mark.parametrize("content", ["{", "[]", '{"release": "r1-111111111111", "sections": {}}'])
def test_what_is_no_summary_of_this_release_is_not_shown(
    tmp_path: Path, report: ValidationReport, content: str
) -> None:
    keep_validation(evidence_folder(tmp_path, VERSION), report)
    (evidence_folder(tmp_path, VERSION) / SUMMARY_FILE).write_text(content)
    assert last_validation(tmp_path, VERSION) is None


def test_scores_of_experts_add_up_and_say_with_which_seed_they_were_dealt(tmp_path: Path) -> None:
    assert expert_scores(tmp_path) == []
    keep_score(tmp_path, scored(40, 21), seed=5)
    keep_score(tmp_path, scored(38, 19), seed=6)
    kept = [(one["called"], one["right"], one["seed"]) for one in expert_scores(tmp_path)]
    assert kept == [(40, 21, 5), (38, 19, 6)]
