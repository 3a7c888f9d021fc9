"""The gate believes values, not verdicts; the evidence page holds them all on one sheet."""

import copy
import json
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reference_db.avatar import avatarize
from reference_db.privacy import assess_privacy
from reference_db.privacy.evidence import evidence_page
from reference_db.privacy.gate import reasons_to_refuse


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(300, 3))
    table = pd.DataFrame(latent @ rng.normal(size=(3, 6)) + rng.normal(size=(300, 6)), columns=list("abcdef"))
    table["arm"] = np.repeat(["first & only", "second"], 150)
    table["stage"] = rng.choice(list("IVX"), 300)
    made = avatarize(table, k=None, ncp=5, strata="arm", rng=rng)
    assessment = assess_privacy(table, made, strata="arm", rng=rng)
    assert assessment.passed, assessment.failures
    return json.loads(json.dumps(assessment.to_json_dict()))


def test_a_passed_assessment_lets_out(recorded: dict[str, Any]) -> None:
    assert reasons_to_refuse(recorded) == []


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda r: r.clear(), "there is no privacy assessment"),
        (lambda r: r.update(targets_version="0"), "assessed by targets 0"),
        (lambda r: r["strata"][1]["metrics"].pop(0), "second: distance to closest record was not measured"),
        (lambda r: r["strata"][0]["metrics"][5].update(value=12.0), "first & only: hidden rate is 12"),
        (lambda r: r["strata"][0]["metrics"][5].update(value=None), "first & only: hidden rate has no value"),
        (lambda r: r["attacks"].pop(), "membership by classifier was not tried"),
        (lambda r: r["strata"][1]["attacks"].pop(2), "second: linkability was not tried"),
        (
            lambda r: r["strata"][1]["attacks"][2].update(risk={"value": 0.4, "lower": 0.11, "upper": 0.7}),
            "second: linkability: the risk is 0.4",
        ),
        (
            lambda r: r["attacks"][3].update(risk={"value": 0.9, "lower": 0.8, "upper": 1.0}),
            "inference: the risk is 0.9",
        ),
    ],
)
def test_what_was_edited_or_is_out_of_date_is_refused(
    recorded: dict[str, Any], edit: Callable[[dict[str, Any]], object], reason: str
) -> None:
    edited = copy.deepcopy(recorded)
    edit(edited)
    assert any(found.startswith(reason) for found in reasons_to_refuse(edited)), reasons_to_refuse(edited)


def test_the_page_names_every_metric_attack_and_criterion(recorded: dict[str, Any]) -> None:
    page = evidence_page(recorded, title="A <test> table")
    assert "A &lt;test&gt; table" in page
    for entry in (*recorded["metrics"], *recorded["attacks"]):
        assert entry["label"] in page
    for criterion in ("Singling out:", "Linkability:", "Inference:"):
        assert criterion in page
    assert "Every target is met." in page
    assert "first &amp; only" in page


def test_a_missed_target_stands_on_top(recorded: dict[str, Any]) -> None:
    failed = {**recorded, "passed": False, "failures": [f"stratum {i}: hidden rate is 1 %" for i in range(20)]}
    page = evidence_page(failed, title="x")
    assert "not for release" in page
    assert "and 12 more" in page


@pytest.mark.e2e
def test_the_page_prints_on_one_sheet(recorded: dict[str, Any]) -> None:
    """Also with as many strata and reasons as a release may have."""
    from playwright.sync_api import sync_playwright

    installed = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed, args=["--no-sandbox"])
        page = browser.new_page()
        reasons = ["OFSEP-HD / glatiramer acetate: membership by classifier: the risk is 0.319 (0.119 to 0.518)"] * 30
        crowded = {**recorded, "strata": recorded["strata"] * 18, "passed": False, "failures": reasons}
        page.set_content(evidence_page(crowded, title="Anonymous synthetic table"))
        sheets = page.pdf(prefer_css_page_size=True)
        browser.close()
    assert sheets.count(b"/Type /Page\n") + sheets.count(b"/Type /Page ") + sheets.count(b"/Type /Page/") == 1
