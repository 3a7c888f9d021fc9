"""The whole suite, short: verdicts, resumption, and one page that needs nothing beside it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from joblib import delayed

from reference_db.episodes import Episodes
from reference_db.release import Release, ReleaseContent, freeze, open_release
from reference_db.warehouse import Warehouse
from selection.features import columns_of_episodes, columns_of_patients
from tests.privacy_records import passing_record
from validation import ValidationReport, html_report, report_from_json, validate
from validation.checkpoints import Checkpoints
from validation.material import Material
from validation.projection_error import difference, mean_errors
from validation.projections import CLASSES, MONTHS, Projected, Task, patients_of_interest, project
from validation.suite import STEPS, utility

METRICS = [{"name": "hidden_rate", "label": "Hidden rate", "value": 95.0, "target": 90.0, "definition": ""}]


@pytest.fixture(scope="module")
def release(originals: Warehouse, avatars: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Release:
    folder = tmp_path_factory.mktemp("releases")
    content = ReleaseContent(
        seed=1,
        parameters={"bkp": "simulated", "k": 15, "ncp": None, "weights": None},
        sources=originals.sources,
        privacy={**passing_record(), "metrics": METRICS},
        reasons=(),
    )
    manifest = freeze(folder, avatars, content, attachments={})
    return open_release(folder / manifest.version)


@pytest.fixture(scope="module")
def told() -> list[tuple[float, str]]:
    return []


@pytest.fixture(scope="module")
def report(
    release: Release, originals: Warehouse, told: list[tuple[float, str]], tmp_path_factory: pytest.TempPathFactory
) -> ValidationReport:
    folder = tmp_path_factory.mktemp("validation") / "unfinished"
    found = validate(
        release,
        originals,
        quick=True,
        jobs=1,
        checkpoints=folder,
        progress=lambda share, doing: told.append((share, doing)),
    )
    assert not folder.exists()
    return found


def test_every_section_is_there_with_figures(report: ValidationReport) -> None:
    assert [section.name for section in report.sections] == [step.name for step in STEPS]
    for section in report.sections:
        assert section.checks, section.name
        assert any(one.value is not None for one in section.checks), section.name
        assert section.seconds >= 0
    assert report.originals == report.synthetic


def test_progress_rises_to_the_end(report: ValidationReport, told: list[tuple[float, str]]) -> None:
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert told[-1] == (1.0, "done")
    assert report.release


def test_the_report_is_json_and_comes_back_as_it_was(report: ValidationReport) -> None:
    text = json.dumps(report.to_json_dict(), allow_nan=False)
    assert report_from_json(json.loads(text)) == report


def test_the_page_shows_every_figure_and_needs_nothing_beside_it(report: ValidationReport) -> None:
    page = html_report(report_from_json(json.loads(json.dumps(report.to_json_dict()))))
    for section in report.sections:
        assert f'<section id="{section.name}">' in page
    assert page.count("<svg ") >= 10
    assert not re.search(r'<(script|link|img|iframe)[^>]*(src|href)="(?!data:)', page)
    identifiers = re.findall(r'\sid="([^"]+)"', page)
    # Names of the data stand for something; a reader gets that.
    shown = re.sub(r"<style>.*?</style>|<svg.*?</svg>", "", page, flags=re.DOTALL)
    assert not re.findall(r">[^<>]*\w_\w[^<>]*<", shown)
    clips = [name for name in identifiers if name.startswith("p") and len(name) == 11]
    assert len(clips) == len(set(clips))


def test_the_summary_is_small_and_holds_the_verdicts(report: ValidationReport) -> None:
    summary = report.summary()
    assert len(json.dumps(summary)) < 40_000
    assert summary["sections"]["efficacy"]["verdict"] == "passed"
    assert summary["passed"] == report.passed


def test_an_interrupted_validation_goes_on_where_it_stopped(
    release: Release, originals: Warehouse, tmp_path: Path
) -> None:
    def interrupt(_share: float, doing: str) -> None:
        if doing == "multivariate":
            raise KeyboardInterrupt

    def run(seed: int) -> None:
        with pytest.raises(KeyboardInterrupt):
            validate(release, originals, quick=True, seed=seed, jobs=1, checkpoints=tmp_path, progress=interrupt)

    run(1)
    assert {path.stem for path in tmp_path.iterdir()} == {"structure", "univariate"}
    univariate = tmp_path / "univariate.json"
    marked = json.loads(univariate.read_text())
    marked["content"]["remarks"] = ["kept from before"]
    univariate.write_text(json.dumps(marked))
    run(1)
    assert json.loads(univariate.read_text())["content"]["remarks"] == ["kept from before"]
    run(2)
    assert json.loads(univariate.read_text())["content"]["remarks"] != ["kept from before"]


def _rows(number: int) -> tuple[dict[str, int], ...]:
    return ({"number": number},)


def test_parts_of_the_section_under_way_are_kept_and_made_once(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, "this release")
    first = kept.rows("repetition", {"1": delayed(_rows)(1)}, jobs=1)
    told: list[tuple[int, int]] = []
    # What is kept wins over what would be made now, and counts for the same release only.
    both = {"1": delayed(_rows)(10), "2": delayed(_rows)(2)}
    again = kept.rows("repetition", both, jobs=1, told=lambda *done: told.append(done))
    assert again == {**first, "2": ({"number": 2},)}
    assert told == [(2, 2)]
    assert Checkpoints(tmp_path, "another").rows("repetition", both, jobs=1)["1"] == ({"number": 10},)
    assert kept.made("errors", "all", lambda: _rows(3)) == ({"number": 3},)
    assert kept.made("errors", "all", lambda: _rows(4)) == ({"number": 3},)
    # A process was killed while it wrote; no process has so high a number.
    for folder in (tmp_path, tmp_path / "parts"):
        (folder / ".unfinished-99999999-half.json").write_text("{")
    kept.clear([])
    assert not tmp_path.exists()


def test_tables_that_cannot_be_compared_stop_after_structure(release: Release, originals: Warehouse) -> None:
    table = release.episodes.table.drop(columns="sex")
    broken = Release(release.path, release.manifest, Episodes(table, release.episodes.sources))
    found = validate(broken, originals, quick=True, jobs=1)
    assert [section.name for section in found.sections] == ["structure"]
    assert not found.passed


def test_patients_of_interest_are_their_episodes(material: Material) -> None:
    table = material.original.table.iloc[:200]
    episodes = Episodes(table, material.original.sources)
    np.testing.assert_allclose(columns_of_patients(patients_of_interest(table)), columns_of_episodes(episodes))


def test_a_database_is_at_no_error_from_itself(material: Material) -> None:
    patients = patients_of_interest(material.original.table.iloc[:20])
    first = project(Task("a", material.original, patients))
    assert first.edss.shape == (3, 20, len(CLASSES), len(MONTHS))
    assert (first.number > 0).any()
    for values in difference(first, first).values():
        mae, rmse, n = mean_errors(values)
        assert (mae, rmse) == (0.0, 0.0)
        assert n > 20
    halves = [first.rows(np.arange(10)), first.rows(np.arange(10, 20))]
    joined = Projected.joined(halves)
    np.testing.assert_array_equal(joined.edss, first.edss)
    np.testing.assert_array_equal(joined.risks, first.risks)


def test_mean_errors_skip_what_was_not_projected() -> None:
    values = np.array([[[1.0, -3.0]], [[np.nan, 2.0]], [[np.nan, np.nan]]])
    mae, rmse, n = mean_errors(values)
    assert (mae, n) == (2.0, 2)
    assert rmse == pytest.approx(np.sqrt(14 / 3))


def test_utility_of_what_is_not_released_yet_is_the_summary_of_its_sections(material: Material) -> None:
    found = utility(material.synthetic, material.original)
    assert list(found["sections"]) == ["structure", "univariate", "multivariate", "efficacy"]
    assert found["sections"]["efficacy"]["verdict"] == "passed"
    assert found["passed"] is not bool(found["failures"] or found["consequences"])
    json.dumps(found, allow_nan=False)
