"""A small frozen release that has something to say in every part of the page about the evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reference_db.privacy.targets import ATTACK_TARGETS, FURTHER_TARGETS, TARGETS
from reference_db.release import Release, ReleaseContent, freeze, open_release
from tests.episodes import random_episodes
from tests.privacy_records import passing_record

VERDICTS = ("passed", "failed", "uninformative", "consequence")


def small_release(folder: Path) -> Release:
    """Freeze 2,400 made-up patients with a whole privacy assessment, and open them."""
    episodes = random_episodes(2400)
    content = ReleaseContent(
        seed=1,
        parameters={"k": 20},
        sources=tuple(
            source.model_copy(update={"label": f"{source.label} (simulated)"}) for source in episodes.sources.values()
        ),
        privacy=_assessment(),
        reasons=(),
        utility={"sections": _sections()},
    )
    return open_release(folder / freeze(folder, episodes.table, content, attachments={}).version)


def evidence() -> dict[str, Any]:
    """Return what a validation and the calibration found since."""
    return {"validation": {"sections": _sections()}, "calibration": {"met": 61, "published": 64}}


def _assessment() -> dict[str, Any]:
    passing = passing_record()
    metrics = [
        {
            "name": target.name,
            "label": target.label,
            "value": target.over + 0.05,
            "target": target.over,
            "unit": target.unit,
            "verdict": "passed",
        }
        for target in (*TARGETS, *FURTHER_TARGETS)
    ]
    attacks = [
        {**attack, "label": target.label, "target": 0.1}
        for attack, target in zip(passing["attacks"], ATTACK_TARGETS.values(), strict=True)
    ]
    return {**passing, "metrics": metrics, "attacks": attacks}


def _sections() -> dict[str, Any]:
    figures = {
        "concordance_relapse": {"label": "C-index", "value": 0.63, "verdict": "passed"},
        "slope_relapse": {"label": "Slope", "value": 0.9, "verdict": "failed"},
        "coverage_24": {"label": "Coverage", "value": 0.86, "verdict": "reported"},
    }
    names = ("structure", "prognosis", "projection_error", "privacy")
    return {
        name: {"title": name, "verdict": verdict, "figures": figures}
        for name, verdict in zip(names, VERDICTS, strict=True)
    }
