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
from projection.disclosure import DisclosedProjector
from reference_db.release import ReleaseContent, freeze, open_release
from tests.episodes import random_episodes
from tests.privacy_records import passing_record
from validation import Section, ValidationReport, report_from_json
from validation.calibration import packaged
from validation.questionnaire import scored
from validation.result import check
from viewer.answers import Answers
from viewer.pages import about
from viewer.text import Language, catalogue

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
    assert known_evidence(tmp_path, VERSION)["validation"] == found


def test_the_short_suite_does_not_stand_in_the_place_of_the_whole_one(
    tmp_path: Path, report: ValidationReport
) -> None:
    folder = evidence_folder(tmp_path, VERSION)
    keep_validation(folder, replace(report, quick=True))
    assert last_validation(tmp_path, VERSION) is None
    assert "validation" not in known_evidence(tmp_path, VERSION)


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


def test_the_packaged_calibration_is_that_of_the_shipped_parameters_and_of_the_documentation(tmp_path: Path) -> None:
    calibration = known_evidence(tmp_path, VERSION)["calibration"]
    page = (Path(__file__).parents[2] / "docs" / "calibration.md").read_text(encoding="utf-8")
    assert f"**{calibration['met']} of {calibration['published']} figures" in page


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        (Language.ENGLISH, "{met} of {published} published figures are met."),
        (Language.FRENCH, "{met} des {published} chiffres publiés sont atteints."),
    ],
)
def test_the_viewer_says_how_many_published_figures_are_met(
    simulated: DisclosedProjector, tmp_path: Path, language: Language, sentence: str
) -> None:
    known = known_evidence(tmp_path, VERSION)
    answers = Answers(simulated, evidence=lambda: known)
    assert sentence.format(**known["calibration"]) in str(about.layout(answers, catalogue(language)))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> DisclosedProjector:
    """A release of made-up episodes whose sources say that they are simulated."""
    episodes = random_episodes(900)
    sources = tuple(
        source.model_copy(update={"label": f"{source.label}, simulated"}) for source in episodes.sources.values()
    )
    content = ReleaseContent(seed=1, parameters={}, sources=sources, privacy=passing_record(), reasons=())
    folder = tmp_path_factory.mktemp("simulated")
    return DisclosedProjector(open_release(folder / freeze(folder, episodes.table, content, attachments={}).version))


def test_a_result_of_other_parameters_is_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "calibrated.csv"
    other.write_text("scope,parameter,value\n")
    monkeypatch.setattr(packaged, "shipped_table", lambda: other)
    assert packaged.packaged_result() is None
